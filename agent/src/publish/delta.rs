//! What changed since a cursor, cut into deltas.

use std::collections::BTreeMap;

use hubline::model::{Group, Key};
use hubline::wire::limits::PART_BYTES;
use hubline::wire::{BucketId, Delta, EncodedResource, TouchedBucket};

use super::state::State;

/// Bytes that a key and the digest of its bucket take in a delta besides the key's own text.
const OVERHEAD_BYTES: usize = 64;

/// Changes that travel together.
#[derive(Default)]
struct Chunk {
    revision: u64,
    bytes: usize,
    changes: BTreeMap<Key, Option<EncodedResource>>,
}

impl State {
    /// Deltas that lead from `cursor` to now, each at most [`PART_BYTES`] or one resource.
    pub(super) fn deltas_since(&self, cursor: u64) -> Option<Vec<Delta>> {
        if cursor < self.floor || cursor > self.revision {
            return None;
        }
        let chunks = self.chunks(cursor);
        let mut touched = self.touched(&chunks);
        let mut base_revision = cursor;
        let delta = |(at, chunk): (usize, Chunk)| {
            let base = std::mem::replace(&mut base_revision, chunk.revision);
            chunk.into_delta(base, touched.remove(&at).unwrap_or_default())
        };
        Some(chunks.into_iter().enumerate().map(delta).collect())
    }

    fn chunks(&self, cursor: u64) -> Vec<Chunk> {
        let mut chunks: Vec<Chunk> = Vec::new();
        for (revision, key) in self.log.range(cursor + 1..) {
            let resource = self.slots.get(key).and_then(|slot| slot.resource.clone());
            let bytes = size(key, resource.as_ref());
            let fits = chunks.last().is_some_and(|chunk| chunk.bytes + bytes <= PART_BYTES);
            if !fits {
                chunks.push(Chunk::default());
            }
            if let Some(chunk) = chunks.last_mut() {
                chunk.revision = *revision;
                chunk.bytes += bytes;
                chunk.changes.insert(key.clone(), resource);
            }
        }
        chunks
    }

    /// Digests by the chunk that is the last to touch their bucket: only after it does the hub hold what we hold now.
    fn touched(&self, chunks: &[Chunk]) -> BTreeMap<usize, Vec<TouchedBucket>> {
        let mut last: BTreeMap<(Group, BucketId), usize> = BTreeMap::new();
        for (at, chunk) in chunks.iter().enumerate() {
            for key in chunk.changes.keys() {
                last.insert((Group::of(key), BucketId::of(key)), at);
            }
        }
        let mut touched: BTreeMap<usize, Vec<TouchedBucket>> = BTreeMap::new();
        for ((group, bucket), at) in last {
            let digest = self.digests.bucket(&group, bucket);
            touched
                .entry(at)
                .or_default()
                .push(TouchedBucket { group, bucket, digest });
        }
        touched
    }
}

impl Chunk {
    fn into_delta(self, base_revision: u64, touched: Vec<TouchedBucket>) -> Delta {
        let (mut upserts, mut removals) = (Vec::new(), Vec::new());
        for (key, resource) in self.changes {
            match resource {
                Some(resource) => upserts.push(resource),
                None => removals.push(key),
            }
        }
        Delta {
            base_revision,
            revision: self.revision,
            upserts,
            removals,
            touched,
        }
    }
}

fn size(key: &Key, resource: Option<&EncodedResource>) -> usize {
    let name = || {
        let source = key.source.group.len() + key.source.kind.len();
        source + key.namespace.len() + key.name.len() + key.section.len()
    };
    OVERHEAD_BYTES + resource.map_or_else(name, |resource| resource.bytes().len())
}
