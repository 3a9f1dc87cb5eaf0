//! Who refers to whom, both ways.

use std::collections::{BTreeMap, BTreeSet};

use hubline::model::GlobalKey;

use crate::few::Few;

/// References between resources; each change costs what it changes.
#[derive(Debug, Default)]
pub(super) struct Index {
    forward: BTreeMap<GlobalKey, Few<GlobalKey>>,
    backward: BTreeMap<GlobalKey, Few<GlobalKey>>,
}

impl Index {
    /// Replaces what `from` refers to; returns those that it did not refer to before or no longer does.
    pub(super) fn set(&mut self, from: &GlobalKey, to: &Few<GlobalKey>) -> BTreeSet<GlobalKey> {
        let before = if to.is_empty() {
            self.forward.remove(from)
        } else {
            self.forward.insert(from.clone(), to.clone())
        };
        let before = before.unwrap_or_default();
        let mut changed = BTreeSet::new();
        for gone in before.iter().filter(|it| !to.contains(it)) {
            self.unlink(from, gone);
            changed.insert(gone.clone());
        }
        for new in to.iter().filter(|it| !before.contains(it)) {
            self.backward.entry(new.clone()).or_default().insert(from.clone());
            changed.insert(new.clone());
        }
        changed
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
        self.backward.get(to).into_iter().flat_map(Few::iter)
    }

    /// Whether anyone refers to `to`.
    pub(super) fn is_used(&self, to: &GlobalKey) -> bool {
        self.backward.contains_key(to)
    }
}
