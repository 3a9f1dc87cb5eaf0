//! Counters of paths.

use std::sync::Arc;

use hubline::model::ClusterId;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::decision::{Happened, PathRecord};
use super::evidence::{Evidence, ProbeResult};
use super::health::Verdict;

/// Seconds: a switch is due in about one, a round trip in some milliseconds.
const SWITCH_SECONDS: [f64; 9] = [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 15.0, 60.0];
const TRIP_SECONDS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPath {
    cluster: String,
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Probe {
    cluster: String,
    path: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Switch {
    cluster: String,
    why: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Hold {
    cluster: String,
    by: &'static str,
}

/// Counters of paths; see docs/operating.md. Cloning shares.
#[derive(Debug, Clone)]
pub struct PathMetrics {
    verdict: Family<OfPath, Gauge>,
    probes: Family<Probe, Counter>,
    round_trip: Histogram,
    switches: Family<Switch, Counter>,
    holds: Family<Hold, Counter>,
    to_switched: Histogram,
    suspected: Gauge,
}

impl PathMetrics {
    /// Registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let made = Self {
            verdict: Family::default(),
            probes: Family::default(),
            round_trip: Histogram::new(TRIP_SECONDS),
            switches: Family::default(),
            holds: Family::default(),
            to_switched: Histogram::new(SWITCH_SECONDS),
            suspected: Gauge::default(),
        };
        let verdict = "Verdict of a path: 2 up, 1 degraded, 0 down";
        registry.register("hubline_path_verdict", verdict, made.verdict.clone());
        registry.register("hubline_path_probes", "Finished probes, by result", made.probes.clone());
        let trip = "Round trips of good probes";
        registry.register("hubline_path_round_trip_seconds", trip, made.round_trip.clone());
        registry.register(
            "hubline_path_switches",
            "Switches of a cluster's path",
            made.switches.clone(),
        );
        let holds = "Switches that were held, by what holds them";
        registry.register("hubline_path_holds", holds, made.holds.clone());
        let switched = "From the first lost probe of a path to the decision to leave it";
        registry.register(
            "hubline_path_switch_latency_seconds",
            switched,
            made.to_switched.clone(),
        );
        let suspected = "1 while the hub suspects itself and switches nothing";
        registry.register("hubline_path_suspected", suspected, made.suspected.clone());
        made
    }

    pub(super) fn probe(&self, cluster: &ClusterId, path: &Arc<str>, evidence: &Evidence) {
        let result = match &evidence.result {
            ProbeResult::Good { .. } => "good",
            ProbeResult::Lossy { .. } => "lossy",
            ProbeResult::Bad(failure) => failure.label(),
            ProbeResult::Nothing(_) => "nothing",
        };
        if let Some(round_trip) = evidence.result.round_trip() {
            self.round_trip.observe(round_trip.as_secs_f64());
        }
        let labels = Probe {
            cluster: cluster.to_string(),
            path: path.to_string(),
            result,
        };
        self.probes.get_or_create(&labels).inc();
    }

    pub(super) fn happened(&self, record: &PathRecord) {
        let cluster = record.cluster.as_ref().map(ToString::to_string).unwrap_or_default();
        match &record.what {
            Happened::VerdictChanged { path, transition } => {
                let labels = OfPath {
                    cluster,
                    path: path.to_string(),
                };
                let value = match transition.to {
                    Verdict::Up => 2,
                    Verdict::Degraded => 1,
                    Verdict::Down => 0,
                };
                self.verdict.get_or_create(&labels).set(value);
            }
            Happened::Switched {
                why, since_first_bad, ..
            } => {
                let why = why.label();
                self.switches.get_or_create(&Switch { cluster, why }).inc();
                if let Some(time) = since_first_bad {
                    self.to_switched.observe(time.as_secs_f64());
                }
            }
            Happened::Held { by, .. } => {
                let by = by.label();
                self.holds.get_or_create(&Hold { cluster, by }).inc();
            }
            Happened::Suspected { .. } => drop(self.suspected.set(1)),
            Happened::Trusted { .. } => drop(self.suspected.set(0)),
            Happened::Ramped { .. } | Happened::OrderMade { .. } | Happened::OrderEnded { .. } => {}
        }
    }
}
