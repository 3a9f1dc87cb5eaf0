//! Pauses between attempts.

use std::time::Duration;

use rand::Rng;

/// First pause.
const FIRST: Duration = Duration::from_millis(500);

/// Longest pause: a permission granted or a kind installed is to be noticed within seconds, and six watches that ask
/// every five seconds are nothing to an API server.
const LONGEST: Duration = Duration::from_secs(5);

/// Doubling pauses with jitter.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The next pause: between half and all of what is due, so that agents do not fall into step.
    pub(super) fn pause(&mut self) -> Duration {
        let due = self.next;
        self.next = (due * 2).min(LONGEST);
        due.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}
