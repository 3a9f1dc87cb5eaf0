//! Laws that hold for any history of the lines, of people's orders and of the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hubline::model::ClusterId;
use proptest::prelude::*;

use super::support::{Hub, Line, id, moment, seconds, with_paths};
use crate::path::decision::{Happened, PathRecord};
use crate::path::health::Verdict;
use crate::path::machine::{ConfiguredCluster, PathEffect, PathEvent};
use crate::path::orders::{OrderId, OrderKind};
use crate::path::parameters::{Failback, FailoverParameters, RampParameters};

const CLUSTERS: [&str; 4] = ["a", "b", "c", "d"];
const PATHS: [&str; 3] = ["p0", "p1", "p2"];

/// One thing that happens to the hub.
#[derive(Debug, Clone)]
enum Step {
    /// A line changes and time passes, in seconds.
    Line(usize, usize, Line, u64),
    Order(OrderKind, u64),
    Release(u64),
    /// The cluster's paths from this one on.
    Configure(usize, usize),
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        4 => Just(Line::Good),
        4 => Just(Line::Cut),
        1 => Just(Line::Lossy),
        1 => Just(Line::Slow(400)),
        1 => Just(Line::Silent),
    ]
}

/// Mostly of one cluster, so that its limits are reached; and of all, so that suspicion is.
fn weather() -> impl Strategy<Value = Step> {
    let cluster = prop_oneof![3 => Just(0), 1 => 0..CLUSTERS.len()];
    (cluster, 0..PATHS.len(), line(), 1_u64..60)
        .prop_map(|(cluster, path, line, time)| Step::Line(cluster, path, line, time))
}

fn kind() -> impl Strategy<Value = OrderKind> {
    let cluster = || (0..CLUSTERS.len()).prop_map(|at| id(CLUSTERS[at]));
    let path = || (0..PATHS.len()).prop_map(|at| PATHS[at].to_owned());
    prop_oneof![
        (cluster(), path()).prop_map(|(cluster, path)| OrderKind::Pin { cluster, path }),
        (cluster(), proptest::option::of(path())).prop_map(|(cluster, path)| OrderKind::Drain { cluster, path }),
        cluster().prop_map(|cluster| OrderKind::Freeze { cluster }),
    ]
}

fn anything() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => weather(),
        2 => (kind(), 1_u64..300).prop_map(|(kind, time)| Step::Order(kind, time)),
        1 => (0_u64..30).prop_map(Step::Release),
        1 => (0..CLUSTERS.len(), 0..PATHS.len()).prop_map(|(cluster, from)| Step::Configure(cluster, from)),
    ]
}

fn failover() -> impl Strategy<Value = FailoverParameters> {
    let failback = prop_oneof![
        6 => (0_u64..40).prop_map(|delay| Failback::Delay(seconds(delay))),
        1 => Just(Failback::Manual),
    ];
    let ramp = prop_oneof![Just(vec![]), Just(vec![10]), Just(vec![20, 60])];
    let damping = (30_u64..600, 1_u32..8);
    (1_u64..40, failback, damping, 1_u32..20, ramp).prop_map(|(hold, failback, damping, most, percents)| {
        let mut failover = FailoverParameters {
            minimum_hold: seconds(hold),
            failback,
            max_switches_per_hour: most,
            ramp: RampParameters {
                percents,
                step: seconds(7),
            },
            ..FailoverParameters::default()
        };
        failover.damping.half_life = seconds(damping.0);
        failover.damping.suppress = 1_000 + damping.1 * 500;
        failover
    })
}

fn configured(failover: &FailoverParameters) -> Vec<ConfiguredCluster> {
    let cluster = |name: &&str| {
        let mut cluster = with_paths(name, &PATHS);
        cluster.failover = failover.clone();
        for path in &mut cluster.paths {
            path.health.latency = Some(Duration::from_millis(200));
        }
        cluster
    };
    CLUSTERS.iter().map(cluster).collect()
}

