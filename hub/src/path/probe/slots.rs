//! The vantages of one path, and when each of them is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use tokio::time::Instant;

use super::pace::Pace;
use super::spec::{GatewayProbe, ProbeSpec};
use super::target::TargetProbe;
use super::tls::TlsFiles;
use crate::path::evidence::Vantage;

/// What a vantage asks.
#[derive(Debug, Clone)]
pub(super) enum Asks {
    Line,
    Target(Arc<TargetProbe>, Arc<TlsFiles>),
    Gateway(Arc<GatewayProbe>),
}

/// One vantage.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) asks: Asks,
    pub(super) pace: Pace,
    due: Instant,
    beat: Beat,
    pub(super) in_flight: usize,
}

/// All vantages of a path.
#[derive(Debug)]
pub(super) struct Slots {
    beat: Beat,
    slots: BTreeMap<Vantage, Slot>,
}

/// Turns fall on the beats of a clock that all paths share, so that probes of many paths share the hub's wake-ups, which
/// cost more than the probes.
#[derive(Debug, Clone, Copy)]
struct Beat(Instant);

impl Beat {
    /// A fifth of the jitter at the shortest usual interval, 250 ms: turns stay as random as they were.
    const LENGTH: Duration = Duration::from_millis(10);

    /// The beat that is nearest to a time, and later than now.
    fn nearest(self, time: Instant, now: Instant) -> Instant {
        let beats = |time: Instant| time.duration_since(self.0).as_millis() / Self::LENGTH.as_millis();
        let beat = beats(time + Self::LENGTH / 2).max(beats(now) + 1);
        let since = beat.saturating_mul(Self::LENGTH.as_millis());
        self.0 + Duration::from_millis(u64::try_from(since).unwrap_or(u64::MAX))
    }
}

impl Asks {
    fn vantage(&self) -> Vantage {
        match self {
            Self::Line => Vantage::Line,
            Self::Target(target, _) => Vantage::Target(target.name.as_str().into()),
            Self::Gateway(gateway) => Vantage::Gateway(Arc::clone(&gateway.instance)),
        }
    }

    fn interval(&self, spec: &ProbeSpec) -> Duration {
        match self {
            Self::Line | Self::Target(..) => spec.interval,
            Self::Gateway(_) => spec.gateway_interval,
        }
    }

    /// Most probes under way. Rounds overlap as far as a round trip of half a second needs it at 250 ms (a timeout of
    /// 2 s, and as long again to confirm); others only so that a second look need not wait for the first.
    pub(super) fn most_in_flight(&self) -> usize {
        match self {
            Self::Line => 16,
            Self::Target(..) | Self::Gateway(_) => 4,
        }
    }
}

impl Slots {
    /// None yet; turns are counted from there.
    pub(super) fn new(began: Instant) -> Self {
        Self {
            beat: Beat(began),
            slots: BTreeMap::new(),
        }
    }

    /// Those of a new specification. What is still there keeps its turn and its pace; what is under way is forgotten.
    pub(super) fn adopt(&mut self, spec: &ProbeSpec, chance: &mut StdRng) {
        let mut before = std::mem::take(&mut self.slots);
        let targets = spec
            .targets
            .iter()
            .map(|target| Asks::Target(Arc::new(target.clone()), Arc::default()));
        let gateways = spec
            .gateways
            .iter()
            .map(|gateway| Asks::Gateway(Arc::new(gateway.clone())));
        for asks in [Asks::Line].into_iter().chain(targets).chain(gateways) {
            let (vantage, interval) = (asks.vantage(), asks.interval(spec));
            let slot = match before.remove(&vantage) {
                Some(slot) => slot.with(asks, interval, spec),
                None => Slot::new(asks, interval, spec, self.beat, chance),
            };
            self.slots.insert(vantage, slot);
        }
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.slots.values().map(|slot| slot.due).min()
    }

    pub(super) fn get_mut(&mut self, vantage: &Vantage) -> Option<&mut Slot> {
        self.slots.get_mut(vantage)
    }

    /// Those that are due.
    pub(super) fn due(&self, now: Instant) -> Vec<Vantage> {
        let due = self.slots.iter().filter(|(_, slot)| slot.due <= now);
        due.map(|(vantage, _)| vantage.clone()).collect()
    }

    /// All that look through an APISIX instance.
    pub(super) fn gateways(&self) -> Vec<Vantage> {
        let all = self
            .slots
            .keys()
            .filter(|vantage| matches!(vantage, Vantage::Gateway(_)));
        all.cloned().collect()
    }
}

impl Slot {
    fn new(asks: Asks, interval: Duration, spec: &ProbeSpec, beat: Beat, chance: &mut StdRng) -> Self {
        let (pace, now) = (Pace::new(interval, spec.back_off), Instant::now());
        let due = beat.nearest(now + pace.first(chance), now);
        Self {
            asks,
            pace,
            due,
            beat,
            in_flight: 0,
        }
    }

    fn with(mut self, asks: Asks, interval: Duration, spec: &ProbeSpec) -> Self {
        self.pace.set(interval, spec.back_off);
        let now = Instant::now();
        self.due = self.due.min(self.beat.nearest(now + interval, now));
        self.asks = asks;
        self.in_flight = 0;
        self
    }

    /// Takes its turn: the next one follows from this one's time, not from when it came to pass, unless it is late.
    pub(super) fn take_turn(&mut self, now: Instant, chance: &mut StdRng) {
        let next = self.pace.next(now, chance);
        self.due = self.beat.nearest(self.due.min(now) + next, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_fall_on_the_nearest_beat_to_come() {
        let (began, ms) = (Instant::now(), Duration::from_millis);
        for (time, now, wanted) in [
            (0, 0, 10),
            (14, 0, 10),
            (15, 0, 20),
            (250, 3, 250),
            (254, 3, 250),
            (256, 3, 260),
            // Late, or an interval shorter than a beat.
            (250, 250, 260),
            (250, 1_003, 1_010),
        ] {
            let beat = Beat(began).nearest(began + ms(time), began + ms(now));
            assert_eq!(beat.duration_since(began), ms(wanted), "{time} at {now}");
        }
    }
}
