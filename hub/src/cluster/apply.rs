//! Snapshots and deltas: checked whole, then applied whole.

use hubline::model::{Completeness, Group, Key};
use hubline::wire::limits::MAX_DIAGNOSTICS;
use hubline::wire::text::fitting;
use hubline::wire::{
    Ack, BucketSet, Delta, GroupInventory, Held, HubMessage, Inventory, Resync, ResyncReason, Scope, SnapshotBegin,
    SnapshotEnd, TouchedBucket,
};

use super::compare::{Verdict, coarse, judge, lacking};
use super::event::{CloseReason, Effect, SessionId};
use super::holdings::Outcome;
use super::received::Received;
use super::{Cluster, Cursor};

/// After so many faults in a row a session is closed: one may be chance, two a race, three are a program's fault.
pub(super) const MAX_FAULTS: u32 = 3;

impl Cluster {
    /// The agent says what it has: ask for exactly what differs. `from` is the revision of this run that the hub had
    /// when an earlier session ended, for an agent that can go on from it.
    pub(super) fn compare(
        &mut self,
        session: SessionId,
        inventory: &Inventory,
        from: Option<u64>,
        effects: &mut Vec<Effect>,
    ) {
        let asked = self.comparison.answered();
        self.groups.said(&inventory.groups);
        let lacking = lacking(self.holdings.digests(), &inventory.groups);
        let from = from.filter(|from| (1..inventory.revision).contains(from));
        if lacking.is_empty() {
            self.reached(inventory.epoch, inventory.revision);
            self.groups.synchronized();
            effects.push(resync(session, asked.unwrap_or(ResyncReason::Hello), Scope::NOTHING));
        } else if let Some(from) = from {
            self.cursor = Cursor::Resuming(from);
            effects.push(Effect::Send(session, HubMessage::Resume(from)));
        } else {
            self.cursor = Cursor::Awaiting;
            match asked {
                Some(reason) => effects.push(self.ask(session, reason, lacking, &inventory.groups)),
                None => effects.push(self.ask_closely(session, ResyncReason::Hello, lacking, &inventory.groups)),
            }
        }
        effects.push(self.meta());
    }

    fn ask(
        &self,
        session: SessionId,
        reason: ResyncReason,
        lacking: Vec<BucketSet>,
        groups: &[GroupInventory],
    ) -> Effect {
        resync(session, reason, self.scope_of(lacking, groups))
    }

    /// As [`Cluster::ask`], but where whole groups differ of which the agent told one digest, and neither side has
    /// little or nothing, their buckets are compared first.
    fn ask_closely(
        &mut self,
        session: SessionId,
        reason: ResyncReason,
        lacking: Vec<BucketSet>,
        groups: &[GroupInventory],
    ) -> Effect {
        let coarse = coarse(self.holdings.digests(), &lacking, groups);
        if coarse.is_empty() || !self.live.as_ref().is_some_and(|live| live.resumes) {
            return self.ask(session, reason, lacking, groups);
        }
        self.comparison.ask(session, reason, coarse)
    }

    /// Everything, when the hub has nothing at all; else the buckets.
    fn scope_of(&self, lacking: Vec<BucketSet>, groups: &[GroupInventory]) -> Scope {
        let complete = |it: &GroupInventory| it.completeness == Completeness::Complete;
        if !lacking.is_empty() && self.holdings.len() == 0 && groups.iter().all(complete) {
            Scope::Everything
        } else {
            Scope::Buckets(lacking)
        }
    }

    pub(super) fn snapshot(
        &mut self,
        session: SessionId,
        begin: SnapshotBegin,
        resources: Vec<Received>,
        end: &SnapshotEnd,
        effects: &mut Vec<Effect>,
    ) {
        let absent = self.absent(&begin, &resources);
        if let Err(reason) = self.has_room(&resources, absent.len() as u64) {
            return self.close(session, reason, effects);
        }
        let after = self.holdings.preview(&resources, &absent);
        let left = match judge(&begin, &resources, end, &after) {
            Verdict::Broken(fault) => return self.broken(session, begin, fault, effects),
            Verdict::Agrees => Vec::new(),
            Verdict::Outdated(left) => left,
        };
        self.groups.said(&begin.groups);
        self.reached(begin.epoch, begin.revision);
        let outcome = self.replace(resources, &absent);
        self.report(session, outcome, Vec::new(), effects);
        if left.is_empty() {
            self.faults.snapshots = 0;
            self.groups.synchronized();
        } else {
            self.outdated(session, left, &begin.groups, effects);
        }
        effects.push(self.meta());
    }

