//! Decides what is written next, without doing it: no I/O, no clock of its own.
//!
//! Three lanes run beside each other, so that what is urgent and what is frequent wait for nothing. The urgent one takes
//! global rules: a diversion moves whole clusters. The fast one takes objects that are at the target already and whose
//! change rebuilds no router: endpoints; a bulk of them goes at a pace (see `fast`). The slow one takes all else, in stages: puts by kind, then deletes in reverse.
//! What rebuilds routers goes in batches, the first at once. An object is in at most one lane at a time, so that its writes are never reordered; the latest content wins.
//!
//! No operation leaves a dangling reference: a put waits until all that it names is at the target, a delete until
//! nothing of ours there names it, and then for a grace, since APISIX's workers apply kinds in their own time. A route
//! that another one replaces waits until that one is there.
//!
//! What was restored from disk may be older than a target that remembers: nothing of a cluster that was not heard since
//! is written there. A target that was once seen without its marker has nothing newer, and gets everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::fast::FastLane;
use self::queue::{Due, Queue};
use self::replacements::Replacements;
use super::diff::{Desired, with_prefix};
use super::{Actual, Operation, Ownership};
use crate::desired::DesiredChanges;
use crate::object::{Object, ObjectId, ObjectKind};
use crate::view::{Outcome, Refusal};

mod decide;
mod fast;
mod observe;
mod queue;
mod replacements;
mod results;

pub use observe::Occasion;
pub(super) use replacements::Owner;
pub use results::Followed;

/// How fast and in which portions.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Between removing the last that referred to an object and removing it.
    pub grace: Duration,
    /// Between the starts of two batches that make APISIX rebuild its router, unless the first of them was full.
    pub batch_interval: Duration,
    /// Most objects of one such batch.
    pub batch_size: usize,
    /// Most objects of one call to the sink.
    pub chunk: usize,
    /// Most objects of a bulk that go in any [`burst_interval`](Self::burst_interval), where the change rebuilds no
    /// router.
    pub burst_size: usize,
    /// Between two portions of such a bulk; longer while the target is slow. Zero: no pace.
    pub burst_interval: Duration,
    /// First wait before an object is tried again; doubles.
    pub retry_min: Duration,
    /// Longest wait before an object is tried again.
    pub retry_max: Duration,
}

impl Pace {
    /// What suits an APISIX with etcd. 500: a second of writes at the 260 to 510 a second that
    /// `reference/apisix.md` measured. 32: four rounds of 8 connections, some 100 ms, after which newer changes get
    /// their turn. 20 every 40 ms: the longest request took 30 ms under that, and seconds without a pace
    /// (`reference/apisix.md`, DESIGN section 8).
    #[must_use]
    pub fn standard() -> Self {
        Self {
            grace: Duration::from_secs(2),
            batch_interval: Duration::from_secs(1),
            batch_size: 500,
            chunk: 32,
            burst_size: 20,
            burst_interval: Duration::from_millis(40),
            retry_min: Duration::from_millis(200),
            retry_max: Duration::from_secs(30),
        }
    }
}

/// Whether calls are under way in the lanes that wait for a time. What is due in one that is busy waits for its end,
/// which is an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Busy {
    /// In the fast lane.
    pub fast: bool,
    /// In the slow lane.
    pub slow: bool,
}

