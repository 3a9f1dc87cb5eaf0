//! The desired objects, from the core (the only writer) to the sink's driver (the only reader).
//!
//! Memory is bounded by objects and never by changes: of each object only the latest value is kept, with a mark that
//! it changed. What was wanted and forgotten before anyone read it leaves no trace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use imbl::OrdMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::object::{Object, ObjectId};

/// Makes the two ends.
#[must_use]
pub fn channel() -> (DesiredWriter, DesiredReader) {
    let shared = Arc::new(Shared::default());
    let writer = DesiredWriter { shared: shared.clone() };
    (writer, DesiredReader { shared })
}

#[derive(Debug, Default)]
struct Shared {
    // A standard mutex: it is held for map operations only, never over an await.
    state: Mutex<State>,
    notify: Notify,
}

#[derive(Debug, Default)]
struct State {
    objects: OrdMap<ObjectId, Arc<Object>>,
    /// Since when each changed object waits to be read.
    dirty: BTreeMap<ObjectId, Instant>,
    settled: Arc<BTreeSet<String>>,
    settled_changed: bool,
    unheard: Arc<BTreeSet<String>>,
    unheard_changed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The core's end. There is one.
#[derive(Debug)]
pub struct DesiredWriter {
    shared: Arc<Shared>,
}

impl DesiredWriter {
    /// Sets objects (`Some`) and forgets others (`None`). An equal value is no change.
    pub fn commit(&self, changes: Vec<(ObjectId, Option<Arc<Object>>)>) {
        let mut objects = self.snapshot();
        let ids: Vec<_> = changes.iter().map(|(id, _)| id.clone()).collect();
        for (id, object) in changes {
            match object {
                Some(object) => objects.insert(id, object),
                None => objects.remove(&id),
            };
        }
        self.commit_since(&ids, objects, Instant::now());
    }

    /// As [`Self::commit`], of changes that are under way since a time: all objects as they are now, which are shared
    /// and not kept again, and the ids of those that may differ from before.
    pub fn commit_since<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a ObjectId>,
        objects: OrdMap<ObjectId, Arc<Object>>,
        since: Instant,
    ) {
        let mut state = self.shared.lock();
        let before = std::mem::replace(&mut state.objects, objects);
        let mut changed = false;
        for id in ids {
            changed |= state.note(id, &before, since);
        }
        drop(state);
        if changed {
            self.shared.notify.notify_one();
        }
    }

    /// Says that the desired objects of these clusters are whole. An object of ours at the target that nobody wants
    /// is deleted only when its id begins with one of the prefixes that were settled, so that a hub which has not
    /// heard a cluster yet deletes nothing of it. A prefix is that of [`ObjectId::id`] up to and with the cluster's hash.
    pub fn settle(&self, cluster_prefixes: impl IntoIterator<Item = String>) {
        let mut state = self.shared.lock();
        let mut settled = state.settled.as_ref().clone();
        settled.extend(cluster_prefixes);
        if settled.len() == state.settled.len() {
            return;
        }
        state.settled = Arc::new(settled);
        state.settled_changed = true;
        drop(state);
        self.shared.notify.notify_one();
    }

    /// Says that a cluster's objects come from disk, which may be older than the target: see
    /// [`DesiredChanges::unheard`]. To be said before the objects are committed.
    pub fn restored(&self, cluster_prefix: String) {
        let mut state = self.shared.lock();
        state.unheard_changed |= Arc::make_mut(&mut state.unheard).insert(cluster_prefix);
    }

    /// Says that a cluster is in step with its agent, and its objects as new as can be.
    pub fn heard(&self, cluster_prefix: &str) {
        let mut state = self.shared.lock();
        if !state.unheard.contains(cluster_prefix) {
            return;
        }
        Arc::make_mut(&mut state.unheard).remove(cluster_prefix);
        state.unheard_changed = true;
        drop(state);
        self.shared.notify.notify_one();
    }

