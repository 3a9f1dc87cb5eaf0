//! A hub whose lines can be cut, driven as the actor drives the machine: it sleeps until the next deadline.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hubline::model::ClusterId;
use jiff::Timestamp;

use crate::path::PathKind;
use crate::path::decision::{Decision, Happened, HeldBy, PathRecord, SwitchReason};
use crate::path::evidence::{Evidence, Moment, NoData, ProbeFailure, ProbeResult, Vantage};
use crate::path::machine::{ConfiguredCluster, ConfiguredPath, PathEffect, PathEvent, PathMachine};
use crate::path::orders::{Order, OrderId, OrderKind};
use crate::path::parameters::{FailoverParameters, HealthParameters, HubFailover};

/// The wall clock at the hub's start, in seconds.
const START: i64 = 1_800_000_000;

pub(super) fn id(name: &str) -> ClusterId {
    ClusterId::new(name).unwrap()
}

pub(super) fn moment(millis: u64) -> Moment {
    Moment(Duration::from_millis(millis))
}

pub(super) fn wall(millis: u64) -> Timestamp {
    Timestamp::from_millisecond(START * 1_000 + i64::try_from(millis).unwrap()).unwrap()
}

pub(super) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A cluster with a private line and the public network.
pub(super) fn cluster(name: &str) -> ConfiguredCluster {
    with_paths(name, &["line", "public"])
}

/// A cluster whose paths have ranks 0, 1, 2.
pub(super) fn with_paths(name: &str, paths: &[&str]) -> ConfiguredCluster {
    let path = |(rank, name): (u8, &&str)| ConfiguredPath {
        name: Arc::from(*name),
        kind: PathKind::PrivateLine,
        rank,
        health: HealthParameters::default(),
    };
    ConfiguredCluster {
        cluster: id(name),
        failover: FailoverParameters::default(),
        paths: (0..).zip(paths).map(path).collect(),
    }
}

/// What probes of a line find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Good,
    /// A black hole.
    Cut,
    /// Every second probe is lost.
    Lossy,
    /// Answers after so many milliseconds.
    Slow(u64),
    /// Nothing can be said.
    Silent,
}

#[derive(Debug)]
pub(super) struct Hub {
    pub(super) machine: PathMachine,
    /// Milliseconds since the start.
    pub(super) now: u64,
    /// All that came out, with the time.
    pub(super) effects: Vec<(u64, PathEffect)>,
    pub(super) lines: BTreeMap<(ClusterId, Arc<str>), Line>,
    rounds: u64,
}

impl Hub {
    pub(super) fn bare() -> Self {
        Self {
            machine: PathMachine::new(moment(0), wall(0)),
            now: 0,
            effects: Vec::new(),
            lines: BTreeMap::new(),
            rounds: 0,
        }
    }

    pub(super) fn new(clusters: Vec<ConfiguredCluster>) -> Self {
        let mut hub = Self::bare();
        hub.configure(clusters);
        hub
    }

    pub(super) fn configure(&mut self, clusters: Vec<ConfiguredCluster>) {
        self.configure_hub(HubFailover::default(), clusters);
    }

    pub(super) fn configure_hub(&mut self, hub: HubFailover, clusters: Vec<ConfiguredCluster>) {
        for cluster in &clusters {
            for path in &cluster.paths {
                let line = (cluster.cluster.clone(), path.name.clone());
                self.lines.entry(line).or_insert(Line::Good);
            }
        }
        self.on(PathEvent::Configured { hub, clusters });
    }

    pub(super) fn on(&mut self, event: PathEvent) {
        let now = self.now;
        let effects = self.machine.on(event, moment(now));
        self.effects.extend(effects.into_iter().map(|effect| (now, effect)));
    }

    pub(super) fn set(&mut self, cluster: &str, path: &str, line: Line) {
        self.lines.insert((id(cluster), path.into()), line);
    }

    /// Time passes, every line is probed once a second.
    pub(super) fn run(&mut self, for_seconds: u64) {
        for _ in 0..for_seconds {
            self.sleep(1_000);
            self.round();
        }
    }

