//! Which object is next: each stands in it once, whatever the number of its changes. Pure: the time is given.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::source::ObjectId;

/// First pause after a failure; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(1);

/// Longest pause: what is refused (a permission, a schema) is asked for 300 times a day.
const LONGEST: Duration = Duration::from_secs(300);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: VecDeque<ObjectId>,
    waiting: BTreeMap<ObjectId, Place>,
    due: BTreeSet<(Instant, ObjectId)>,
    failures: BTreeMap<ObjectId, u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Ready,
    /// Until then, or until it is touched.
    Until(Instant),
    /// Until then, whatever happens to it: it has failed.
    Penalized(Instant),
}

impl Queue {
    /// An object is to be looked at.
    pub(super) fn touch(&mut self, id: ObjectId) {
        match self.waiting.get(&id) {
            Some(Place::Ready | Place::Penalized(_)) => {}
            Some(Place::Until(at)) => {
                self.due.remove(&(*at, id.clone()));
                self.make_ready(id);
            }
            None => self.make_ready(id),
        }
    }

    /// The object is to be looked at again then, unless it is touched before.
    pub(super) fn look_again(&mut self, id: ObjectId, at: Instant) {
        if !self.waiting.contains_key(&id) {
            self.due.insert((at, id.clone()));
            self.waiting.insert(id, Place::Until(at));
        }
    }

    /// Writing it failed: it is tried again after a pause.
    pub(super) fn failed(&mut self, id: ObjectId, now: Instant) {
        let failures = self.failures.entry(id.clone()).or_default();
        let pause = FIRST.saturating_mul(1 << (*failures).min(16)).min(LONGEST);
        *failures += 1;
        let at = now + pause;
        // It may have been touched meanwhile.
        self.remove(&id);
        self.due.insert((at, id.clone()));
        self.waiting.insert(id, Place::Penalized(at));
    }

    /// Nothing is left to do for it.
    pub(super) fn succeeded(&mut self, id: &ObjectId) {
        self.failures.remove(id);
    }

    /// The next object, if any is ready.
    pub(super) fn pop(&mut self, now: Instant) -> Option<ObjectId> {
        self.wake(now);
        let id = self.ready.pop_front()?;
        self.waiting.remove(&id);
        Some(id)
    }

    /// When the next one is ready; none when nothing waits.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        if !self.ready.is_empty() {
            return Some(now);
        }
        self.due.first().map(|(at, _)| *at)
    }

    /// How many stand in it.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn wake(&mut self, now: Instant) {
        while let Some((at, id)) = self.due.pop_first() {
            if at > now {
                self.due.insert((at, id));
                return;
            }
            self.make_ready(id);
        }
    }

    fn make_ready(&mut self, id: ObjectId) {
        self.waiting.insert(id.clone(), Place::Ready);
        self.ready.push_back(id);
    }

    fn remove(&mut self, id: &ObjectId) {
        match self.waiting.remove(id) {
            Some(Place::Ready) => self.ready.retain(|other| other != id),
            Some(Place::Until(at) | Place::Penalized(at)) => drop(self.due.remove(&(at, id.clone()))),
            None => {}
        }
    }
}
