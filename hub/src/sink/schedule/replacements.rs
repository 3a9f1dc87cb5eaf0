//! Which routes take the place of which: desired ones that are not at the target yet, by the resource they are made from.
//!
//! A route's id follows from what it is (one backend or several, all of its claims or some of them), so a change of the
//! resource may be a new object and an old one to delete. The old one stays until all that replaces it is there. Of what
//! an earlier run of the hub left behind only the labels are known, which name the source object, not the resource.

use std::collections::BTreeMap;

use hubline::model::GlobalKey;
use hubline::wire::ContentHash;

use crate::object::{Object, ObjectId, ObjectKind};
use crate::plan::label_value;

/// Hash of the labels that name a source object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(Rust, packed(8))]
pub(in crate::sink) struct Owner(u128);

impl Owner {
    /// Of the values of labels.
    pub(in crate::sink) fn of_labels(cluster: &str, namespace: &str, name: &str, kind: &str) -> Self {
        Self(ContentHash::of([cluster, namespace, name, kind].join(" ").as_bytes()).0)
    }

    fn of_key(key: &GlobalKey) -> Self {
        let GlobalKey { cluster, key } = key;
        let (namespace, name) = (label_value(&key.namespace), label_value(&key.name));
        Self::of_labels(
            &label_value(cluster.as_str()),
            &namespace,
            &name,
            &label_value(&key.source.kind),
        )
    }
}

/// Routes that are desired and not at the target.
#[derive(Debug, Default)]
pub(super) struct Replacements {
    owners: BTreeMap<ObjectId, Owner>,
    ids: BTreeMap<(Owner, ObjectId), GlobalKey>,
}

/// Whether objects of a kind are replaced by others: nothing refers to them, and their ids change.
pub(super) fn concerns(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Route | ObjectKind::StreamRoute)
}

impl Replacements {
    /// Notes whether an object is desired and not at the target.
    pub(super) fn note(&mut self, id: &ObjectId, object: Option<&Object>) {
        if !concerns(id.kind) {
            return;
        }
        let key = object.and_then(|object| object.causes.first()).map(|cause| &cause.key);
        let owner = key.map(Owner::of_key);
        if self.owners.get(id) != owner.as_ref() {
            self.forget(id);
        }
        if let (Some(owner), Some(key)) = (owner, key) {
            self.owners.insert(id.clone(), owner);
            self.ids.insert((owner, id.clone()), key.clone());
        }
    }

    fn forget(&mut self, id: &ObjectId) {
        if let Some(owner) = self.owners.remove(id) {
            self.ids.remove(&(owner, id.clone()));
        }
    }

    /// The first that is to take the place of an object: of that resource where the object is known, else of that owner.
    pub(super) fn of(&self, id: &ObjectId, was: Option<&Object>, owner: Option<Owner>) -> Option<&ObjectId> {
        let key = was.and_then(|object| object.causes.first()).map(|cause| &cause.key);
        let owner = key.map(Owner::of_key).or(owner)?;
        let first = ObjectId {
            kind: id.kind,
            id: "".into(),
        };
        let ids = self
            .ids
            .range((owner, first)..)
            .map(|((of, other), by)| (of, other, by));
        let mut mine = ids.take_while(|(of, other, _)| **of == owner && other.kind == id.kind);
        let fitting = mine.find(|(_, _, by)| key.is_none_or(|key| key == *by));
        fitting.map(|(_, other, _)| other)
    }
}
