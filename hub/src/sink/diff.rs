//! What a target lacks, as operations in an order of which every prefix is valid. Pure.
//!
//! Puts go in the order of [`ObjectKind`], what is referred to before what refers to it; deletes come after all puts,
//! in reverse. An object whose reference is neither there nor among the puts is left out: it waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;

use super::{Actual, Operation, Seen};
use crate::object::{Object, ObjectId, ObjectKind};

/// Desired objects by their names.
pub type Desired = OrdMap<ObjectId, Arc<Object>>;

/// Operations in stages; those of one stage don't depend on each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changeset {
    /// Puts, first stage first.
    pub puts: Vec<Vec<Operation>>,
    /// Deletes, to be done after all puts, first stage first.
    pub deletes: Vec<Vec<Operation>>,
}

impl Changeset {
    /// All operations in order.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.puts.iter().chain(&self.deletes).flatten()
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations().count()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations().next().is_none()
    }
}

/// Everything that makes `actual` what is desired.
#[must_use]
pub fn diff(desired: &Desired, actual: &Actual, settled: &BTreeSet<String>) -> Changeset {
    let mut model = actual.clone();
    let puts = ObjectKind::ALL.into_iter().map(|kind| puts(kind, desired, &mut model));
    let puts: Vec<_> = puts.filter(|stage| !stage.is_empty()).collect();
    let mut leftovers: BTreeMap<ObjectKind, Vec<ObjectId>> = BTreeMap::new();
    for id in actual.ids().filter(|id| is_leftover(id, desired, settled)) {
        leftovers.entry(id.kind).or_default().push(id.clone());
    }
    let deletes = leftovers.into_values().rev().map(|ids| deletes(ids, &mut model));
    let deletes = deletes.filter(|stage| !stage.is_empty()).collect();
    Changeset { puts, deletes }
}

fn puts(kind: ObjectKind, desired: &Desired, model: &mut Actual) -> Vec<Operation> {
    let mut stage = Vec::new();
    for (id, object) in of_kind(desired, kind) {
        if needs_put(object, model) && missing_reference(object, model).is_none() {
            model.insert(id.clone(), Seen::of(object, None));
            stage.push(Operation::Put { object: object.clone() });
        }
    }
    stage
}

fn deletes(ids: Vec<ObjectId>, model: &mut Actual) -> Vec<Operation> {
    let mut stage = Vec::new();
    for id in ids {
        if !model.is_referred(&id) {
            model.remove(&id);
            stage.push(Operation::Delete { id, was: None });
        }
    }
    stage
}

/// Ids of desired objects that begin so, at the cost of these.
pub(super) fn with_prefix<'a>(desired: &'a Desired, prefix: &'a str) -> impl Iterator<Item = &'a ObjectId> {
    ObjectKind::ALL.into_iter().flat_map(move |kind| {
        let first = ObjectId {
            kind,
            id: prefix.into(),
        };
        let from_there = desired.range(first..).map(|(id, _)| id);
        from_there.take_while(move |id| id.kind == kind && id.id.starts_with(prefix))
    })
}

fn of_kind(desired: &Desired, kind: ObjectKind) -> impl Iterator<Item = (&ObjectId, &Arc<Object>)> {
    let first = ObjectId { kind, id: "".into() };
    desired.range(first..).take_while(move |(id, _)| id.kind == kind)
}

/// Whether the target lacks this content.
#[must_use]
pub fn needs_put(object: &Object, actual: &Actual) -> bool {
    !actual.get(&object.id).is_some_and(|seen| seen.is(object))
}

/// The first reference that is not at the target.
#[must_use]
pub fn missing_reference<'a>(object: &'a Object, actual: &Actual) -> Option<&'a ObjectId> {
    object.references.iter().find(|reference| !actual.contains(reference))
}

/// Whether nobody wants an object of ours any more, as far as the cluster that it belongs to is known.
#[must_use]
pub fn is_leftover(id: &ObjectId, desired: &Desired, settled: &BTreeSet<String>) -> bool {
    !desired.contains_key(id) && belongs_to(id, settled)
}

/// Whether an object is of one of the clusters with these prefixes. An id has at most 64 beginnings; looking each up
/// costs less than trying thousands of prefixes.
pub(super) fn belongs_to(id: &ObjectId, clusters: &BTreeSet<String>) -> bool {
    let ends = (1..=id.id.len()).filter(|end| id.id.is_char_boundary(*end));
    let mut prefixes = ends.filter_map(|end| id.id.get(..end));
    prefixes.any(|prefix| clusters.contains(prefix))
}

#[cfg(test)]
mod tests;
