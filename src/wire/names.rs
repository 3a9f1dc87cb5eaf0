//! Equal texts and keys of one sender, kept once.
//!
//! Node names, zones, kinds of sources and the keys by which resources refer to each other come again and again;
//! a hub of a million endpoints would keep them a million times.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{GroupKind, Key, Place};

/// Most texts that are remembered: twice the 5,000 nodes that Kubernetes supports. More are kept, each by itself.
const MAX_TEXTS: usize = 10_000;

/// Most keys that are remembered: as many as a cluster of the average size has a hundred times over.
const MAX_KEYS: usize = 30_000;

/// What was read so far; the same sender's next resources share it.
#[derive(Debug, Default)]
pub struct Names {
    texts: BTreeSet<Arc<str>>,
    keys: BTreeSet<Key>,
    /// As many as texts, at most.
    places: BTreeSet<Arc<Place>>,
}

impl Names {
    /// Forgets the keys; texts are few, and come again with every change.
    pub fn forget_keys(&mut self) {
        self.keys.clear();
    }

    pub(super) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        if self.texts.len() < MAX_TEXTS {
            self.texts.insert(Arc::clone(&new));
        }
        new
    }

    /// Where an endpoint runs; empty texts are unknown.
    pub(super) fn place(&mut self, node: &str, zone: &str) -> Option<Arc<Place>> {
        let mut text = |text: &str| (!text.is_empty()).then(|| self.text(text));
        let place = Place::new(text(node), text(zone))?;
        if let Some(known) = self.places.get(&place) {
            return Some(Arc::clone(known));
        }
        let new = Arc::new(place);
        if self.places.len() < MAX_TEXTS {
            self.places.insert(Arc::clone(&new));
        }
        Some(new)
    }

    pub(super) fn source(&mut self, group: &str, kind: &str) -> GroupKind {
        GroupKind {
            group: self.text(group),
            kind: self.text(kind),
        }
    }

    pub(super) fn key(&mut self, key: Key) -> Key {
        if let Some(known) = self.keys.get(&key) {
            return known.clone();
        }
        if self.keys.len() < MAX_KEYS {
            self.keys.insert(key.clone());
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_and_their_number_is_bounded() {
        let mut names = Names::default();
        assert!(Arc::ptr_eq(&names.text("node"), &names.text("node")));
        let (one, other) = (names.place("node", ""), names.place("node", ""));
        assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
        assert_eq!(names.place("", ""), None);
        for number in 0..2 * MAX_TEXTS {
            assert_eq!(*names.text(&number.to_string()), *number.to_string());
        }
        assert_eq!(names.texts.len(), MAX_TEXTS);
    }
}
