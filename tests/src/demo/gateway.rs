//! A cluster's own gateway, in the place of an ingress controller with a public address: routes by Host, as the
//! cluster's manifest says, to its pods.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Added to what it passes on: the pods answer with what they were sent, so that a person sees which way it went.
const HEADER: &str = "x-demo-gateway";

/// The gateway, running; gone when dropped.
#[derive(Debug)]
pub(super) struct Gateway {
    address: SocketAddr,
    routes: Arc<Routes>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Routes {
    cluster: &'static str,
    manifest: PathBuf,
    pods: watch::Receiver<Vec<SocketAddr>>,
    client: Client<HttpConnector, Incoming>,
    requests: AtomicU64,
}

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

impl Gateway {
    /// Listens on `address`, for the hosts of a manifest and the pods that live.
    pub(super) async fn start(
        address: SocketAddr,
        cluster: &'static str,
        manifest: PathBuf,
        pods: watch::Receiver<Vec<SocketAddr>>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let routes = Arc::new(Routes {
            cluster,
            manifest,
            pods,
            client: Client::builder(TokioExecutor::new()).build_http(),
            requests: AtomicU64::new(0),
        });
        let server = tokio::spawn(accept(listener, Arc::clone(&routes)));
        Ok(Self {
            address,
            routes,
            server,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.routes.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, routes: Arc<Routes>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(serve(stream, Arc::clone(&routes)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, routes: Arc<Routes>) {
    let service = service_fn(|request| {
        let routes = Arc::clone(&routes);
        async move { Ok::<_, Infallible>(routes.answer(request).await) }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(error, "connection of a demo's gateway ended");
    }
}

impl Routes {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let host = host.and_then(|host| host.split(':').next()).unwrap_or_default();
        if !self.serves(host) {
            return page(StatusCode::NOT_FOUND, "no Ingress of this cluster has the host");
        }
        let Some(pod) = self.pod(number) else {
            return page(StatusCode::SERVICE_UNAVAILABLE, "no pod lives");
        };
        match self.client.request(self.towards(pod, request)).await {
            Ok(response) => response.map(BodyExt::boxed),
            Err(_) => page(StatusCode::BAD_GATEWAY, "the pod does not answer"),
        }
    }

    /// Read each time: a person may edit it.
    fn serves(&self, host: &str) -> bool {
        let manifest = std::fs::read_to_string(&self.manifest).unwrap_or_default();
        let mut hosts = manifest.lines().filter_map(|line| line.trim().strip_prefix("- host:"));
        hosts.any(|known| known.trim() == host)
    }

    fn pod(&self, number: u64) -> Option<SocketAddr> {
        let pods = self.pods.borrow();
        let at = number.checked_rem(pods.len() as u64)?;
        pods.get(usize::try_from(at).ok()?).copied()
    }

    fn towards(&self, pod: SocketAddr, mut request: Request<Incoming>) -> Request<Incoming> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        if let Ok(uri) = format!("http://{pod}{path}").parse::<Uri>() {
            *request.uri_mut() = uri;
        }
        let name = HeaderValue::from_static(self.cluster);
        request.headers_mut().insert(HEADER, name);
        request
    }
}

fn page(status: StatusCode, text: &'static str) -> Answer {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
