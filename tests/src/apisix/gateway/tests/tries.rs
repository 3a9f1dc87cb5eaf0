//! Which nodes a request tries, how often, and for how long. No test measures time: limits that must
//! end something are short, those that must not are longer than any test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use super::{backend, get, refusing, route, stand_in};

/// Takes connections and says nothing; counts them.
async fn silent() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            kept.push(stream);
        }
    });
    (address, count)
}

fn node(address: SocketAddr, priority: i64) -> Value {
    json!({"host": address.ip().to_string(), "port": address.port(), "weight": 1, "priority": priority})
}

/// Connect and send take as long as they want, an answer must begin soon.
fn impatient() -> Value {
    json!({"connect": 3600, "send": 3600, "read": 0.05})
}

#[tokio::test]
async fn unset_retries_walk_the_dead_tier_and_reach_the_next() {
    let (stand_in, admin) = stand_in().await;
    let dead: Vec<(TcpSocket, SocketAddr)> = (0..5).map(|_| refusing()).collect();
    let standby = backend("standby").await;
    let mut nodes: Vec<Value> = dead.iter().map(|(_, address)| node(*address, 0)).collect();
    nodes.push(node(standby, -1));
    let table = [(json!(null), 200), (json!(5), 200), (json!(4), 502), (json!(0), 502)];
    for (retries, wanted) in table {
        let mut upstream = json!({ "nodes": nodes });
        if !retries.is_null() {
            upstream["retries"] = retries.clone();
        }
        route(&admin, upstream).await;
        assert_eq!(get(&stand_in, "/").await.0, wanted, "retries: {retries}");
    }
}

#[tokio::test]
async fn a_node_that_is_silent_is_left_for_the_next_after_the_read_timeout() {
    let (stand_in, admin) = stand_in().await;
    let ((silent, tries), standby) = (silent().await, backend("standby").await);
    let nodes = json!([node(silent, 0), node(standby, -1)]);
    route(&admin, json!({"nodes": nodes, "timeout": impatient()})).await;
    let (status, body) = get(&stand_in, "/").await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(tries.load(Ordering::SeqCst), 1);
    // The route's own timeouts go before the upstream's.
    let patient = json!({"connect": 3600, "send": 3600, "read": 3600});
    admin
        .put("upstreams/u", &json!({"nodes": nodes, "timeout": patient}))
        .await
        .unwrap();
    let routed = json!({"uri": "/*", "upstream_id": "u", "timeout": impatient()});
    admin.put("routes/r", &routed).await.unwrap();
    assert_eq!(get(&stand_in, "/").await.0, 200);
}

/// The first try alone takes longer than `retry_timeout`: there is no second.
#[tokio::test]
async fn retry_timeout_ends_the_tries() {
    let (stand_in, admin) = stand_in().await;
    let ((silent, tries), standby) = (silent().await, backend("standby").await);
    let nodes = json!([node(silent, 0), node(standby, -1)]);
    for (retry_timeout, wanted) in [(0.01, 502), (3600.0, 200), (0.0, 200)] {
        let upstream = json!({"nodes": nodes, "timeout": impatient(), "retry_timeout": retry_timeout});
        route(&admin, upstream).await;
        assert_eq!(get(&stand_in, "/").await.0, wanted, "{retry_timeout}");
    }
    assert_eq!(tries.load(Ordering::SeqCst), 3);
}

/// What the last node did decides, unless more tries are allowed than there are nodes.
#[tokio::test]
async fn the_last_failure_names_the_status() {
    let (stand_in, admin) = stand_in().await;
    let (silent, _) = silent().await;
    let (_kept, dead) = refusing();
    let table = [
        (json!([node(dead, 0), node(silent, -1)]), 1, 504),
        (json!([node(silent, 0), node(dead, -1)]), 1, 502),
        (json!([node(dead, 0), node(silent, -1)]), 5, 502),
        (json!([node(silent, 0)]), 2, 504),
    ];
    for (nodes, retries, wanted) in table {
        let upstream = json!({"nodes": nodes, "retries": retries, "timeout": impatient()});
        route(&admin, upstream).await;
        assert_eq!(get(&stand_in, "/").await.0, wanted, "{nodes} {retries}");
    }
}

/// The same address twice counts once, but its entries count as tries.
#[tokio::test]
async fn a_node_that_is_there_twice_is_tried_once() {
    let (stand_in, admin) = stand_in().await;
    let (silent, tries) = silent().await;
    let nodes = json!([node(silent, 0), node(silent, 0)]);
    route(&admin, json!({"nodes": nodes, "timeout": impatient()})).await;
    assert_eq!(get(&stand_in, "/").await.0, 502);
    assert_eq!(tries.load(Ordering::SeqCst), 1);
}

/// Nobody reads the body, and once all buffers are full the send timeout ends it.
#[tokio::test]
async fn a_node_that_takes_no_more_ends_in_504() {
    let (stand_in, admin) = stand_in().await;
    let (silent, _) = silent().await;
    let timeout = json!({"connect": 3600, "send": 0.1, "read": 3600});
    route(&admin, json!({"nodes": [node(silent, 0)], "timeout": timeout})).await;
    let url = format!("http://{}/up", stand_in.gateway_addr());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    // More than the kernel's buffers hold, though they grow (tcp_wmem and tcp_rmem: 4 and 6 MiB).
    let sent = client.post(url).body(vec![7_u8; 32 << 20]).send().await.unwrap();
    assert_eq!(sent.status().as_u16(), 504);
}

/// An HTTP/1 node's trailers go no further, those of a gRPC node do.
#[tokio::test]
async fn trailers_pass_only_through_grpc_upstreams() {
    let (stand_in, admin) = stand_in().await;
    let nodes = [
        ("grpc", grpc_backend().await, Some("0")),
        ("http", chunked_backend().await, None),
    ];
    for (scheme, node, wanted) in nodes {
        route(&admin, json!({"nodes": {node.to_string(): 1}, "scheme": scheme})).await;
        let (status, trailer) = grpc_call(stand_in.gateway_addr()).await;
        assert_eq!((status, trailer.as_deref()), (200, wanted), "{scheme}");
    }
}

/// Answers over HTTP/1 with a `grpc-status` behind the body, asked for or not.
async fn chunked_backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n";
    let answer = format!("{head}1\r\nm\r\n0\r\ngrpc-status: 0\r\n\r\n");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let read = stream.read(&mut [0; 4096]).await.unwrap();
            assert!(read > 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    address
}

/// Answers over HTTP/2 with a `grpc-status` behind the body.
async fn grpc_backend() -> SocketAddr {
    use http::header::{HeaderMap, HeaderValue};
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = hyper::service::service_fn(|_| async {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let body = Full::new(bytes::Bytes::from("m")).with_trailers(async move { Some(Ok(trailers)) });
        Ok::<_, std::convert::Infallible>(http::Response::new(body))
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            tokio::spawn(async move { server.serve_connection(TokioIo::new(stream), service).await.ok() });
        }
    });
    address
}

/// Status and `grpc-status` of a call over HTTP/2.
async fn grpc_call(gateway: SocketAddr) -> (u16, Option<String>) {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let stream = tokio::net::TcpStream::connect(gateway).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(format!("http://{gateway}/x"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap();
    let trailer = body.trailers().and_then(|trailers| trailers.get("grpc-status"));
    (status, trailer.map(|value| value.to_str().unwrap().to_owned()))
}
