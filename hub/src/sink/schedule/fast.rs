//! The fast lane: what is at the target already and whose change rebuilds no router, at a pace that requests survive.
//!
//! Each change of an upstream costs every worker of the data plane CPU. Unpaced, a burst stalls requests (p99 2 to 4 s);
//! at 20 objects every 40 ms the longest request took 30 ms (`reference/apisix.md`, rates). So a **bulk** goes in
//! portions: the oldest first, with a quarter for the newest, and never more than a portion in any interval. A **single
//! change**, one of a few that come together, waits for no portion: up to a quarter of a portion in any interval goes
//! besides; what is more than that is a bulk by itself.
//!
//! Only this lane is paced: a switch by burst changes upstreams that are there. A diversion is in the urgent lane. The
//! slow lane makes what is not there, which nothing uses yet: a cold start, a target that lost its memory. Its routes
//! rebuild routers in batches, and to pace them would stretch the time in which they are rebuilt.
//!
//! The target's own calls say how busy it is: the workers that answer the Admin API carry the requests too. When calls
//! take more than twice as long as they did at their best, the lane rests after each portion.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::decide::Decision;
use super::queue::Queue;
use super::{Pace, Schedule};
use crate::object::ObjectId;
use crate::sink::Operation;

/// Calls that are quicker than this say nothing about the target.
const QUICKEST: f64 = 0.001;

/// How many times as long as at its best a call may take before the lane rests: eight calls at a time and the noise of
/// a busy machine make a factor of two by themselves (`reference/apisix.md`: 260 to 510 calls a second).
const TOLERATED: f64 = 2.0;

/// Longest rest after a portion, in intervals: 160 ms. At 100 objects every 200 ms requests took 60 to 90 ms, so 20 of
/// them every 200 ms are safe, and a switch is never slowed by more than that.
const LONGEST_REST: f64 = 4.0;

/// What a new portion counts in the mean of calls: four of them, some 160 ms, make most of it.
const WEIGHT: f64 = 0.25;

/// How fast the best is forgotten: over some 256 portions, 10 s of bulk, so that a target which is slower for good is
/// not rested for ever.
const FORGETTING: f64 = 1.0 / 256.0;

/// Objects that wait for the fast lane, and how fast they may go.
#[derive(Debug, Default)]
pub(super) struct FastLane {
    all: Queue,
    /// Those of `all` that came as single changes.
    single: Queue,
    portions: Spent,
    singles: Spent,
    slowness: Slowness,
    rest_until: Option<Instant>,
}

/// An object that may go.
#[derive(Debug)]
struct Taken {
    id: ObjectId,
    since: Instant,
    /// It is of a portion.
    bulk: bool,
}

impl Pace {
    /// Most objects that come together and are single changes, and most of them that pass a portion in an interval.
    pub(super) fn few(&self) -> usize {
        (self.burst_size / 4).max(1)
    }
}

impl FastLane {
    pub(super) fn push(&mut self, id: ObjectId, since: Instant) {
        self.all.push(id, since);
    }

    /// An object, if it waits here, is a single change.
    pub(super) fn hurry(&mut self, id: &ObjectId) {
        if let Some(since) = self.all.since(id) {
            self.single.push(id.clone(), since);
        }
    }

    pub(super) fn remove(&mut self, id: &ObjectId) {
        self.all.remove(id);
        self.single.remove(id);
    }

