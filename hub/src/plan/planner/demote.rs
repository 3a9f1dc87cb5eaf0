//! What of demotions has to be rendered again.

use std::collections::BTreeSet;

use hubline::model::{GlobalKey, ResourceKind};

use super::{Dirty, Planner};
use crate::path::demotion::Demotions;
use crate::plan::PlanOutput;

impl Planner {
    /// What is demoted; cloning it costs nothing.
    #[must_use]
    pub fn demotions(&self) -> &Demotions {
        &self.demotions
    }

    /// Takes all that is demoted now; only what changed of it is rendered again.
    pub fn demote(&mut self, now: Demotions) -> PlanOutput {
        let before = std::mem::replace(&mut self.demotions, now);
        let both: BTreeSet<&GlobalKey> = before.keys().chain(self.demotions.keys()).collect();
        let changed = both
            .into_iter()
            .filter(|key| before.get(*key) != self.demotions.get(*key));
        let mut dirty = Dirty::default();
        for key in changed {
            match key.key.kind {
                ResourceKind::EndpointSet => dirty.shared.extend(self.endpoints.referrers(key).cloned()),
                _ => drop(dirty.shared.insert(key.clone())),
            }
        }
        self.render(dirty).into()
    }
}
