//! Finding that hub and agent differ where no delta said so, and asking for a closer look.
//!
//! An agent says all it has as one digest ([`Checkpoint`]) while nothing else is under way; it counts only at the
//! hub's own revision. Where it differs all buckets are compared, and those that differ are asked for. An agent whose
//! checkpoints never agree is heard a few times and then closed, so that it cannot keep the hub busy.

use hubline::model::Group;
use hubline::wire::{Checkpoint, Compare, Digest, HubMessage, ResyncReason};
use jiff::{SignedDuration, Timestamp};

use super::apply::MAX_FAULTS;
use super::event::{Effect, SessionId};
use super::{Cluster, Cursor};

/// Least time between two comparisons because of checkpoints: two heartbeats, within which an honest agent's answer is
/// there even over a slow line. What is drifted was wrong for as long already.
const COMPARE_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// The comparison of all buckets that the agent was asked for.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    asked: Option<ResyncReason>,
    not_before: Option<Timestamp>,
}

impl Comparison {
    /// Asks for it.
    pub(super) fn ask(&mut self, session: SessionId, reason: ResyncReason, groups: Vec<Group>) -> Effect {
        self.asked = Some(reason);
        Effect::Send(session, HubMessage::Compare(Compare { reason, groups }))
    }

    /// An inventory came: why it was asked for, if it was.
    pub(super) fn answered(&mut self) -> Option<ResyncReason> {
        self.asked.take()
    }

    fn may_ask(&mut self, now: Timestamp) -> bool {
        if self.asked.is_some() || self.not_before.is_some_and(|then| now < then) {
            return false;
        }
        self.not_before = now.checked_add(COMPARE_EVERY).ok();
        true
    }
}

impl Cluster {
    pub(super) fn checkpoint(
        &mut self,
        session: SessionId,
        checkpoint: Checkpoint,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let resuming = self.cursor == Cursor::Resuming(checkpoint.revision);
        if !resuming && self.cursor != Cursor::At(checkpoint.revision) {
            // What is on its way explains the difference.
            return;
        }
        if self.complete_digest() != checkpoint.digest {
            return self.drifted(session, now, effects);
        }
        self.faults.checkpoints = 0;
        if resuming {
            self.reached(self.epoch, checkpoint.revision);
            self.groups.synchronized();
            effects.push(self.meta());
        }
    }

    fn complete_digest(&self) -> Digest {
        let digests = self.holdings.digests();
        let complete = self.groups.complete();
        complete.fold(Digest::default(), |sum, group| sum.merged(digests.root(group)))
    }

    fn drifted(&mut self, session: SessionId, now: Timestamp, effects: &mut Vec<Effect>) {
        if !self.comparison.may_ask(now) {
            return;
        }
        self.faults.checkpoints += 1;
        if self.faults.checkpoints >= MAX_FAULTS {
            let fault = "the digest of everything differs, and comparing its buckets mends nothing".to_owned();
            return self.give_up(session, self.faults.checkpoints, fault, effects);
        }
        effects.push(self.comparison.ask(session, ResyncReason::DigestMismatch, Vec::new()));
    }
}
