//! When signs of another writer bring the next listing forward. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The first sign asks for a listing at once; while signs go on, the pauses between listings double.
#[derive(Debug)]
pub(super) struct Suspicion {
    min: Duration,
    max: Duration,
    pause: Duration,
    looked_at: Option<Instant>,
    due: Option<Instant>,
}

impl Suspicion {
    /// None yet. Listings are at least `min` apart, and need not be further apart than `max`.
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max,
            pause: min,
            looked_at: None,
            due: None,
        }
    }

    /// When to list, if there is a reason.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// There is a sign.
    pub(super) fn raise(&mut self, now: Instant) {
        if self.due.is_some() {
            return;
        }
        let again = self.looked_at.is_some_and(|at| now < at + self.pause.saturating_mul(2));
        self.pause = if again {
            self.pause.saturating_mul(2).min(self.max)
        } else {
            self.min
        };
        let earliest = self.looked_at.map_or(now, |at| at + self.pause);
        self.due = Some(earliest.max(now));
    }

    /// A listing begins, for whatever reason.
    pub(super) fn looked(&mut self, now: Instant) {
        self.looked_at = Some(now);
        self.due = None;
    }
}
