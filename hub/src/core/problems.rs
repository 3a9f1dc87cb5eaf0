//! Why resources are not in force, collected from the stages that know.

use std::collections::BTreeMap;
use std::sync::Arc;

use hubline::model::GlobalKey;
use imbl::OrdMap;

use crate::view::Problem;

/// The stage that found a problem; each replaces only what it said itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// The cluster's state machine: quarantine.
    Cluster,
    /// Merging and rendering: conflicts, unresolved references, unsupported values.
    Plan,
    /// The target.
    Sink,
}

/// Problems by resource and stage.
#[derive(Debug, Default)]
pub(super) struct ProblemBook {
    stages: BTreeMap<GlobalKey, BTreeMap<Stage, Vec<Problem>>>,
    merged: OrdMap<GlobalKey, Arc<Vec<Problem>>>,
}

impl ProblemBook {
    /// What one stage now says of one resource; nothing clears it. Tells whether that changed anything.
    pub(super) fn set(&mut self, stage: Stage, key: &GlobalKey, problems: Vec<Problem>) -> bool {
        let unchanged = match self.stages.get(key).and_then(|stages| stages.get(&stage)) {
            Some(before) => *before == problems,
            None => problems.is_empty(),
        };
        if unchanged {
            return false;
        }
        let stages = self.stages.entry(key.clone()).or_default();
        if problems.is_empty() {
            stages.remove(&stage);
        } else {
            stages.insert(stage, problems);
        }
        self.merge(key);
        true
    }

    fn merge(&mut self, key: &GlobalKey) {
        let Some(stages) = self.stages.get(key) else { return };
        if stages.is_empty() {
            self.stages.remove(key);
            self.merged.remove(key);
            return;
        }
        let all = stages.values().flatten().cloned().collect();
        self.merged.insert(key.clone(), Arc::new(all));
    }

    /// What all stages say of one resource, in the order of the stages.
    #[must_use]
    pub(super) fn of(&self, key: &GlobalKey) -> Option<&Arc<Vec<Problem>>> {
        self.merged.get(key)
    }

    /// Everything, for the view; cloning it costs nothing.
    #[must_use]
    pub(super) fn all(&self) -> &OrdMap<GlobalKey, Arc<Vec<Problem>>> {
        &self.merged
    }
}

#[cfg(test)]
mod tests {
    use hubline::model::{ClusterId, GroupKind, Key, ResourceKind};
    use hubline::wire::ContentHash;

    use super::*;
    use crate::view::ProblemKind;

    fn key() -> GlobalKey {
        let source = GroupKind::new("networking.k8s.io", "Ingress");
        let key = Key::new(ResourceKind::Route, &source, "shop", "web", "x");
        GlobalKey {
            cluster: ClusterId::new("a").unwrap(),
            key,
        }
    }

    fn problem(message: &str) -> Problem {
        let (kind, reason) = (ProblemKind::Conflict, "Conflict".to_owned());
        Problem {
            kind,
            reason,
            message: message.to_owned(),
            content_hash: ContentHash(1),
        }
    }

    #[test]
    fn each_stage_replaces_only_its_own() {
        let mut book = ProblemBook::default();
        assert!(book.set(Stage::Plan, &key(), vec![problem("plan")]));
        assert!(book.set(Stage::Cluster, &key(), vec![problem("cluster")]));
        assert!(
            !book.set(Stage::Cluster, &key(), vec![problem("cluster")]),
            "equal is no change"
        );
        let messages = |book: &ProblemBook| {
            book.of(&key())
                .unwrap()
                .iter()
                .map(|it| it.message.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(messages(&book), ["cluster", "plan"]);
        assert!(book.set(Stage::Cluster, &key(), Vec::new()));
        assert_eq!(messages(&book), ["plan"]);
        assert!(book.set(Stage::Plan, &key(), Vec::new()));
        assert!(book.all().is_empty() && book.stages.is_empty());
        assert!(!book.set(Stage::Plan, &key(), Vec::new()));
    }
}
