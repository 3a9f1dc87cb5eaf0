//! Evidence on its way to whoever judges it. Probing never waits for it, and the newest is never lost.
//!
//! What the channel does not take waits here, per vantage the newest [`KEPT`]: of a judge that is behind, each vantage
//! loses its oldest first. Memory is bounded by vantages, never by time.

use std::collections::VecDeque;
use std::sync::Arc;

use hubline::model::ClusterId;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::Finding;
use crate::path::evidence::Evidence;

/// Waiting evidence of one vantage: more than `rise` (5) and `fall` (3) ever look back at.
const KEPT: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Outbox {
    cluster: ClusterId,
    path: Arc<str>,
    to: mpsc::Sender<Finding>,
    waiting: VecDeque<Evidence>,
}

impl Outbox {
    pub(super) fn new(cluster: ClusterId, path: Arc<str>, to: mpsc::Sender<Finding>) -> Self {
        Self {
            cluster,
            path,
            to,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Sends, or keeps for [`Self::deliver`].
    pub(super) fn put(&mut self, evidence: Evidence) {
        if !self.waiting.is_empty() {
            return self.keep(evidence);
        }
        match self
            .to
            .try_send((self.cluster.clone(), Arc::clone(&self.path), evidence))
        {
            Err(TrySendError::Full((_, _, evidence))) => self.keep(evidence),
            // Closed: nobody judges any more.
            Ok(()) | Err(TrySendError::Closed(_)) => {}
        }
    }

    /// Sends the oldest that waits as soon as there is room. Cancel safe: it is taken out only when it can go.
    pub(super) async fn deliver(&mut self) {
        match self.to.reserve().await {
            Ok(place) => {
                if let Some(evidence) = self.waiting.pop_front() {
                    place.send((self.cluster.clone(), Arc::clone(&self.path), evidence));
                }
            }
            Err(_) => self.waiting.clear(),
        }
    }

    fn keep(&mut self, evidence: Evidence) {
        let same = |other: &Evidence| other.vantage == evidence.vantage;
        if self.waiting.iter().filter(|other| same(other)).count() >= KEPT
            && let Some(oldest) = self.waiting.iter().position(same)
        {
            self.waiting.remove(oldest);
        }
        self.waiting.push_back(evidence);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::path::evidence::{Moment, NoData, ProbeResult, Vantage};

    fn evidence(vantage: Vantage, at: u64) -> Evidence {
        Evidence {
            vantage,
            sent: Moment(Duration::from_millis(at)),
            result: ProbeResult::Nothing(NoData::NothingToProbe),
        }
    }

    fn outbox(room: usize) -> (Outbox, mpsc::Receiver<Finding>) {
        let (to, from) = mpsc::channel(room);
        (Outbox::new(ClusterId::new("a").unwrap(), "line".into(), to), from)
    }

    #[tokio::test]
    async fn a_judge_that_is_behind_loses_the_oldest_of_each_vantage_never_the_newest() {
        let (mut outbox, mut judge) = outbox(1);
        outbox.put(evidence(Vantage::Line, 0));
        let target = Vantage::Target("t".into());
        outbox.put(evidence(target.clone(), 1));
        let last = 1 + 3 * KEPT as u64;
        for at in 2..=last {
            outbox.put(evidence(Vantage::Line, at));
        }
        assert_eq!(outbox.waiting.len(), KEPT + 1);
        let mut heard = Vec::new();
        while !(outbox.is_empty() && judge.is_empty()) {
            tokio::select! {
                biased;
                Some((_, _, evidence)) = judge.recv() => heard.push((evidence.vantage, evidence.sent.0.as_millis())),
                () = outbox.deliver(), if !outbox.is_empty() => {}
            }
        }
        let newest = u128::from(last);
        let lines = (newest + 1 - KEPT as u128..=newest).map(|at| (Vantage::Line, at));
        let wanted: Vec<_> = [(Vantage::Line, 0), (target, 1)].into_iter().chain(lines).collect();
        assert_eq!(heard, wanted);
    }

    #[tokio::test]
    async fn without_a_judge_nothing_is_kept() {
        let (mut outbox, judge) = outbox(1);
        for at in 0..3 {
            outbox.put(evidence(Vantage::Line, at));
        }
        drop(judge);
        outbox.deliver().await;
        outbox.put(evidence(Vantage::Line, 3));
        assert!(outbox.is_empty());
    }
}
