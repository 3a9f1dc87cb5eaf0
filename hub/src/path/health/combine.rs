//! What all vantages of a path say together.

use super::{Cause, Health, VantageHealth};
use crate::path::evidence::{Moment, Vantage};

/// What all vantages together say, loss and latency aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Up,
    /// Down for the hub, but APISIX gets through.
    HubLineDown,
    Down(Cause),
}

impl Health {
    /// None: nobody says anything, and what was last known stays.
    pub(super) fn standing(&self, now: Moment) -> Option<Standing> {
        let gateways_down = self.all_down(now, |vantage| matches!(vantage, Vantage::Gateway(_)));
        match (self.hub(now), gateways_down) {
            (_, Some(true)) => Some(Standing::Down(Cause::GatewaysDown)),
            (Some(Some(first_bad)), _) if self.gateway_gets_through(now, first_bad) => Some(Standing::HubLineDown),
            (Some(Some(_)), _) => Some(Standing::Down(Cause::Fell)),
            (Some(None), _) | (None, Some(false)) => Some(Standing::Up),
            (None, None) => None,
        }
    }

    /// The hub's own vantages: down since when, not down, or nothing said.
    fn hub(&self, now: Moment) -> Option<Option<Moment>> {
        let line = self.speakers(now).find(|known| known.vantage == Vantage::Line);
        if let Some(line) = line {
            return Some(line.first_bad());
        }
        let target = |vantage: &Vantage| matches!(vantage, Vantage::Target(_));
        let down = self.all_down(now, target)?;
        let targets = self.speakers(now).filter(|known| target(&known.vantage));
        let first_bad = targets.filter_map(VantageHealth::first_bad).min();
        Some(first_bad.filter(|_| down))
    }

    /// None: no such vantage says anything, or one that may still say no does not know yet.
    fn all_down(&self, now: Moment, of: impl Fn(&Vantage) -> bool) -> Option<bool> {
        let such = || self.heard_lately(now).filter(|known| of(&known.vantage));
        if such().any(|known| known.decided() && known.first_bad().is_none()) {
            return Some(false);
        }
        let all = such().all(VantageHealth::decided) && such().next().is_some();
        all.then_some(true)
    }

    /// Whether a gateway got an answer to what it sent after the hub's first bad probe, and still does.
    fn gateway_gets_through(&self, now: Moment, first_bad: Moment) -> bool {
        self.heard_lately(now)
            .filter(|known| matches!(known.vantage, Vantage::Gateway(_)))
            .any(|known| known.good_after(first_bad))
    }

    fn heard_lately(&self, now: Moment) -> impl Iterator<Item = &VantageHealth> {
        let fresh_for = self.fresh_for();
        self.vantages
            .iter()
            .filter(move |known| now.since(known.heard()) <= fresh_for)
    }

    /// Those that were heard lately and know what to say.
    fn speakers(&self, now: Moment) -> impl Iterator<Item = &VantageHealth> {
        self.heard_lately(now).filter(|known| known.decided())
    }

    /// The vantage on which the verdict rests: of those that are down the first to fall, else the one heard last.
    pub(super) fn speaker(&self, now: Moment) -> Option<&VantageHealth> {
        let down = self.speakers(now).filter(|known| known.first_bad().is_some());
        let fallen = down.min_by_key(|known| known.first_bad());
        fallen.or_else(|| self.speakers(now).max_by_key(|known| known.heard()))
    }
}
