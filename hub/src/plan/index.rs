//! Who refers to whom, the way back: what something refers to, it says itself.

use std::collections::BTreeMap;

use hubline::model::GlobalKey;

use crate::few::Few;

/// References between resources; each change costs what it changes.
#[derive(Debug, Default)]
pub(super) struct Index {
    backward: BTreeMap<GlobalKey, Few<GlobalKey>>,
}

impl Index {
    /// `from` referred to `before` and now refers to `now`.
    pub(super) fn set(&mut self, from: &GlobalKey, before: &Few<GlobalKey>, now: &Few<GlobalKey>) {
        for gone in without(before, now) {
            self.unlink(from, gone);
        }
        for new in without(now, before) {
            self.backward.entry(new.clone()).or_default().insert(from.clone());
        }
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
}

/// What is in the one and not in the other.
pub(super) fn without<'a>(one: &'a Few<GlobalKey>, other: &'a Few<GlobalKey>) -> impl Iterator<Item = &'a GlobalKey> {
    one.iter().filter(|it| !other.contains(it))
}
