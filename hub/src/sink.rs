//! What writes to the target: one APISIX.
//!
//! [`Sink`] is one way of writing (`admin` so far); [`driver`] is the only caller of it and decides what is written and
//! when, by the pure [`schedule`]; [`diff`] says what a target lacks and in which order it may be given. What is *not*
//! here: what objects look like (`plan`), and who may have one (`federate`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hubline::wire::ContentHash;

use crate::object::{Object, ObjectId, ObjectKind};

pub mod actual;
pub mod admin;
pub mod audit;
pub mod diff;
pub mod driver;
mod error;
pub mod metrics;
pub mod ownership;
pub mod schedule;
#[cfg(test)]
pub(crate) mod testing;

pub use actual::{Actual, Seen};
pub use error::SinkError;
pub use ownership::Ownership;

/// Names one APISIX cluster, for people, logs and metrics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub Arc<str>);

impl fmt::Display for TargetId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Grows with every change of leadership: a target that can check refuses writes with an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FenceToken(pub u64);

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Make it as it shall be, whether it is there or not.
    Put {
        /// As it shall be.
        object: Arc<Object>,
    },
    /// Remove it; that it is gone already is success.
    Delete {
        /// Which one.
        id: ObjectId,
        /// As it was desired last, for its causes; none for what an earlier run of the hub left behind.
        was: Option<Arc<Object>>,
    },
}

impl Operation {
    /// The object it writes.
    #[must_use]
    pub fn id(&self) -> &ObjectId {
        match self {
            Self::Put { object } => &object.id,
            Self::Delete { id, .. } => id,
        }
    }

    /// Its name in logs and metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Put { .. } => "put",
            Self::Delete { .. } => "delete",
        }
    }
}

/// What became of one operation.
#[derive(Debug, Clone)]
pub struct OperationResult {
    /// The target's answer.
    pub result: Result<Written, SinkError>,
    /// The status of that answer, where the target speaks HTTP and was reached.
    pub status: Option<u16>,
    /// How long it took.
    pub duration: Duration,
}

/// A write that the target took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Normalised hash of what the target says it stores now, where it says so.
    pub stored: Option<ContentHash>,
}

/// What is at the target.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Objects of ours.
    pub objects: BTreeMap<ObjectId, Seen>,
    /// Objects that carry an id of ours and are not ours: never written, so that a wanted object of that id is refused.
    pub occupied: BTreeSet<ObjectId>,
    /// How many objects of others there are.
    pub foreign: BTreeMap<ObjectKind, u64>,
    /// A global rule of somebody else with the plugin of a diversion, if there is one.
    pub foreign_split: Option<String>,
    /// Kinds that this target does not serve, and its words.
    pub unsupported: BTreeMap<ObjectKind, String>,
}

/// Whether the marker object is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The target is the one that was written to.
    Present,
    /// The target answers and has lost its memory, or never had it.
    Absent,
}

/// One way of writing to one target.
#[async_trait]
pub trait Sink: Send + Sync + fmt::Debug {
    /// The target's name.
    fn target(&self) -> &TargetId;

    /// What is there, whole.
    ///
    /// # Errors
    /// Any [`SinkError`]; then nothing is known, which is not the same as nothing being there.
    async fn observe(&self) -> Result<Observed, SinkError>;

    /// Whether one object, the marker, is there: cheap enough for every second.
    ///
    /// # Errors
    /// [`SinkError::Unreachable`], [`SinkError::Unauthorized`] or [`SinkError::Busy`].
    async fn probe(&self, marker: &ObjectId) -> Result<Presence, SinkError>;

    /// Applies operations that don't depend on each other, concurrently; one result for each, in their order.
    async fn apply(&self, fence: FenceToken, stage: &[Operation]) -> Vec<OperationResult>;
}
