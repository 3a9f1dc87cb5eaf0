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
    pub(super) due: Instant,
    pub(super) in_flight: usize,
}

/// All vantages of a path.
#[derive(Debug, Default)]
pub(super) struct Slots(BTreeMap<Vantage, Slot>);

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
    /// Those of a new specification. What is still there keeps its turn and its pace; what is under way is forgotten.
    pub(super) fn adopt(&mut self, spec: &ProbeSpec, chance: &mut StdRng) {
        let mut before = std::mem::take(&mut self.0);
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
                None => Slot::new(asks, interval, spec, chance),
            };
            self.0.insert(vantage, slot);
        }
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.values().map(|slot| slot.due).min()
    }

    pub(super) fn get_mut(&mut self, vantage: &Vantage) -> Option<&mut Slot> {
        self.0.get_mut(vantage)
    }

    /// Those that are due.
    pub(super) fn due(&self, now: Instant) -> Vec<Vantage> {
        let due = self.0.iter().filter(|(_, slot)| slot.due <= now);
        due.map(|(vantage, _)| vantage.clone()).collect()
    }

    /// All that look through an APISIX instance.
    pub(super) fn gateways(&self) -> Vec<Vantage> {
        let all = self.0.keys().filter(|vantage| matches!(vantage, Vantage::Gateway(_)));
        all.cloned().collect()
    }
}

impl Slot {
    fn new(asks: Asks, interval: Duration, spec: &ProbeSpec, chance: &mut StdRng) -> Self {
        let pace = Pace::new(interval, spec.back_off);
        let due = Instant::now() + pace.first(chance);
        Self {
            asks,
            pace,
            due,
            in_flight: 0,
        }
    }

    fn with(mut self, asks: Asks, interval: Duration, spec: &ProbeSpec) -> Self {
        self.pace.set(interval, spec.back_off);
        self.due = self.due.min(Instant::now() + interval);
        self.asks = asks;
        self.in_flight = 0;
        self
    }

    /// Takes its turn: the next one follows from this one's time, not from when it came to pass, unless it is late.
    pub(super) fn take_turn(&mut self, now: Instant, chance: &mut StdRng) {
        let next = self.pace.next(now, chance);
        self.due = (self.due.min(now) + next).max(now);
    }
}
