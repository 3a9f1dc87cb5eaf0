//! The data plane over real sockets.

mod diversion;
mod health;
mod tries;

use std::net::SocketAddr;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::apisix::{AdminClient, Part, StandIn, StandInOptions};

async fn stand_in() -> (StandIn, AdminClient) {
    let stand_in = StandIn::start(StandInOptions::default()).await.unwrap();
    let admin = stand_in.admin().unwrap();
    (stand_in, admin)
}

/// A backend that answers every request with its name and what it was sent.
async fn backend(name: &'static str) -> SocketAddr {
    backend_on("127.0.0.1:0", name).await
}

async fn backend_on(address: &str, name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let echo = move |request: axum::extract::Request| async move {
        let (parts, body) = request.into_parts();
        let header = |header: &str| {
            let value = parts.headers.get(header).and_then(|value| value.to_str().ok());
            value.unwrap_or("-").to_owned()
        };
        let (host, forwarded) = (header("host"), header("x-forwarded-for"));
        let (method, uri) = (parts.method, parts.uri);
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        if parts.headers.contains_key("upgrade") {
            return format!("{name} was asked to upgrade");
        }
        format!("{name} {method} {uri} host={host} for={forwarded} body={}", body.len())
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(echo)).await });
    address
}

/// An address where connections are refused as long as the socket is kept: bound, but not
/// listening.
fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

async fn route(admin: &AdminClient, upstream: Value) {
    admin.put("upstreams/u", &upstream).await.unwrap();
    admin
        .put("routes/r", &json!({"uri": "/*", "upstream_id": "u"}))
        .await
        .unwrap();
}

async fn get(stand_in: &StandIn, path: &str) -> (u16, String) {
    ask(stand_in, path, "text/plain").await
}

async fn ask(stand_in: &StandIn, path: &str, content_type: &str) -> (u16, String) {
    let url = format!("http://{}{path}", stand_in.gateway_addr());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(url).header("host", "a.example");
    let response = request.header("content-type", content_type).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn requests_are_proxied_as_sent() {
    let (stand_in, admin) = stand_in().await;
    let node = backend("A").await;
    route(&admin, json!({"nodes": {node.to_string(): 1}})).await;
    let (status, body) = get(&stand_in, "/x%20y?z=1").await;
    assert_eq!(
        (status, body.as_str()),
        (200, "A GET /x%20y?z=1 host=a.example for=127.0.0.1 body=0")
    );
    let url = format!("http://{}/up", stand_in.gateway_addr());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sent = client.post(url).body(vec![7_u8; 300_000]).send().await.unwrap();
    assert!(sent.text().await.unwrap().ends_with("body=300000"));
}

#[tokio::test]
async fn without_route_or_node_the_gateway_answers_itself() {
    let (stand_in, admin) = stand_in().await;
    let (status, body) = get(&stand_in, "/x").await;
    assert_eq!(
        (status, body.as_str()),
        (404, "{\"error_msg\":\"404 Route Not Found\"}\n")
    );
    route(&admin, json!({"nodes": []})).await;
    assert_eq!(get(&stand_in, "/x").await.0, 503);
    let (_kept, dead) = refusing();
    route(&admin, json!({"nodes": {dead.to_string(): 1}})).await;
    let (status, body) = get(&stand_in, "/x").await;
    assert_eq!((status, body.len()), (502, 229), "nginx's page");
}

#[tokio::test]
async fn the_next_node_is_tried_and_the_host_rewritten() {
    let (stand_in, admin) = stand_in().await;
    let ((_kept, dead), node) = (refusing(), backend("B").await);
    let nodes = json!([
        {"host": "127.0.0.1", "port": dead.port(), "weight": 100},
        {"host": "localhost", "port": node.port(), "weight": 1, "priority": -1},
    ]);
    route(&admin, json!({"nodes": nodes, "pass_host": "node"})).await;
    let (status, body) = get(&stand_in, "/").await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(&format!("host=localhost:{}", node.port())), "{body}");
    route(&admin, json!({"nodes": nodes, "retries": 0})).await;
    assert_eq!(get(&stand_in, "/").await.0, 502);
}

#[tokio::test]
async fn addresses_of_ipv6_are_nodes_too() {
    let (stand_in, admin) = stand_in().await;
    let node = backend_on("[::1]:0", "six").await;
    let upstream = json!({"nodes": [{"host": "[::1]", "port": node.port(), "weight": 1}],
        "pass_host": "rewrite", "upstream_host": "six.example"});
    route(&admin, upstream).await;
    let (status, body) = get(&stand_in, "/").await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("host=six.example"), "{body}");
}

/// A listener whose queue is full answers no handshake, whatever the machine's network.
#[tokio::test]
async fn a_node_that_never_answers_ends_in_504() {
    let (stand_in, admin) = stand_in().await;
    let (socket, address) = refusing();
    let _silent = socket.listen(1).unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queued.push(stream.unwrap());
    }
    let timeout = json!({"connect": 0.2, "send": 1, "read": 1});
    route(&admin, json!({"nodes": {address.to_string(): 1}, "timeout": timeout})).await;
    assert_eq!(get(&stand_in, "/").await.0, 504);
}