fn play(hub: &mut Hub, failover: &FailoverParameters, steps: &[Step]) {
    for (number, step) in (100..).zip(steps) {
        match step {
            Step::Line(cluster, path, line, time) => {
                hub.set(CLUSTERS[*cluster], PATHS[*path], *line);
                hub.run(*time);
            }
            Step::Order(kind, time) => drop(hub.order(number, kind.clone(), *time)),
            Step::Release(order) => hub.on(PathEvent::Release(OrderId(100 + order))),
            Step::Configure(cluster, from) => {
                let mut clusters = configured(failover);
                clusters[*cluster].paths.drain(..from);
                hub.configure(clusters);
            }
        }
    }
}

/// What an onlooker knows of one cluster from the records alone.
#[derive(Debug)]
struct Seen {
    active: Arc<str>,
    verdicts: BTreeMap<Arc<str>, Verdict>,
    up_since: BTreeMap<Arc<str>, u64>,
    switched: Vec<u64>,
    penalty: f64,
    suppressed: bool,
}

impl Seen {
    fn new() -> Self {
        let all = || PATHS.map(Arc::<str>::from).into_iter();
        Self {
            active: PATHS[0].into(),
            verdicts: all().map(|path| (path, Verdict::Up)).collect(),
            up_since: all().map(|path| (path, 0)).collect(),
            switched: Vec::new(),
            penalty: 0.0,
            suppressed: false,
        }
    }

    fn see(&mut self, at: u64, record: &PathRecord, failover: &FailoverParameters) {
        match &record.what {
            Happened::VerdictChanged { path, transition } => {
                self.verdicts.insert(path.clone(), transition.to);
                self.up_since.insert(path.clone(), at);
            }
            Happened::Switched { from, to, .. } => {
                assert_eq!(*from, self.active);
                if self.verdicts[from] != Verdict::Down {
                    self.allowed(at, from, to, failover);
                }
                self.count(at, failover);
                self.active = to.clone();
            }
            _ => {}
        }
    }

    /// A move between paths that work: all limits.
    fn allowed(&self, at: u64, from: &str, to: &str, failover: &FailoverParameters) {
        assert_eq!(self.verdicts[to], Verdict::Up, "to a path that is not up");
        let last = self.switched.last().copied().unwrap_or(0);
        assert!(
            Duration::from_millis(at - last) >= failover.minimum_hold,
            "minimum hold"
        );
        let hour = self.switched.iter().filter(|then| at - **then < 3_600_000).count();
        assert!(hour < failover.max_switches_per_hour as usize, "cap");
        assert!(!self.suppressed(at, failover), "damping");
        // The paths' names sort as their ranks.
        if to < from {
            let Failback::Delay(delay) = failover.failback else {
                panic!("failback is people's");
            };
            assert!(Duration::from_millis(at - self.up_since[to]) >= delay, "failback delay");
        }
    }

    fn penalty(&self, at: u64, failover: &FailoverParameters) -> f64 {
        let passed = seconds_of(at - self.switched.last().copied().unwrap_or(0));
        self.penalty * 0.5_f64.powf(passed / failover.damping.half_life.as_secs_f64())
    }

    /// A thousandth of tolerance for the machine's rounding.
    fn suppressed(&self, at: u64, failover: &FailoverParameters) -> bool {
        self.suppressed && self.penalty(at, failover) > f64::from(failover.damping.reuse) * 1.001
    }

    fn count(&mut self, at: u64, failover: &FailoverParameters) {
        self.suppressed = self.suppressed(at, failover);
        self.penalty = self.penalty(at, failover) + f64::from(failover.damping.penalty);
        self.suppressed |= self.penalty >= f64::from(failover.damping.suppress);
        self.switched.push(at);
    }

    /// Down although another one works.
    fn stuck(&self) -> bool {
        let works = self.verdicts.values().any(|verdict| *verdict != Verdict::Down);
        self.verdicts[&self.active] == Verdict::Down && works
    }
}

fn seconds_of(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}

