//! What follows from looking at the target as a whole.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::{Schedule, decide::Decision};
use crate::object::ObjectId;
use crate::sink::{Actual, Observed, Seen};

/// Why the target is observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The hub starts, or the target was out of reach or lost its memory: nothing is known.
    Lost,
    /// From time to time, in case that somebody else wrote.
    Routine,
}

impl Schedule {
    /// An observation begins; what is written meanwhile is not taken from it.
    pub fn begin_observation(&mut self) {
        self.touched = Some(self.in_flight.keys().cloned().collect());
    }

    /// The observation failed.
    pub fn abandon_observation(&mut self) {
        self.touched = None;
    }

    /// Takes what is there; returns how many objects were not as the hub believed.
    pub fn on_observed(&mut self, observed: Observed, occasion: Occasion, now: Instant) -> usize {
        let touched = self.touched.take().unwrap_or_default();
        let suspects = self.in_order(&touched);
        self.adopt(observed, &touched);
        // For good: what is there from now on was written by this run of the hub.
        self.remembers &= self.is_marked();
        match occasion {
            Occasion::Lost => self.forgive(),
            // What the target refused for a reason of its own (a plugin that was off, say) is asked again: once a listing.
            Occasion::Routine => {
                self.refused.clear();
                self.withheld.clear();
            }
        }
        let routes = self.desired.keys().filter(|id| super::replacements::concerns(id.kind));
        for id in routes.cloned().collect::<Vec<_>>() {
            self.note_replacement(&id);
        }
        let drift = suspects.iter().filter(|id| !self.is_in_order(id)).count();
        let ids: BTreeSet<ObjectId> = self.desired.keys().chain(self.actual.ids()).cloned().collect();
        let ids: Vec<ObjectId> = ids.into_iter().collect();
        self.examine_all(&ids, now);
        drift
    }

    /// Refusals were the answers of another time, perhaps of a target that had lost what an object refers to.
    fn forgive(&mut self) {
        self.refused.clear();
        self.withheld.clear();
        self.retries.clear();
        self.retry_due.clear();
        self.grace_due.clear();
        self.waiting.clear();
        self.next_batch = None;
        self.fast.clear();
        self.puts.clear();
        self.deletes.clear();
        self.batch_puts.clear();
        self.batch_deletes.clear();
    }

    fn adopt(&mut self, observed: Observed, touched: &BTreeSet<ObjectId>) {
        let mut objects = BTreeMap::new();
        for (id, seen) in observed.objects {
            if !touched.contains(&id) {
                let seen = merged(seen, self.actual.get(&id));
                objects.insert(id, seen);
            }
        }
        for id in touched {
            if let Some(seen) = self.actual.get(id) {
                objects.insert(id.clone(), seen.clone());
            }
        }
        self.actual = Actual::new(objects);
        self.condemned.retain(|id, _| self.actual.contains(id));
        self.occupied = observed.occupied;
        self.unsupported = observed.unsupported;
    }

    /// Objects of which the hub believes that nothing has to be done about them.
    fn in_order(&self, except: &BTreeSet<ObjectId>) -> Vec<ObjectId> {
        let ids = self.desired.keys().chain(self.actual.ids());
        let ids: BTreeSet<&ObjectId> = ids.filter(|id| !except.contains(id)).collect();
        let in_order = ids.into_iter().filter(|id| self.is_in_order(id));
        in_order.cloned().collect()
    }

    fn is_in_order(&self, id: &ObjectId) -> bool {
        matches!(
            self.decide(id),
            Decision::Programmed(_) | Decision::Held | Decision::Replaced(_) | Decision::Nothing
        )
    }
}

/// What is shown as it was after our last write is still what we wrote, even where the target adds fields to it.
fn merged(mut seen: Seen, before: Option<&Seen>) -> Seen {
    if let Some(before) = before.filter(|before| before.shown.is_some() && before.shown == seen.shown) {
        seen.content = before.content.clone();
    }
    seen
}
