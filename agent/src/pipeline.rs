//! The wiring: source → translate → publish → one session per hub, by the holder of the lease, with a health server.

mod edges;
mod error;
mod stage;
mod start;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hubline::telemetry::Metrics as Telemetry;
use hubline::tls::{ClientSide, Reloader, Times};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::conditions::{self, Ledger};
use crate::config::{AgentConfig, AgentConfigError};
use crate::health::{self, Readiness};
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::publish::Reader;
use crate::session::{Backoff, Session, SessionContext, Speaker};
use crate::status::StatusBoard;
use crate::translate::TranslateOptions;
pub use edges::{Edges, HubLine, Random, StageOptions};
pub use error::PipelineError;
pub use stage::Stage;
use start::Origin;

/// Events between source and translate. One page of a listing (200 objects): a busy translator holds back the source,
/// and what changes meanwhile coalesces at the API server or in the directory.
pub const EVENTS: usize = 200;

/// Runs an agent until `shutdown`.
///
/// # Errors
/// [`PipelineError`] when it cannot begin; what fails later is tried again for ever.
pub async fn run(config: AgentConfig, shutdown: CancellationToken) -> Result<(), PipelineError> {
    let origin = Origin::of_config(&config.source).await?;
    run_from(config, origin, shutdown).await
}

/// As [`run`], with a client of the API server that is there already.
///
/// # Errors
/// As [`run`].
pub async fn run_with_client(
    config: AgentConfig,
    client: kube::Client,
    shutdown: CancellationToken,
) -> Result<(), PipelineError> {
    let origin = Origin::Kube(client, config.source.kube.clone().unwrap_or_default());
    run_from(config, origin, shutdown).await
}

async fn run_from(config: AgentConfig, origin: Origin, shutdown: CancellationToken) -> Result<(), PipelineError> {
    config.check()?;
    config.check_files()?;
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.map_err(|source| PipelineError::Listen {
        address: config.listen,
        source,
    })?;
    let tasks = TaskTracker::new();
    let echo = start::echo(&config, &origin, &tasks, &shutdown).await?;
    let Some(cluster_uid) = shutdown.run_until_cancelled(origin.uid(&config.cluster)).await else {
        return Ok(());
    };
    let telemetry = Telemetry::default();
    let metrics = telemetry.register(Metrics::register);
    let certificates = Reloader::<ClientSide>::new(config.tls.clone(), Times::default(), &telemetry);
    let certificates = certificates.map_err(AgentConfigError::Tls)?;
    let (readiness_tx, readiness) = watch::channel(Readiness::Starting);
    let (leadership_tx, leadership) = watch::channel(Leadership::default());
    let (wanted_tx, wanted) = watch::channel(std::collections::BTreeSet::new());
    let (events_tx, events) = mpsc::channel(EVENTS);
    let instance = start::instance(&config);
    info!(cluster = config.cluster, instance, cluster_uid, "agent begins");
    tasks.spawn(health::serve(listener, telemetry, readiness, shutdown.clone()));
    origin.elect(&tasks, start::identity(&instance), leadership_tx, &shutdown);
    let ledger = config.status.then(Ledger::default);
    let writes = ledger.clone().zip(origin.client());
    origin.read(&tasks, events_tx, wanted, &shutdown);
    let speaker = Speaker {
        cluster: config.cluster_id()?,
        cluster_uid,
        instance: instance.clone(),
    };
    let options = StageOptions {
        translate: TranslateOptions {
            echo,
            ..config.translate_options()?
        },
        speaker,
        hubs: start::lines(&config, &certificates.subscribe()),
        metrics,
        grace: config.startup_grace,
        random: Random::of_the_system(),
    };
    let edges = Edges {
        events,
        wanted: wanted_tx,
        leadership: leadership.clone(),
        ledger: ledger.filter(|_| writes.is_some()),
        readiness: readiness_tx,
    };
    tasks.spawn(certificates.run(shutdown.clone()));
    let metrics = options.metrics.clone();
    let stage = Stage::new(options, edges);
    // The first hub's word counts: of several that disagree one must, or statuses would go to and fro.
    if let (Some((ledger, client)), Some(board)) = (writes, stage.boards().into_iter().next()) {
        let sources = conditions::Sources {
            ledger,
            reader: stage.reader(),
            board,
            leadership,
        };
        let options = conditions::Options { instance, metrics };
        tasks.spawn(conditions::run(client, sources, options, shutdown.clone()));
    }
    stage.run(shutdown).await;
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// Sessions that can be started and stopped as leadership comes and goes.
#[derive(Debug)]
struct Sessions {
    hubs: Vec<HubLine>,
    context: SessionContext,
    boards: Vec<StatusBoard>,
    running: Option<(CancellationToken, TaskTracker)>,
}

impl Sessions {
    fn new(hubs: Vec<HubLine>, speaker: Speaker, reader: Reader, metrics: Metrics) -> Self {
        let name = |hub: &HubLine| hub.addresses.first().cloned().unwrap_or_default();
        let board = |hub| StatusBoard::new(name(hub), metrics.clone());
        Self {
            boards: hubs.iter().map(board).collect(),
            hubs,
            context: SessionContext {
                speaker,
                reader,
                metrics,
                backoff: Backoff::default(),
            },
            running: None,
        }
    }

    fn boards(&self) -> Vec<StatusBoard> {
        self.boards.clone()
    }

    fn start(&mut self) {
        let (token, tasks) = (CancellationToken::new(), TaskTracker::new());
        for (hub, board) in self.hubs.iter().zip(&self.boards) {
            let (addresses, connect) = (hub.addresses.clone(), Arc::clone(&hub.connect));
            let session = Session::new(self.context.clone(), addresses, connect, board.clone());
            tasks.spawn(session.run(token.clone()));
        }
        tasks.close();
        self.running = Some((token, tasks));
    }

    async fn stop(&mut self) {
        if let Some((token, tasks)) = self.running.take() {
            token.cancel();
            tasks.wait().await;
            // Another replica may speak from now on.
            self.boards.iter().for_each(StatusBoard::forget);
        }
    }
}