    /// Forgets what waits, not what has been.
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.single.clear();
    }

    /// What may go now.
    fn take(&mut self, pace: &Pace, now: Instant) -> Vec<Taken> {
        let few = self.singles.left(now, pace.burst_interval, pace.few());
        let singles = self.single.take_oldest(few.min(pace.chunk));
        for (id, _) in &singles {
            self.all.remove(id);
        }
        self.singles.spend(now, singles.len());
        let bulk = self.take_bulk(pace, now, pace.chunk - singles.len());
        for (id, _) in &bulk {
            self.single.remove(id);
        }
        self.portions.spend(now, bulk.len());
        let taken = |bulk| move |(id, since)| Taken { id, since, bulk };
        let singles = singles.into_iter().map(taken(false));
        singles.chain(bulk.into_iter().map(taken(true))).collect()
    }

    /// Three quarters are those that wait longest, the rest the newest: neither starves.
    fn take_bulk(&mut self, pace: &Pace, now: Instant, room: usize) -> Vec<(ObjectId, Instant)> {
        if self.rest_until.is_some_and(|until| now < until) {
            return Vec::new();
        }
        let left = self.portions.left(now, pace.burst_interval, pace.burst_size).min(room);
        let newest = left / 4;
        let mut taken = self.all.take_newest(newest);
        taken.extend(self.all.take_oldest(left - newest));
        taken
    }

    /// When something may go that the pace held back the last time that something was taken.
    pub(super) fn wake_at(&self, pace: &Pace) -> Option<Instant> {
        if self.all.is_empty() {
            return None;
        }
        let bulk = self.rest_until.max(self.portions.free_at(pace.burst_interval));
        let waits = !self.single.is_empty();
        let single = waits.then(|| self.singles.free_at(pace.burst_interval)).flatten();
        [bulk, single].into_iter().flatten().min()
    }

    /// Learns from the calls of a portion, and rests when they are slow. Half a portion and less are not under the same
    /// load, and say nothing.
    pub(super) fn on_portion(&mut self, pace: &Pace, calls: &[Duration], now: Instant) {
        if calls.len() > pace.burst_size / 2 {
            let total: Duration = calls.iter().sum();
            let count = u32::try_from(calls.len()).unwrap_or(u32::MAX);
            self.slowness.saw(total / count);
            self.rest_until = Some(now + self.slowness.rest(pace.burst_interval));
        }
    }
}

/// How much went in the last interval: at most as many entries as objects that may go in one.
#[derive(Debug, Default)]
struct Spent {
    log: VecDeque<(Instant, usize)>,
}

impl Spent {
    /// How many of `most` may still go in the interval that ends now.
    fn left(&mut self, now: Instant, interval: Duration, most: usize) -> usize {
        while self.log.front().is_some_and(|(at, _)| *at + interval <= now) {
            self.log.pop_front();
        }
        let spent: usize = self.log.iter().map(|(_, count)| count).sum();
        most.saturating_sub(spent)
    }

    fn spend(&mut self, now: Instant, count: usize) {
        if count > 0 {
            self.log.push_back((now, count));
        }
    }

    fn free_at(&self, interval: Duration) -> Option<Instant> {
        self.log.front().map(|(at, _)| *at + interval)
    }
}

/// How long the target's calls take, in seconds, against how long they took at their best.
#[derive(Debug, Default)]
struct Slowness {
    mean: Option<f64>,
    best: f64,
}

impl Slowness {
    fn saw(&mut self, call: Duration) {
        let call = call.as_secs_f64().max(QUICKEST);
        let mean = self.mean.map_or(call, |mean| mean + WEIGHT * (call - mean));
        let best = self.mean.map_or(mean, |_| self.best + FORGETTING * (mean - self.best));
        self.mean = Some(mean);
        self.best = best.min(mean);
    }

    fn rest(&self, interval: Duration) -> Duration {
        let times = self.mean.map_or(0.0, |mean| mean / self.best - TOLERATED);
        interval.mul_f64(times.clamp(0.0, LONGEST_REST))
    }
}

impl Schedule {
    /// The next operations of the fast lane, which the caller runs at once; none when there is nothing to do, or when
    /// the pace holds it back until [`wake_at`](Self::wake_at).
    pub fn next_fast(&mut self, now: Instant) -> Vec<Operation> {
        let mut stage = Vec::new();
        while stage.is_empty() {
            let taken = self.fast.take(&self.pace, now);
            if taken.is_empty() {
                break;
            }
            for Taken { id, since, bulk } in taken {
                match self.decide(&id) {
                    Decision::Fast(object) => {
                        self.start(Operation::Put { object }, since, &mut stage);
                        self.in_flight.entry(id).and_modify(|flight| flight.bulk = bulk);
                    }
                    decision => self.settle_decision(&id, decision, since, now),
                }
            }
        }
        stage
    }
}

#[cfg(test)]
mod tests;
