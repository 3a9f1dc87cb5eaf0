//! What people and programs on this machine may read: HTTP and JSON over a unix socket or loopback.
//!
//! Every answer comes from one load of the [`View`], so that it is consistent in itself; its version is in the header
//! `x-hubline-version`. The JSON types are this module's own: the model and the plan may change without them.
//! Private keys, credentials and plugin configurations are replaced by fingerprints. Nothing can be changed here but
//! people's orders about paths (`/v1/orders`).

mod answer;
mod certificate;
mod cluster;
mod desired;
mod event;
mod health;
mod index;
mod name;
mod order;
mod path;
mod peer;
mod problem;
mod query;
mod redact;
mod refusal;
mod route;
pub mod server;
mod service;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{delete, get};
use hubline::telemetry::Metrics;
use tokio::sync::{Semaphore, watch};

use crate::ingest::Sessions;
use crate::path::actor::PathHandle;
use crate::view::View;
use certificate::Certificates;

pub use server::{ApiError, Listener, bind, serve};
pub use write::{WriteBody, WriteLog};

/// Header with the version of the view that an answer shows.
pub const VERSION_HEADER: &str = "x-hubline-version";

/// Paths of the API, as errors show them.
const PATHS: [&str; 15] = [
    "/livez",
    "/readyz",
    "/metrics",
    "/v1/clusters",
    "/v1/clusters/{name}",
    "/v1/routes",
    "/v1/services",
    "/v1/desired",
    "/v1/problems",
    "/v1/writes",
    "/v1/paths",
    "/v1/paths/{name}",
    "/v1/events",
    "/v1/orders",
    "/v1/orders/{id}",
];

/// Answers that are built at the same time. A whole list of 100,000 routes takes some 100 MB while it is built.
const MAX_BUILDS: usize = 4;

/// What the API reads.
#[derive(Clone)]
pub struct ApiState {
    view: Arc<ArcSwap<View>>,
    restored: watch::Receiver<bool>,
    metrics: Metrics,
    writes: WriteLog,
    certificates: Certificates,
    builds: Arc<Semaphore>,
    paths: Option<PathHandle>,
    run: event::Run,
    readers: Arc<Semaphore>,
}

impl fmt::Debug for ApiState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ApiState").finish_non_exhaustive()
    }
}

impl ApiState {
    /// Reads `view`; is ready once `restored` holds true and the target was observed; `writes` tells of writes to the
    /// target.
    #[must_use]
    pub fn new(view: Arc<ArcSwap<View>>, restored: watch::Receiver<bool>, metrics: Metrics, writes: WriteLog) -> Self {
        Self {
            view,
            restored,
            metrics,
            writes,
            certificates: Certificates::default(),
            builds: Arc::new(Semaphore::new(MAX_BUILDS)),
            paths: None,
            run: event::Run::new(),
            readers: Arc::new(Semaphore::new(event::MAX_READERS)),
        }
    }

    /// Shows the certificates of these sessions' agents, too.
    #[must_use]
    pub fn with_sessions(self, sessions: Arc<Sessions>) -> Self {
        Self {
            certificates: Certificates::of(sessions),
            ..self
        }
    }

    /// Shows these paths and what happens to them, and takes orders about them.
    #[must_use]
    pub fn with_paths(self, paths: PathHandle) -> Self {
        Self {
            paths: Some(paths),
            ..self
        }
    }

    fn paths(&self) -> Result<&PathHandle, refusal::Refusal> {
        self.paths.as_ref().ok_or_else(path::ending)
    }
}

/// Every path of the API.
pub fn router(state: ApiState) -> Router {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/v1/clusters", get(cluster::list))
        .route("/v1/clusters/{name}", get(cluster::one))
        .route("/v1/routes", get(route::list))
        .route("/v1/services", get(service::list))
        .route("/v1/desired", get(desired::list))
        .route("/v1/problems", get(problem::list))
        .route("/v1/writes", get(write::list))
        .route("/v1/paths", get(path::list))
        .route("/v1/paths/{name}", get(path::one))
        .route("/v1/events", get(event::follow))
        .route("/v1/orders", get(order::list).post(order::make))
        .route("/v1/orders/{id}", delete(order::release))
        .fallback(refusal::no_such_path)
        .method_not_allowed_fallback(refusal::no_such_method)
        .layer(from_fn(refusal::no_body))
        .layer(DefaultBodyLimit::max(order::MAX_BYTES))
        .with_state(state)
}
