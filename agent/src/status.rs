//! What a hub says became of this cluster's resources: level-triggered, so that a lost message loses nothing.
//!
//! One board per hub, written by its session. Deliberately absent: Kubernetes; a writer of conditions watches a board.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hubline::model::Key;
use hubline::wire::{Digest, Nack, ResourceStatus, Status};
use tokio::sync::watch;
use tracing::info;

use crate::metrics::Metrics;
use crate::publish::Reader;

/// By key. Cloning costs a reference count.
pub type Statuses = imbl::OrdMap<Key, ResourceStatus>;

/// By which addresses the world reaches a hub's target; none before the hub has said it.
pub type Addresses = Option<Arc<[String]>>;

/// Changes of condition logged between two heartbeats; how many more there were is said.
const LOGGED: u32 = 20;

/// Keeps what one hub says; cheap to clone.
#[derive(Debug, Clone)]
pub struct StatusBoard {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    hub: String,
    metrics: Metrics,
    inner: Mutex<Inner>,
    watch: watch::Sender<Statuses>,
    addresses: watch::Sender<Addresses>,
}

#[derive(Debug, Default)]
struct Inner {
    statuses: Statuses,
    /// What a replay that has begun said so far; it replaces the rest when it is whole.
    replay: Option<Statuses>,
    logged: u32,
    omitted: u64,
}

impl StatusBoard {
    /// Nothing said yet by the hub of this name.
    #[must_use]
    pub fn new(hub: String, metrics: Metrics) -> Self {
        let shared = Shared {
            hub,
            metrics,
            inner: Mutex::default(),
            watch: watch::channel(Statuses::new()).0,
            addresses: watch::channel(None).0,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Wakes when anything that the hub says has changed.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Statuses> {
        self.shared.watch.subscribe()
    }

    /// Wakes when the addresses of the hub's target have changed.
    #[must_use]
    pub fn addresses(&self) -> watch::Receiver<Addresses> {
        self.shared.addresses.subscribe()
    }

    /// The hub says by which addresses the world reaches its target.
    pub fn set_addresses(&self, addresses: Vec<String>) {
        self.shared.addresses.send_if_modified(|last| {
            let changed = last.as_deref() != Some(&addresses);
            if changed {
                info!(
                    hub = self.shared.hub,
                    addresses = addresses.join(", "),
                    "addresses of the target"
                );
                *last = Some(addresses.into());
            }
            changed
        });
    }

    /// Forgets all that was said: another replica speaks from now on, and what this one knows grows old.
    pub fn forget(&self) {
        let mut inner = self.lock();
        *inner = Inner::default();
        self.publish(inner);
        self.shared.addresses.send_if_modified(|last| last.take().is_some());
    }

    /// A session begins: a replay that was cut is forgotten. Tells what the hub need not replay, as a digest.
    #[must_use]
    pub fn open(&self) -> Digest {
        let mut inner = self.lock();
        inner.replay = None;
        let statuses = inner.statuses.clone();
        drop(inner);
        let hashes = statuses.values().map(ResourceStatus::hash);
        hashes.fold(Digest::default(), Digest::with)
    }

    /// Takes one message. Keys that are not published are ignored, which bounds the board by what is.
    pub fn apply(&self, status: Status, published: &Reader) {
        let mut inner = self.lock();
        if status.replay_begin {
            inner.replay = Some(Statuses::new());
        }
        for one in status.statuses {
            let keep = !one.gone && published.contains(&one.key);
            self.say(&inner.set(one, keep), &mut inner);
        }
        if status.replay_end
            && let Some(replayed) = inner.replay.take()
        {
            inner.statuses = replayed;
        }
        inner.prune(published);
        self.publish(inner);
    }

    /// Notes that the hub refused one resource; its own status may say more later.
    pub fn refused(&self, nack: Nack) {
        let mut inner = self.lock();
        let status = ResourceStatus {
            key: nack.key,
            content_hash: nack.content_hash,
            condition: "Refused".to_owned(),
            reason: nack.reason,
            message: nack.message,
            gone: false,
        };
        inner.statuses.insert(status.key.clone(), status);
        self.publish(inner);
    }

    /// Allows logging anew, and counts; called at every heartbeat, since counting costs as much as there are statuses.
    pub fn refill(&self) {
        let mut inner = self.lock();
        inner.logged = 0;
        let omitted = std::mem::take(&mut inner.omitted);
        let statuses = inner.statuses.clone();
        drop(inner);
        if omitted > 0 {
            info!(hub = self.shared.hub, omitted, "more resources changed their condition");
        }
        self.shared.metrics.statuses(&self.shared.hub, &statuses);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, change: &Change, inner: &mut Inner) {
        let Change::Condition(status) = change else {
            return;
        };
        if inner.logged >= LOGGED {
            inner.omitted += 1;
            return;
        }
        inner.logged += 1;
        let ResourceStatus {
            key,
            condition,
            reason,
            message,
            ..
        } = status;
        info!(hub = self.shared.hub, %key, condition, reason, message, "status");
    }

    fn publish(&self, inner: MutexGuard<'_, Inner>) {
        let statuses = inner.statuses.clone();
        drop(inner);
        self.shared.watch.send_if_modified(|last| {
            let changed = !last.ptr_eq(&statuses);
            *last = statuses;
            changed
        });
    }
}

/// What a status changed.
enum Change {
    None,
    Condition(ResourceStatus),
}

impl Inner {
    /// A hub that never says of a removed resource that it is gone does not make the board grow.
    fn prune(&mut self, published: &Reader) {
        if self.statuses.len() > published.len() {
            let statuses = std::mem::take(&mut self.statuses);
            self.statuses = statuses
                .into_iter()
                .filter(|(key, _)| published.contains(key))
                .collect();
        }
    }

    fn set(&mut self, status: ResourceStatus, keep: bool) -> Change {
        let last = self.statuses.get(&status.key);
        let said = last.is_some_and(|last| last.condition == status.condition && last.reason == status.reason);
        let change = if said || !keep {
            Change::None
        } else {
            Change::Condition(status.clone())
        };
        let map = self.replay.as_mut().unwrap_or(&mut self.statuses);
        if keep {
            map.insert(status.key.clone(), status);
        } else {
            map.remove(&status.key);
        }
        change
    }
}
