//! What the agent counts, for Prometheus.

use std::collections::BTreeMap;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::publish::Reader;
use crate::status::Statuses;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Hub {
    hub: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HubReason {
    hub: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HubCondition {
    hub: String,
    condition: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

/// Conditions that are counted as 0 when no resource has them, so that an alarm on them ends.
const CONDITIONS: [&str; 5] = ["Conflict", "Held", "Programmed", "Quarantined", "Refused"];

/// All of the agent's metrics; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    connected: Family<Hub, Gauge>,
    reconnects: Family<HubReason, Counter>,
    resyncs: Family<HubReason, Counter>,
    nacks: Family<Hub, Counter>,
    sent: Family<Hub, Counter>,
    statuses: Family<HubCondition, Gauge>,
    revision: Gauge,
    resources: Family<Kind, Gauge>,
    diagnostics: Gauge,
    leader: Gauge,
    status_writes: Family<Kind, Counter>,
    status_failures: Family<Kind, Counter>,
    status_waiting: Gauge,
}

impl Metrics {
    /// Metrics that `registry` shows.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let it = Self::default();
        let agent = registry.sub_registry_with_prefix("hubline_agent");
        agent.register(
            "sessions_connected",
            "Whether a hub accepts this agent's session",
            it.connected.clone(),
        );
        agent.register("session_ends", "Sessions that ended, by reason", it.reconnects.clone());
        agent.register("resyncs", "What hubs said they lack, by reason", it.resyncs.clone());
        agent.register("nacks", "Resources that hubs refused", it.nacks.clone());
        let help = "Resources sent to hubs, before compression";
        agent.register_with_unit("sent", help, Unit::Bytes, it.sent.clone());
        agent.register("statuses", "Resources by condition, as hubs say", it.statuses.clone());
        agent.register(
            "published_revision",
            "Changes of resources in this run",
            it.revision.clone(),
        );
        agent.register(
            "published_resources",
            "Resources published, by kind",
            it.resources.clone(),
        );
        agent.register(
            "diagnostics",
            "Faults found in this cluster's objects",
            it.diagnostics.clone(),
        );
        agent.register(
            "leader",
            "Whether this replica holds the Lease (1 without one)",
            it.leader.clone(),
        );
        let help = "Statuses and events written to Kubernetes, by kind";
        agent.register("status_writes", help, it.status_writes.clone());
        let help = "Statuses and events that Kubernetes did not take, by kind of the object";
        agent.register("status_failures", help, it.status_failures.clone());
        let help = "Objects whose status is to be looked at";
        agent.register("status_waiting", help, it.status_waiting.clone());
        it
    }

    pub(crate) fn connected(&self, hub: &str, connected: bool) {
        self.connected.get_or_create(&of(hub)).set(connected.into());
    }

    pub(crate) fn reconnects(&self, hub: &str, reason: &'static str) {
        self.reconnects.get_or_create(&because(hub, reason)).inc();
    }

    pub(crate) fn resyncs(&self, hub: &str, reason: &'static str) {
        self.resyncs.get_or_create(&because(hub, reason)).inc();
    }

    pub(crate) fn nacks(&self, hub: &str) {
        self.nacks.get_or_create(&of(hub)).inc();
    }

    pub(crate) fn sent(&self, hub: &str, bytes: u64) {
        self.sent.get_or_create(&of(hub)).inc_by(bytes);
    }

    pub(crate) fn statuses(&self, hub: &str, statuses: &Statuses) {
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        for status in statuses.values() {
            *counts.entry(&status.condition).or_default() += 1;
        }
        for condition in CONDITIONS {
            counts.entry(condition).or_default();
        }
        for (condition, count) in counts {
            let (hub, condition) = (hub.to_owned(), condition.to_owned());
            self.statuses.get_or_create(&HubCondition { hub, condition }).set(count);
        }
    }

    pub(crate) fn published(&self, reader: &Reader) {
        self.revision.set(reader.version().revision.cast_signed());
        let (diagnostics, omitted) = reader.diagnostics();
        self.diagnostics.set((diagnostics.len() as u64 + omitted).cast_signed());
        for (kind, count) in reader.counts() {
            let kind = kind.to_string();
            self.resources.get_or_create(&Kind { kind }).set(count.cast_signed());
        }
    }

    pub(crate) fn status_written(&self, kind: &str) {
        let kind = kind.to_owned();
        self.status_writes.get_or_create(&Kind { kind }).inc();
    }

    pub(crate) fn status_failed(&self, kind: &str) {
        let kind = kind.to_owned();
        self.status_failures.get_or_create(&Kind { kind }).inc();
    }

    pub(crate) fn status_waiting(&self, count: usize) {
        self.status_waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn leader(&self, leader: bool) {
        self.leader.set(leader.into());
    }
}

fn of(hub: &str) -> Hub {
    Hub { hub: hub.to_owned() }
}

fn because(hub: &str, reason: &'static str) -> HubReason {
    HubReason {
        hub: hub.to_owned(),
        reason,
    }
}
