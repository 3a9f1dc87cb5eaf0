//! What the verdict machine hands on: which path a cluster takes, what happened, and what to show.
//!
//! Only shapes; times of the machine's clock are wall-clock times here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hubline::model::ClusterId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::PathKind;
use super::evidence::{ProbeFailure, Vantage};
use super::health::{Cause, Loss, Transition, Verdict};
use super::orders::{Order, OrderId};

/// Which path a cluster takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The path that carries the cluster's traffic; always one of `order`.
    pub active: Arc<str>,
    /// During a ramp: the shares of the active path and of the one that it takes over from, in percent, 100 in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<BTreeMap<Arc<str>, u32>>,
    /// All paths, the best first: the active one, then those that work, then drained ones, then those that are down.
    /// None is ever left out.
    pub order: Vec<Arc<str>>,
    /// Why the active path is the active one.
    pub reason: Reason,
    /// What is held of each path.
    pub verdicts: BTreeMap<Arc<str>, Verdict>,
    /// The order that drains the whole cluster; only services that other clusters export too can go elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drained: Option<OrderId>,
}

/// Why the active path is the active one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It is the best by rank.
    Preferred,
    /// It was switched to, for this, and nothing better is in sight.
    Switched(SwitchReason),
    /// This order pins it.
    Pinned(OrderId),
    /// Another one would be taken, but for this.
    Held(HeldBy),
}

/// Why a cluster's path was switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SwitchReason {
    /// The path before it went down.
    Down,
    /// The path before it is degraded, and this one is up and better.
    Degraded,
    /// The better path was healthy for long enough.
    Failback,
    /// An order pins it.
    Pinned,
    /// An order drains the path before it.
    Drained,
    /// All else is down: a drained path that works is better than none.
    LastResort,
    /// The path before it is no longer configured.
    Configured,
}

impl SwitchReason {
    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Degraded => "degraded",
            Self::Failback => "failback",
            Self::Pinned => "pinned",
            Self::Drained => "drained",
            Self::LastResort => "last-resort",
            Self::Configured => "configured",
        }
    }
}

/// What keeps a cluster on its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeldBy {
    /// It has not been on this path for long enough.
    MinimumHold,
    /// The better path has not been healthy for long enough.
    FailbackDelay,
    /// People are to take the better path again.
    ManualFailback,
    /// It was switched too often lately.
    Damping,
    /// It was switched as often as allowed in the last hour.
    Cap,
    /// The hub suspects itself.
    Suspicion,
    /// This order.
    Pin(OrderId),
    /// This order.
    Freeze(OrderId),
    /// No path works; the last one stays.
    AllPathsDown,
}

impl HeldBy {
    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::MinimumHold => "minimum-hold",
            Self::FailbackDelay => "failback-delay",
            Self::ManualFailback => "manual-failback",
            Self::Damping => "damping",
            Self::Cap => "cap",
            Self::Suspicion => "suspicion",
            Self::Pin(_) => "pin",
            Self::Freeze(_) => "freeze",
            Self::AllPathsDown => "all-paths-down",
        }
    }
}

/// Something happened, for log, API and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathRecord {
    /// When.
    pub at: Timestamp,
    /// To which cluster; none: to the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterId>,
    /// What.
    #[serde(flatten)]
    pub what: Happened,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Happened {
    /// A verdict changed.
    VerdictChanged {
        /// Of which path.
        path: Arc<str>,
        /// How, and by which evidence.
        #[serde(flatten)]
        transition: Transition,
    },
    /// The cluster takes another path.
    Switched {
        /// The one before.
        from: Arc<str>,
        /// The one now.
        to: Arc<str>,
        /// Why.
        why: SwitchReason,
        /// When the first lost probe of the path before was sent, if it is down.
        first_bad: Option<Timestamp>,
        /// From then until the switch.
        #[serde(rename = "sinceFirstBadMilliseconds", serialize_with = "millis")]
        since_first_bad: Option<Duration>,
    },
    /// The cluster stays on its path although another one would be taken.
    Held {
        /// Its path.
        on: Arc<str>,
        /// The other; none: there is none that works.
        wanted: Option<Arc<str>>,
        /// What holds it.
        by: HeldBy,
        /// Until when, if that is known.
        until: Option<Timestamp>,
    },
    /// The returning path gets this share of the traffic, in percent; 100 at the ramp's end.
    Ramped {
        /// The returning path.
        path: Arc<str>,
        /// Its share.
        percent: u32,
    },
    /// So many clusters lost their active path at once that the hub suspects itself: all switches are frozen.
    Suspected {
        /// Clusters that lost theirs.
        down: usize,
        /// Clusters with evidence.
        of: usize,
    },
    /// Fewer clusters are down: switches are free again.
    Trusted {
        /// Clusters that lost their active path.
        down: usize,
        /// Clusters with evidence.
        of: usize,
    },
    /// A person ordered something.
    OrderMade(Order),
    /// An order is over.
    OrderEnded {
        /// Which.
        order: Order,
        /// Why.
        because: OrderEnd,
    },
}

