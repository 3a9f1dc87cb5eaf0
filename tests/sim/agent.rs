//! One replica of an agent: the real stage and sessions, on a simulated source, lease and line.

use std::time::Duration;

use hubline::model::ClusterId;
use hubline_agent::health::Readiness;
use hubline_agent::lease::Leadership;
use hubline_agent::lease::election::{self, Action, Election, Record};
use hubline_agent::metrics::Metrics;
use hubline_agent::pipeline::{EVENTS, Edges, HubLine, Random, Stage, StageOptions};
use hubline_agent::session::Speaker;
use hubline_agent::source::Kind;
use hubline_agent::status::StatusBoard;
use hubline_agent::translate::TranslateOptions;
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::chance::Chance;
use crate::life::Life;
use crate::lock;
use crate::source::{self, Watch};
use crate::world::World;

/// A cluster's Lease, as its API server keeps it.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    record: Option<Record>,
    writes: u64,
}

/// One run of one replica.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) cluster: ClusterId,
    pub(crate) life: Life,
    pub(crate) leadership: watch::Receiver<Leadership>,
    pub(crate) boards: Vec<StatusBoard>,
}

impl Agent {
    /// Starts a run; what it leaves to chance follows from `chance`.
    pub(crate) fn start(world: &World, cluster: &ClusterId, name: &str, mut chance: Chance) -> Self {
        let life = Life::begin(name.to_owned());
        let (leadership_tx, leadership) = watch::channel(Leadership::default());
        let (wanted_tx, wanted) = watch::channel(std::collections::BTreeSet::new());
        let (events_tx, events) = mpsc::channel(EVENTS);
        let mut random = chance.fork("epoch");
        let options = StageOptions {
            translate: TranslateOptions::new(cluster.clone()),
            speaker: Speaker {
                cluster: cluster.clone(),
                cluster_uid: format!("uid-{cluster}"),
                instance: name.to_owned(),
            },
            hubs: vec![HubLine {
                addresses: vec!["hub:7443".to_owned()],
                connect: Arc::new(world.network.way(cluster, &life)),
            }],
            metrics: Metrics::default(),
            grace: Duration::from_secs(30),
            random: Random::of(move || random.next()),
        };
        let edges = Edges {
            events,
            wanted: wanted_tx,
            leadership: leadership.clone(),
            ledger: None,
            readiness: watch::channel(Readiness::Starting).0,
        };
        let stage = Stage::new(options, edges);
        let boards = stage.boards();
        life.spawn(stage.run(CancellationToken::new()));
        life.spawn(elect(
            world.clone(),
            cluster.clone(),
            life.clone(),
            leadership_tx,
            chance.fork("lease"),
        ));
        for kind in Kind::ALL {
            let watch = Watch {
                cluster: cluster.clone(),
                kind: *kind,
                truth: world.truth.clone(),
                chance: chance.fork(kind.name()),
                events: events_tx.clone(),
                quiet: world.quiet.subscribe(),
                shown: std::collections::BTreeSet::new(),
                read: std::collections::BTreeMap::new(),
            };
            life.spawn(watch.follow());
        }
        let fetches = source::fetch(
            cluster.clone(),
            world.truth.clone(),
            chance.fork("fetch"),
            wanted,
            events_tx,
        );
        life.spawn(fetches);
        chance.next();
        Self {
            cluster: cluster.clone(),
            life,
            leadership,
            boards,
        }
    }

    pub(crate) fn leads(&self) -> bool {
        !self.life.is_over() && self.leadership.borrow().holder
    }
}

/// Takes part in the election, with the state machine of real agents.
async fn elect(
    world: World,
    cluster: ClusterId,
    life: Life,
    leadership: watch::Sender<Leadership>,
    mut chance: Chance,
) {
    let identity = format!("{}_{:016x}", life.name(), chance.next());
    let mut election = Election::new(identity);
    loop {
        sleep(chance.mostly(20, 1_000)).await;
        let began = Instant::now();
        if world.truth.refusal(&cluster, Kind::Ingress).is_none() {
            round(&mut election, world.lease(&cluster), began);
        }
        tell(&leadership, election.leadership(Instant::now()));
        let until = Instant::now() + election.pause(Instant::now()).mul_f64(0.95);
        // A holder that cannot renew steps down by itself.
        while Instant::now() < until {
            sleep(Duration::from_secs(1).min(until - Instant::now())).await;
            tell(&leadership, election.leadership(Instant::now()));
        }
    }
}

fn tell(leadership: &watch::Sender<Leadership>, now: Leadership) {
    leadership.send_if_modified(|last| std::mem::replace(last, now) != now);
}

fn round(election: &mut Election, lease: &Mutex<Lease>, began: Instant) {
    let mut lease = lock(lease);
    let transitions = match election.decide(lease.record.clone(), began) {
        Action::Wait => return,
        Action::Create { transitions } | Action::Write { transitions } => transitions,
    };
    lease.writes += 1;
    let record = Record {
        holder: Some(election.identity().to_owned()),
        transitions,
        duration: election::DURATION,
        version: lease.writes.to_string(),
    };
    lease.record = Some(record.clone());
    election.written(record, began);
}