/// Every decision has all paths of its cluster and an active one of them, and differs from the one before.
fn check_decisions(hub: &Hub, paths: &BTreeSet<Arc<str>>) {
    let mut last = BTreeMap::new();
    for (_, effect) in &hub.effects {
        let PathEffect::Decide(cluster, decision) = effect else {
            continue;
        };
        let all: BTreeSet<Arc<str>> = decision.order.iter().cloned().collect();
        assert_eq!(all.len(), decision.order.len(), "twice in the order");
        assert_eq!(Some(&decision.active), decision.order.first());
        let known: BTreeSet<Arc<str>> = decision.verdicts.keys().cloned().collect();
        assert_eq!(all, known);
        assert!(all.is_subset(paths) && all.contains(&decision.active));
        if let Some(weights) = &decision.weights {
            assert_eq!(weights.values().sum::<u32>(), 100);
            assert!(weights.keys().all(|path| all.contains(path)));
        }
        assert_ne!(last.insert(cluster, decision), Some(decision), "said twice");
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn never_flips_faster_than_its_limits(
        failover in failover(),
        steps in proptest::collection::vec(weather(), 1..40),
    ) {
        let mut hub = Hub::new(configured(&failover));
        play(&mut hub, &failover, &steps);
        let mut seen: BTreeMap<ClusterId, Seen> = CLUSTERS.iter().map(|name| (id(name), Seen::new())).collect();
        for (at, record) in hub.records() {
            if let Some(cluster) = &record.cluster {
                seen.get_mut(cluster).unwrap().see(at, record, &failover);
            }
        }
    }

    #[test]
    fn a_path_that_is_down_is_left_at_once(
        failover in failover(),
        steps in proptest::collection::vec(weather(), 1..20),
    ) {
        let mut hub = Hub::new(configured(&failover));
        let mut seen: BTreeMap<ClusterId, Seen> = CLUSTERS.iter().map(|name| (id(name), Seen::new())).collect();
        for step in &steps {
            let before = hub.effects.len();
            play(&mut hub, &failover, std::slice::from_ref(step));
            for (at, record) in hub.records_from(before) {
                if let Some(cluster) = &record.cluster {
                    let seen = seen.get_mut(cluster).unwrap();
                    if let Happened::Switched { from, to, .. } = &record.what {
                        prop_assert!(seen.verdicts[to] != Verdict::Down, "{at}: from {from} to {to}, which is down");
                    }
                    seen.see(at, record, &failover);
                }
            }
            if !hub.machine.view(moment(hub.now)).suspected {
                prop_assert!(seen.values().all(|seen| !seen.stuck()), "{seen:?}");
            }
        }
    }

    /// Promise 8, `fail_open`.
    #[test]
    fn never_leaves_all_paths_out(
        failover in failover(),
        steps in proptest::collection::vec(anything(), 1..30),
    ) {
        let mut hub = Hub::new(configured(&failover));
        play(&mut hub, &failover, &steps);
        check_decisions(&hub, &PATHS.map(Arc::from).into());
    }

    #[test]
    fn same_input_same_output(
        failover in failover(),
        steps in proptest::collection::vec(anything(), 1..20),
        order in Just(configured(&FailoverParameters::default())).prop_shuffle(),
    ) {
        let mut one = Hub::new(configured(&failover));
        let mut other = Hub::bare();
        let place = |cluster: &ConfiguredCluster| order.iter().position(|known| known.cluster == cluster.cluster);
        let mut shuffled = configured(&failover);
        shuffled.sort_by_key(place);
        other.configure(shuffled);
        play(&mut one, &failover, &steps);
        play(&mut other, &failover, &steps);
        prop_assert_eq!(&one.effects, &other.effects);
        let (now, text) = (moment(one.now), serde_json::to_string(&one.machine.view(moment(one.now))).unwrap());
        prop_assert_eq!(text, serde_json::to_string(&other.machine.view(now)).unwrap());
    }

    #[test]
    fn no_data_means_last_known(
        failover in failover(),
        steps in proptest::collection::vec(weather(), 1..20),
    ) {
        let mut hub = Hub::new(configured(&failover));
        play(&mut hub, &failover, &steps);
        let verdicts = |hub: &Hub| CLUSTERS.map(|name| hub.decision(name).verdicts);
        let active = |hub: &Hub| CLUSTERS.map(|name| hub.active(name));
        let before = verdicts(&hub);
        for line in hub.lines.values_mut() {
            *line = Line::Silent;
        }
        // What was heard lately still counts for a switch that waits for its hold.
        hub.run(46);
        let then = active(&hub);
        hub.run(200);
        hub.sleep(7_200_000);
        prop_assert_eq!((before, then), (verdicts(&hub), active(&hub)));
    }
}
