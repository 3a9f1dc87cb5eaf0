//! What happened, for log, API and metrics.

use std::sync::Arc;
use std::time::Duration;

use hubline::model::ClusterId;
use jiff::Timestamp;
use serde::Serialize;

use super::{HeldBy, SwitchReason, millis};
use crate::path::health::Transition;
use crate::path::orders::Order;

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
    OrderMade {
        /// Which.
        order: Order,
    },
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
