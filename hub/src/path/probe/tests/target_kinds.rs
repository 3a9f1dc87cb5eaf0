//! Configured targets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use hubline::tls::{Authority, Files, ServerSide, Side};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::server::{NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::support::{answering, listener, refusing, silent};
use crate::path::Allowed;
use crate::path::evidence::{NoData, ProbeFailure, ProbeResult};
use crate::path::probe::grpc::{HealthCheckRequest, HealthCheckResponse, ServingStatus};
use crate::path::probe::names::Names;
use crate::path::probe::targets::{self, Means};
use crate::path::probe::tls::TlsFiles;
use crate::path::probe::{Sockets, TargetProbe};

const PATIENCE: Duration = Duration::from_secs(30);

fn target(yaml: &str) -> TargetProbe {
    let target: TargetProbe = serde_saphyr::from_str(yaml).unwrap();
    target.validate().unwrap();
    target
}

fn here() -> Allowed {
    Allowed::new(&["127.0.0.0/8".parse().unwrap()])
}

async fn ask(target: &TargetProbe) -> ProbeResult {
    ask_within(target, PATIENCE, &here()).await
}

async fn ask_within(target: &TargetProbe, timeout: Duration, allowed: &Allowed) -> ProbeResult {
    let (names, sockets, tls) = (Names::default(), Sockets::default(), TlsFiles::default());
    let means = Means {
        timeout,
        allowed,
        names: &names,
        sockets: &sockets,
        tls: &tls,
    };
    let result = targets::ask(target, means).await;
    assert_eq!(sockets.free(), Sockets::default().free());
    result
}

fn assert_good(result: &ProbeResult) {
    assert!(matches!(result, ProbeResult::Good { .. }), "{result:?}");
}

fn assert_bad(result: &ProbeResult, label: &str, words: &str) {
    let ProbeResult::Bad(failure) = result else {
        panic!("{result:?}");
    };
    assert!(
        failure.label() == label && failure.to_string().contains(words),
        "{failure}"
    );
}

#[tokio::test]
async fn tcp_is_good_when_it_connects() {
    let (there, gone) = (silent().await, refusing());
    let tcp = |address: SocketAddr| target(&format!("{{name: db, kind: tcp, address: \"{address}\"}}"));
    assert_good(&ask(&tcp(there.address)).await);
    assert_eq!(ask(&tcp(gone.address)).await, ProbeResult::Bad(ProbeFailure::Refused));
    let elsewhere = ask_within(
        &tcp(there.address),
        PATIENCE,
        &Allowed::new(&["10.0.0.0/8".parse().unwrap()]),
    )
    .await;
    assert_eq!(elsewhere, ProbeResult::Nothing(NoData::NotAllowed));
}

#[tokio::test]
async fn http_is_good_by_its_status() {
    let http =
        |address: SocketAddr, more: &str| target(&format!("{{name: web, kind: http, address: \"{address}\"{more}}}"));
    let server = answering("HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n").await;
    assert_good(&ask(&http(server.address, "")).await);
    let only = ", http: {path: /healthz, host: web.example.com, statuses: [204, 200-299]}";
    assert_bad(&ask(&http(server.address, only)).await, "answer", "status 302");
    let stranger = answering("SSH-2.0-x\r\n").await;
    assert_bad(&ask(&http(stranger.address, "")).await, "answer", "no HTTP");
    let stuck = silent().await;
    let late = ask_within(&http(stuck.address, ""), Duration::from_millis(10), &here()).await;
    assert_eq!(late, ProbeResult::Bad(ProbeFailure::Timeout));
}

fn write(directory: &Path, ca: &str, issued: &hubline::tls::Issued) -> Files {
    std::fs::create_dir_all(directory).unwrap();
    let files = Files::in_directory(directory);
    std::fs::write(&files.ca, ca).unwrap();
    std::fs::write(&files.certificate, &issued.chain).unwrap();
    std::fs::write(&files.key, issued.private_key.expose()).unwrap();
    files
}

