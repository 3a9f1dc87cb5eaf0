//! Ordered sets of objects that wait.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::object::ObjectId;

/// Objects by the time since when they wait. Each is in it once.
#[derive(Debug, Default)]
pub(super) struct Queue {
    since: BTreeMap<ObjectId, Instant>,
    order: BTreeSet<(Instant, ObjectId)>,
}

impl Queue {
    /// Adds an object; one that is there keeps its place.
    pub(super) fn push(&mut self, id: ObjectId, since: Instant) {
        if !self.since.contains_key(&id) {
            self.order.insert((since, id.clone()));
            self.since.insert(id, since);
        }
    }

    pub(super) fn remove(&mut self, id: &ObjectId) {
        if let Some(since) = self.since.remove(id) {
            self.order.remove(&(since, id.clone()));
        }
    }

    /// Since when an object that is in it waits.
    pub(super) fn since(&self, id: &ObjectId) -> Option<Instant> {
        self.since.get(id).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.since.is_empty()
    }

    pub(super) fn take_oldest(&mut self, most: usize) -> Vec<(ObjectId, Instant)> {
        self.take(most, BTreeSet::pop_first)
    }

    pub(super) fn take_newest(&mut self, most: usize) -> Vec<(ObjectId, Instant)> {
        self.take(most, BTreeSet::pop_last)
    }

    fn take(
        &mut self,
        most: usize,
        pop: impl Fn(&mut BTreeSet<(Instant, ObjectId)>) -> Option<(Instant, ObjectId)>,
    ) -> Vec<(ObjectId, Instant)> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some((since, id)) = pop(&mut self.order)
        {
            self.since.remove(&id);
            taken.push((id, since));
        }
        taken
    }

    pub(super) fn clear(&mut self) {
        self.since.clear();
        self.order.clear();
    }
}

/// Objects by the time at which something is due. Each is in it once.
#[derive(Debug, Default)]
pub(super) struct Due {
    at: BTreeMap<ObjectId, Instant>,
    order: BTreeSet<(Instant, ObjectId)>,
}

impl Due {
    /// Sets an object's time, whatever it was.
    pub(super) fn set(&mut self, id: &ObjectId, at: Instant) {
        self.remove(id);
        self.at.insert(id.clone(), at);
        self.order.insert((at, id.clone()));
    }

    pub(super) fn remove(&mut self, id: &ObjectId) {
        if let Some(at) = self.at.remove(id) {
            self.order.remove(&(at, id.clone()));
        }
    }

    pub(super) fn contains(&self, id: &ObjectId) -> bool {
        self.at.contains_key(id)
    }

    pub(super) fn first(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes those whose time has come.
    pub(super) fn take(&mut self, now: Instant) -> Vec<ObjectId> {
        let mut taken = Vec::new();
        while self.first().is_some_and(|at| at <= now)
            && let Some((_, id)) = self.order.pop_first()
        {
            self.at.remove(&id);
            taken.push(id);
        }
        taken
    }

    pub(super) fn clear(&mut self) {
        self.at.clear();
        self.order.clear();
    }
}
