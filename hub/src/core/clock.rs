//! The time that the clusters' state machines are told.
//!
//! The system's time as it was at the hub's start, and what has passed since by a clock that nobody sets: a correction
//! of the system's time must make no cluster look silent, nor a silent one look alive. Under paused time it stands still.

use jiff::Timestamp;
use tokio::time::Instant;

#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began: (Timestamp, Instant),
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            began: (Timestamp::now(), Instant::now()),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        let (timestamp, instant) = self.began;
        timestamp.saturating_add(instant.elapsed()).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_passes_as_the_runtime_says() {
        let clock = Clock::start();
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(15)).await;
        assert_eq!(clock.now().duration_since(before).as_secs(), 15);
    }
}
