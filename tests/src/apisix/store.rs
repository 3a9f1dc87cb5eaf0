//! The stored objects, with revisions counted the way etcd counts them.
//!
//! Knows nothing about what objects mean: that is `admin` (may it be written?) and `live` (what
//! does the gateway do with it?).

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;
use tokio::time::Instant;

use super::kind::Kind;

/// One stored object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) value: Arc<Value>,
    /// revision at which it was created
    pub(crate) created: u64,
    /// revision of its last write
    pub(crate) modified: u64,
    pub(crate) expires: Option<Instant>,
}

static NOTHING: LazyLock<BTreeMap<String, Object>> = LazyLock::new(BTreeMap::new);

/// All objects, by kind and id.
#[derive(Debug)]
pub(crate) struct Store {
    revision: u64,
    kinds: BTreeMap<Kind, BTreeMap<String, Object>>,
}

impl Store {
    pub(crate) fn new(revision: u64) -> Self {
        Self {
            revision,
            kinds: BTreeMap::new(),
        }
    }

    pub(crate) fn get(&self, kind: Kind, id: &str) -> Option<&Object> {
        self.list(kind).get(id)
    }

    /// The objects of a kind, in the order of their keys.
    pub(crate) fn list(&self, kind: Kind) -> &BTreeMap<String, Object> {
        self.kinds.get(&kind).unwrap_or(&NOTHING)
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.kinds.values().map(BTreeMap::len).sum()
    }

    /// The id of a posted object is the revision of a write of its own, as at the real one.
    pub(crate) fn generate_id(&mut self) -> String {
        self.revision += 1;
        format!("{:020}", self.revision)
    }

    /// Writes an object; true if it was not there before.
    pub(crate) fn put(&mut self, kind: Kind, id: &str, value: Arc<Value>, expires: Option<Instant>) -> bool {
        self.revision += 1;
        let modified = self.revision;
        let objects = self.kinds.entry(kind).or_default();
        let created = objects.get(id).map(|object| object.created);
        let object = Object {
            value,
            created: created.unwrap_or(modified),
            modified,
            expires,
        };
        objects.insert(id.to_owned(), object);
        created.is_none()
    }

    pub(crate) fn remove(&mut self, kind: Kind, id: &str) -> Option<Object> {
        let removed = self.kinds.get_mut(&kind)?.remove(id)?;
        self.revision += 1;
        Some(removed)
    }

    /// Forgets everything; the revision goes on, so that no index is ever given twice.
    pub(crate) fn clear(&mut self) {
        self.kinds.clear();
    }
}
