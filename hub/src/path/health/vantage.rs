//! What one vantage sees: results in a row, by the time they were sent, and the window.

use super::Verdict;
use super::window::Window;
use crate::path::evidence::{Evidence, Moment, ProbeFailure, ProbeResult, Vantage};
use crate::path::parameters::HealthParameters;
use crate::path::round_trips::RoundTrips;

/// The health of a path from one vantage.
#[derive(Debug, Clone)]
pub(in crate::path) struct VantageHealth {
    pub(in crate::path) vantage: Vantage,
    pub(super) window: Window,
    round_trips: RoundTrips,
    /// When the first bad probe of those that took it down was sent; none: not down.
    down: Option<Moment>,
    run: Option<Run>,
    /// Whether it is known to be down or not: it had a good result, or fell. A few bad ones alone say nothing yet, and
    /// of a path that is down nothing less than a rise does.
    decided: bool,
    /// When it last had a result.
    heard: Moment,
    last_failure: Option<(ProbeFailure, Moment)>,
}

/// Results of one kind in a row.
#[derive(Debug, Clone, Copy)]
struct Run {
    good: bool,
    count: u32,
    /// Sent first.
    first: Moment,
    /// Sent last.
    last: Moment,
    /// The last of the other kind before it; probes overlap, so results come in another order than they were sent.
    after: Option<Moment>,
}

impl VantageHealth {
    pub(super) fn new(vantage: Vantage, down: Option<Moment>, now: Moment) -> Self {
        Self {
            vantage,
            window: Window::default(),
            round_trips: RoundTrips::default(),
            down,
            run: None,
            decided: down.is_some(),
            heard: now,
            last_failure: None,
        }
    }

    /// Takes a result that counts, for a path that is held so.
    pub(super) fn take(&mut self, evidence: Evidence, now: Moment, parameters: &HealthParameters, path: Verdict) {
        let window = parameters.window;
        self.heard = now;
        let sent = evidence.sent;
        match evidence.result {
            ProbeResult::Good { round_trip } => {
                self.window.good(round_trip, now, window);
                if self.round_trips.saw(round_trip) {
                    self.window.late(now, window);
                }
                self.count(true, sent);
            }
            ProbeResult::Lossy { .. } => {
                self.window.bad(now, window);
                self.count(true, sent);
            }
            ProbeResult::Bad(failure) => {
                self.window.bad(now, window);
                self.last_failure = Some((failure, now));
                self.count(false, sent);
            }
            ProbeResult::Nothing(_) => {}
        }
        self.turn(parameters, path);
    }

    /// It is heard again after a long silence: what it said before counts no longer, except that it is down.
    pub(super) fn awake(&mut self) {
        (self.run, self.decided) = (None, self.down.is_some());
    }

    /// Whether it is known to be down or not.
    pub(super) fn decided(&self) -> bool {
        self.decided
    }

    /// Since when it is down: when the first of the bad probes was sent; none: not down.
    pub(in crate::path) fn first_bad(&self) -> Option<Moment> {
        self.down
    }

    pub(super) fn heard(&self) -> Moment {
        self.heard
    }

    pub(super) fn in_a_row(&self) -> u32 {
        self.run.map_or(0, |run| run.count)
    }

    /// Lost probes since the last good one.
    pub(super) fn bad_in_a_row(&self) -> u32 {
        self.run.filter(|run| !run.good).map_or(0, |run| run.count)
    }

    pub(super) fn last_failure(&self) -> Option<&ProbeFailure> {
        self.last_failure.as_ref().map(|(failure, _)| failure)
    }

    /// Its last failure, with when it became known.
    pub(in crate::path) fn failed(&self) -> Option<&(ProbeFailure, Moment)> {
        self.last_failure.as_ref()
    }

    pub(super) fn good_after(&self, first_bad: Moment) -> bool {
        self.down.is_none() && self.run.is_some_and(|run| run.good && run.last > first_bad)
    }

    fn count(&mut self, good: bool, sent: Moment) {
        match &mut self.run {
            Some(run) if run.good == good => run.extend(sent),
            // Older than all of the run: it broke nothing, and only the window knows of it.
            Some(run) if sent < run.first => {}
            run => {
                *run = Some(Run {
                    good,
                    count: 1,
                    first: sent,
                    last: sent,
                    after: run.map(|before| before.last),
                });
            }
        }
    }

    fn turn(&mut self, parameters: &HealthParameters, path: Verdict) {
        let Some(run) = self.run else { return };
        let rose = run.good && run.count >= parameters.rise;
        let fell = !run.good && run.count >= parameters.fall;
        self.decided |= rose || fell || (run.good && path != Verdict::Down);
        if rose && self.down.is_some() {
            self.down = None;
            // What the outage lost was told by being down; the line is judged anew.
            self.window.clear();
        } else if fell && self.down.is_none() {
            self.down = Some(run.first);
        }
    }
}

impl Run {
    fn extend(&mut self, sent: Moment) {
        if self.after.is_some_and(|after| sent <= after) {
            return;
        }
        self.count = self.count.saturating_add(1);
        self.first = self.first.min(sent);
        self.last = self.last.max(sent);
    }
}
