//! Moves between paths that work: failback to a better one, and away from a degraded one.

use std::time::Duration;

use super::{PathState, Situation, Urgency, Wish};
use crate::path::decision::{HeldBy, SwitchReason};
use crate::path::evidence::Moment;
use crate::path::health::{Cause, Verdict};
use crate::path::parameters::{Failback, VarianceParameters};

impl Situation<'_> {
    pub(super) fn improve(&self) -> Wish {
        let urgency = Urgency::None;
        let better = || {
            self.others()
                .filter(|(_, path)| path.attractive(self.now) && path.rank < self.rank())
        };
        if let Some((to, _)) = better().find(|(_, path)| self.failback_at(path).is_some_and(|at| at.reached)) {
            let why = SwitchReason::Failback;
            return Wish::Move { to, why, urgency };
        }
        if let Some(to) = self.less_degraded() {
            let why = SwitchReason::Degraded;
            return Wish::Move { to, why, urgency };
        }
        match better().next() {
            Some((to, path)) => {
                let at = self.failback_at(path);
                let by = if at.is_some() {
                    HeldBy::FailbackDelay
                } else {
                    HeldBy::ManualFailback
                };
                let until = at.map(|at| at.due);
                Wish::Wait { to, by, until }
            }
            None => Wish::Stay,
        }
    }

    /// When a better path may be taken again; none: people decide.
    fn failback_at(&self, path: &PathState) -> Option<Due> {
        let Failback::Delay(delay) = self.parameters.failback else {
            return None;
        };
        let (since, last_good) = path.health.healthy().unwrap_or((self.now, self.now));
        let due = since.after(delay);
        Some(Due {
            due,
            // By evidence, not by the clock: health that nobody saw does not count.
            reached: last_good >= due,
        })
    }

    /// A path that is up, of the same rank or behind, for an active one that is degraded.
    fn less_degraded(&self) -> Option<usize> {
        if self.paths[self.active].health.verdict() != Verdict::Degraded {
            return None;
        }
        let mut behind = self.others().filter(|(_, path)| path.rank >= self.rank());
        behind
            .find(|(_, path)| path.attractive(self.now) && self.gains(path))
            .map(|(at, _)| at)
    }

    /// Whether leaving the active path for this one gains enough.
    fn gains(&self, other: &PathState) -> bool {
        let active = &self.paths[self.active].health;
        let (here, there) = (active.figures(self.now), other.health.figures(self.now));
        let variance = self.parameters.variance;
        match active.cause() {
            Cause::Latency => match (here.round_trip(), there.round_trip()) {
                (Some(here), Some(there)) => there.saturating_add(band(variance, here)) <= here,
                _ => false,
            },
            Cause::Loss => {
                let (here, there) = (here.loss(), there.loss());
                let less = u64::from(100 - variance.percent.min(100));
                // Shares of unequal wholes, multiplied out.
                let lost_here = u64::from(here.lost) * u64::from(there.of) * less;
                u64::from(there.lost) * u64::from(here.of) * 100 < lost_here
            }
            // APISIX, which carries the traffic, gets through: nothing to gain.
            Cause::HubLineDown => false,
            // Not measured yet by this run of the hub, or not degraded.
            Cause::Restored | Cause::NoData | Cause::Rose | Cause::Fell | Cause::GatewaysDown => false,
        }
    }
}

/// When a better path may be taken again.
#[derive(Debug, Clone, Copy)]
struct Due {
    due: Moment,
    reached: bool,
}

fn band(variance: VarianceParameters, here: Duration) -> Duration {
    (here.saturating_mul(variance.percent.min(100)) / 100).max(variance.at_least)
}
