//! When the next probe is due. Pure: time and chance are told.

use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;

use crate::path::evidence::ProbeResult;
use crate::path::parameters::{BackOff, JITTER_PERCENT};

/// Share of an interval by which probes come earlier or later, so that those of many paths never fall together.
const JITTER: f64 = JITTER_PERCENT as f64 / 100.0;

/// One vantage's pace.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    interval: Duration,
    back_off: BackOff,
    bad_since: Option<Instant>,
}

impl Pace {
    pub(super) fn new(interval: Duration, back_off: BackOff) -> Self {
        Self {
            interval,
            back_off,
            bad_since: None,
        }
    }

    /// The same history at another interval.
    pub(super) fn set(&mut self, interval: Duration, back_off: BackOff) {
        (self.interval, self.back_off) = (interval, back_off);
    }

    /// Takes note of a result; tells whether the pace quickens by it.
    pub(super) fn saw(&mut self, now: Instant, result: &ProbeResult) -> bool {
        match result {
            ProbeResult::Good { .. } | ProbeResult::Lossy { .. } => {
                let slow = self.interval(now) > self.interval;
                self.bad_since = None;
                slow
            }
            ProbeResult::Bad(_) => {
                self.bad_since.get_or_insert(now);
                false
            }
            ProbeResult::Nothing(_) => false,
        }
    }

    /// From one probe to the next.
    pub(super) fn next(&self, now: Instant, chance: &mut impl Rng) -> Duration {
        self.interval(now)
            .mul_f64(chance.random_range(1.0 - JITTER..=1.0 + JITTER))
    }

    /// To the very first one: a random phase.
    pub(super) fn first(&self, chance: &mut impl Rng) -> Duration {
        self.interval.mul_f64(chance.random_range(0.0..1.0))
    }

    fn interval(&self, now: Instant) -> Duration {
        let long = |since: Instant| now.duration_since(since) >= self.back_off.after;
        if self.bad_since.is_some_and(long) {
            self.interval.max(self.back_off.interval)
        } else {
            self.interval
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::path::evidence::{NoData, ProbeFailure};

    const SECOND: Duration = Duration::from_secs(1);
    const GOOD: ProbeResult = ProbeResult::Good { round_trip: SECOND };
    const BAD: ProbeResult = ProbeResult::Bad(ProbeFailure::Timeout);
    const NOTHING: ProbeResult = ProbeResult::Nothing(NoData::NothingToProbe);

    #[tokio::test(start_paused = true)]
    async fn it_backs_off_after_five_bad_minutes_and_comes_back_at_the_first_good() {
        let (began, after) = (Instant::now(), |seconds| Duration::from_secs(seconds));
        let mut pace = Pace::new(SECOND, BackOff::default());
        for (seconds, result, interval, quickens) in [
            (0, &GOOD, 1, false),
            (10, &BAD, 1, false),
            (200, &NOTHING, 1, false),
            (309, &BAD, 1, false),
            (310, &BAD, 15, false),
            (900, &NOTHING, 15, false),
            (901, &GOOD, 1, true),
            (902, &GOOD, 1, false),
            (903, &BAD, 1, false),
            (1202, &BAD, 1, false),
            (1203, &BAD, 15, false),
        ] {
            let now = began + after(seconds);
            assert_eq!(pace.saw(now, result), quickens, "at {seconds}");
            assert_eq!(pace.interval(now), after(interval), "at {seconds}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_interval_stays_what_it_is() {
        let (now, long) = (Instant::now(), Duration::from_secs(60));
        let mut pace = Pace::new(long, BackOff::default());
        pace.saw(now, &BAD);
        assert_eq!(pace.interval(now + 10 * long), long);
        assert!(!pace.saw(now + 10 * long, &GOOD));
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_and_phase_spread_over_their_ranges() {
        let (pace, now) = (Pace::new(SECOND, BackOff::default()), Instant::now());
        let draw = |seed| {
            let mut chance = StdRng::seed_from_u64(seed);
            let phase = pace.first(&mut chance).as_secs_f64();
            (phase, pace.next(now, &mut chance).as_secs_f64())
        };
        let drawn: Vec<_> = (0..500).map(draw).collect();
        assert_eq!(draw(7), draw(7));
        assert!(
            drawn
                .iter()
                .all(|(phase, next)| (0.0..1.0).contains(phase) && (0.8..=1.2).contains(next))
        );
        for tenth in 0..10 {
            let low = f64::from(tenth) / 10.0;
            assert!(
                drawn.iter().any(|(phase, _)| (low..low + 0.1).contains(phase)),
                "phase {low}"
            );
            let low = 0.8 + f64::from(tenth) * 0.04;
            assert!(
                drawn.iter().any(|(_, next)| (low..low + 0.04).contains(next)),
                "jitter {low}"
            );
        }
    }
}
