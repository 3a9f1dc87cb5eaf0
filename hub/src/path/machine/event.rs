//! What goes into the verdict machine and what comes out of it.

use std::sync::Arc;

use hubline::model::ClusterId;
use jiff::Timestamp;

use crate::path::PathKind;
use crate::path::decision::{Decision, PathRecord, PersistedCluster};
use crate::path::evidence::Evidence;
use crate::path::orders::{Order, OrderId};
use crate::path::parameters::{FailoverParameters, HealthParameters, HubFailover};

/// Something happened.
#[derive(Debug, Clone)]
pub enum PathEvent {
    /// The operator's word, all of it: what is not listed any more is forgotten.
    Configured {
        /// For the hub.
        hub: HubFailover,
        /// The clusters, in any order.
        clusters: Vec<ConfiguredCluster>,
    },
    /// A probe is finished. Of what is not configured nothing is taken.
    Evidence {
        /// Of which cluster.
        cluster: ClusterId,
        /// Of which path.
        path: Arc<str>,
        /// What came of it.
        evidence: Evidence,
    },
    /// A person ordered something; it is judged ([`super::PathMachine::judge`]) and persisted already.
    Order(Order),
    /// A person ended an order.
    Release(OrderId),
    /// What was persisted before the hub's restart; to be given before the first [`PathEvent::Configured`]. For a
    /// cluster of which there was evidence already it changes nothing.
    Restored(Restored),
    /// Time has passed; wanted at [`super::PathMachine::next_deadline`], and when the wall clock was set.
    Tick {
        /// The wall clock's time.
        wall: Timestamp,
    },
}

/// A cluster's paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredCluster {
    /// Its name.
    pub cluster: ClusterId,
    /// When it changes its path.
    pub failover: FailoverParameters,
    /// At least one; a cluster without is not taken. Of two of the same name the first counts.
    pub paths: Vec<ConfiguredPath>,
}

/// One path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredPath {
    /// Its name within the cluster.
    pub name: Arc<str>,
    /// What kind of line it takes.
    pub kind: PathKind,
    /// 0 is best.
    pub rank: u8,
    /// When it is down or degraded.
    pub health: HealthParameters,
}

/// What a restart begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Verdicts and active paths.
    pub clusters: Vec<(ClusterId, PersistedCluster)>,
    /// The orders in force, those that are over by now included.
    pub orders: Vec<Order>,
}

/// Something is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathEffect {
    /// Which path a cluster takes; only when it differs from what was said last.
    Decide(ClusterId, Decision),
    /// Log, count and show it.
    Happened(PathRecord),
    /// Keep this over a restart.
    Persist(ClusterId, PersistedCluster),
}
