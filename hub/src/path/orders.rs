//! What people order: pin, drain and freeze, each with who, why and a time limit.
//!
//! Says which orders are in force and which are over; [`judge()`] says before one is made whether it may be. Keeping them on disk before they act is the
//! caller's; what they do to a cluster's path is `choice`'s.

mod judge;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use hubline::model::ClusterId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use judge::{ClusterStanding, PathStanding, Refusal, judge};

/// Longest time of an order, so that none is forgotten: 7 days.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Names an order for as long as it is kept; given by the caller, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(pub u64);

impl fmt::Display for OrderId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, out)
    }
}

/// What a person ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its name.
    pub id: OrderId,
    /// What is to be done.
    #[serde(flatten)]
    pub kind: OrderKind,
    /// Who ordered it.
    pub who: String,
    /// Why; not empty.
    pub why: String,
    /// When it was made, by the wall clock.
    pub since: Timestamp,
    /// When it ends, by the wall clock; at most 7 days later.
    pub until: Timestamp,
    /// Even if it takes the last usable path or cluster, or pins a path that is down.
    #[serde(default)]
    pub force: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OrderKind {
    /// Stay on this path, whatever happens to it.
    Pin {
        /// Of this cluster.
        cluster: ClusterId,
        /// The path's name.
        path: String,
    },
    /// Do not use, unless there is nothing else.
    Drain {
        /// This cluster.
        cluster: ClusterId,
        /// One path of it; none: the whole cluster.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
    /// No switch by the machine itself.
    Freeze {
        /// This cluster.
        cluster: ClusterId,
    },
}

impl OrderKind {
    /// The cluster that it is about.
    #[must_use]
    pub fn cluster(&self) -> &ClusterId {
        match self {
            Self::Pin { cluster, .. } | Self::Drain { cluster, .. } | Self::Freeze { cluster } => cluster,
        }
    }

    /// The path that it names.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Pin { path, .. } => Some(path),
            Self::Drain { path, .. } => path.as_deref(),
            Self::Freeze { .. } => None,
        }
    }

    /// The value of the metric label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Pin { .. } => "pin",
            Self::Drain { .. } => "drain",
            Self::Freeze { .. } => "freeze",
        }
    }

    /// Whether the other takes this one's place: a cluster has one pin and one freeze, a path one drain.
    fn replaced_by(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Drain { .. }, Self::Drain { .. }) => self == other,
            _ => self.label() == other.label() && self.cluster() == other.cluster(),
        }
    }
}

/// The orders in force.
#[derive(Debug, Clone, Default)]
pub(super) struct Orders(BTreeMap<OrderId, Order>);

impl Orders {
    /// Adds one; returns those whose place it takes.
    pub(super) fn make(&mut self, order: Order) -> Vec<Order> {
        let replaced: Vec<OrderId> = self
            .0
            .values()
            .filter(|other| other.kind.replaced_by(&order.kind))
            .map(|other| other.id)
            .collect();
        let replaced = replaced.into_iter().filter_map(|id| self.0.remove(&id)).collect();
        self.0.insert(order.id, order);
        replaced
    }

    pub(super) fn release(&mut self, id: OrderId) -> Option<Order> {
        self.0.remove(&id)
    }

    /// Takes those out that are over.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Order> {
        let over = |order: &&Order| order.until <= now;
        let ids: Vec<OrderId> = self.0.values().filter(over).map(|order| order.id).collect();
        ids.into_iter().filter_map(|id| self.0.remove(&id)).collect()
    }

    pub(super) fn of<'a>(&'a self, cluster: &'a ClusterId) -> impl Iterator<Item = &'a Order> {
        self.0.values().filter(move |order| order.kind.cluster() == cluster)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Order> {
        self.0.values()
    }

    /// When the next one ends.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.0.values().map(|order| order.until).min()
    }
}