/// Wants a certificate, speaks HTTP/2 by ALPN if asked, and closes after the handshake.
async fn tls_server(files: &Files) -> SocketAddr {
    let (listener, address) = listener().await;
    let acceptor = TlsAcceptor::from(ServerSide::load(files).unwrap().config());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { acceptor.accept(stream).await.map(drop).is_ok() });
        }
    });
    address
}

#[tokio::test]
async fn tls_is_good_when_the_certificate_is() {
    hubline::tls::install_provider();
    let directory = tempfile::tempdir().unwrap();
    let (ours, strangers) = (Authority::new("ours").unwrap(), Authority::new("others").unwrap());
    let cluster = super::support::cluster();
    let server = write(
        &directory.path().join("server"),
        ours.certificate(),
        &ours.issue_hub(&["edge.example.com"]).unwrap(),
    );
    let client = write(
        &directory.path().join("client"),
        ours.certificate(),
        &ours.issue_agent(&cluster).unwrap(),
    );
    let strange = directory.path().join("strange.crt");
    std::fs::write(&strange, strangers.certificate()).unwrap();
    let address = tls_server(&server).await;
    let tls = |ca: &Path, name: &str| {
        let (certificate, key) = (client.certificate.display(), client.key.display());
        target(&format!(
            "{{name: edge, kind: tls, address: \"{address}\", tls: {{serverName: {name}, caFile: {}, \
             certificateFile: {certificate}, keyFile: {key}}}}}",
            ca.display()
        ))
    };
    let good = tls(&client.ca, "edge.example.com");
    good.check_files().unwrap();
    assert_good(&ask(&good).await);
    assert_bad(
        &ask(&tls(&client.ca, "other.example.com")).await,
        "tls",
        "edge.example.com",
    );
    assert_bad(&ask(&tls(&strange, "edge.example.com")).await, "tls", "UnknownIssuer");
    let missing = tls(&directory.path().join("none"), "edge.example.com");
    assert_eq!(ask(&missing).await, ProbeResult::Nothing(NoData::Certificates));
    let error = missing.check_files().unwrap_err().to_string();
    assert!(error.contains("target \"edge\"") && error.contains("none"), "{error}");
    let plain = silent().await;
    let stuck = target(&format!(
        "{{name: edge, kind: tls, address: \"{}\", tls: {{serverName: e.example, caFile: {}}}}}",
        plain.address,
        client.ca.display()
    ));
    let late = ask_within(&stuck, Duration::from_millis(10), &here()).await;
    assert_eq!(late, ProbeResult::Bad(ProbeFailure::Timeout));
}

/// The standard health service, which knows `shop` and `sick`.
#[derive(Clone)]
struct Health;

impl UnaryService<HealthCheckRequest> for Health {
    type Response = HealthCheckResponse;
    type Future = BoxFuture<'static, Result<Response<HealthCheckResponse>, Status>>;

    fn call(&mut self, request: Request<HealthCheckRequest>) -> Self::Future {
        let answer = match request.get_ref().service.as_str() {
            "" | "shop" => Ok(ServingStatus::Serving),
            "sick" => Ok(ServingStatus::NotServing),
            _ => Err(Status::not_found("unknown service")),
        };
        Box::pin(async move { answer.map(|status| Response::new(HealthCheckResponse { status: status.into() })) })
    }
}

impl NamedService for Health {
    const NAME: &'static str = "grpc.health.v1.Health";
}

impl tower::Service<http::Request<Body>> for Health {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        assert_eq!(request.uri().path(), super::super::grpc::CHECK);
        let codec = ProstCodec::<HealthCheckResponse, HealthCheckRequest>::default();
        Box::pin(async move { Ok(tonic::server::Grpc::new(codec).unary(Health, request).await) })
    }
}

async fn grpc_server(listener: TcpListener) {
    let server = tonic::transport::Server::builder().add_service(Health);
    server
        .serve_with_incoming(TcpListenerStream::new(listener))
        .await
        .unwrap();
}

