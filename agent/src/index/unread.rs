//! What could not be read from the first listing of its kind on, and so has no last good form.
//!
//! An agent that starts over such a fault does not know what it made of the object before: its kind is not known whole
//! until the fault is gone. A fault that appears later hides nothing that a hub could have.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Kind, Name, ObjectId};

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unread {
    /// Kinds that may stand in files, with the reason.
    files: BTreeMap<Kind, String>,
    objects: BTreeMap<Kind, BTreeSet<Name>>,
}

impl Unread {
    /// Whether there may be objects of the kind that nobody has read.
    pub(crate) fn affects(&self, kind: Kind) -> bool {
        self.files.contains_key(&kind) || self.objects.contains_key(&kind)
    }

    /// What it is that could not be read.
    pub(crate) fn reason(&self, kind: Kind) -> Option<String> {
        if let Some(reason) = self.files.get(&kind) {
            return Some(reason.clone());
        }
        let name = self.objects.get(&kind)?.first()?;
        Some(format!("{} {name} cannot be read", kind.name()))
    }

    /// Replaces what is said of files.
    pub(super) fn set_files(&mut self, files: BTreeMap<Kind, String>) {
        self.files = files;
    }

    pub(super) fn insert(&mut self, id: ObjectId) {
        self.objects.entry(id.kind).or_default().insert(id.name);
    }

    /// An object was read or is gone; true when it was among these.
    pub(super) fn remove(&mut self, id: &ObjectId) -> bool {
        self.change(id.kind, |names| names.remove(&id.name))
    }

    /// A listing is complete; true when it did not show one of these any more.
    pub(super) fn retain(&mut self, kind: Kind, seen: &BTreeSet<Name>) -> bool {
        self.change(kind, |names| {
            let before = names.len();
            names.retain(|name| seen.contains(name));
            names.len() != before
        })
    }

    fn change(&mut self, kind: Kind, change: impl FnOnce(&mut BTreeSet<Name>) -> bool) -> bool {
        let Some(names) = self.objects.get_mut(&kind) else {
            return false;
        };
        let changed = change(names);
        if names.is_empty() {
            self.objects.remove(&kind);
        }
        changed
    }
}
