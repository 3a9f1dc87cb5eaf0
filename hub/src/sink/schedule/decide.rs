//! What has to be done about one object.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Refusal, Schedule};
use crate::object::{Object, ObjectId, ObjectKind};
use crate::sink::diff::{belongs_to, is_leftover, missing_reference, needs_put};
use crate::view::Outcome;

/// What has to be done about one object.
#[derive(Debug)]
pub(super) enum Decision {
    /// The target has it.
    Programmed(Arc<Object>),
    /// The target does not take this content.
    Refused(Refusal),
    /// It was restored from disk, and the target may have a newer one.
    Held,
    /// It cannot be made before this object is at the target, and that one is on its way.
    Waits(ObjectId),
    /// It cannot be made because of this object, which is refused or wanted by nobody.
    Withheld(Arc<Object>, ObjectId),
    /// Put it before all else.
    Urgent(Arc<Object>),
    /// Put it at once.
    Fast(Arc<Object>),
    /// Put it after what it may refer to.
    Slow(Arc<Object>),
    /// Put it with the next batch.
    Batch(Arc<Object>),
    /// Nobody wants it, and it is there.
    Leftover,
    /// As that, but this object is to take its place and is not there yet.
    Replaced(ObjectId),
    /// Nobody wants it, or it may not be removed; nothing to do.
    Nothing,
}

impl Schedule {
    pub(super) fn decide(&self, id: &ObjectId) -> Decision {
        let Some(object) = self.desired.get(id) else {
            return self.decide_unwanted(id);
        };
        if !needs_put(object, &self.actual) {
            return Decision::Programmed(object.clone());
        }
        if let Some(refusal) = self.refusal(object) {
            return Decision::Refused(refusal);
        }
        if self.is_held(id) {
            return Decision::Held;
        }
        match missing_reference(object, &self.actual) {
            Some(missing) if self.is_hopeless(missing) => Decision::Withheld(object.clone(), missing.clone()),
            Some(missing) => Decision::Waits(missing.clone()),
            None if id.kind == ObjectKind::GlobalRule => Decision::Urgent(object.clone()),
            None if id.kind.rebuilds_router() => Decision::Batch(object.clone()),
            None if self.actual.contains(id) => Decision::Fast(object.clone()),
            None => Decision::Slow(object.clone()),
        }
    }

    fn is_held(&self, id: &ObjectId) -> bool {
        self.remembers && !self.unheard.is_empty() && belongs_to(id, &self.unheard)
    }

    fn decide_unwanted(&self, id: &ObjectId) -> Decision {
        let Some(seen) = self
            .actual
            .get(id)
            .filter(|_| is_leftover(id, &self.desired, &self.settled))
        else {
            return Decision::Nothing;
        };
        let was = self.condemned.get(id).and_then(Option::as_deref);
        match self.replacements.of(id, was, seen.owner()) {
            Some(by) => Decision::Replaced(by.clone()),
            None => Decision::Leftover,
        }
    }

    /// Keeps in mind whether an object is wanted and not there, which others may wait for.
    pub(super) fn note_replacement(&mut self, id: &ObjectId) {
        let wanted = self.desired.get(id).filter(|_| !self.actual.contains(id));
        self.replacements.note(id, wanted.map(|object| &**object));
    }

    fn refusal(&self, object: &Object) -> Option<Refusal> {
        let standing = self
            .refused
            .get(&object.id)
            .filter(|refusal| refusal.hash == object.hash);
        let ours = |reason: &str, message: String| Refusal {
            hash: object.hash,
            reason: reason.to_owned(),
            message,
        };
        let occupied = self.occupied.contains(&object.id).then(|| {
            let message = format!(
                "{} is at the target and is not this hub's: its labels say so",
                object.id
            );
            ours("occupied", message)
        });
        let unsupported = self.unsupported.get(&object.id.kind);
        let unsupported = || unsupported.map(|message| ours("unsupported", message.clone()));
        standing.cloned().or(occupied).or_else(unsupported)
    }

    /// Whether an object that is not at the target will not get there before something changes.
    fn is_hopeless(&self, id: &ObjectId) -> bool {
        match self.desired.get(id) {
            Some(object) => self.withheld.contains(id) || self.refusal(object).is_some(),
            None => true,
        }
    }

    /// Decides about objects one by one.
    pub(super) fn examine_all(&mut self, ids: &[ObjectId], now: Instant) {
        for id in ids {
            self.examine(id, now, now);
        }
    }

    /// Decides about an object and puts it where it will be taken from; `since` is when its change came.
    pub(super) fn examine(&mut self, id: &ObjectId, since: Instant, now: Instant) {
        if let Some(flight) = self.in_flight.get_mut(id) {
            flight.again.get_or_insert(since);
            return;
        }
        let decision = self.decide(id);
        self.settle_decision(id, decision, since, now);
    }