#[tokio::test]
async fn grpc_is_good_when_it_says_so() {
    let (listener, address) = listener().await;
    let server = tokio::spawn(grpc_server(listener));
    let grpc = |service: &str| {
        target(&format!(
            "{{name: shop, kind: grpc, address: \"{address}\", grpc: {{service: \"{service}\"}}}}"
        ))
    };
    assert_good(&ask(&grpc("")).await);
    assert_good(&ask(&grpc("shop")).await);
    assert_bad(&ask(&grpc("sick")).await, "answer", "NotServing");
    assert_bad(&ask(&grpc("unknown")).await, "answer", "does not know");
    let web = answering("HTTP/1.1 200 OK\r\n\r\n").await;
    let no_grpc = target(&format!("{{name: web, kind: grpc, address: \"{}\"}}", web.address));
    assert_bad(&ask(&no_grpc).await, "answer", "grpc status");
    server.abort();
}

#[test]
fn what_is_wrong_with_a_target_is_named() {
    let tls = "tls: {caFile: /ca.crt}";
    for (yaml, words) in [
        ("name: Up, kind: tcp, address: \"h:1\"".to_owned(), ["name", "DNS-1123"]),
        ("name: a, kind: tcp, address: h".to_owned(), ["address", "HOST:PORT"]),
        (
            "name: a, kind: tcp, address: \"h:0\"".to_owned(),
            ["address", "HOST:PORT"],
        ),
        (
            "name: a, kind: tcp, address: \"http://h:1\"".to_owned(),
            ["address", "HOST:PORT"],
        ),
        (
            "name: a, kind: tcp, address: \"fd00::1:1\"".to_owned(),
            ["address", "brackets"],
        ),
        (
            "name: a, kind: tcp, address: \"h:1\", timeout: 0s".to_owned(),
            ["timeout", "more"],
        ),
        (format!("name: a, kind: tcp, address: \"h:1\", {tls}"), ["tls", "kinds"]),
        ("name: a, kind: tls, address: \"h:1\"".to_owned(), ["tls", "missing"]),
        (
            "name: a, kind: tcp, address: \"h:1\", http: {}".to_owned(),
            ["http", "kind http"],
        ),
        (
            "name: a, kind: http, address: \"h:1\", grpc: {}".to_owned(),
            ["grpc", "kind grpc"],
        ),
        (
            "name: a, kind: tls, address: \"h:1\", tls: {caFile: /ca, keyFile: /k}".to_owned(),
            ["tls", "certificateFile"],
        ),
        (
            "name: a, kind: http, address: \"h:1\", http: {path: \"x y\"}".to_owned(),
            ["http.path", "slash"],
        ),
        (
            "name: a, kind: http, address: \"h:1\", http: {host: \"a\\r\\nb\"}".to_owned(),
            ["http.host", "no host"],
        ),
        (
            "name: a, kind: http, address: \"h:1\", http: {statuses: []}".to_owned(),
            ["http.statuses", "200-399"],
        ),
    ] {
        let target: TargetProbe = serde_saphyr::from_str(&format!("{{{yaml}}}")).unwrap();
        let error = target.validate().unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{yaml}: {error}");
    }
    for yaml in [
        "{name: a, kind: udp, address: \"h:1\"}",
        "{name: a, kind: tcp, address: \"h:1\", port: 1}",
        "{name: a, kind: http, address: \"h:1\", http: {statuses: [399-200]}}",
        "{name: a, kind: http, address: \"h:1\", http: {statuses: [99]}}",
        "{name: a, kind: tcp, address: \"h:1\", timeout: 5}",
    ] {
        assert!(serde_saphyr::from_str::<TargetProbe>(yaml).is_err(), "{yaml}");
    }
}

#[test]
fn a_target_comes_back_as_it_was_written() {
    let yaml = "{name: a, kind: http, address: \"[fd00::1]:443\", timeout: 3s, tls: {caFile: /ca, serverName: h.example}, \
                http: {path: /x?y, statuses: [200-399, 204]}}";
    let target = target(yaml);
    let written = serde_saphyr::to_string(&target).unwrap();
    assert_eq!(
        serde_saphyr::from_str::<TargetProbe>(&written).unwrap(),
        target,
        "{written}"
    );
    assert_eq!(target.host(), "fd00::1");
}
