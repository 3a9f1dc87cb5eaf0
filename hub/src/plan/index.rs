//! Who refers to whom, both ways.

use std::collections::{BTreeMap, BTreeSet};

use hubline::model::GlobalKey;

/// References between resources; each change costs what it changes.
#[derive(Debug, Default)]
pub(super) struct Index {
    forward: BTreeMap<GlobalKey, BTreeSet<GlobalKey>>,
    backward: BTreeMap<GlobalKey, BTreeSet<GlobalKey>>,
}

impl Index {
    /// Replaces what `from` refers to; returns those that it did not refer to before or no longer does.
    pub(super) fn set(&mut self, from: &GlobalKey, to: &BTreeSet<GlobalKey>) -> BTreeSet<GlobalKey> {
        let before = if to.is_empty() {
            self.forward.remove(from)
        } else {
            self.forward.insert(from.clone(), to.clone())
        };
        let before = before.unwrap_or_default();
        for gone in before.difference(to) {
            self.unlink(from, gone);
        }
        for new in to.difference(&before) {
            self.backward.entry(new.clone()).or_default().insert(from.clone());
        }
        before.symmetric_difference(to).cloned().collect()
    }

    fn unlink(&mut self, from: &GlobalKey, to: &GlobalKey) {
        if let Some(sources) = self.backward.get_mut(to) {
            sources.remove(from);
            if sources.is_empty() {
                self.backward.remove(to);
            }
        }
    }

    /// Who refers to `to`.
    pub(super) fn referrers(&self, to: &GlobalKey) -> impl Iterator<Item = &GlobalKey> {
        self.backward.get(to).into_iter().flatten()
    }

    /// Whether anyone refers to `to`.
    pub(super) fn is_used(&self, to: &GlobalKey) -> bool {
        self.backward.contains_key(to)
    }
}