    /// Keys that a snapshot takes away: in its scope, of a complete group, and not in it.
    fn absent(&self, begin: &SnapshotBegin, resources: &[Received]) -> Vec<Key> {
        let sent: std::collections::BTreeSet<&Key> = resources.iter().map(Received::key).collect();
        let complete = |it: &&GroupInventory| it.completeness == Completeness::Complete;
        let groups = begin.groups.iter().filter(complete);
        let keys = groups.flat_map(|it| self.holdings.within(&it.group, &begin.scope));
        keys.filter(|key| !sent.contains(key)).cloned().collect()
    }

    fn has_room(&self, resources: &[Received], removed: u64) -> Result<(), CloseReason> {
        let new = resources.iter().filter(|it| !self.holdings.has(it.key())).count() as u64;
        let count = (self.holdings.len() + new).saturating_sub(removed);
        let limit = self.settings.as_ref().map_or(0, |settings| settings.max_resources);
        if count <= limit {
            return Ok(());
        }
        Err(CloseReason::TooManyResources { count, limit })
    }

    fn replace(&mut self, resources: Vec<Received>, removed: &[Key]) -> Outcome {
        let mut outcome = Outcome::default();
        for key in removed {
            self.holdings.remove(key, &mut outcome);
        }
        for received in resources {
            self.holdings.put(received, &mut outcome);
        }
        outcome
    }

    /// Nothing of a broken snapshot takes effect; what it was for is asked for again.
    fn broken(&mut self, session: SessionId, begin: SnapshotBegin, fault: String, effects: &mut Vec<Effect>) {
        self.faults.snapshots += 1;
        if self.faults.snapshots >= MAX_FAULTS {
            return self.give_up(session, self.faults.snapshots, fault, effects);
        }
        let lacking = lacking(self.holdings.digests(), &begin.groups);
        let reason = ResyncReason::BrokenSnapshot;
        effects.push(if lacking.is_empty() {
            resync(session, reason, begin.scope)
        } else {
            self.ask_closely(session, reason, lacking, &begin.groups)
        });
    }

    /// What changed outside of a snapshot's scope while it was asked for. The next one comes after all deltas up to
    /// it, so it agrees; one that again does not is counted as a fault.
    fn outdated(
        &mut self,
        session: SessionId,
        left: Vec<BucketSet>,
        groups: &[GroupInventory],
        effects: &mut Vec<Effect>,
    ) {
        self.faults.snapshots += 1;
        if self.faults.snapshots >= MAX_FAULTS {
            let fault = "the digests outside of what was asked for differ".to_owned();
            return self.give_up(session, self.faults.snapshots, fault, effects);
        }
        effects.push(self.ask_closely(session, ResyncReason::DigestMismatch, left, groups));
    }

    pub(super) fn delta(
        &mut self,
        session: SessionId,
        delta: &Delta,
        received: Vec<Received>,
        effects: &mut Vec<Effect>,
    ) {
        let next = match self.cursor {
            // A snapshot of a later revision is on its way and holds this too.
            Cursor::Awaiting => return,
            Cursor::At(revision) | Cursor::Resuming(revision) if revision != delta.base_revision => {
                return self.gap(session, delta, effects);
            }
            Cursor::At(_) => Cursor::At(delta.revision),
            Cursor::Resuming(_) => Cursor::Resuming(delta.revision),
        };
        let (removals, held) = self.removals(&delta.removals);
        let gone = removals.iter().filter(|key| self.holdings.has(key)).count() as u64;
        if let Err(reason) = self.has_room(&received, gone) {
            return self.close(session, reason, effects);
        }
        let outcome = self.replace(received, &removals);
        self.reached(self.epoch, delta.revision);
        self.cursor = next;
        self.report(session, outcome, held, effects);
        self.verify(session, &delta.touched, effects);
        effects.push(self.meta());
    }

