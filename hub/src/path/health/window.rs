//! Loss and latency over the last while, in a fixed number of slots.

use std::time::Duration;

use super::grounds::Loss;
use crate::path::evidence::Moment;

/// The window ends within one slot of the right time: 1/16 of it, 2 s of the default 30 s.
const SLOTS: usize = 16;

/// The results of the last while.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    slots: [Slot; SLOTS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Counted from the hub's start, in slot widths.
    number: u64,
    figures: Figures,
}

/// Sums over results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::path) struct Figures {
    good: u32,
    bad: u32,
    /// Good ones that waited for a packet to be sent again, by their time.
    late: u32,
    /// Of the good ones.
    round_trips: Duration,
}

impl Window {
    pub(super) fn good(&mut self, round_trip: Duration, now: Moment, length: Duration) {
        let figures = self.slot(now, length);
        figures.good = figures.good.saturating_add(1);
        figures.round_trips = figures.round_trips.saturating_add(round_trip);
    }

    /// One of the good ones was late.
    pub(super) fn late(&mut self, now: Moment, length: Duration) {
        let figures = self.slot(now, length);
        figures.late = figures.late.saturating_add(1);
    }

    pub(super) fn bad(&mut self, now: Moment, length: Duration) {
        let figures = self.slot(now, length);
        figures.bad = figures.bad.saturating_add(1);
    }

    pub(super) fn clear(&mut self) {
        self.slots = Default::default();
    }

    pub(super) fn figures(&self, now: Moment, length: Duration) -> Figures {
        let newest = number(now, length);
        let within = |slot: &&Slot| newest.checked_sub(slot.number).is_some_and(|age| age < SLOTS as u64);
        let slots = self.slots.iter().filter(within);
        slots.map(|slot| slot.figures).fold(Figures::default(), Figures::plus)
    }

    fn slot(&mut self, now: Moment, length: Duration) -> &mut Figures {
        let number = number(now, length);
        #[expect(clippy::cast_possible_truncation, reason = "below the number of slots")]
        let slot = &mut self.slots[(number % SLOTS as u64) as usize];
        if slot.number != number {
            *slot = Slot {
                number,
                figures: Figures::default(),
            };
        }
        &mut slot.figures
    }
}

fn number(now: Moment, length: Duration) -> u64 {
    let width = (length.as_millis() / SLOTS as u128).max(1);
    u64::try_from(now.0.as_millis() / width).unwrap_or(u64::MAX)
}

impl Figures {
    /// Results in all.
    pub(in crate::path) fn total(&self) -> u32 {
        self.good.saturating_add(self.bad)
    }

    pub(in crate::path) fn loss(&self) -> Loss {
        Loss {
            lost: self.bad,
            of: self.total(),
        }
    }

    /// The mean of the good ones.
    pub(in crate::path) fn round_trip(&self) -> Option<Duration> {
        self.round_trips.checked_div(self.good)
    }

    /// Whether more than a share (in percent) of a limit (in percent) was lost.
    pub(super) fn loses_more(&self, limit: u32, share: u64) -> bool {
        u64::from(self.bad) * 10_000 > u64::from(self.total()) * u64::from(limit) * share
    }

    /// Whether the mean round trip is longer than a share (in percent) of a limit.
    pub(super) fn slower(&self, limit: Duration, share: u64) -> bool {
        let mean = self.round_trip().unwrap_or_default();
        mean.as_nanos() * 100 > limit.as_nanos() * u128::from(share)
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            good: self.good.saturating_add(other.good),
            bad: self.bad.saturating_add(other.bad),
            late: self.late.saturating_add(other.late),
            round_trips: self.round_trips.saturating_add(other.round_trips),
        }
    }

    /// As if late ones had been lost.
    pub(super) fn with_late_as_lost(self) -> Self {
        Self {
            good: self.good.saturating_sub(self.late),
            bad: self.bad.saturating_add(self.late),
            late: 0,
            ..self
        }
    }

    /// As if so many bad ones had not been.
    pub(super) fn without(self, bad: u32) -> Self {
        Self {
            bad: self.bad.saturating_sub(bad),
            ..self
        }
    }
}
