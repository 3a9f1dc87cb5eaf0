//! Paths as the hub has them, with an actor that takes probes from a test.

use std::sync::Arc;
use std::time::Duration;

use hubline::model::ClusterId;
use hubline::telemetry::Metrics;
use redb::backends::InMemoryBackend;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::path::PathKind;
use crate::path::actor::{PathActor, PathHandle, PathSettings, Probed};
use crate::path::evidence::{Evidence, Moment, ProbeFailure, ProbeResult, Vantage};
use crate::path::machine::{ConfiguredCluster, ConfiguredPath};
use crate::path::metrics::PathMetrics;
use crate::path::parameters::HealthParameters;
use crate::persist::Store;

/// Cluster `a` with paths `line` and `public`, cluster `b` with `line` alone.
pub(super) struct Watched {
    pub(super) handle: PathHandle,
    probed: mpsc::Sender<Probed>,
    began: Instant,
    _settings: watch::Sender<Arc<PathSettings>>,
}

fn path(name: &str, kind: PathKind, rank: u8) -> ConfiguredPath {
    ConfiguredPath {
        name: name.into(),
        kind,
        rank,
        health: HealthParameters::default(),
    }
}

fn cluster(name: &str, paths: Vec<ConfiguredPath>) -> ConfiguredCluster {
    ConfiguredCluster {
        cluster: ClusterId::new(name).unwrap(),
        failover: Default::default(),
        paths,
    }
}

impl Watched {
    pub(super) fn start(shutdown: CancellationToken) -> Self {
        let line = || path("line", PathKind::PrivateLine, 0);
        let public = path("public", PathKind::PublicNetwork, 1);
        let settings = PathSettings {
            clusters: vec![cluster("a", vec![line(), public]), cluster("b", vec![line()])],
            ..PathSettings::default()
        };
        let settings = watch::Sender::new(Arc::new(settings));
        let (probed, evidence) = mpsc::channel(16);
        let (store, _) = Store::open_in_memory(InMemoryBackend::new(), &[7; 32]).unwrap();
        let began = Instant::now();
        let (actor, handle) = PathActor::new(
            began,
            settings.subscribe(),
            evidence,
            store.paths(),
            Default::default(),
            Metrics::default().register(PathMetrics::register),
        );
        tokio::spawn(actor.run(shutdown));
        Self {
            handle,
            probed,
            began,
            _settings: settings,
        }
    }

    /// The path is down: as many bad probes in a row as that takes. Returns once that is in the log.
    pub(super) async fn cut(&self, cluster: &str, path: &str) {
        let mut last = self.handle.log().last();
        last.mark_unchanged();
        for _ in 0..HealthParameters::default().fall {
            let evidence = Evidence {
                vantage: Vantage::Line,
                sent: Moment(self.began.elapsed()),
                result: ProbeResult::Bad(ProbeFailure::Timeout),
            };
            let probed = (ClusterId::new(cluster).unwrap(), path.into(), evidence);
            self.probed.send(probed).await.unwrap();
        }
        let changed = tokio::time::timeout(Duration::from_secs(30), last.changed());
        changed.await.expect("no verdict").unwrap();
    }
}
