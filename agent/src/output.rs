//! What passes from translate to publish.

use std::sync::Arc;

use hubline::model::{Diagnostic, Entry, GroupState, Key};

use crate::source::ObjectId;

/// What changed since the last time: never more than one entry a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// New and changed resources, sorted by key.
    pub upserts: Vec<Entry>,
    /// Keys that are gone, sorted.
    pub removals: Vec<Key>,
    /// Completeness of every group, when it changed; sorted.
    pub groups: Option<Vec<GroupState>>,
    /// Everything that is wrong, when it changed; sorted.
    pub diagnostics: Option<Vec<Diagnostic>>,
    /// What was made of objects that have a status, where that changed; none of those that are gone.
    pub declared: Vec<(ObjectId, Option<Arc<Declared>>)>,
}

/// What was made of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// Whose it is.
    pub standing: Standing,
    /// The resources that were made of it, and those of other objects that they refer to; sorted.
    pub keys: Box<[Key]>,
    /// Whether these are all that there should be, of what the object says now: not while something is not known that
    /// they are made with.
    pub whole: bool,
    /// Of a policy, the objects that its status is told by; sorted.
    pub ancestors: Box<[Ancestor]>,
}

/// An object through which a policy acts, or would.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ancestor {
    /// API group.
    pub group: Box<str>,
    /// Kind.
    pub kind: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// Which of the policy's targets it stands for: places in `spec.targetRefs`, sorted.
    pub targets: Box<[usize]>,
}

/// Whether an object is this agent's to speak of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Standing {
    /// Something that decides it could not be listed.
    #[default]
    Unknown,
    /// It belongs to another controller.
    Foreign,
    /// It is ours.
    Ours,
}

impl Output {
    /// Whether there is nothing to publish.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
