//! `/livez`, `/readyz` and `/metrics` for kubelet and Prometheus. Nothing else is ever served by an agent.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hubline::telemetry::{METRICS_CONTENT_TYPE, Metrics};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Whether this replica does what it is there for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Readiness {
    /// Nothing was published yet.
    #[default]
    Starting,
    /// Published; sessions run, or another replica holds the lease.
    Ready,
}

#[derive(Debug, Clone)]
struct Shown {
    metrics: Metrics,
    readiness: watch::Receiver<Readiness>,
}

/// Serves until `shutdown`.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    readiness: watch::Receiver<Readiness>,
    shutdown: CancellationToken,
) {
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(show_metrics))
        .with_state(Shown { metrics, readiness });
    let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned());
    if let Err(error) = served.await {
        warn!(%error, "health server ended");
    }
}

async fn ready(State(shown): State<Shown>) -> impl IntoResponse {
    match *shown.readiness.borrow() {
        Readiness::Ready => (StatusCode::OK, "ok\n"),
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "nothing was published yet\n"),
    }
}

async fn show_metrics(State(shown): State<Shown>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], shown.metrics.encode())
}
