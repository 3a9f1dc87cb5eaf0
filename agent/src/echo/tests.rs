//! The echo port over real sockets.

use std::net::SocketAddr;

use hubline::echo::{MAX_NONCE, PATH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;

/// A server, and what ends it.
async fn start(limits: Limits) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
    let cluster = ClusterId::new("room-a").unwrap();
    let server = tokio::spawn(serve(listener, cluster, limits, shutdown.clone()));
    (address, shutdown, server)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: echo\r\n\r\n")
}

/// What comes until the other side closes.
async fn all(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    // A reset ends it as well.
    stream.read_to_string(&mut text).await.ok();
    text
}

/// Reads until this has come.
async fn until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let mut buffer = [0; 1024];
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "{wanted:?} has not come, but {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    text
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (address, shutdown, server) = start(Limits::default()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let requests: String = (0..20).map(|at| get(&format!("{PATH}/a/n-{at}-x"))).collect();
    stream.write_all(requests.as_bytes()).await.unwrap();
    let answers = until(&mut stream, "n-19-x").await;
    let at: Vec<_> = (0..20).map(|at| answers.find(&format!("n-{at}-x")).unwrap()).collect();
    assert!(at.is_sorted(), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 20);
    assert_eq!(answers.matches("hubline-cluster: room-a\r\n").count(), 20);
    // An idle connection does not keep the agent from ending, and is closed.
    shutdown.cancel();
    server.await.unwrap();
    assert_eq!(all(&mut stream).await, "");
}

#[tokio::test]
async fn nothing_else_is_answered() {
    let (address, ..) = start(Limits::default()).await;
    let long = "a".repeat(MAX_NONCE + 1);
    let body = "POST /hubline/echo/a HTTP/1.1\r\nhost: e\r\ncontent-length: 1000000000\r\n\r\n".to_owned();
    for (request, status) in [
        (get("/hubline/echo/ok"), "200"),
        (get("/hubline/echo/a/b/ok?x=/y"), "200"),
        (get("/hubline/echo"), "404"),
        (get("/hubline/echoes"), "404"),
        (get("/metrics"), "404"),
        (get("/"), "404"),
        (get("/hubline/echo/"), "400"),
        (get("/hubline/echo/Upper"), "400"),
        (get("/hubline/echo/%3Cscript%3E"), "400"),
        (get(&format!("/hubline/echo/{long}")), "400"),
        (get("/hubline/echo/a").replace("GET", "DELETE"), "405"),
        (body, "413"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = until(&mut stream, "\r\n\r\n").await;
        let first = answer.lines().next().unwrap();
        assert!(first.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {first}");
        assert_eq!(answer.contains("room-a"), status == "200", "{request}: {answer}");
    }
}

#[tokio::test]
async fn who_says_too_much_is_sent_away() {
    let (address, ..) = start(Limits::default()).await;
    let headers: String = (0..=MAX_HEADERS).map(|at| format!("x-{at}: y\r\n")).collect();
    for request in [
        get("/hubline/echo/a").replace("\r\n\r\n", &format!("\r\n{headers}\r\n")),
        get(&format!("/hubline/echo/{}", "a".repeat(2 * MAX_BUFFER))),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = all(&mut stream).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_closed() {
    let idle = Duration::from_millis(50);
    let (address, ..) = start(Limits {
        idle,
        ..Limits::default()
    })
    .await;
    // Before the first request, in the midst of one, and after one.
    for sent in ["", "GET /hubline/echo/a HTTP/1.1\r\n", &get("/hubline/echo/a")] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let answer = all(&mut stream).await;
        assert_eq!(answer.contains("200 OK"), sent.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn strangers_do_not_keep_the_hub_out() {
    let connections = 4;
    let (address, ..) = start(Limits {
        connections,
        ..Limits::default()
    })
    .await;
    let mut hub = TcpStream::connect(address).await.unwrap();
    hub.write_all(get("/hubline/echo/first").as_bytes()).await.unwrap();
    until(&mut hub, "first").await;
    let mut strangers = Vec::new();
    for _ in 0..3 * connections {
        strangers.push(TcpStream::connect(address).await.unwrap());
    }
    // The oldest of them are sent away.
    for stranger in &mut strangers[..2 * connections] {
        assert_eq!(all(stranger).await, "");
    }
    hub.write_all(get("/hubline/echo/second").as_bytes()).await.unwrap();
    until(&mut hub, "second").await;
    let mut another = TcpStream::connect(address).await.unwrap();
    another.write_all(get("/hubline/echo/third").as_bytes()).await.unwrap();
    until(&mut another, "third").await;
}
