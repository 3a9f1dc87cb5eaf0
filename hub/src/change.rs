//! What passes from the clusters' state machines to federate and plan.

use std::sync::Arc;

use hubline::model::{ClusterId, GlobalKey, GroupKind, Key, Resource, ResourceKind};
use hubline::wire::ContentHash;
use imbl::OrdMap;

/// One effective resource of a cluster changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name in its cluster.
    pub key: Key,
    /// What it is now; none when it is gone.
    pub now: Option<Stored>,
}

/// An effective resource: the last one of its key that was good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Hash of its bytes as sent.
    pub hash: ContentHash,
    /// Itself; shared with every stage that keeps it.
    pub resource: Arc<Resource>,
}

/// Sorts before every key of a cluster and kind.
#[must_use]
pub fn first_key(cluster: &ClusterId, kind: ResourceKind) -> GlobalKey {
    GlobalKey {
        cluster: cluster.clone(),
        key: Key::new(kind, &GroupKind::new("", ""), "", "", ""),
    }
}

/// The effective resources of a cluster and kind, by key, at the cost of these alone.
pub fn of_kind<'a>(
    resources: &'a OrdMap<GlobalKey, Stored>,
    cluster: &'a ClusterId,
    kind: ResourceKind,
) -> impl Iterator<Item = (&'a GlobalKey, &'a Stored)> {
    let from_there = resources.range(first_key(cluster, kind)..);
    from_there.take_while(move |(key, _)| key.cluster == *cluster && key.key.kind == kind)
}
