//! Tells planner and sink who may set plugins for everybody's traffic.

use hubline::model::ResourceKind;
use tokio::time::Instant;

use super::Core;
use super::grants::Word;
use crate::change::of_kind;
use crate::config::ClusterList;

impl Core {
    /// Before anything of it is committed, whether it is held is said.
    pub(super) fn granted(&mut self, list: &ClusterList) {
        let granted = self.grants.configured(list);
        let held = self.grants.hold(&self.unheard);
        self.say_of_everybody(held);
        let output = self.planner.grant(granted);
        self.planned(output, Instant::now());
        self.settle_everybody();
    }

    pub(super) fn settle_everybody(&mut self) {
        let (clusters, planner) = (&self.handles.clusters, &self.planner);
        let unlisted = || {
            let list = clusters.borrow();
            let mut gone = self.clusters.keys().filter(|id| list.get(id).is_none());
            gone.any(|id| {
                of_kind(planner.resources(), id, ResourceKind::GlobalRule)
                    .next()
                    .is_some()
            })
        };
        let word = self.grants.settle(&self.settled, unlisted);
        self.say_of_everybody(word);
    }

    pub(super) fn say_of_everybody(&self, word: Option<Word>) {
        let prefix = self.prefix.everybody_prefix();
        match word {
            Some(Word::Restored) => self.handles.desired.restored(prefix),
            Some(Word::Heard) => self.handles.desired.heard(&prefix),
            Some(Word::Settled) => self.handles.desired.settle([prefix]),
            None => {}
        }
    }
}