/// The state from which the next operations follow.
#[derive(Debug)]
pub struct Schedule {
    pace: Pace,
    marker: Arc<Object>,
    desired: Desired,
    settled: Arc<BTreeSet<String>>,
    unheard: Arc<BTreeSet<String>>,
    /// The marker was there whenever the target was observed: what is there may be newer than what was restored.
    remembers: bool,
    actual: Actual,
    occupied: BTreeSet<ObjectId>,
    unsupported: BTreeMap<ObjectKind, String>,
    /// Puts and deletes of global rules: a diversion of whole clusters is one, and waits for nothing.
    urgent: Queue,
    /// Puts of what is there and rebuilds no router.
    fast: FastLane,
    /// Other puts, in the order of kinds.
    puts: BTreeMap<ObjectId, Instant>,
    /// Deletes that may be done now.
    deletes: BTreeSet<ObjectId>,
    /// Puts that wait for the next batch.
    batch_puts: BTreeMap<ObjectId, Instant>,
    /// Deletes that wait for the next batch.
    batch_deletes: BTreeSet<ObjectId>,
    /// When the next batch may start; none when it may at once.
    next_batch: Option<Instant>,
    in_flight: BTreeMap<ObjectId, InFlight>,
    /// Puts that wait for an object to be at the target, by that object.
    waiting: BTreeMap<ObjectId, BTreeSet<ObjectId>>,
    /// Wanted objects that cannot be made because of what they refer to.
    withheld: BTreeSet<ObjectId>,
    refused: BTreeMap<ObjectId, Refusal>,
    retries: BTreeMap<ObjectId, u32>,
    retry_due: Due,
    /// Objects that nobody wants, with their last content.
    condemned: BTreeMap<ObjectId, Option<Arc<Object>>>,
    replacements: Replacements,
    grace_due: Due,
    /// Objects that were reported as programmed, with a content that is in `unreported` if it is not the latest.
    programmed: BTreeSet<ObjectId>,
    /// Refusals that were reported.
    reported: BTreeMap<ObjectId, Outcome>,
    outcomes: BTreeMap<ObjectId, Outcome>,
    /// Objects that changed since their outcome was reported: the core waits for a word on each, even where the content
    /// is again what it was.
    unreported: BTreeSet<ObjectId>,
    /// Objects written since the running observation began: it may have missed them.
    touched: Option<BTreeSet<ObjectId>>,
}

#[derive(Debug)]
struct InFlight {
    since: Instant,
    /// A change that came while the write was under way.
    again: Option<Instant>,
    /// That change was a single one.
    hurried: bool,
    /// It is of a portion of the fast lane.
    bulk: bool,
}

impl Schedule {
    /// Knows nothing yet: nothing is written before [`on_observed`](Self::on_observed).
    #[must_use]
    pub fn new(pace: Pace, ownership: &Ownership) -> Self {
        let marker = ownership.marker();
        let mut desired = Desired::new();
        desired.insert(marker.id.clone(), marker.clone());
        Self {
            pace,
            marker,
            desired,
            settled: Arc::default(),
            unheard: Arc::default(),
            remembers: true,
            actual: Actual::default(),
            occupied: BTreeSet::new(),
            unsupported: BTreeMap::new(),
            urgent: Queue::default(),
            fast: FastLane::default(),
            puts: BTreeMap::new(),
            deletes: BTreeSet::new(),
            batch_puts: BTreeMap::new(),
            batch_deletes: BTreeSet::new(),
            next_batch: None,
            in_flight: BTreeMap::new(),
            waiting: BTreeMap::new(),
            withheld: BTreeSet::new(),
            refused: BTreeMap::new(),
            retries: BTreeMap::new(),
            retry_due: Due::default(),
            condemned: BTreeMap::new(),
            replacements: Replacements::default(),
            grace_due: Due::default(),
            programmed: BTreeSet::new(),
            reported: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            unreported: BTreeSet::new(),
            touched: None,
        }
    }

    /// The marker's name.
    #[must_use]
    pub fn marker(&self) -> &ObjectId {
        &self.marker.id
    }

