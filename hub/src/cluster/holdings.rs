//! What the hub has of one cluster: per key what the agent has, and the last of it that was good.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hubline::model::{Group, Key, Resource};
use hubline::wire::{BucketId, BucketSet, ContentHash, DigestTable, EncodedResource, Nack, Scope};

use super::event::PersistOperation;
use super::received::{Content, Received};
use crate::change::{Change, Stored};
use crate::view::{Problem, ProblemKind};

/// What the hub has of one cluster.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    entries: BTreeMap<Key, Held>,
    problems: BTreeMap<Key, Problem>,
    /// Over what was received, refused ones included: what the agent compares with.
    digests: DigestTable,
}

#[derive(Debug)]
struct Held {
    bucket: BucketId,
    received: ContentHash,
    good: Option<Good>,
}

#[derive(Debug)]
enum Good {
    /// What was received.
    Latest(Arc<Resource>),
    /// What was received before: the latest was refused.
    Older(Box<Stored>),
    Opaque,
}

/// What a change of the holdings leads to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) changes: Vec<Change>,
    pub(super) problems: Vec<(Key, Option<Problem>)>,
    pub(super) persist: Vec<PersistOperation>,
    pub(super) nacks: Vec<Nack>,
    /// How many keys are now as the agent has them and were not before.
    pub(super) taken: u64,
}

impl Holdings {
    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn digests(&self) -> &DigestTable {
        &self.digests
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    pub(super) fn effective(&self) -> impl Iterator<Item = (&Key, Stored)> {
        let entries = self.entries.iter();
        entries.filter_map(|(key, held)| Some((key, held.stored()?)))
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = (&Key, &Problem)> {
        self.problems.iter()
    }

    /// Takes what an agent sent. What is there already changes nothing and is not refused twice.
    pub(super) fn put(&mut self, received: Received, outcome: &mut Outcome) {
        let Received { encoded, key, content } = received;
        let hash = encoded.hash();
        let known = self.entries.get_key_value(&key);
        let known = known.map(|(key, held)| (key.clone(), held.received));
        // The key that all maps share already, not another copy of it.
        let (key, before) = known.map_or((key, None), |(key, received)| (key, Some(received)));
        if before == Some(hash) {
            return;
        }
        self.digests.replace(&key, before, Some(hash));
        let held = self.entries.entry(key.clone()).or_insert_with(|| Held {
            bucket: BucketId::of(&key),
            received: hash,
            good: None,
        });
        held.receive(hash);
        match content {
            Content::Refused(refusal) => {
                let problem = Problem {
                    kind: ProblemKind::Quarantined,
                    reason: refusal.reason.to_owned(),
                    message: refusal.message,
                    content_hash: hash,
                };
                outcome.nacks.push(nack(&key, &problem));
                self.problems.insert(key.clone(), problem.clone());
                outcome.problems.push((key, Some(problem)));
            }
            Content::Opaque => {
                held.good = Some(Good::Opaque);
                outcome.keep(key, &encoded);
            }
            Content::Good(resource) => {
                if self.problems.remove(&key).is_some() {
                    outcome.problems.push((key.clone(), None));
                }
                if held.stored().is_none_or(|stored| stored.hash != hash) {
                    held.good = Some(Good::Latest(Arc::clone(&resource)));
                    outcome.changes.push(Change {
                        key: key.clone(),
                        now: Some(Stored { hash, resource }),
                    });
                }
                outcome.keep(key, &encoded);
            }
        }
    }

    /// Removes a key, with its last good value and its quarantine.
    pub(super) fn remove(&mut self, key: &Key, outcome: &mut Outcome) {
        let Some(held) = self.entries.remove(key) else {
            return;
        };
        self.digests.replace(key, Some(held.received), None);
        outcome.taken += 1;
        if self.problems.remove(key).is_some() {
            outcome.problems.push((key.clone(), None));
        }
        if let Some(good) = held.good {
            outcome.persist.push(PersistOperation::Remove { key: key.clone() });
            if matches!(good, Good::Latest(_) | Good::Older(_)) {
                let key = key.clone();
                outcome.changes.push(Change { key, now: None });
            }
        }
    }

    /// The digests as they would be, at the cost of the digests and of the change.
    pub(super) fn preview(&self, received: &[Received], removed: &[Key]) -> DigestTable {
        let mut digests = self.digests.clone();
        for key in removed {
            digests.replace(key, self.received(key), None);
        }
        for it in received {
            digests.replace(&it.key, self.received(&it.key), Some(it.hash()));
        }
        digests
    }

    fn received(&self, key: &Key) -> Option<ContentHash> {
        self.entries.get(key).map(|held| held.received)
    }

    /// Keys of a group that lie in a scope.
    pub(super) fn within<'a>(&'a self, group: &'a Group, scope: &'a Scope) -> impl Iterator<Item = &'a Key> {
        let buckets = Buckets::of(group, scope);
        let first = Key::new(group.kind, &group.source, "", "", "");
        self.entries
            .range(first..)
            .take_while(|(key, _)| key.kind == group.kind && key.source == group.source)
            .filter(move |(_, held)| buckets.contains(held.bucket))
            .map(|(key, _)| key)
    }
}

impl Held {
    /// The last that was good.
    fn stored(&self) -> Option<Stored> {
        match self.good.as_ref()? {
            Good::Latest(resource) => Some(Stored {
                hash: self.received,
                resource: Arc::clone(resource),
            }),
            Good::Older(stored) => Some(stored.as_ref().clone()),
            Good::Opaque => None,
        }
    }

    /// Notes what came; what was good before stays so for now.
    fn receive(&mut self, hash: ContentHash) {
        if matches!(self.good, Some(Good::Latest(_))) && self.received != hash {
            self.good = self.stored().map(|stored| Good::Older(Box::new(stored)));
        }
        self.received = hash;
    }
}

impl Outcome {
    fn keep(&mut self, key: Key, encoded: &EncodedResource) {
        self.taken += 1;
        let bytes = encoded.bytes().clone();
        self.persist.push(PersistOperation::Put { key, bytes });
    }
}

fn nack(key: &Key, problem: &Problem) -> Nack {
    Nack {
        key: key.clone(),
        content_hash: problem.content_hash,
        reason: problem.reason.clone(),
        message: problem.message.clone(),
    }
}

/// The buckets of one group that a scope names.
enum Buckets {
    All,
    Some(Vec<(u32, BTreeSet<u32>)>),
}

impl Buckets {
    fn of(group: &Group, scope: &Scope) -> Self {
        let Scope::Buckets(sets) = scope else {
            return Self::All;
        };
        let mine: Vec<&BucketSet> = sets.iter().filter(|set| set.group == *group).collect();
        if mine.iter().any(|set| set.buckets.is_empty()) {
            return Self::All;
        }
        let sets = mine.iter().map(|set| (set.bits, set.buckets.iter().copied().collect()));
        Self::Some(sets.collect())
    }

    fn contains(&self, bucket: BucketId) -> bool {
        match self {
            Self::All => true,
            Self::Some(sets) => sets.iter().any(|(bits, set)| set.contains(&bucket.coarse(*bits))),
        }
    }
}
