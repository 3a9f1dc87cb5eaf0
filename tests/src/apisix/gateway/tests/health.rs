//! Health checks over real sockets, and what the control API tells of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{backend, get, refusing, route, stand_in};
use crate::apisix::StandIn;
use crate::echo::EchoBackend;
use crate::link::Line;

/// Only to end a hang: checks come once a second.
const LIMIT: Duration = Duration::from_secs(60);

/// A node whose health page answers with the status stored here and is counted, and all other paths
/// with 200.
async fn moody(name: &'static str) -> (u16, Arc<AtomicU16>, watch::Receiver<usize>) {
    let (status, (checks, counted)) = (Arc::new(AtomicU16::new(200)), watch::channel(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mood = Arc::clone(&status);
    let health = move || async move {
        checks.send_modify(|count| *count += 1);
        http::StatusCode::from_u16(mood.load(Ordering::SeqCst)).unwrap()
    };
    let pages = axum::Router::new()
        .route("/health", axum::routing::get(health))
        .fallback(move || async move { name });
    tokio::spawn(async move { axum::serve(listener, pages).await });
    (port, status, counted)
}

fn node(port: u16, priority: i64) -> Value {
    json!({"host": "127.0.0.1", "port": port, "weight": 1, "priority": priority})
}

fn checks(kind: &str) -> Value {
    json!({"active": {"type": kind, "http_path": "/health",
        "healthy": {"interval": 1, "successes": 1},
        "unhealthy": {"interval": 1, "http_failures": 1, "tcp_failures": 1}}})
}

async fn control(stand_in: &StandIn, path: &str) -> (u16, Value) {
    let url = format!("{}{path}", stand_in.control_url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = client.get(url).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// The status of the node on `port`; none where nobody checks.
fn status(stand_in: &StandIn, port: u16) -> Option<String> {
    let upstreams = stand_in.health();
    let mut nodes = upstreams[0]["nodes"].as_array()?.iter();
    let node = nodes.find(|node| node["port"] == port)?;
    Some(node["status"].as_str().unwrap().to_owned())
}

async fn wait_for(stand_in: &StandIn, port: u16, wanted: &str) {
    let reached = |stand_in: &StandIn| status(stand_in, port).as_deref() == Some(wanted);
    stand_in.wait_until(wanted, LIMIT, reached).await.unwrap();
}

#[tokio::test]
async fn a_bad_health_page_moves_requests_down_a_tier_and_a_good_one_back() {
    let (stand_in, admin) = stand_in().await;
    let ((first, mood, _), (second, ..)) = (moody("first").await, moody("second").await);
    let nodes = json!([node(first, 0), node(second, -1)]);
    route(&admin, json!({"nodes": nodes, "checks": checks("http")})).await;
    assert_eq!(get(&stand_in, "/").await, (200, "first".to_owned()));
    wait_for(&stand_in, first, "healthy").await;
    mood.store(503, Ordering::SeqCst);
    wait_for(&stand_in, first, "unhealthy").await;
    assert_eq!(get(&stand_in, "/").await, (200, "second".to_owned()));
    mood.store(200, Ordering::SeqCst);
    wait_for(&stand_in, first, "healthy").await;
    assert_eq!(get(&stand_in, "/").await, (200, "first".to_owned()));
}

#[tokio::test]
async fn a_port_that_refuses_is_down_for_tcp_checks_and_all_down_are_all_used() {
    let (stand_in, admin) = stand_in().await;
    let ((_kept, dead), (_other, gone)) = (refusing(), refusing());
    let standby = backend("standby").await;
    let nodes = json!([node(dead.port(), 0), node(standby.port(), -1)]);
    // Without a retry only the checks can help.
    route(&admin, json!({"nodes": nodes, "retries": 0, "checks": checks("tcp")})).await;
    assert_eq!(get(&stand_in, "/").await.0, 502);
    wait_for(&stand_in, dead.port(), "unhealthy").await;
    assert_eq!(get(&stand_in, "/").await.0, 200);
    let nodes = json!([node(dead.port(), 0), node(gone.port(), -1)]);
    route(&admin, json!({"nodes": nodes, "checks": checks("tcp")})).await;
    get(&stand_in, "/").await;
    wait_for(&stand_in, dead.port(), "unhealthy").await;
    wait_for(&stand_in, gone.port(), "unhealthy").await;
    assert_eq!(get(&stand_in, "/").await.0, 502, "tried all the same");
}

/// A node once down is never looked at again: its interval is 0.
#[tokio::test]
async fn without_its_unhealthy_half_a_node_never_comes_back() {
    let (stand_in, admin) = stand_in().await;
    let ((first, mood, count), (second, _, mut others)) = (moody("first").await, moody("second").await);
    let nodes = json!([node(first, 0), node(second, -1)]);
    let checks = json!({"active": {"http_path": "/health", "healthy": {"interval": 1, "successes": 1}}});
    route(&admin, json!({"nodes": nodes, "checks": checks})).await;
    mood.store(503, Ordering::SeqCst);
    get(&stand_in, "/").await;
    wait_for(&stand_in, first, "unhealthy").await;
    mood.store(200, Ordering::SeqCst);
    let (checked, mark) = (*count.borrow(), *others.borrow());
    // The other node was looked at twice more: the first one had its chance.
    let twice = others.wait_for(|count| *count >= mark + 2);
    timeout(LIMIT, twice).await.unwrap().unwrap();
    assert_eq!(*count.borrow(), checked);
    assert_eq!(status(&stand_in, first).as_deref(), Some("unhealthy"));
}

/// Two failed connections of requests that went on take a node down, without any `passive`.
#[tokio::test]
async fn failed_connections_count_without_a_passive_half() {
    let (stand_in, admin) = stand_in().await;
    let local = "127.0.0.1:0".parse().unwrap();
    let mortal = EchoBackend::start(local, "mortal").await.unwrap();
    let (dead, standby) = (mortal.address(), backend("standby").await);
    let nodes = json!([node(dead.port(), 0), node(standby.port(), -1)]);
    // Nothing is ever looked at but by requests.
    let checks = json!({"active": {"type": "tcp"}});
    route(&admin, json!({"nodes": nodes, "checks": checks})).await;
    get(&stand_in, "/").await;
    wait_for(&stand_in, dead.port(), "healthy").await;
    mortal.kill().await;
    for wanted in ["mostly_healthy", "unhealthy", "unhealthy"] {
        assert_eq!(get(&stand_in, "/").await.0, 200);
        assert_eq!(status(&stand_in, dead.port()).as_deref(), Some(wanted));
    }
}

/// What a passive half lists as bad takes a node down by its answers.
#[tokio::test]
async fn bad_answers_count_with_a_passive_half() {
    let (stand_in, admin) = stand_in().await;
    let ((first, mood, _), (second, ..)) = (moody("first").await, moody("second").await);
    let nodes = json!([node(first, 0), node(second, -1)]);
    let checks = json!({"active": {"type": "tcp"}, "passive": {"unhealthy": {"http_failures": 1}}});
    route(&admin, json!({"nodes": nodes, "checks": checks})).await;
    get(&stand_in, "/").await;
    wait_for(&stand_in, first, "healthy").await;
    mood.store(503, Ordering::SeqCst);
    assert_eq!(get(&stand_in, "/").await.1, "first", "its other pages are good");
    assert_eq!(get(&stand_in, "/health").await.0, 503);
    assert_eq!(get(&stand_in, "/").await.1, "second");
}

#[tokio::test]
async fn checks_begin_with_the_first_request_and_anew_with_each_write() {
    let (stand_in, admin) = stand_in().await;
    let ((first, mood, _), (second, _, count)) = (moody("first").await, moody("second").await);
    let upstream = json!({"nodes": [node(first, 0), node(second, -1)], "checks": checks("http")});
    let nothing = json!([{"name": "/apisix/upstreams/u", "type": "http", "nodes": {}}]);
    route(&admin, upstream.clone()).await;
    assert_eq!(control(&stand_in, "/v1/healthcheck").await, (200, nothing.clone()));
    assert_eq!(*count.borrow(), 0);
    mood.store(503, Ordering::SeqCst);
    get(&stand_in, "/").await;
    wait_for(&stand_in, first, "unhealthy").await;
    route(&admin, upstream).await;
    assert_eq!(control(&stand_in, "/v1/healthcheck").await, (200, nothing.clone()));
    assert_eq!(get(&stand_in, "/").await.1, "first", "forgotten that it is down");
    wait_for(&stand_in, first, "unhealthy").await;
    stand_in.restart().await.unwrap();
    assert_eq!(control(&stand_in, "/v1/healthcheck").await, (200, nothing));
    // One node has none, whatever its checks.
    route(&admin, json!({"nodes": [node(first, 0)], "checks": checks("http")})).await;
    assert_eq!(get(&stand_in, "/").await.0, 200);
    assert_eq!(status(&stand_in, first), None);
}

#[tokio::test]
async fn the_control_api_shows_nodes_and_counters() {
    let (stand_in, admin) = stand_in().await;
    assert_eq!(control(&stand_in, "/v1/healthcheck").await, (200, json!({})));
    let (_kept, dead) = refusing();
    let (port, ..) = moody("first").await;
    let nodes = json!([node(dead.port(), 0), node(port, 1)]);
    route(&admin, json!({"nodes": nodes, "checks": checks("tcp")})).await;
    get(&stand_in, "/").await;
    wait_for(&stand_in, dead.port(), "unhealthy").await;
    let (code, shown) = control(&stand_in, "/v1/healthcheck/upstreams/u").await;
    assert_eq!((code, &shown["name"]), (200, &json!("/apisix/upstreams/u")));
    let nodes = shown["nodes"].as_array().unwrap();
    let dead_node = nodes.iter().find(|node| node["port"] == dead.port()).unwrap();
    let counter = json!({"success": 0, "http_failure": 0, "tcp_failure": 1, "timeout_failure": 0});
    let wanted = json!({"ip": "127.0.0.1", "hostname": "127.0.0.1", "port": dead.port(),
        "status": "unhealthy", "counter": counter});
    assert_eq!((dead_node, nodes.len()), (&wanted, 2));
    assert_eq!(control(&stand_in, "/v1/healthcheck/upstreams/v").await.0, 404);
    assert_eq!(control(&stand_in, "/v1/healthcheck/pods/u").await.0, 400);
    let (_, schema) = control(&stand_in, "/v1/schema").await;
    assert_eq!(schema["plugins"]["traffic-split"]["priority"], 966);
    assert_eq!(schema["main"]["upstream"]["type"], "object");
}

/// Pods behind a black hole are left for the standby, and taken again when the line is back.
#[tokio::test]
async fn a_line_that_is_cut_takes_its_nodes_down_and_brings_them_back() {
    let (stand_in, admin) = stand_in().await;
    let (pod, standby) = (backend("pod").await, backend("standby").await);
    let any = "127.0.0.1:0".parse().unwrap();
    let line = Line::start(vec![(any, pod); 20]).await.unwrap();
    let ports: Vec<u16> = line.addresses().await.iter().map(SocketAddr::port).collect();
    let mut nodes: Vec<Value> = ports.iter().map(|port| node(*port, 0)).collect();
    nodes.push(node(standby.port(), -1));
    let checks = json!({"active": {"type": "tcp", "timeout": 0.5, "concurrency": 20,
        "healthy": {"interval": 1, "successes": 1}, "unhealthy": {"interval": 1, "timeouts": 1}}});
    // Whoever has to wait for a node behind the black hole gets no second try.
    let timeout = json!({"connect": 0.2, "send": 3600, "read": 3600});
    route(
        &admin,
        json!({"nodes": nodes, "retries": 0, "timeout": timeout, "checks": checks}),
    )
    .await;
    assert!(get(&stand_in, "/").await.1.starts_with("pod"));
    line.cut_black_hole().await.unwrap();
    let all = |wanted: &'static str| {
        let ports = ports.clone();
        move |stand_in: &StandIn| {
            ports
                .iter()
                .all(|port| status(stand_in, *port).as_deref() == Some(wanted))
        }
    };
    stand_in.wait_until("all down", LIMIT, all("unhealthy")).await.unwrap();
    assert!(get(&stand_in, "/").await.1.starts_with("standby"));
    line.restore().await.unwrap();
    stand_in.wait_until("all up", LIMIT, all("healthy")).await.unwrap();
    assert!(get(&stand_in, "/").await.1.starts_with("pod"));
}
