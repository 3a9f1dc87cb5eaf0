//! What passes from the clusters' state machines to federate and plan.

use std::sync::Arc;

use hubline::model::{Key, Resource};
use hubline::wire::ContentHash;

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