    pub(super) fn settle_decision(&mut self, id: &ObjectId, decision: Decision, since: Instant, now: Instant) {
        self.unqueue(id);
        self.note_replacement(id);
        if !matches!(decision, Decision::Withheld(..)) {
            self.withheld.remove(id);
        }
        if self.desired.contains_key(id) {
            self.pardon(id);
        }
        match decision {
            Decision::Programmed(object) => {
                self.actual.confirm(&object);
                self.report(id, Outcome::Programmed(object.hash));
            }
            Decision::Refused(refusal) => self.on_refused(id, refusal, now),
            Decision::Held => {}
            Decision::Waits(missing) => self.wait_for(missing, id),
            Decision::Withheld(object, missing) => self.withhold(&object, missing, now),
            Decision::Replaced(by) => {
                self.unreport(id);
                self.wait_for(by, id);
            }
            _ if self.is_retrying(id) => {}
            Decision::Urgent(_) => self.urgent.push(id.clone(), since),
            Decision::Fast(_) => self.fast.push(id.clone(), since),
            // Its batch has been, and went on without it.
            Decision::Batch(_) if self.is_repaired(id) => drop(self.puts.insert(id.clone(), since)),
            Decision::Slow(_) => drop(self.puts.insert(id.clone(), since)),
            Decision::Batch(_) => drop(self.batch_puts.insert(id.clone(), since)),
            Decision::Leftover => self.condemn(id, now),
            Decision::Nothing => self.forget(id),
        }
    }

    fn is_retrying(&self, id: &ObjectId) -> bool {
        self.retries.contains_key(id) && self.retry_due.contains(id)
    }

    /// Whether what it refers to was put again, for the first time since it was written itself.
    fn is_repaired(&self, id: &ObjectId) -> bool {
        self.retries.get(id) == Some(&0)
    }

    fn unqueue(&mut self, id: &ObjectId) {
        self.urgent.remove(id);
        self.fast.remove(id);
        self.puts.remove(id);
        self.batch_puts.remove(id);
        self.deletes.remove(id);
        self.batch_deletes.remove(id);
    }

    /// It is wanted again.
    fn pardon(&mut self, id: &ObjectId) {
        self.condemned.remove(id);
        self.grace_due.remove(id);
    }

    pub(super) fn wait_for(&mut self, missing: ObjectId, id: &ObjectId) {
        self.waiting.entry(missing).or_default().insert(id.clone());
    }

    fn on_refused(&mut self, id: &ObjectId, refusal: Refusal, now: Instant) {
        let outcome = Outcome::Refused(Box::new(refusal));
        self.report(id, outcome);
        self.wake(id, now);
    }

    fn withhold(&mut self, object: &Object, missing: ObjectId, now: Instant) {
        let refusal = Refusal {
            hash: object.hash,
            reason: "dependency".to_owned(),
            message: format!("{missing}, which it refers to, is not at the target"),
        };
        let outcome = Outcome::Refused(Box::new(refusal));
        self.report(&object.id, outcome);
        self.wait_for(missing, &object.id);
        if self.withheld.insert(object.id.clone()) {
            self.wake(&object.id, now);
        }
    }

    /// Looks again at what waited for an object.
    pub(super) fn wake(&mut self, id: &ObjectId, now: Instant) {
        for waiting in self.waiting.remove(id).unwrap_or_default() {
            self.examine(&waiting, now, now);
        }
    }

    /// Nothing refers to routes, stream routes, global rules and consumers: they go without a grace. A consumer that is
    /// gone must not get in for another two seconds, nor stand in the way of one with the same credential.
    fn condemn(&mut self, id: &ObjectId, now: Instant) {
        self.condemned.entry(id.clone()).or_insert(None);
        self.refused.remove(id);
        self.unreport(id);
        match id.kind {
            ObjectKind::Route | ObjectKind::StreamRoute => drop(self.batch_deletes.insert(id.clone())),
            ObjectKind::GlobalRule => self.urgent.push(id.clone(), now),
            ObjectKind::Consumer => drop(self.deletes.insert(id.clone())),
            _ => self.begin_grace(id, now),
        }
    }

    /// Starts the grace of a condemned object that nothing of ours at the target refers to (any more).
    pub(super) fn begin_grace(&mut self, id: &ObjectId, now: Instant) {
        if self.condemned.contains_key(id) && !self.actual.is_referred(id) && !self.grace_due.contains(id) {
            self.grace_due.set(id, now + self.pace.grace);
        }
    }

    /// Whether an object may be deleted at this moment.
    pub(super) fn may_delete(&self, id: &ObjectId) -> bool {
        let leftover = matches!(self.decide_unwanted(id), Decision::Leftover) && !self.desired.contains_key(id);
        leftover && !self.actual.is_referred(id) && !self.in_flight.contains_key(id)
    }

    fn forget(&mut self, id: &ObjectId) {
        // What is there and may not be removed yet (its cluster is not settled) keeps its cause for then.
        if !self.actual.contains(id) {
            self.condemned.remove(id);
        }
        self.grace_due.remove(id);
        self.refused.remove(id);
        self.retries.remove(id);
        self.retry_due.remove(id);
        self.unreport(id);
    }

    fn unreport(&mut self, id: &ObjectId) {
        self.programmed.remove(id);
        self.reported.remove(id);
        self.outcomes.remove(id);
        self.unreported.remove(id);
    }
}