#[tokio::test]
async fn websockets_are_not_passed_without_permission() {
    let (stand_in, admin) = stand_in().await;
    route(&admin, json!({"nodes": {backend("A").await.to_string(): 1}})).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("http://{}/ws", stand_in.gateway_addr()));
    let request = request.header("connection", "upgrade").header("upgrade", "websocket");
    let body = request.send().await.unwrap().text().await.unwrap();
    assert!(body.starts_with("A GET /ws"), "{body}");
}

#[tokio::test]
async fn websockets_pass_where_they_are_allowed() {
    let (stand_in, admin) = stand_in().await;
    let node = websocket_backend().await;
    admin
        .put("upstreams/u", &json!({"nodes": {node.to_string(): 1}}))
        .await
        .unwrap();
    let route = json!({"uri": "/*", "upstream_id": "u", "enable_websocket": true});
    admin.put("routes/r", &route).await.unwrap();
    let mut client = TcpStream::connect(stand_in.gateway_addr()).await.unwrap();
    upgrade(&mut client).await;
    client.write_all(b"ping").await.unwrap();
    let mut echoed = [0; 4];
    client.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"ping");
}

/// Agrees to one upgrade, and sends back all that comes then.
async fn websocket_backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let read = stream.read(&mut head).await.unwrap();
        let head = String::from_utf8_lossy(&head[..read]).to_lowercase();
        assert!(head.contains("upgrade: websocket"), "{head}");
        let agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(agreed.as_bytes()).await.unwrap();
        let (mut from, mut to) = stream.split();
        tokio::io::copy(&mut from, &mut to).await.unwrap();
    });
    address
}

/// Asks for a websocket, and reads the agreement.
async fn upgrade(client: &mut TcpStream) {
    let asked = "GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.write_all(asked.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
}

/// A certificate and its key, for these names.
fn certificate(names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[tokio::test]
async fn certificates_are_chosen_by_server_name() {
    let (stand_in, admin) = stand_in().await;
    let node = backend("T").await;
    route(&admin, json!({"nodes": {node.to_string(): 1}})).await;
    let mut certificates = Vec::new();
    for (id, names) in [("exact", ["a.tls.example"]), ("wild", ["*.tls.example"])] {
        let (certificate, key) = certificate(&names);
        let value = json!({"cert": certificate, "key": key, "snis": names});
        admin.put(&format!("ssls/{id}"), &value).await.unwrap();
        certificates.push(certificate);
    }
    // A client that trusts one certificate only gets through where that one is served.
    for (name, trusted, served) in [
        ("a.tls.example", 0, true),
        ("a.tls.example", 1, false),
        ("b.tls.example", 1, true),
        ("other.example", 1, false),
    ] {
        let root = reqwest::Certificate::from_pem(certificates[trusted].as_bytes()).unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([root])
            .resolve(name, stand_in.gateway_tls_addr())
            .build()
            .unwrap();
        let url = format!("https://{name}:{}/x", stand_in.gateway_tls_addr().port());
        let answer = client.get(url).send().await;
        assert_eq!(answer.is_ok(), served, "{name} {trusted}: {answer:?}");
    }
}

#[tokio::test]
async fn a_gateway_that_is_down_comes_back_on_its_port() {
    let (stand_in, admin) = stand_in().await;
    let address = stand_in.gateway_addr();
    route(&admin, json!({"nodes": {backend("A").await.to_string(): 1}})).await;
    stand_in.take_down(Part::Gateway).await;
    assert!(TcpStream::connect(address).await.is_err());
    stand_in.bring_up(Part::Gateway).await.unwrap();
    assert_eq!(stand_in.gateway_addr(), address);
    assert_eq!(get(&stand_in, "/").await.0, 200);
}

/// Another stand-in is the gateway of a far cluster: reached over TLS, and over HTTP/2 as gRPC is.
#[tokio::test]
async fn gateways_behind_the_gateway_are_reached_by_tls_and_http2() {
    let far = StandIn::start(StandInOptions {
        fallback_sni: Some("far.example".to_owned()),
        ..StandInOptions::default()
    });
    let far = far.await.unwrap();
    let far_admin = far.admin().unwrap();
    let (certificate, key) = certificate(&["far.example"]);
    let value = json!({"cert": certificate, "key": key, "snis": ["far.example"]});
    far_admin.put("ssls/far", &value).await.unwrap();
    let node = backend("far").await;
    far_admin
        .put("upstreams/u", &json!({"nodes": {node.to_string(): 1}}))
        .await
        .unwrap();
    let routed = json!({"uri": "/*", "host": "far.example", "upstream_id": "u"});
    far_admin.put("routes/any", &routed).await.unwrap();
    let (near, admin) = stand_in().await;
    for (scheme, address, content_type) in [
        ("https", far.gateway_tls_addr(), "text/plain"),
        ("grpc", far.gateway_addr(), "application/grpc"),
        ("grpcs", far.gateway_tls_addr(), "application/grpc"),
    ] {
        let upstream = json!({"nodes": {address.to_string(): 1}, "scheme": scheme,
            "pass_host": "rewrite", "upstream_host": "far.example"});
        route(&admin, upstream).await;
        let (status, body) = ask(&near, "/x", content_type).await;
        assert_eq!(status, 200, "{scheme}: {body}");
        assert!(
            body.starts_with("far GET /x host=far.example for=127.0.0.1, 127.0.0.1"),
            "{scheme}: {body}"
        );
    }
}
