//! A bare Admin API: keeps bodies by id and says when one arrives. It checks nothing, so that it is never the limit;
//! schemas are those of the stand-in, so that the hub's own checks cost what they cost in production.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hubline_hub::object::ObjectKind;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::apisix::{StandIn, StandInOptions};

const ADMIN: &str = "/apisix/admin/";

/// See the module. Ends when it is dropped.
pub(super) struct Target {
    shared: Arc<Shared>,
    url: String,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    /// Answers about schemas and plugins, by path below [`ADMIN`].
    told: HashMap<String, Bytes>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By collection and id.
    objects: BTreeMap<String, BTreeMap<String, Bytes>>,
    writes: u64,
    /// Who waits for a write of which path.
    waiting: HashMap<String, oneshot::Sender<Instant>>,
}

impl Target {
    pub(super) async fn start() -> Result<Self> {
        let shared = Arc::new(Shared {
            told: told().await?,
            state: Mutex::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, url, accepting })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Calls that changed something, so far.
    pub(super) fn writes(&self) -> u64 {
        self.shared.state().writes
    }

    /// Objects of a collection.
    pub(super) fn count(&self, collection: &str) -> usize {
        self.shared.state().objects.get(collection).map_or(0, BTreeMap::len)
    }

    /// Tells when the next write of this object arrives.
    pub(super) fn arrival(&self, collection: &str, id: &str) -> oneshot::Receiver<Instant> {
        let (arrived, arrival) = oneshot::channel();
        let waiting = &mut self.shared.state().waiting;
        waiting.insert(format!("{collection}/{id}"), arrived);
        arrival
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What the stand-in says of itself.
async fn told() -> Result<HashMap<String, Bytes>> {
    let stand_in = StandIn::start(StandInOptions::default()).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let names = ObjectKind::ALL.map(|kind| kind.collection().trim_end_matches('s'));
    let schemas = names.into_iter().map(|name| format!("schema/{name}"));
    let mut told = HashMap::new();
    for path in schemas.chain(["plugins/list".to_owned()]) {
        let url = format!("{}{ADMIN}{path}", stand_in.admin_url());
        let answer = client.get(url).header("x-api-key", stand_in.admin_key()).send().await?;
        let answer = answer.error_for_status().with_context(|| path.clone())?;
        told.insert(path, answer.bytes().await?);
    }
    Ok(told)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    stream.set_nodelay(true).ok();
    let service = service_fn(|request| handle(Arc::clone(&shared), request));
    let builder = Builder::new(TokioExecutor::new());
    let served = builder.serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection to the target ended");
    }
}

async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let at = Instant::now();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().strip_prefix(ADMIN).unwrap_or_default();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes);
    let (status, answer) = match (&parts.method, body) {
        (&Method::GET, _) => shared.get(path),
        (&Method::PUT, Ok(body)) => shared.put(path, body, at),
        (&Method::DELETE, _) => shared.delete(path),
        _ => (StatusCode::BAD_REQUEST, Bytes::from_static(b"{}")),
    };
    let mut response = Response::new(Full::new(answer));
    *response.status_mut() = status;
    Ok(response)
}

fn missing() -> (StatusCode, Bytes) {
    (
        StatusCode::NOT_FOUND,
        Bytes::from_static(br#"{"message":"Key not found"}"#),
    )
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, path: &str) -> (StatusCode, Bytes) {
        if let Some(told) = self.told.get(path) {
            return (StatusCode::OK, told.clone());
        }
        let state = self.state();
        let Some((collection, id)) = path.split_once('/') else {
            return (StatusCode::OK, state.list(path));
        };
        let found = state.objects.get(collection).and_then(|objects| objects.get(id));
        found.map_or_else(missing, |body| (StatusCode::OK, shown(collection, id, body).into()))
    }

    fn put(&self, path: &str, body: Bytes, at: Instant) -> (StatusCode, Bytes) {
        let Some((collection, id)) = path.split_once('/') else {
            return missing();
        };
        let answer = shown(collection, id, &body);
        let mut state = self.state();
        state.writes += 1;
        let objects = state.objects.entry(collection.to_owned()).or_default();
        let before = objects.insert(id.to_owned(), body);
        if let Some(waiting) = state.waiting.remove(path) {
            waiting.send(at).ok();
        }
        let status = if before.is_some() {
            StatusCode::OK
        } else {
            StatusCode::CREATED
        };
        (status, answer.into())
    }

    fn delete(&self, path: &str) -> (StatusCode, Bytes) {
        let mut state = self.state();
        state.writes += 1;
        let objects = path.split_once('/').and_then(|(collection, id)| {
            let objects = state.objects.get_mut(collection)?;
            objects.remove(id)
        });
        objects.map_or_else(missing, |_| (StatusCode::OK, Bytes::from_static(b"{}")))
    }
}

/// One object as the Admin API shows it.
fn shown(collection: &str, id: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(r#"{{"key":"/apisix/{collection}/{id}","value":"#);
    [head.as_bytes(), body, b"}"].concat()
}

impl State {
    fn list(&self, collection: &str) -> Bytes {
        let objects = self.objects.get(collection);
        let each = objects.into_iter().flatten();
        let shown: Vec<_> = each.map(|(id, body)| shown(collection, id, body)).collect();
        let head = format!(r#"{{"total":{},"list":["#, shown.len());
        [head.as_bytes(), &shown.join(&b','), b"]}"].concat().into()
    }
}
