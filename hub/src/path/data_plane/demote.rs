//! Which path of a single service is demoted, because too few of its nodes are healthy. Pure.
//!
//! APISIX has no overprovisioning: one healthy node of the best tier takes all of its traffic (DESIGN section 8). So a
//! tier that falls under a share stands below the others until it is well again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hubline::model::{ClusterId, GlobalKey};

use super::HEALTHY_PERCENT;
use super::shares::{Checked, Tier};
use crate::path::demotion::{Demoted, Demotions};
use crate::path::evidence::Moment;

/// From this share on a tier takes its traffic again: 1/1.4, where Envoy's overprovisioning counts a tier as whole
/// (`reference/failover-parameters.md`, partial spill). It is left under [`HEALTHY_PERCENT`].
const WELL_PERCENT: u64 = 71;

/// A path of a service that is demoted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lowered {
    path: Arc<str>,
    /// Since when there is no reason for it any more.
    well_since: Option<Moment>,
}

/// All of them. Memory is bounded by what is demoted.
#[derive(Debug, Default)]
pub(super) struct Lower {
    services: BTreeMap<GlobalKey, Lowered>,
}

/// What the shares of a service's best tier and of the next say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// The best is too weak, and the next is better.
    Lower,
    /// The best is well, or the next is no better.
    Raise,
    /// Neither.
    Stay,
}

fn word(best: &Tier, next: &Tier) -> Word {
    // Cross products: shares of different sizes.
    let next_is_better = next.healthy * best.all > best.healthy * next.all;
    let percent = |share: u64| best.all * share;
    if !next_is_better || best.healthy * 100 >= percent(WELL_PERCENT) {
        Word::Raise
    } else if best.healthy * 100 < percent(HEALTHY_PERCENT) {
        Word::Lower
    } else {
        Word::Stay
    }
}

impl Lower {
    /// Takes what all instances that answered found at about the same time. What they say nothing of stays as it is,
    /// as long as `may` says that a cluster's services can be demoted at all; `hold` is how long a tier must be well.
    pub(super) fn on(
        &mut self,
        found: &[Checked],
        may: impl Fn(&ClusterId) -> bool,
        hold: impl Fn(&ClusterId) -> Duration,
        now: Moment,
    ) {
        self.services.retain(|service, _| may(&service.cluster));
        for (service, tiers) in together(found) {
            let [best, next, ..] = tiers.as_slice() else {
                // Nothing is left that could stand above it.
                self.services.remove(service);
                continue;
            };
            match (word(best, next), self.services.get_mut(service)) {
                (Word::Lower, None) if may(&service.cluster) => {
                    let path = Arc::clone(&best.path);
                    self.services
                        .insert(service.clone(), Lowered { path, well_since: None });
                }
                (Word::Raise, Some(lowered)) if lowered.path == best.path => {
                    let since = *lowered.well_since.get_or_insert(now);
                    if now.0.saturating_sub(since.0) >= hold(&service.cluster) {
                        self.services.remove(service);
                    }
                }
                (Word::Lower | Word::Stay, Some(lowered)) if lowered.path == best.path => lowered.well_since = None,
                // Another path carries the cluster by now.
                (_, Some(_)) => drop(self.services.remove(service)),
                (_, None) => {}
            }
        }
    }

    /// What is demoted now.
    pub(super) fn demotions(&self) -> Demotions {
        let demoted = |(service, lowered): (&GlobalKey, &Lowered)| {
            let path = Arc::clone(&lowered.path);
            (service.clone(), Demoted::Path(path))
        };
        self.services.iter().map(demoted).collect()
    }
}

/// The sums over all instances, by service: a node that one of two cannot reach counts half.
fn together(found: &[Checked]) -> BTreeMap<&GlobalKey, Vec<Tier>> {
    let mut services = BTreeMap::<&GlobalKey, Vec<Tier>>::new();
    for (service, checked) in found.iter().filter_map(|it| Some((it.service.as_ref()?, it))) {
        let tiers = services.entry(service).or_default();
        for tier in &checked.tiers {
            match tiers.iter_mut().find(|known| known.path == tier.path) {
                Some(known) => {
                    known.healthy += tier.healthy;
                    known.all += tier.all;
                }
                None => tiers.push(tier.clone()),
            }
        }
    }
    services
}

#[cfg(test)]
mod tests;
