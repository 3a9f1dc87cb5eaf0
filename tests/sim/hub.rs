//! One run of the hub: everything from streams to the target's driver is real, joined as `hubline_hub::pipeline` joins it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hubline::model::ClusterId;
use hubline_hub::cluster::Cluster;
use hubline_hub::config::{ClusterConfig, ClusterList};
use hubline_hub::core::{Core, CoreOptions, Handles};
use hubline_hub::desired;
use hubline_hub::ingest::{self, Ingest, IngestMetrics, Sessions, Settings};
use hubline_hub::path::actor::Decisions;
use hubline_hub::path::demotion::Demotions;
use hubline_hub::persist::{PersistMetrics, Store};
use hubline_hub::sink::Ownership;
use hubline_hub::sink::audit::Writes;
use hubline_hub::sink::driver::{Driver, DriverOptions, OUTCOMES_CAPACITY, Reports};
use hubline_hub::sink::metrics::SinkMetrics;
use hubline_hub::sink::schedule::Pace;
use hubline_hub::view::View;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::disk::Disk;
use crate::life::Life;
use crate::oracle::{HUB, plan_options};
use crate::world::World;

/// As `hubline_hub::pipeline` has it.
const INBOUND: usize = 1_024;

/// Between routine listings: shorter than the default of ten minutes, which is a safety net; else nearly all of a run
/// would be waiting for it.
pub(crate) const OBSERVE: Duration = Duration::from_secs(30);

/// One run of the hub.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) life: Life,
    pub(crate) view: Arc<ArcSwap<View>>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) disk: Disk,
}

pub(crate) fn ownership() -> Ownership {
    Ownership {
        prefix: "hl".to_owned(),
        hub: HUB.to_owned(),
    }
}

fn pace() -> DriverOptions {
    DriverOptions {
        pace: Pace {
            retry_max: Duration::from_secs(10),
            ..Pace::standard()
        },
        observe_interval: OBSERVE,
        ..DriverOptions::standard(ownership())
    }
}

fn list(clusters: &[ClusterId]) -> Arc<ClusterList> {
    let clusters: Vec<_> = clusters.iter().cloned().map(ClusterConfig::named).collect();
    Arc::new(ClusterList::new(&clusters))
}

impl Hub {
    /// Starts a run on a disk.
    ///
    /// # Errors
    /// When the disk cannot be read, which no crash may cause.
    pub(crate) fn start(world: &World, life: Life, disk: Disk) -> anyhow::Result<Self> {
        let mut registry = Registry::default();
        let (store, restored) = Store::open_in_memory(disk.clone(), &[7; 32])?;
        anyhow::ensure!(store.damaged().is_empty(), "damaged: {:?}", store.damaged());
        let (persist, _) = store.start(Duration::from_secs(1), PersistMetrics::register(&mut registry));
        let restored = restored
            .into_iter()
            .map(|(id, restored)| Cluster::restore(id, restored));
        let restored: Vec<_> = restored.collect();

        let (desired, wanted) = desired::channel();
        let (outcomes, results) = mpsc::channel(OUTCOMES_CAPACITY);
        let target = watch::Sender::new(Arc::default());
        let settings = Settings {
            hub: HUB.to_owned(),
            ..Settings::default()
        };
        let metrics = IngestMetrics::register(&mut registry);
        let sessions = Arc::new(Sessions::new(&settings, metrics.clone()));
        let clusters = watch::channel(list(&world.clusters)).1;
        let view = Arc::new(ArcSwap::from_pointee(View::default()));
        let handles = Handles {
            decisions: watch::channel(Decisions::default()).1,
            demotions: watch::channel(Demotions::default()).1,
            desired,
            persist,
            sessions: Arc::clone(&sessions),
            clusters: clusters.clone(),
            addresses: watch::channel(Arc::from([])).1,
            target: target.subscribe(),
            view: Arc::clone(&view),
        };
        let options = CoreOptions {
            plan: plan_options(),
            max_resources: settings.max_resources,
        };
        let core = Core::new(handles, options, restored);
        let reports = Reports {
            outcomes,
            target,
            writes: Writes::default(),
            metrics: SinkMetrics::register(&mut registry),
        };
        let sink = Arc::new(world.target.client(&life));
        let driver = Driver::new(sink, wanted, pace(), reports);
        let (inbound, events) = mpsc::channel(INBOUND);
        let service = Ingest::new(settings, clusters, inbound, Arc::clone(&sessions), metrics);
        let connections = ReceiverStream::new(world.network.listen(&life));

        let token = CancellationToken::new();
        life.spawn(core.run(events, results, token.clone()));
        life.spawn(driver.run(token.clone()));
        life.spawn(async move {
            ingest::serve_connections(connections, service, token).await.ok();
        });
        Ok(Self {
            life,
            view,
            sessions,
            disk,
        })
    }
}
