//! Which desired objects came from a resource, and what became of them.

use std::collections::BTreeMap;

use hubline::model::GlobalKey;
use serde::Serialize;

use crate::object::{Object, ObjectKind};
use crate::view::{Outcome, View};

/// What became of a resource or object at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum State {
    /// The target has all of it as it is now.
    Programmed,
    /// Some of it is not written yet.
    Pending,
    /// The target refused some of it.
    Refused,
    /// Nothing at the target was made from it.
    NotPlanned,
}

/// What became of an object.
pub(super) fn state(view: &View, object: &Object) -> State {
    match view.outcomes.get(&object.id) {
        None => State::Programmed,
        Some(Outcome::Programmed(hash)) if *hash == object.hash => State::Programmed,
        Some(Outcome::Refused(refusal)) if refusal.hash == object.hash => State::Refused,
        Some(Outcome::Programmed(_) | Outcome::Refused(_) | Outcome::Pending) => State::Pending,
    }
}

/// Objects of some kinds by the resources that they were made from.
#[derive(Debug)]
pub(super) struct Index<'a>(BTreeMap<&'a GlobalKey, Entry>);

#[derive(Debug, Default)]
struct Entry {
    objects: Vec<String>,
    worst: Option<State>,
}

impl<'a> Index<'a> {
    /// Goes once over the desired objects of these kinds.
    pub(super) fn of(view: &'a View, kinds: &[ObjectKind]) -> Self {
        let mut index: BTreeMap<&GlobalKey, Entry> = BTreeMap::new();
        for object in view.desired.values().filter(|object| kinds.contains(&object.id.kind)) {
            let state = state(view, object);
            for cause in &object.causes {
                let entry = index.entry(&cause.key).or_default();
                entry.objects.push(object.id.to_string());
                entry.worst = entry.worst.max(Some(state));
            }
        }
        Self(index)
    }

    /// Names of the objects of a resource, as `routes/ID`, sorted.
    pub(super) fn objects(&self, key: &GlobalKey) -> Vec<String> {
        self.0.get(key).map(|entry| entry.objects.clone()).unwrap_or_default()
    }

    /// The worst that became of them.
    pub(super) fn state(&self, key: &GlobalKey) -> State {
        self.0
            .get(key)
            .and_then(|entry| entry.worst)
            .unwrap_or(State::NotPlanned)
    }
}
