//! What passes from translate to publish.

use hubline::model::{Diagnostic, Entry, GroupState, Key};

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
}

impl Output {
    /// Whether there is nothing to publish.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
