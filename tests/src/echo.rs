//! Backends that answer who they are and what they were asked, over HTTP/1.1 and HTTP/2 (without
//! TLS, by prior knowledge); by gRPC and websocket who they are alone.

mod grpc;
mod websocket;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, UPGRADE};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tonic::body::Body;

pub use grpc::name_by_grpc;
pub use websocket::say_by_websocket;

/// What a backend answers, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// The backend's name.
    pub name: String,
    /// The host asked for: the `Host` header or HTTP/2's `:authority`.
    pub host: String,
    /// The method, upper case.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query without its question mark, empty when there is none.
    pub query: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: String,
    /// All headers by lower-case name; several of one name joined by a comma.
    pub headers: BTreeMap<String, String>,
    /// Bytes of the request's body.
    pub body_bytes: usize,
}

/// A running backend; gone when dropped.
#[derive(Debug)]
pub struct EchoBackend {
    name: Arc<str>,
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    server: JoinHandle<()>,
}

impl EchoBackend {
    /// Listens on `address` (port 0 picks one) under `name`.
    ///
    /// # Errors
    /// When the address cannot be bound, e.g. because it is not local: see [`crate::netns`].
    pub async fn start(address: SocketAddr, name: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let name: Arc<str> = name.into();
        let requests = Arc::new(AtomicU64::new(0));
        let server = tokio::spawn(accept(listener, name.clone(), requests.clone()));
        Ok(Self {
            name,
            address,
            requests,
            server,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name given at the start.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Requests answered so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Ends it as a killed pod: its connections are closed, new ones refused when this returns.
    pub async fn kill(mut self) {
        self.server.abort();
        // An aborted task ends with an error that says so.
        (&mut self.server).await.ok();
    }
}

impl Drop for EchoBackend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Owns its connections: when this task is aborted, they end with it.
async fn accept(listener: TcpListener, name: Arc<str>, requests: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(serve(stream, name.clone(), requests.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, name: Arc<str>, requests: Arc<AtomicU64>) {
    // A connection that leaves HTTP does so once.
    let (upgraded, mut upgrades) = mpsc::channel(1);
    let of_service = name.clone();
    let service = service_fn(move |request| {
        requests.fetch_add(1, Ordering::Relaxed);
        answer(of_service.clone(), upgraded.clone(), request)
    });
    let server = auto::Builder::new(TokioExecutor::new());
    let serving = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
    if let Err(error) = serving.await {
        tracing::debug!(error, "connection of an echo backend ended");
    }
    if let Ok(upgrade) = upgrades.try_recv() {
        websocket::talk(name, upgrade).await;
    }
}

async fn answer(
    name: Arc<str>,
    upgraded: mpsc::Sender<OnUpgrade>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let content_type = request.headers().get(CONTENT_TYPE);
    if content_type.is_some_and(|it| it.as_bytes().starts_with(b"application/grpc")) {
        return Ok(grpc::answer(name, request).await);
    }
    if request.headers().contains_key(UPGRADE) {
        let (response, upgrade) = websocket::agree(request);
        // Of a full channel an upgrade was taken already, and none is left to be had.
        upgrade.map(|upgrade| upgraded.try_send(upgrade).ok());
        return Ok(response);
    }
    let mut echo = describe(&name, &request);
    if let Ok(body) = request.into_body().collect().await {
        echo.body_bytes = body.to_bytes().len();
    }
    // Strings and numbers only: cannot fail.
    let body = serde_json::to_vec(&echo).unwrap_or_default();
    let mut response = Response::new(Body::new(Full::<Bytes>::from(body)));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

fn describe<B>(name: &str, request: &Request<B>) -> Echo {
    let mut headers = BTreeMap::<String, String>::new();
    for (header, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(header.to_string())
            .and_modify(|joined| *joined = format!("{joined}, {value}"))
            .or_insert_with(|| value.to_string());
    }
    let authority = request.uri().authority().map(ToString::to_string);
    Echo {
        name: name.to_owned(),
        host: authority
            .or_else(|| headers.get(HOST.as_str()).cloned())
            .unwrap_or_default(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        version: format!("{:?}", request.version()),
        headers,
        body_bytes: 0,
    }
}

#[cfg(test)]
mod tests;
