//! All resources of one cluster at one revision, as dry runs print and read them.

use serde::{Deserialize, Serialize};

use super::{ClusterId, GroupKind, Key, Resource, ResourceKind};

/// The resources of one kind made from one kind of source: the unit of completeness.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Kind of the resources.
    pub kind: ResourceKind,
    /// What they are made from.
    pub source: GroupKind,
}

impl Group {
    /// The group that a key belongs to.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        Self {
            kind: key.kind,
            source: key.source.clone(),
        }
    }
}

/// Whether everything of a group was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Completeness {
    /// What is not here does not exist.
    Complete,
    /// Something it depends on could not be listed, or not all of it be read: what is not here may exist, and the hub
    /// keeps what it has. What is here counts.
    Unknown {
        /// What could not be listed or read, and why.
        reason: String,
    },
}

/// A group and whether it is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupState {
    /// Which.
    pub group: Group,
    /// Whether complete.
    pub completeness: Completeness,
}

/// A resource with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name.
    pub key: Key,
    /// Itself.
    pub resource: Resource,
}

/// All resources of one cluster at one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// Whose.
    pub cluster: ClusterId,
    /// Every group that the agent can speak of, sorted.
    pub groups: Vec<GroupState>,
    /// Sorted by key.
    pub resources: Vec<Entry>,
}
