//! The wiring of paths: `probers → verdict machine → decisions`, and what the list of clusters means to them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use hubline::telemetry::Metrics;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{PipelineError, options};
use crate::config::{ClusterConfig, ClusterList, HubConfig};
use crate::path::actor::{PathActor, PathHandle, PathSettings};
use crate::path::data_plane::{DataPlane, DataPlaneOptions};
use crate::path::demotion::{DemotionBook, Demotions};
use crate::path::metrics::PathMetrics;
use crate::path::parameters::HubFailover;
use crate::path::probe::{Sockets, answers};
use crate::path::probing::{Probing, ProbingOptions};
use crate::path::stale::{self, Ask, Stale, StaleOptions};
use crate::persist::PathStore;
use crate::view::View;

/// Finished probes on their way to the verdict machine: those of 1,000 clusters with two paths each within half a second.
const EVIDENCE: usize = 1_024;

/// All tasks of paths.
pub(super) struct Paths {
    actor: PathActor,
    probing: Probing,
    data_plane: DataPlane,
    stale: Stale,
    book: DemotionBook,
    settings: Settings,
}

impl Paths {
    /// Nothing runs yet; the first decisions are there.
    pub(super) fn new(
        config: &HubConfig,
        clusters: &watch::Receiver<Arc<ClusterList>>,
        view: &Arc<ArcSwap<View>>,
        store: PathStore,
        metrics: &Metrics,
    ) -> Result<(Self, PathHandle), PipelineError> {
        let (findings, probed) = mpsc::channel(EVIDENCE);
        let began = Instant::now();
        let (settings, receiver) = Settings::new(config.failover, clusters.clone());
        let restored = store.load()?;
        let book = metrics.register(DemotionBook::register);
        let metrics = metrics.register(PathMetrics::register);
        let (actor, handle) = PathActor::new(began, receiver, probed, store, restored, metrics);
        let data_plane = DataPlane::new(DataPlaneOptions {
            clusters: clusters.clone(),
            instances: options::controls(config),
            view: Arc::clone(view),
            decisions: handle.decisions(),
            prefix: options::plan(config)?.prefix,
            findings: findings.clone(),
            book: book.clone(),
            began,
        });
        let sockets = Sockets::default();
        let ask: Ask = Arc::new(move |address| {
            let sockets = sockets.clone();
            Box::pin(async move { answers(address, stale::TIMEOUT, &sockets).await })
        });
        let stale = Stale::new(StaleOptions {
            clusters: clusters.clone(),
            view: Arc::clone(view),
            book: book.clone(),
            ask,
        });
        let probing = Probing::new(ProbingOptions {
            clusters: clusters.clone(),
            view: Arc::clone(view),
            findings,
            began,
            instances: options::instances(config),
            seed: rand::random(),
        });
        let paths = Self {
            actor,
            probing,
            data_plane,
            stale,
            book,
            settings,
        };
        Ok((paths, handle))
    }

    /// What stands lower in upstreams than its path says, now and later.
    pub(super) fn demotions(&self) -> watch::Receiver<Demotions> {
        self.book.subscribe()
    }

    pub(super) async fn run(self, shutdown: CancellationToken) {
        tokio::join!(
            self.stale.run(shutdown.clone()),
            self.actor.run(shutdown.clone()),
            self.probing.run(shutdown.clone()),
            self.data_plane.run(shutdown.clone()),
            self.settings.run(shutdown),
        );
    }
}

/// Follows the list of clusters.
struct Settings {
    hub: HubFailover,
    clusters: watch::Receiver<Arc<ClusterList>>,
    settings: watch::Sender<Arc<PathSettings>>,
}

impl Settings {
    fn new(
        hub: HubFailover,
        clusters: watch::Receiver<Arc<ClusterList>>,
    ) -> (Self, watch::Receiver<Arc<PathSettings>>) {
        let now = Arc::new(of(hub, &clusters.borrow()));
        let (settings, receiver) = watch::channel(now);
        let follow = Self {
            hub,
            clusters,
            settings,
        };
        (follow, receiver)
    }

    async fn run(mut self, shutdown: CancellationToken) {
        while let Some(Ok(())) = shutdown.run_until_cancelled(self.clusters.changed()).await {
            let now = Arc::new(of(self.hub, &self.clusters.borrow_and_update()));
            self.settings.send_replace(now);
        }
    }
}

fn of(hub: HubFailover, clusters: &ClusterList) -> PathSettings {
    PathSettings {
        hub,
        clusters: clusters.iter().map(ClusterConfig::for_machine).collect(),
    }
}
