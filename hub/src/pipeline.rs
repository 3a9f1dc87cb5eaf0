//! The hub's wiring, one line a stage: `ingest → core (cluster, federate, plan) → desired → sink`, with `persist` and
//! `api` beside it. No logic of its own.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hubline::telemetry::Metrics;
use hubline::tls::{Reloader as Certificates, ServerSide, Times};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::{self, ApiState};
use crate::cluster::Cluster;
use crate::config::HubConfig;
use crate::config::reload::Reloader;
use crate::core::{Core, CoreOptions, Handles};
use crate::desired;
use crate::ingest::{self, Ingest, IngestMetrics, Sessions};
use crate::persist::{PersistMetrics, Store};
use crate::sink::admin::AdminSink;
use crate::sink::audit::Writes;
use crate::sink::driver::{Driver, OUTCOMES_CAPACITY, Reports};
use crate::sink::metrics::SinkMetrics;
use crate::view::View;

mod error;
mod options;
mod paths;

pub use error::PipelineError;

use paths::Paths;

/// Events on their way to the core: one for each of 1,000 agents; the memory of their resources is bounded by ingest.
const INBOUND: usize = 1_024;

/// Where a configuration came from: it is read again when the file changes.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The YAML file, if any.
    pub file: Option<PathBuf>,
    /// Keys that were overridden.
    pub flags: Vec<(String, Value)>,
}

/// Runs a hub until `shutdown`.
///
/// # Errors
/// [`PipelineError`] says which part failed and why; nothing keeps running then.
pub async fn run(config: HubConfig, origin: Origin, shutdown: CancellationToken) -> Result<(), PipelineError> {
    let config = config.with_identities()?;
    let metrics = Metrics::default();
    let mut parts: JoinSet<Result<(), PipelineError>> = JoinSet::new();

    let agents = TcpListener::bind(config.listen.agents).await;
    let agents = agents.map_err(|source| PipelineError::Bind {
        address: config.listen.agents,
        source,
    })?;
    let listener = api::bind(&config.listen.api).await?;
    let certificates = Certificates::<ServerSide>::new(config.tls.clone(), Times::default(), &metrics)?;
    let reloader = Reloader::new(config.clone(), options::loader(origin.clone()), &metrics);
    let (clusters, addresses) = (reloader.clusters(), reloader.addresses());

    let (store, restored) = Store::open(&options::store(&config))?;
    let view = Arc::new(ArcSwap::from_pointee(View::default()));
    let (paths, path_handle) = Paths::new(&config, &clusters, &view, store.paths(), &metrics)?;
    let (persist, persisting) = store.start(config.tuning.write_behind, metrics.register(PersistMetrics::register));
    let restored: Vec<_> = restored
        .into_iter()
        .map(|(id, restored)| Cluster::restore(id, restored))
        .collect();

    let (desired, wanted) = desired::channel();
    let (outcomes, results) = mpsc::channel(OUTCOMES_CAPACITY);
    let target = watch::Sender::new(Arc::default());
    let ingest_metrics = metrics.register(IngestMetrics::register);
    let settings = options::ingest(&config);
    let sessions = Arc::new(Sessions::new(&settings, ingest_metrics.clone()));
    let handles = Handles {
        desired,
        persist,
        sessions: Arc::clone(&sessions),
        clusters: clusters.clone(),
        addresses,
        decisions: path_handle.decisions(),
        demotions: paths.demotions(),
        target: target.subscribe(),
        view: Arc::clone(&view),
    };
    let plan = options::plan(&config)?;
    let core = Core::new(
        handles,
        CoreOptions {
            plan,
            max_resources: config.tuning.max_resources,
        },
        restored,
    );

    let ownership = options::ownership(&config);
    let writes = Writes::default();
    let sink = AdminSink::new(options::admin(&config)?, ownership.clone())?;
    let reports = Reports {
        outcomes,
        target,
        writes: writes.clone(),
        metrics: metrics.register(SinkMetrics::register),
    };
    let driver = Driver::new(Arc::new(sink), wanted, options::driver(&config, ownership), reports);
    let (inbound, events) = mpsc::channel(INBOUND);
    let service = Ingest::new(settings, clusters, inbound, Arc::clone(&sessions), ingest_metrics);
    let state = ApiState::new(view, watch::channel(true).1, metrics, options::write_log(writes))
        .with_sessions(sessions)
        .with_paths(path_handle);

    tracing::info!(hub = config.hub, agents = %config.listen.agents, api = %config.listen.api, target = config.target.name, "hub begins");
    let token = shutdown.child_token();
    parts.spawn(part(core.run(events, results, token.clone())));
    parts.spawn(part(driver.run(token.clone())));
    parts.spawn(part(paths.run(token.clone())));
    let tls = certificates.subscribe();
    parts.spawn(part(certificates.run(token.clone())));
    parts.spawn(fallible(ingest::serve(agents, tls, service, token.clone())));
    parts.spawn(fallible(api::serve(listener, api::router(state), token.clone())));
    if let Some(file) = origin.file {
        let reload = token.clone();
        parts.spawn(async move { reloader.run(&file, reload).await.map_err(PipelineError::Reload) });
    }
    let result = until_all_ended(parts, &token).await;
    // The core has ended, and with it the only writer: what it decided is on disk before this returns.
    persisting.finished().await?;
    result
}

async fn part(run: impl Future<Output = ()>) -> Result<(), PipelineError> {
    run.await;
    Ok(())
}

async fn fallible<E: Into<PipelineError>>(run: impl Future<Output = Result<(), E>>) -> Result<(), PipelineError> {
    run.await.map_err(Into::into)
}

/// One part that ends ends all: half a hub helps nobody.
async fn until_all_ended(
    mut parts: JoinSet<Result<(), PipelineError>>,
    token: &CancellationToken,
) -> Result<(), PipelineError> {
    let mut result = Ok(());
    while let Some(ended) = parts.join_next().await {
        if !token.is_cancelled() {
            token.cancel();
        }
        let ended = ended.unwrap_or_else(|panic| Err(PipelineError::Panicked(panic.to_string())));
        result = result.and(ended);
    }
    result
}