    /// Whether the marker is at the target, as far as is known.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        self.actual.contains(&self.marker.id)
    }

    /// Takes what the core wants.
    pub fn on_desired(&mut self, changes: DesiredChanges, now: Instant) {
        let mut objects = changes.objects;
        objects.insert(self.marker.id.clone(), self.marker.clone());
        let before = std::mem::replace(&mut self.desired, objects);
        let settled = std::mem::replace(&mut self.settled, changes.settled);
        let unheard = std::mem::replace(&mut self.unheard, changes.unheard);
        let single = changes.ids.len() <= self.pace.few();
        for id in changes.ids.keys() {
            self.note_replacement(id);
        }
        for (id, since) in changes.ids {
            self.remember(&id, &before);
            self.retries.remove(&id);
            self.unreported.insert(id.clone());
            self.examine(&id, since, now);
            if single {
                self.hurry(&id);
            }
            self.wake(&id, now);
        }
        if changes.settled_changed {
            let new = self.settled.difference(&settled);
            let ids: Vec<ObjectId> = new
                .flat_map(|prefix| self.actual.with_prefix(prefix))
                .cloned()
                .collect();
            self.examine_all(&ids, now);
        }
        self.examine_heard(&unheard, now);
    }

    fn examine_heard(&mut self, before: &Arc<BTreeSet<String>>, now: Instant) {
        if Arc::ptr_eq(before, &self.unheard) {
            return;
        }
        let heard = before.difference(&self.unheard);
        let ids: Vec<ObjectId> = heard
            .flat_map(|prefix| with_prefix(&self.desired, prefix))
            .cloned()
            .collect();
        self.examine_all(&ids, now);
    }

    /// How many clusters nothing is written of, because they were not heard yet.
    #[must_use]
    pub fn n_held(&self) -> usize {
        if self.remembers { self.unheard.len() } else { 0 }
    }

    /// Keeps the last content of what is no longer wanted, so that its deletion has a cause.
    fn remember(&mut self, id: &ObjectId, before: &Desired) {
        if !self.desired.contains_key(id)
            && let Some(object) = before.get(id)
        {
            self.condemned.insert(id.clone(), Some(object.clone()));
        }
    }

    /// It changed by itself, not in a bulk.
    fn hurry(&mut self, id: &ObjectId) {
        match self.in_flight.get_mut(id) {
            Some(flight) => flight.hurried = true,
            None => self.fast.hurry(id),
        }
    }

    /// When something will be due without any event.
    #[must_use]
    pub fn wake_at(&self, busy: Busy) -> Option<Instant> {
        let waits = self.has_batch() && !busy.slow;
        let batch = waits.then_some(self.next_batch).flatten();
        let portion = (!busy.fast).then(|| self.fast.wake_at(&self.pace)).flatten();
        let times = [self.retry_due.first(), self.grace_due.first(), batch, portion];
        times.into_iter().flatten().min()
    }

    fn has_batch(&self) -> bool {
        !self.batch_puts.is_empty() || !self.batch_deletes.is_empty()
    }

    /// Puts whose time has come where they will be taken from.
    pub fn tick(&mut self, now: Instant) {
        for id in self.retry_due.take(now) {
            self.examine(&id, now, now);
        }
        for id in self.grace_due.take(now) {
            if self.may_delete(&id) {
                self.deletes.insert(id);
            }
        }
    }

    /// The next operations of the urgent lane, which the caller runs at once; none when there is nothing to do.
    pub fn next_urgent(&mut self, now: Instant) -> Vec<Operation> {
        let mut stage = Vec::new();
        for (id, since) in self.urgent.take_oldest(self.pace.chunk) {
            match self.decide(&id) {
                decide::Decision::Urgent(object) => self.start(Operation::Put { object }, since, &mut stage),
                decide::Decision::Leftover if self.may_delete(&id) => {
                    let was = self.condemned.get(&id).cloned().flatten();
                    self.start(Operation::Delete { id, was }, since, &mut stage);
                }
                decide::Decision::Leftover => {}
                decision => self.settle_decision(&id, decision, since, now),
            }
        }
        stage
    }

    /// The next stage of the slow lane, which the caller runs at once; none when there is nothing to do.
    pub fn next_slow(&mut self, now: Instant) -> Vec<Operation> {
        if self.puts.is_empty() && self.deletes.is_empty() {
            self.open_batch(now);
        }
        let stage = self.next_puts(now);
        if stage.is_empty() {
            self.next_deletes(now)
        } else {
            stage
        }
    }

    /// Lets the next batch in, puts before deletes. One that is full is followed by the next at once: the interval
    /// gathers what trickles in, while a bulk gathers by itself and is paced by the target's answers. To stretch it
    /// would only stretch the time in which routers are rebuilt.
    fn open_batch(&mut self, now: Instant) {
        if !self.has_batch() || self.next_batch.is_some_and(|at| now < at) {
            return;
        }
        let mut room = self.pace.batch_size;
        while room > 0
            && let Some((id, since)) = self.batch_puts.pop_first()
        {
            self.puts.insert(id, since);
            room -= 1;
        }
        while room > 0
            && let Some(id) = self.batch_deletes.pop_last()
        {
            self.deletes.insert(id);
            room -= 1;
        }
        self.next_batch = (room > 0).then_some(now + self.pace.batch_interval);
    }

    fn next_puts(&mut self, now: Instant) -> Vec<Operation> {
        let mut stage = Vec::new();
        let mut kind = None;
        while stage.len() < self.pace.chunk
            && let Some((id, since)) = self.puts.pop_first()
        {
            if !stage.is_empty() && kind != Some(id.kind) {
                self.puts.insert(id, since);
                break;
            }
            kind = Some(id.kind);
            match self.decide(&id) {
                decide::Decision::Fast(object) | decide::Decision::Slow(object) | decide::Decision::Batch(object) => {
                    self.start(Operation::Put { object }, since, &mut stage);
                }
                decision => self.settle_decision(&id, decision, since, now),
            }
        }
        stage
    }

    fn next_deletes(&mut self, now: Instant) -> Vec<Operation> {
        let mut stage: Vec<Operation> = Vec::new();
        while stage.len() < self.pace.chunk
            && let Some(id) = self.deletes.pop_last()
        {
            if stage.first().is_some_and(|first| first.id().kind != id.kind) {
                self.deletes.insert(id);
                break;
            }
            if self.may_delete(&id) {
                let was = self.condemned.get(&id).cloned().flatten();
                self.start(Operation::Delete { id, was }, now, &mut stage);
            } else if let decide::Decision::Replaced(by) = self.decide(&id) {
                self.wait_for(by, &id);
            }
        }
        stage
    }

    /// Since when the change of an object waits that is being written.
    #[must_use]
    pub fn since(&self, id: &ObjectId) -> Option<Instant> {
        self.in_flight.get(id).map(|flight| flight.since)
    }

    fn start(&mut self, operation: Operation, since: Instant, stage: &mut Vec<Operation>) {
        let id = operation.id().clone();
        if let Some(touched) = &mut self.touched {
            touched.insert(id.clone());
        }
        let flight = InFlight {
            since,
            again: None,
            hurried: false,
            bulk: false,
        };
        self.in_flight.insert(id, flight);
        stage.push(operation);
    }

    /// What became of objects since the last call: for desired objects only, latest per object.
    pub fn take_outcomes(&mut self) -> Vec<(ObjectId, Outcome)> {
        std::mem::take(&mut self.outcomes).into_iter().collect()
    }

    /// Whether there are outcomes to take.
    #[must_use]
    pub fn has_outcomes(&self) -> bool {
        !self.outcomes.is_empty()
    }

    /// How many objects are desired, programmed and refused.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let refused = self.refused.len() + self.withheld.len();
        Counts {
            desired: self.desired.len() - 1,
            programmed: self.programmed.len(),
            refused,
        }
    }

    fn report(&mut self, id: &ObjectId, outcome: Outcome) {
        let asked = self.unreported.remove(id);
        if id == self.marker() {
            return;
        }
        let new = match outcome {
            Outcome::Programmed(_) => {
                let refused = self.reported.remove(id).is_some();
                self.programmed.insert(id.clone()) || refused
            }
            Outcome::Refused(_) | Outcome::Pending => {
                let programmed = self.programmed.remove(id);
                let before = self.reported.insert(id.clone(), outcome.clone());
                programmed || before.as_ref() != Some(&outcome)
            }
        };
        if asked || new {
            self.outcomes.insert(id.clone(), outcome);
        }
    }
}

/// How many objects are how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Wanted by the core.
    pub desired: usize,
    /// At the target with a content of ours, the latest or the one before.
    pub programmed: usize,
    /// Refused, or withheld because of what they refer to.
    pub refused: usize,
}

#[cfg(test)]
mod tests;
