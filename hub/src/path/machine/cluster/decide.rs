//! What is said of a cluster: its decision, and what is kept over a restart.

use super::ClusterState;
use crate::path::choice::{self, PathState};
use crate::path::decision::{Decision, HeldBy, PersistedCluster, PersistedVerdict, Reason};

impl ClusterState {
    pub(in crate::path::machine) fn decision(&self) -> Decision {
        let order = choice::order(&self.paths, self.active);
        let verdict = |path: &PathState| (path.name.clone(), path.health.verdict());
        Decision {
            active: self.active().name.clone(),
            weights: self.weights(),
            order: order.into_iter().map(|at| self.paths[at].name.clone()).collect(),
            reason: self.reason(),
            verdicts: self.paths.iter().map(verdict).collect(),
            drained: self.drained,
        }
    }

    fn reason(&self) -> Reason {
        let behind = self.active().rank > self.paths[0].rank;
        match (self.held, self.pin, self.why) {
            (Some(hold), _, _) if hold.by == HeldBy::AllPathsDown => Reason::Held(hold.by),
            (_, Some((order, _)), _) => Reason::Pinned(order),
            (Some(hold), None, _) => Reason::Held(hold.by),
            (None, None, Some(why)) if behind => Reason::Switched(why),
            (None, None, _) => Reason::Preferred,
        }
    }

    pub(super) fn kept(&self) -> PersistedCluster {
        let verdict = |path: &PathState| {
            let (verdict, since) = (path.health.verdict(), path.since);
            (path.name.to_string(), PersistedVerdict { verdict, since })
        };
        PersistedCluster {
            active: self.active().name.to_string(),
            since: self.since,
            why: self.why,
            verdicts: self.paths.iter().map(verdict).collect(),
        }
    }
}