    /// The desired objects as they are now.
    #[must_use]
    pub fn snapshot(&self) -> OrdMap<ObjectId, Arc<Object>> {
        self.shared.lock().objects.clone()
    }
}

impl State {
    fn note(&mut self, id: &ObjectId, before: &OrdMap<ObjectId, Arc<Object>>, now: Instant) -> bool {
        let differs = before.get(id) != self.objects.get(id);
        if differs {
            self.dirty.entry(id.clone()).or_insert(now);
        }
        differs
    }
}

/// What changed since the last look.
#[derive(Debug, Clone, Default)]
pub struct DesiredChanges {
    /// Objects that were set or forgotten, and since when.
    pub ids: BTreeMap<ObjectId, Instant>,
    /// All desired objects.
    pub objects: OrdMap<ObjectId, Arc<Object>>,
    /// Id prefixes of the clusters whose desired objects are whole.
    pub settled: Arc<BTreeSet<String>>,
    /// Whether `settled` grew.
    pub settled_changed: bool,
    /// Id prefixes of the clusters that were restored and not heard since: a target that remembers may have newer
    /// objects of theirs.
    pub unheard: Arc<BTreeSet<String>>,
}

/// The driver's end. There is one.
#[derive(Debug)]
pub struct DesiredReader {
    shared: Arc<Shared>,
}

impl DesiredReader {
    /// Returns once there is something to [`take`](Self::take); at once when there is already. Cancel-safe.
    pub async fn changed(&self) {
        loop {
            let notified = self.shared.notify.notified();
            if self.is_changed() {
                return;
            }
            notified.await;
        }
    }

    /// Takes what changed since the last call. Never waits.
    #[must_use]
    pub fn take(&self) -> DesiredChanges {
        let mut state = self.shared.lock();
        state.unheard_changed = false;
        DesiredChanges {
            ids: std::mem::take(&mut state.dirty),
            objects: state.objects.clone(),
            settled: state.settled.clone(),
            settled_changed: std::mem::take(&mut state.settled_changed),
            unheard: state.unheard.clone(),
        }
    }

    /// The desired objects as they are now.
    #[must_use]
    pub fn snapshot(&self) -> OrdMap<ObjectId, Arc<Object>> {
        self.shared.lock().objects.clone()
    }

    fn is_changed(&self) -> bool {
        let state = self.shared.lock();
        state.settled_changed || state.unheard_changed || !state.dirty.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::testing::upstream;

    #[tokio::test]
    async fn latest_value_per_object_and_equal_is_no_change() {
        let (writer, reader) = channel();
        for node in 1..100 {
            let object = upstream("a", node);
            writer.commit(vec![(object.id.clone(), Some(object))]);
        }
        reader.changed().await;
        let changes = reader.take();
        assert_eq!(changes.ids.len(), 1, "one object, many changes");
        assert_eq!(changes.objects.len(), 1);
        let same = upstream("a", 99);
        writer.commit(vec![(same.id.clone(), Some(same))]);
        assert!(reader.take().ids.is_empty(), "an equal value is no change");
    }

    #[tokio::test]
    async fn settling_wakes_the_reader_once() {
        let (writer, reader) = channel();
        writer.settle(["hl-a".to_owned()]);
        reader.changed().await;
        assert!(reader.take().settled_changed);
        writer.settle(["hl-a".to_owned()]);
        assert!(!reader.take().settled_changed);
    }

    #[tokio::test]
    async fn hearing_a_restored_cluster_wakes_the_reader() {
        let (writer, reader) = channel();
        writer.restored("hl-a".to_owned());
        assert!(reader.take().unheard.contains("hl-a"));
        assert!(!reader.is_changed());
        writer.heard("hl-a");
        reader.changed().await;
        assert!(reader.take().unheard.is_empty());
        writer.heard("hl-a");
        assert!(!reader.is_changed());
    }
}
