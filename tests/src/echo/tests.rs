use std::net::SocketAddr;

use super::{Echo, EchoBackend};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn ask(client: &reqwest::Client, backend: SocketAddr) -> reqwest::Result<Echo> {
    let url = format!("http://{backend}/a/b?c=d");
    let request = client.post(url).header("host", "shop.example").header("x-test", "1");
    request.body("four").send().await?.json().await
}

#[tokio::test]
async fn says_who_it_is_and_what_it_was_asked() {
    let backend = EchoBackend::start(ANY, "pod-1").await.unwrap();
    let echo = ask(&reqwest::Client::new(), backend.address()).await.unwrap();
    assert_eq!(echo.name, "pod-1");
    assert_eq!(echo.host, "shop.example");
    assert_eq!((echo.method.as_str(), echo.path.as_str()), ("POST", "/a/b"));
    assert_eq!((echo.query.as_str(), echo.body_bytes), ("c=d", 4));
    assert_eq!(echo.headers["x-test"], "1");
    assert_eq!(echo.version, "HTTP/1.1");
    assert_eq!(backend.requests(), 1);
}

#[tokio::test]
async fn answers_http2_without_tls() {
    let backend = EchoBackend::start(ANY, "pod-1").await.unwrap();
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let url = format!("http://{}/", backend.address());
    let echo: Echo = client.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(echo.version, "HTTP/2.0");
    assert_eq!(echo.host, backend.address().to_string());
}

#[tokio::test]
async fn a_killed_backend_refuses() {
    let backend = EchoBackend::start(ANY, "pod-1").await.unwrap();
    let (client, address) = (reqwest::Client::new(), backend.address());
    ask(&client, address).await.unwrap();
    backend.kill().await;
    let error = ask(&client, address).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
}
