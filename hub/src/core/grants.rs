//! Which clusters may set plugins for everybody's traffic, and when what came of that may be written and removed.
//!
//! Those objects belong to no single cluster, so what holds for the objects of one cluster ("settled clusters" and "what
//! was restored is not written over a target that remembers", `docs/architecture.md`) holds for them by all clusters that
//! may have made them.

use std::collections::BTreeSet;

use hubline::model::ClusterId;

use crate::config::{ClusterList, Grant};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Grants {
    granted: BTreeSet<ClusterId>,
    /// What is at the target and nobody wants may go.
    settled: bool,
    /// What is at the target may be newer than what was restored.
    held: bool,
}

/// What is to be said of the objects' common prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// They may be older than the target's.
    Restored,
    /// They are as new as can be.
    Heard,
    /// They are whole.
    Settled,
}

impl Grants {
    /// Takes the operator's list. A cluster that left it keeps what it was granted: that withdraws nothing.
    pub(super) fn configured(&mut self, list: &ClusterList) -> BTreeSet<ClusterId> {
        let gone = self.granted.iter().filter(|cluster| list.get(cluster).is_none());
        let gone: BTreeSet<_> = gone.cloned().collect();
        self.granted = list.granted(Grant::GlobalRules);
        self.granted.extend(gone);
        self.granted.clone()
    }

    /// Whether they are held while these clusters were not heard.
    pub(super) fn hold(&mut self, unheard: &BTreeSet<ClusterId>) -> Option<Word> {
        let held = !self.granted.is_disjoint(unheard);
        let before = std::mem::replace(&mut self.held, held);
        match (before, held) {
            (false, true) => Some(Word::Restored),
            (true, false) => Some(Word::Heard),
            _ => None,
        }
    }

    /// Whether they are whole with these clusters settled. Of a cluster that is not listed since the hub's start nobody
    /// knows what it was granted: what it made stays.
    pub(super) fn settle(&mut self, settled: &BTreeSet<ClusterId>, unlisted: impl FnOnce() -> bool) -> Option<Word> {
        if self.settled || !self.granted.is_subset(settled) || unlisted() {
            return None;
        }
        self.settled = true;
        Some(Word::Settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClusterConfig;

    fn id(name: &str) -> ClusterId {
        ClusterId::new(name).unwrap()
    }

    fn list(granted: &[&str], others: &[&str]) -> ClusterList {
        let config = |name: &&str, grants: &[Grant]| ClusterConfig {
            grants: grants.iter().copied().collect(),
            ..ClusterConfig::named(id(name))
        };
        let granted = granted.iter().map(|name| config(name, &[Grant::GlobalRules]));
        let others = others.iter().map(|name| config(name, &[]));
        ClusterList::new(&granted.chain(others).collect::<Vec<_>>())
    }

    #[test]
    fn leaving_the_list_withdraws_no_grant_and_losing_it_does() {
        let mut grants = Grants::default();
        assert_eq!(grants.configured(&list(&["a", "b"], &["c"])), [id("a"), id("b")].into());
        assert_eq!(grants.configured(&list(&["b"], &[])), [id("a"), id("b")].into());
        assert_eq!(grants.configured(&list(&[], &["a", "b"])), BTreeSet::new());
    }

    #[test]
    fn held_until_every_granted_cluster_was_heard() {
        let mut grants = Grants::default();
        grants.configured(&list(&["a", "b"], &["c"]));
        assert_eq!(grants.hold(&[id("c")].into()), None, "it has no part in them");
        assert_eq!(grants.hold(&[id("a"), id("b")].into()), Some(Word::Restored));
        assert_eq!(grants.hold(&[id("b")].into()), None);
        assert_eq!(grants.hold(&BTreeSet::new()), Some(Word::Heard));
    }

    /// Promise 1 for what belongs to several clusters.
    #[test]
    fn silence_withdraws_nothing() {
        let mut grants = Grants::default();
        grants.configured(&list(&["a", "b"], &[]));
        assert_eq!(grants.settle(&[id("a")].into(), || false), None, "b has not spoken");
        let both = [id("a"), id("b")].into();
        assert_eq!(grants.settle(&both, || true), None, "nor has one that left the list");
        assert_eq!(grants.settle(&both, || false), Some(Word::Settled));
        assert_eq!(grants.settle(&both, || false), None, "once");
        assert_eq!(
            Grants::default().settle(&BTreeSet::new(), || false),
            Some(Word::Settled)
        );
    }
}
