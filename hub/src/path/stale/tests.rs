//! In paused time, with endpoints that are told what to answer.

use std::collections::BTreeSet;
use std::sync::Mutex;

use hubline::model::{Endpoint, EndpointSet, EndpointState, GlobalKey, GroupKind, Key, Port, Resource};
use hubline::wire::{ContentHash, Epoch};
use prometheus_client::registry::Registry;

use super::*;
use crate::change::Stored;
use crate::path::demotion::Demoted;
use crate::view::ClusterSummary;

fn id(name: &str) -> ClusterId {
    ClusterId::new(name).unwrap()
}

fn summary(name: &str, phase: Phase) -> Arc<ClusterSummary> {
    Arc::new(ClusterSummary {
        id: id(name),
        configured: true,
        uid: None,
        phase,
        instance: None,
        epoch: Epoch::default(),
        revision: 1,
        last_seen: None,
        groups: Vec::new(),
        diagnostics: Arc::default(),
        diagnostics_omitted: 0,
    })
}

fn set(cluster: &str) -> GlobalKey {
    GlobalKey {
        cluster: id(cluster),
        key: Key::new(
            ResourceKind::EndpointSet,
            &GroupKind::new("", "Service"),
            "shop",
            "web",
            "",
        ),
    }
}

/// A set of 100 endpoints, `10.CLUSTER.0.N`.
fn endpoints(cluster: u8) -> Stored {
    let endpoint = |last: u8| Endpoint {
        address: format!("10.{cluster}.0.{last}").as_str().into(),
        port: Port::new(80).unwrap(),
        state: EndpointState::Ready,
        place: None,
    };
    let endpoints = (1..=100).map(endpoint).collect();
    Stored {
        hash: ContentHash(1),
        resource: Arc::new(Resource::EndpointSet(EndpointSet { endpoints })),
    }
}

type Log = Arc<Mutex<Vec<(Instant, SocketAddr)>>>;

struct Rig {
    view: Arc<ArcSwap<View>>,
    demotions: watch::Receiver<Demotions>,
    log: Log,
    began: Instant,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Rig {
    /// Clusters that are stale; these addresses do not answer.
    fn start(clusters: &[&str], dead: &[&str]) -> Self {
        let of_pods = |name: &&str| ClusterConfig {
            paths: vec![Path::direct()],
            ..ClusterConfig::named(id(name))
        };
        let configs: Vec<_> = clusters.iter().map(of_pods).collect();
        let mut view = View::default();
        for (at, name) in (0_usize..).zip(clusters) {
            view.clusters.insert(id(name), summary(name, Phase::Stale));
            view.resources
                .insert(set(name), endpoints(u8::try_from(at % 200).unwrap()));
        }
        let view = Arc::new(ArcSwap::from_pointee(view));
        let book = DemotionBook::register(&mut Registry::default());
        let demotions = book.subscribe();
        let dead: BTreeSet<SocketAddr> = dead.iter().map(|it| it.parse().unwrap()).collect();
        let log = Log::default();
        let noted = Arc::clone(&log);
        let ask: Ask = Arc::new(move |address| {
            noted.lock().unwrap().push((Instant::now(), address));
            let answers = !dead.contains(&address);
            Box::pin(async move {
                sleep(if answers { Duration::from_millis(5) } else { TIMEOUT }).await;
                Some(answers)
            })
        });
        let stale = Stale::new(StaleOptions {
            clusters: watch::channel(Arc::new(ClusterList::new(&configs))).1,
            view: Arc::clone(&view),
            book,
            ask,
        });
        let shutdown = CancellationToken::new();
        Self {
            view,
            demotions,
            log,
            began: Instant::now(),
            shutdown: shutdown.clone(),
            task: tokio::spawn(stale.run(shutdown)),
        }
    }

    fn phase(&self, name: &str, phase: Phase) {
        let mut view = View::clone(&self.view.load());
        view.clusters.insert(id(name), summary(name, phase));
        self.view.store(Arc::new(view));
    }

    fn lowered(&self) -> Vec<SocketAddr> {
        let all = self.demotions.borrow().clone();
        let each = |demoted: &Demoted| match demoted {
            Demoted::Endpoints(endpoints) => endpoints.iter().copied().collect::<Vec<_>>(),
            Demoted::Path(_) => Vec::new(),
        };
        all.values().flat_map(each).collect()
    }

    /// Most connections of any second.
    fn most(&self) -> usize {
        let log = self.log.lock().unwrap();
        let times: Vec<Instant> = log.iter().map(|(at, _)| *at).collect();
        let within = |from: Instant| times.iter().filter(|at| (from..from + SECOND).contains(at)).count();
        times.iter().map(|at| within(*at)).max().unwrap_or_default()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn all_endpoints_of_a_stale_cluster_are_asked_at_a_bounded_rate_and_those_that_fail_stand_lower() {
    let rig = Rig::start(&["a"], &["10.0.0.7:80", "10.0.0.93:80"]);
    sleep(Duration::from_secs(60)).await;
    let first = rig.log.lock().unwrap().first().map(|(at, _)| *at);
    assert_eq!(first, Some(rig.began + PATIENCE), "a restart is over by then");
    let asked: BTreeSet<SocketAddr> = rig.log.lock().unwrap().iter().map(|(_, address)| *address).collect();
    assert_eq!(asked.len(), 100, "all of them");
    assert_eq!(rig.most(), MOST_OF_A_CLUSTER);
    let dead: Vec<SocketAddr> = ["10.0.0.7:80", "10.0.0.93:80"].map(|it| it.parse().unwrap()).into();
    assert_eq!(rig.lowered(), dead);
    rig.phase("a", Phase::Syncing);
    let before = rig.log.lock().unwrap().len();
    sleep(Duration::from_secs(5)).await;
    assert!(
        rig.log.lock().unwrap().len() <= before + MOST_OF_A_CLUSTER,
        "what was under way, and no more"
    );
    assert_eq!(rig.lowered(), dead, "before the agent has said all");
    rig.phase("a", Phase::Live);
    sleep(3 * SECOND).await;
    assert!(rig.lowered().is_empty(), "all is undone");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_live_is_not_asked() {
    let rig = Rig::start(&["a"], &[]);
    rig.phase("a", Phase::Live);
    sleep(Duration::from_secs(60)).await;
    assert!(rig.log.lock().unwrap().is_empty());
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_hears_nobody_bounds_them_all_together() {
    for count in [40, 300] {
        let names: Vec<String> = (0..count).map(|at| format!("c{at}")).collect();
        let rig = Rig::start(&names.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(rig.most(), MOST, "{count} clusters");
        let asked: BTreeSet<u8> = rig
            .log
            .lock()
            .unwrap()
            .iter()
            .filter_map(|(_, at)| second_octet(*at))
            .collect();
        assert_eq!(asked.len(), count.min(200), "all have their turn");
        rig.stop().await;
    }
}

/// Which cluster it is of.
fn second_octet(address: SocketAddr) -> Option<u8> {
    match address {
        SocketAddr::V4(v4) => Some(v4.ip().octets()[1]),
        SocketAddr::V6(_) => None,
    }
}
