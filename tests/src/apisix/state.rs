//! Everything that a write changes together: the objects, who refers to whom, and the gateway's
//! view of them.

use std::sync::Arc;

use serde_json::Value;
use tokio::time::Instant;

use super::kind::Kind;
use super::live::Live;
use super::references::References;
use super::store::{Object, Store};

/// The state of one stand-in, behind one lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) references: References,
    pub(crate) live: Live,
    /// ends of life that nobody waits for yet
    timers: Vec<Timer>,
}

/// When to call [`State::expire`].
#[derive(Debug)]
pub(crate) struct Timer {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) at: Instant,
}

impl State {
    pub(crate) fn new(revision: u64) -> Self {
        Self {
            store: Store::new(revision),
            references: References::default(),
            live: Live::default(),
            timers: Vec::new(),
        }
    }

    /// Writes an object; true if it was not there before.
    pub(crate) fn put(&mut self, kind: Kind, id: &str, value: Value, expires: Option<Instant>) -> bool {
        if let Some(old) = self.store.get(kind, id) {
            self.references.remove(kind, id, &old.value);
        }
        self.references.add(kind, id, &value);
        if let Some(at) = expires {
            self.timers.push(Timer {
                kind,
                id: id.to_owned(),
                at,
            });
        }
        let created = self.store.put(kind, id, Arc::new(value), expires);
        self.live.refresh(&self.store, &self.references, kind, id);
        created
    }

    pub(crate) fn remove(&mut self, kind: Kind, id: &str) -> Option<Object> {
        let removed = self.store.remove(kind, id)?;
        self.references.remove(kind, id, &removed.value);
        self.live.refresh(&self.store, &self.references, kind, id);
        Some(removed)
    }

    /// Removes an object whose time to live is over; true if it was.
    pub(crate) fn expire(&mut self, kind: Kind, id: &str, now: Instant) -> bool {
        let expires = self.store.get(kind, id).and_then(|object| object.expires);
        expires.is_some_and(|expires| expires <= now) && self.remove(kind, id).is_some()
    }

    /// The timers set since the last call.
    pub(crate) fn take_timers(&mut self) -> Vec<Timer> {
        std::mem::take(&mut self.timers)
    }

    /// Forgets what a restart forgets: what checks have found.
    pub(crate) fn restart(&mut self) {
        self.live.forget_health(&self.store, &self.references);
    }

    /// Loses all objects, as when etcd comes back empty.
    pub(crate) fn clear(&mut self) {
        self.store.clear();
        self.references = References::default();
        self.live = Live::default();
    }
}
