//! What follows from the results of writes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Refusal, Schedule};
use crate::object::{Object, ObjectId};
use crate::sink::error::Consequence;
use crate::sink::{Operation, OperationResult, Seen, SinkError, Written};

/// What follows from the results of one call to the sink.
#[derive(Debug, Default)]
pub struct Followed {
    /// For each object that got there: the time since its change came.
    pub programmed: Vec<Duration>,
    /// What is at the target is no longer known: it has to be observed before anything else is written.
    pub lost: Option<SinkError>,
    /// Something that was written is not there any more: somebody else writes, and a listing would tell what else.
    pub drifted: bool,
}

impl Schedule {
    /// Takes the results of a stage that [`next_fast`](Self::next_fast) or [`next_slow`](Self::next_slow) gave.
    pub fn on_results(&mut self, stage: Vec<Operation>, results: Vec<OperationResult>, now: Instant) -> Followed {
        let mut followed = Followed::default();
        let calls = self.calls_of_portion(&stage, &results);
        self.fast.on_portion(&self.pace, &calls, now);
        for (operation, result) in stage.into_iter().zip(results) {
            self.on_result(operation, result.result, now, &mut followed);
        }
        followed
    }

    /// How long the calls took that worked and were of a portion of the fast lane.
    fn calls_of_portion(&self, stage: &[Operation], results: &[OperationResult]) -> Vec<Duration> {
        let worked = stage.iter().zip(results).filter(|(_, result)| result.result.is_ok());
        let bulk = worked.filter(|(operation, _)| self.in_flight.get(operation.id()).is_some_and(|flight| flight.bulk));
        bulk.map(|(_, result)| result.duration).collect()
    }

    fn on_result(
        &mut self,
        operation: Operation,
        result: Result<Written, SinkError>,
        now: Instant,
        followed: &mut Followed,
    ) {
        let id = operation.id().clone();
        let Some(flight) = self.in_flight.remove(&id) else {
            return;
        };
        match (result, operation) {
            (Ok(written), Operation::Put { object }) => {
                followed.programmed.push(now.saturating_duration_since(flight.since));
                self.on_put(&object, written, now);
            }
            (Ok(_), Operation::Delete { id, .. }) => self.on_deleted(&id, now),
            (Err(error), operation) => self.on_error(operation, error, now, followed),
        }
        self.examine(&id, flight.again.unwrap_or(flight.since), now);
        if flight.hurried {
            self.fast.hurry(&id);
        }
        self.wake(&id, now);
    }

    fn on_put(&mut self, object: &Arc<Object>, written: Written, now: Instant) {
        self.retries.remove(&object.id);
        self.refused.remove(&object.id);
        let before = self.actual.remove(&object.id);
        self.actual.insert(object.id.clone(), Seen::of(object, written.stored));
        for reference in &object.references {
            // A grace that ran while this put was under way ends: the next begins when this no longer refers to it.
            self.grace_due.remove(reference);
        }
        self.release(before.as_ref(), now);
    }

    fn on_deleted(&mut self, id: &ObjectId, now: Instant) {
        self.retries.remove(id);
        self.condemned.remove(id);
        let before = self.actual.remove(id);
        self.release(before.as_ref(), now);
    }

    /// What an object no longer refers to may be removed after a grace, if nobody wants it.
    fn release(&mut self, before: Option<&Seen>, now: Instant) {
        for reference in before.into_iter().flat_map(Seen::references) {
            self.begin_grace(reference, now);
        }
    }

    fn on_error(&mut self, operation: Operation, error: SinkError, now: Instant, followed: &mut Followed) {
        match (error.consequence(), operation) {
            (Consequence::Quarantine, Operation::Put { object }) => {
                if let SinkError::Unproven { upstream } = &error {
                    followed.drifted = true;
                    self.put_again(upstream, now);
                }
                let refusal = Refusal {
                    hash: object.hash,
                    reason: error.reason().to_owned(),
                    message: error.to_string(),
                };
                self.refused.insert(object.id.clone(), refusal);
            }
            (Consequence::Observe, _) => followed.lost = Some(error),
            (Consequence::Repair, Operation::Put { object }) => {
                followed.drifted = true;
                self.repair(&object, now);
            }
            (_, operation) => self.retry_later(operation.id(), now),
        }
    }

    /// Whatever the object refers to is put again, and the object after it: at once the first time, then after a wait
    /// that grows, for somebody who removes it over and over must not keep the driver busy. A target that lost all its
    /// memory is noticed by its marker.
    fn repair(&mut self, object: &Object, now: Instant) {
        if self.retries.contains_key(&object.id) {
            self.retry_later(&object.id, now);
        } else {
            self.retries.insert(object.id.clone(), 0);
        }
        for reference in &object.references {
            self.put_again(reference, now);
        }
    }

    /// It is not there, whatever was known.
    fn put_again(&mut self, id: &ObjectId, now: Instant) {
        if !self.in_flight.contains_key(id) {
            self.actual.remove(id);
            self.examine(id, now, now);
        }
    }

    /// The wait doubles up to the longest one.
    fn retry_later(&mut self, id: &ObjectId, now: Instant) {
        let attempt = self.retries.entry(id.clone()).or_insert(0);
        let factor = 2_u32.saturating_pow(*attempt);
        *attempt = attempt.saturating_add(1);
        let wait = self.pace.retry_min.saturating_mul(factor).min(self.pace.retry_max);
        self.retry_due.set(id, now + wait);
    }
}
