//! What the list of clusters means to paths, whenever it changes.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{ClusterConfig, ClusterList, HubConfig};
use crate::path::actor::PathSettings;
use crate::path::parameters::HubFailover;

/// Follows the list of clusters.
pub(super) struct Settings {
    hub: HubFailover,
    clusters: watch::Receiver<Arc<ClusterList>>,
    settings: watch::Sender<Arc<PathSettings>>,
}

/// The settings of paths, now and later.
pub(super) fn settings(
    config: &HubConfig,
    clusters: watch::Receiver<Arc<ClusterList>>,
) -> (Settings, watch::Receiver<Arc<PathSettings>>) {
    let now = of(&config.failover, &clusters.borrow());
    let settings = watch::Sender::new(Arc::new(now));
    let receiver = settings.subscribe();
    let follow = Settings {
        hub: config.failover.clone(),
        clusters,
        settings,
    };
    (follow, receiver)
}

impl Settings {
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        while let Some(Ok(())) = shutdown.run_until_cancelled(self.clusters.changed()).await {
            let now = Arc::new(of(&self.hub, &self.clusters.borrow_and_update()));
            self.settings.send_replace(now);
        }
    }
}

fn of(hub: &HubFailover, clusters: &ClusterList) -> PathSettings {
    PathSettings {
        hub: hub.clone(),
        clusters: clusters.iter().map(ClusterConfig::for_machine).collect(),
    }
}