/// Why an order is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderEnd {
    /// Its time is over.
    Expired,
    /// A person ended it.
    Released,
    /// A later order took its place.
    Replaced,
}

/// What is kept of a cluster over a restart, and comes back unverified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PersistedCluster {
    /// Its active path.
    pub active: String,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<SwitchReason>,
    /// By path.
    pub verdicts: BTreeMap<String, PersistedVerdict>,
}

/// What is kept of a path over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PersistedVerdict {
    /// What was held of it.
    pub verdict: Verdict,
    /// Since when.
    pub since: Timestamp,
}

/// All clusters' paths, to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathsView {
    /// Whether the hub suspects itself, and all switches are frozen.
    pub suspected: bool,
    /// By name.
    pub clusters: Vec<ClusterPaths>,
}

/// One cluster's paths, to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPaths {
    /// Its name.
    pub cluster: ClusterId,
    /// What was decided last.
    #[serde(flatten)]
    pub decision: Decision,
    /// Since when the active path is.
    pub since: Timestamp,
    /// What keeps it there, if another one would be taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Of flap damping, now.
    pub penalty: u32,
    /// Until when damping allows no switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed_until: Option<Timestamp>,
    /// The machine's own switches in the last hour, at most as many as are allowed.
    pub switches_within_an_hour: usize,
    /// The orders about it.
    pub orders: Vec<Order>,
    /// By rank.
    pub paths: Vec<PathView>,
}

/// What keeps a cluster on its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// What.
    pub by: HeldBy,
    /// The path that would be taken; none: there is none that works.
    pub wanted: Option<Arc<str>>,
    /// Until when, if that is known.
    pub until: Option<Timestamp>,
}

/// One path, to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathView {
    /// Its name.
    pub name: Arc<str>,
    /// What kind of line it takes.
    pub kind: PathKind,
    /// 0 is best.
    pub rank: u8,
    /// What is held of it.
    pub verdict: Verdict,
    /// Whether evidence of this run of the hub agreed.
    pub verified: bool,
    /// Why it is held.
    pub cause: Cause,
    /// Since when it is held.
    pub since: Timestamp,
    /// Whether there was a result lately.
    pub fresh: bool,
    /// Loss over the window.
    pub loss: Loss,
    /// Mean over the window.
    #[serde(rename = "roundTripMilliseconds", serialize_with = "millis")]
    pub round_trip: Option<Duration>,
    /// The last failed probe of any vantage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<FailureView>,
    /// The order that drains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drained: Option<OrderId>,
    /// Who looks, and whether the path is down from there.
    pub vantages: Vec<VantageView>,
}

/// A failed probe, to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureView {
    /// From where.
    pub vantage: Vantage,
    /// Why it failed.
    pub failure: ProbeFailure,
    /// When that became known.
    pub at: Timestamp,
}

/// A vantage, to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VantageView {
    /// Which.
    pub vantage: Vantage,
    /// Whether the path is down from there.
    pub down: bool,
}

/// A time in milliseconds, with its fraction.
#[expect(clippy::ref_option, reason = "serde's own signature")]
pub(super) fn millis<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64() * 1000.0).serialize(serializer)
}
