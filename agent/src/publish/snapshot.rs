//! A snapshot of one version, produced part by part.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use hubline::model::{Group, Key};
use hubline::wire::limits::{MAX_BUCKET_BITS, PART_BYTES};
use hubline::wire::{AgentMessage, BucketId, BucketSet, Digest, EncodedResource, Scope, SnapshotBegin, SnapshotEnd};

use super::Detail;
use super::state::{Slot, State};

/// The messages of one snapshot, in order: begin, parts of at most [`PART_BYTES`], end.
/// It holds its version by a reference count, so that what is published meanwhile does not show in it.
#[derive(Debug)]
pub struct Snapshot {
    slots: imbl::OrdMap<Key, Slot>,
    scope: Scope,
    revision: u64,
    stage: Stage,
    count: u64,
    digest: Digest,
}

#[derive(Debug)]
enum Stage {
    Begin(SnapshotBegin),
    /// Resources after this key.
    Parts(Bound<Key>),
    End,
    Done,
}

impl State {
    pub(super) fn snapshot(&self, scope: &Scope, base: u64) -> Snapshot {
        let scope = self.widened(scope, base);
        let inventory = self.inventory(&Detail::of_scope(&scope));
        let begin = SnapshotBegin {
            epoch: inventory.epoch,
            revision: inventory.revision,
            scope: scope.clone(),
            groups: inventory.groups,
        };
        Snapshot {
            slots: self.slots.clone(),
            scope,
            revision: self.revision,
            stage: Stage::Begin(begin),
            count: 0,
            digest: Digest::default(),
        }
    }

    /// The scope with every bucket that changed after `base`.
    fn widened(&self, scope: &Scope, base: u64) -> Scope {
        let Scope::Buckets(sets) = scope else {
            return Scope::Everything;
        };
        if base < self.floor {
            return Scope::Everything;
        }
        let mut added: BTreeMap<Group, BTreeSet<u32>> = BTreeMap::new();
        for key in self.log.range(base.saturating_add(1)..).map(|(_, key)| key) {
            if !scope.contains(key) {
                added
                    .entry(Group::of(key))
                    .or_default()
                    .insert(BucketId::of(key).number());
            }
        }
        let mut sets = sets.clone();
        for (group, buckets) in added {
            add(&mut sets, group, &buckets);
        }
        Scope::Buckets(sets)
    }
}

/// Adds finest buckets of a group: to its set where there is one, so that there are never more sets than groups.
fn add(sets: &mut Vec<BucketSet>, group: Group, buckets: &BTreeSet<u32>) {
    let Some(set) = sets.iter_mut().find(|set| set.group == group) else {
        sets.push(BucketSet {
            group,
            bits: MAX_BUCKET_BITS,
            buckets: buckets.iter().copied().collect(),
        });
        return;
    };
    let coarse = buckets
        .iter()
        .filter_map(|bucket| BucketId::from_number(*bucket))
        .map(|bucket| bucket.coarse(set.bits));
    let all: BTreeSet<u32> = set.buckets.iter().copied().chain(coarse).collect();
    set.buckets = all.into_iter().collect();
}

impl Snapshot {
    /// The revision it is of.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn part(&mut self, after: Bound<Key>) -> Vec<EncodedResource> {
        let (mut part, mut bytes, mut last) = (Vec::new(), 0, after.clone());
        for (key, slot) in self.slots.range((after, Bound::Unbounded)) {
            if let Some(resource) = slot.resource.as_ref().filter(|_| self.scope.contains(key)) {
                bytes += resource.bytes().len();
                if bytes > PART_BYTES && !part.is_empty() {
                    break;
                }
                part.push(resource.clone());
            }
            last = Bound::Excluded(key.clone());
        }
        self.stage = if part.is_empty() {
            Stage::End
        } else {
            Stage::Parts(last)
        };
        part
    }

    fn end(&self) -> AgentMessage {
        AgentMessage::SnapshotEnd(SnapshotEnd {
            revision: self.revision,
            count: self.count,
            digest: self.digest,
        })
    }
}

impl Iterator for Snapshot {
    type Item = AgentMessage;

    fn next(&mut self) -> Option<AgentMessage> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Begin(begin) => {
                self.stage = Stage::Parts(Bound::Unbounded);
                Some(AgentMessage::SnapshotBegin(begin))
            }
            Stage::Parts(after) => {
                let part = self.part(after);
                if part.is_empty() {
                    return self.next();
                }
                self.count += part.len() as u64;
                self.digest = part.iter().fold(self.digest, |digest, it| digest.with(it.hash()));
                Some(AgentMessage::SnapshotPart(part))
            }
            Stage::End => Some(self.end()),
            Stage::Done => None,
        }
    }
}
