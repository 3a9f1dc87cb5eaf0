//! What the verdict machine hands on: which path a cluster takes, what happened, and what to show.
//!
//! Only shapes; times of the machine's clock are wall-clock times here.

mod record;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

pub use record::{Happened, OrderEnd, PathRecord};
pub use view::{ClusterPaths, FailureView, Held, PathView, PathsView, VantageView};

use super::health::Verdict;
use super::orders::OrderId;

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

/// A time in milliseconds, with its fraction.
#[expect(clippy::ref_option, reason = "serde's own signature")]
pub(super) fn millis<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64() * 1000.0).serialize(serializer)
}