    /// Time passes without any probe.
    pub(super) fn sleep(&mut self, millis: u64) {
        let until = self.now + millis;
        while let Some(deadline) = self.machine.next_deadline().filter(|next| *next <= moment(until)) {
            let deadline = u64::try_from(deadline.0.as_nanos().div_ceil(1_000_000)).unwrap();
            self.now = self.now.max(deadline);
            self.tick();
            assert!(
                self.machine.next_deadline().is_none_or(|next| next > moment(self.now)),
                "the actor would spin"
            );
        }
        self.now = until;
    }

    pub(super) fn tick(&mut self) {
        self.on(PathEvent::Tick { wall: wall(self.now) });
    }

    fn round(&mut self) {
        self.rounds += 1;
        for ((cluster, path), line) in self.lines.clone() {
            let result = match line {
                Line::Cut => ProbeResult::Bad(ProbeFailure::Timeout),
                Line::Lossy if self.rounds.is_multiple_of(2) => ProbeResult::Bad(ProbeFailure::Timeout),
                Line::Silent => ProbeResult::Nothing(NoData::NothingToProbe),
                Line::Good | Line::Lossy => good(10),
                Line::Slow(millis) => good(millis),
            };
            self.evidence(&cluster, &path, result);
        }
    }

    pub(super) fn evidence(&mut self, cluster: &ClusterId, path: &Arc<str>, result: ProbeResult) {
        let evidence = Evidence {
            vantage: Vantage::Line,
            sent: moment(self.now),
            result,
        };
        self.on(PathEvent::Evidence {
            cluster: cluster.clone(),
            path: path.clone(),
            evidence,
        });
    }

    pub(super) fn order(&mut self, number: u64, kind: OrderKind, for_seconds: u64) -> Order {
        let order = Order {
            id: OrderId(number),
            kind,
            who: "anna".to_owned(),
            why: "maintenance".to_owned(),
            since: wall(self.now),
            until: wall(self.now + for_seconds * 1_000),
            force: false,
        };
        self.on(PathEvent::Order(order.clone()));
        order
    }

    pub(super) fn active(&self, cluster: &str) -> String {
        self.decision(cluster).active.to_string()
    }

    /// The last one; it agrees with what is shown.
    pub(super) fn decision(&self, cluster: &str) -> Decision {
        let cluster = id(cluster);
        let decided = self.effects.iter().rev().find_map(|(_, effect)| match effect {
            PathEffect::Decide(id, decision) if *id == cluster => Some(decision.clone()),
            _ => None,
        });
        let shown = self.machine.summary(&cluster, moment(self.now)).unwrap().decision;
        assert_eq!(decided.as_ref(), Some(&shown));
        shown
    }

    pub(super) fn records(&self) -> impl Iterator<Item = (u64, &PathRecord)> {
        self.records_from(0)
    }

    /// Those after so many effects.
    pub(super) fn records_from(&self, effects: usize) -> impl Iterator<Item = (u64, &PathRecord)> {
        self.effects[effects..].iter().filter_map(|(at, effect)| match effect {
            PathEffect::Happened(record) => Some((*at, record)),
            PathEffect::Decide(..) | PathEffect::Persist(..) => None,
        })
    }

    /// When, where to and why, in seconds.
    pub(super) fn switches(&self) -> Vec<(u64, String, SwitchReason)> {
        let switch = |(at, record): (u64, &PathRecord)| match &record.what {
            Happened::Switched { to, why, .. } => Some((at / 1_000, to.to_string(), *why)),
            _ => None,
        };
        self.records().filter_map(switch).collect()
    }

    /// By what it was held, as often as it was said.
    pub(super) fn holds(&self) -> Vec<HeldBy> {
        let hold = |(_, record): (u64, &PathRecord)| match record.what {
            Happened::Held { by, .. } => Some(by),
            _ => None,
        };
        self.records().filter_map(hold).collect()
    }
}

pub(super) fn good(millis: u64) -> ProbeResult {
    let round_trip = Duration::from_millis(millis);
    ProbeResult::Good { round_trip }
}
