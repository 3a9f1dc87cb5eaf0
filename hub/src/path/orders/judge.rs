//! Whether an order may be made.

use std::collections::BTreeMap;

use hubline::model::ClusterId;
use jiff::Timestamp;

use super::{LONGEST, Order, OrderId, OrderKind};

/// Why an order is refused. The text is for the person who gave it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such cluster.
    #[error("cluster {0} is not configured")]
    UnknownCluster(ClusterId),
    /// No such path.
    #[error("cluster {cluster} has no path {path:?}; it has {known}")]
    UnknownPath {
        /// Of which cluster.
        cluster: ClusterId,
        /// What was named.
        path: String,
        /// The paths there are.
        known: String,
    },
    /// Too long, or no time at all.
    #[error("until {until} is not allowed; allowed: later than now and at most 7 days ahead")]
    TimeLimit {
        /// What was asked for.
        until: Timestamp,
    },
    /// No reason given.
    #[error("why is empty; give the reason of the order")]
    NoReason,
    /// The path that would be pinned is down.
    #[error("path {path:?} of cluster {cluster} is down; force pins it all the same")]
    PathDown {
        /// Of which cluster.
        cluster: ClusterId,
        /// Which path.
        path: String,
    },
    /// Another order says the contrary.
    #[error("order {order} says otherwise ({kind}); release it, or force this one")]
    Contradicts {
        /// Which.
        order: OrderId,
        /// What it says.
        kind: &'static str,
    },
    /// Nothing usable would be left of the cluster.
    #[error("path {path:?} is the last usable one of cluster {cluster}; force drains it all the same")]
    LastUsablePath {
        /// Of which cluster.
        cluster: ClusterId,
        /// Which path.
        path: String,
    },
    /// No usable cluster would be left.
    #[error("{0} is the last usable cluster; force drains it all the same")]
    LastUsableCluster(ClusterId),
}

impl Refusal {
    /// The value of the metric label, and the API's word for it.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::UnknownCluster(_) => "unknown-cluster",
            Self::UnknownPath { .. } => "unknown-path",
            Self::TimeLimit { .. } => "time-limit",
            Self::NoReason => "no-reason",
            Self::PathDown { .. } => "path-down",
            Self::Contradicts { .. } => "contradicts",
            Self::LastUsablePath { .. } => "last-usable-path",
            Self::LastUsableCluster(_) => "last-usable-cluster",
        }
    }

    /// Whether `force` would help.
    #[must_use]
    pub fn can_be_forced(&self) -> bool {
        matches!(
            self,
            Self::PathDown { .. } | Self::Contradicts { .. } | Self::LastUsablePath { .. } | Self::LastUsableCluster(_)
        )
    }
}

/// A path as far as orders are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStanding {
    /// Its name.
    pub name: String,
    /// Whether it is up or degraded.
    pub works: bool,
    /// The order that drains it.
    pub drained: Option<OrderId>,
}

/// A cluster as far as orders are concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterStanding {
    /// Its paths.
    pub paths: Vec<PathStanding>,
    /// The order that pins it, and the path.
    pub pin: Option<(OrderId, String)>,
    /// The order that drains it whole.
    pub drained: Option<OrderId>,
}

impl ClusterStanding {
    fn usable(&self) -> bool {
        self.drained.is_none() && self.paths.iter().any(|path| path.works && path.drained.is_none())
    }
}

/// Judges an order at the wall-clock time `now`, against all clusters as they are.
///
/// # Errors
/// [`Refusal`], which says whether force would help.
pub fn judge(order: &Order, state: &BTreeMap<ClusterId, ClusterStanding>, now: Timestamp) -> Result<(), Refusal> {
    let id = order.kind.cluster();
    let cluster = state.get(id).ok_or_else(|| Refusal::UnknownCluster(id.clone()))?;
    if order.until <= now || order.until.duration_since(now) > LONGEST {
        return Err(Refusal::TimeLimit { until: order.until });
    }
    if order.why.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    let verdict = match &order.kind {
        OrderKind::Pin { path, .. } => pin(cluster, id, path),
        OrderKind::Drain { path: Some(path), .. } => drain(cluster, id, path),
        OrderKind::Drain { path: None, .. } => drain_cluster(state, id),
        OrderKind::Freeze { .. } => Ok(()),
    };
    verdict.or_else(|refusal| {
        if order.force && refusal.can_be_forced() {
            Ok(())
        } else {
            Err(refusal)
        }
    })
}

fn known<'a>(cluster: &'a ClusterStanding, id: &ClusterId, name: &str) -> Result<&'a PathStanding, Refusal> {
    let found = cluster.paths.iter().find(|path| path.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = cluster.paths.iter().map(|path| path.name.as_str()).collect();
        Refusal::UnknownPath {
            cluster: id.clone(),
            path: name.to_owned(),
            known: names.join(", "),
        }
    })
}

fn pin(cluster: &ClusterStanding, id: &ClusterId, name: &str) -> Result<(), Refusal> {
    let path = known(cluster, id, name)?;
    if let Some(order) = path.drained {
        return Err(Refusal::Contradicts { order, kind: "drain" });
    }
    let (cluster, path_name) = (id.clone(), name.to_owned());
    path.works.then_some(()).ok_or(Refusal::PathDown {
        cluster,
        path: path_name,
    })
}

fn drain(cluster: &ClusterStanding, id: &ClusterId, name: &str) -> Result<(), Refusal> {
    known(cluster, id, name)?;
    if let Some((order, _)) = cluster.pin.as_ref().filter(|(_, pinned)| pinned == name) {
        return Err(Refusal::Contradicts {
            order: *order,
            kind: "pin",
        });
    }
    let mut others = cluster.paths.iter().filter(|path| path.name != name);
    let remains = others.any(|path| path.works && path.drained.is_none());
    remains.then_some(()).ok_or_else(|| Refusal::LastUsablePath {
        cluster: id.clone(),
        path: name.to_owned(),
    })
}

fn drain_cluster(state: &BTreeMap<ClusterId, ClusterStanding>, id: &ClusterId) -> Result<(), Refusal> {
    let remains = state.iter().any(|(other, cluster)| other != id && cluster.usable());
    remains
        .then_some(())
        .ok_or_else(|| Refusal::LastUsableCluster(id.clone()))
}