    fn gap(&mut self, session: SessionId, delta: &Delta, effects: &mut Vec<Effect>) {
        let fault = format!("a delta from revision {} does not follow", delta.base_revision);
        self.faults.deltas += 1;
        if self.faults.deltas >= MAX_FAULTS {
            return self.give_up(session, self.faults.deltas, fault, effects);
        }
        self.cursor = Cursor::Awaiting;
        effects.push(resync(session, ResyncReason::Gap, Scope::Everything));
    }

    /// The removals that count, and those that are held: of a group that could not be listed or read whole none does,
    /// since the error that hides some of it may be what made its objects disappear. When it is complete, digests decide.
    fn removals(&self, keys: &[Key]) -> (Vec<Key>, Vec<Held>) {
        let (mut now, mut held) = (Vec::new(), Vec::new());
        for key in keys {
            match self.groups.unknown(&Group::of(key)) {
                None => now.push(key.clone()),
                Some(why) => held.push(Held {
                    key: key.clone(),
                    reason: "unknown-group".to_owned(),
                    message: format!(
                        "removals of {} wait until all of them can be listed and read: {why}",
                        key.kind
                    ),
                }),
            }
        }
        (now, held)
    }

    /// Compares the buckets that a delta touched. The delta stands, for it is the agent's own word on a base that is
    /// held; what differs is asked for.
    fn verify(&mut self, session: SessionId, touched: &[TouchedBucket], effects: &mut Vec<Effect>) {
        let differs = |it: &&TouchedBucket| {
            self.groups.unknown(&it.group).is_none()
                && self.holdings.digests().bucket(&it.group, it.bucket) != it.digest
        };
        let mut sets: Vec<BucketSet> = Vec::new();
        for it in touched.iter().filter(differs) {
            let bucket = it.bucket.number();
            match sets.iter_mut().find(|set| set.group == it.group) {
                Some(set) => set.buckets.push(bucket),
                None => sets.push(BucketSet {
                    group: it.group.clone(),
                    bits: hubline::wire::limits::MAX_BUCKET_BITS,
                    buckets: vec![bucket],
                }),
            }
        }
        if sets.is_empty() {
            self.faults.deltas = 0;
            return;
        }
        self.mismatched(session, sets, effects);
    }

    fn mismatched(&mut self, session: SessionId, mut sets: Vec<BucketSet>, effects: &mut Vec<Effect>) {
        self.faults.deltas += 1;
        if self.faults.deltas >= MAX_FAULTS {
            let fault = "the digests after a delta differ".to_owned();
            return self.give_up(session, self.faults.deltas, fault, effects);
        }
        for set in &mut sets {
            set.buckets.sort_unstable();
            set.buckets.dedup();
        }
        sets.sort_by(|a, b| a.group.cmp(&b.group));
        effects.push(resync(session, ResyncReason::DigestMismatch, Scope::Buckets(sets)));
    }

    /// Tells everyone what came of a snapshot or delta.
    fn report(&self, session: SessionId, outcome: Outcome, mut held: Vec<Held>, effects: &mut Vec<Effect>) {
        let Outcome {
            mut changes,
            problems,
            persist,
            nacks,
            taken,
        } = outcome;
        changes.sort_by(|a, b| a.key.cmp(&b.key));
        effects.extend(nacks.into_iter().map(|it| Effect::Send(session, HubMessage::Nack(it))));
        let revision = self.revision;
        // An agent reads them for its log; of very many the first are enough.
        held.truncate(fitting(&held, MAX_DIAGNOSTICS));
        effects.push(Effect::Send(session, HubMessage::Ack(Ack { revision, taken, held })));
        if !changes.is_empty() {
            effects.push(Effect::Changed(changes));
        }
        if !problems.is_empty() {
            effects.push(Effect::Quarantine(problems));
        }
        if !persist.is_empty() {
            effects.push(Effect::Persist(persist));
        }
    }
}

fn resync(session: SessionId, reason: ResyncReason, scope: Scope) -> Effect {
    Effect::Send(session, HubMessage::Resync(Resync { reason, scope }))
}
