//! Who refers to whom, the way back: what something refers to, it says itself.

use std::collections::{BTreeMap, BTreeSet};

use hubline::model::GlobalKey;

use crate::few::Few;

/// References between resources; each change costs what it changes.
#[derive(Debug, Default)]
pub(super) struct Index {
    backward: BTreeMap<GlobalKey, Few<GlobalKey>>,
}

impl Index {
    /// `from` referred to `before` and now refers to `now`; returns what is in one of them alone.
    pub(super) fn set(
        &mut self,
        from: &GlobalKey,
        before: &Few<GlobalKey>,
        now: &Few<GlobalKey>,
    ) -> BTreeSet<GlobalKey> {
        let mut changed = BTreeSet::new();
        for gone in before.iter().filter(|it| !now.contains(it)) {
            self.unlink(from, gone);
            changed.insert(gone.clone());
        }
        for new in now.iter().filter(|it| !before.contains(it)) {
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
