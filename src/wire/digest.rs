//! Content hashes and digests, by which both sides compare what they hold.
//!
//! The digest of a set is the sum of its members' hashes modulo 2^128: it follows a change at the cost of that change,
//! and does not depend on order. It finds drift between two honest sides; it is no signature.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::limits::MAX_BUCKET_BITS;
use crate::model::{Group, Key};

/// Hash of one resource's encoded bytes as sent: the first 128 bits of BLAKE3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
// Aligned to 16 bytes it would take 32 in an `Option`, and a hub keeps some ten of them for each resource.
#[repr(Rust, packed(8))]
pub struct ContentHash(pub u128);

impl ContentHash {
    /// Hashes bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(first_128_bits(&blake3::hash(bytes)))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", { self.0 })
    }
}

fn first_128_bits(hash: &blake3::Hash) -> u128 {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(hash.as_bytes()) {
        *to = *from;
    }
    u128::from_le_bytes(bytes)
}

/// Sum of content hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(Rust, packed(8))]
pub struct Digest(pub u128);

impl Digest {
    /// With one member more.
    #[must_use]
    pub fn with(self, hash: ContentHash) -> Self {
        Self(self.0.wrapping_add(hash.0))
    }

    /// With one member less.
    #[must_use]
    pub fn without(self, hash: ContentHash) -> Self {
        Self(self.0.wrapping_sub(hash.0))
    }

    /// Both sets together.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}

/// One of the 2^[`MAX_BUCKET_BITS`] finest buckets of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId(u16);

impl BucketId {
    /// The bucket of a key.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&key.kind.number().to_le_bytes());
        for part in key.texts() {
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            hasher
                .update(&(part.len() as u64).to_le_bytes())
                .update(part.as_bytes());
        }
        let [low, high, ..] = *hasher.finalize().as_bytes();
        Self(u16::from_le_bytes([low, high]) & ((1 << MAX_BUCKET_BITS) - 1))
    }

    /// From its number; none when it is too large.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        let number = u16::try_from(number).ok()?;
        (number < 1 << MAX_BUCKET_BITS).then_some(Self(number))
    }

    /// Its number among the finest buckets.
    #[must_use]
    pub fn number(self) -> u32 {
        u32::from(self.0)
    }

    /// Its number when a group is divided into 2^`bits` buckets.
    #[must_use]
    pub fn coarse(self, bits: u32) -> u32 {
        self.number() & ((1 << bits.min(MAX_BUCKET_BITS)) - 1)
    }
}

/// Digests and counts of all groups of one cluster, kept up to date member by member.
#[derive(Debug, Clone, Default)]
pub struct DigestTable {
    groups: BTreeMap<Group, BTreeMap<BucketId, (Digest, u64)>>,
}

impl DigestTable {
    /// Replaces the hash of one key: `before` and `after` are none where it is absent.
    pub fn replace(&mut self, key: &Key, before: Option<ContentHash>, after: Option<ContentHash>) {
        let bucket = BucketId::of(key);
        let buckets = self.groups.entry(Group::of(key)).or_default();
        let (digest, count) = buckets.entry(bucket).or_default();
        if let Some(hash) = before {
            (*digest, *count) = (digest.without(hash), count.saturating_sub(1));
        }
        if let Some(hash) = after {
            (*digest, *count) = (digest.with(hash), count.saturating_add(1));
        }
        if *count == 0 {
            buckets.remove(&bucket);
        }
    }

    /// Digest of one finest bucket.
    #[must_use]
    pub fn bucket(&self, group: &Group, bucket: BucketId) -> Digest {
        self.groups
            .get(group)
            .and_then(|buckets| buckets.get(&bucket))
            .map_or_else(Digest::default, |(digest, _)| *digest)
    }

    /// Digest of a whole group.
    #[must_use]
    pub fn root(&self, group: &Group) -> Digest {
        let buckets = self.groups.get(group).into_iter().flat_map(BTreeMap::values);
        buckets.fold(Digest::default(), |sum, (digest, _)| sum.merged(*digest))
    }

    /// How many members a group has.
    #[must_use]
    pub fn count(&self, group: &Group) -> u64 {
        self.groups
            .get(group)
            .map_or(0, |buckets| buckets.values().map(|(_, count)| count).sum())
    }

    /// A group's digests when divided into 2^`bits` buckets (`bits` is cut at [`MAX_BUCKET_BITS`]).
    #[must_use]
    pub fn fold(&self, group: &Group, bits: u32) -> Vec<Digest> {
        let bits = bits.min(MAX_BUCKET_BITS);
        let mut folded = vec![Digest::default(); 1 << bits];
        for (bucket, (digest, _)) in self.groups.get(group).into_iter().flatten() {
            if let Some(slot) = folded.get_mut(bucket.coarse(bits) as usize) {
                *slot = slot.merged(*digest);
            }
        }
        folded
    }

    /// The groups that have members.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups
            .iter()
            .filter(|(_, buckets)| !buckets.is_empty())
            .map(|(group, _)| group)
    }
}

/// How finely a group of `count` members is divided: some 32 members a bucket, so that the digests of a group
/// (16 bytes a bucket) weigh less than 1% of its resources and one change resends few neighbours.
#[must_use]
pub fn bucket_bits(count: u64) -> u32 {
    let buckets = (count / 32).max(1).next_power_of_two();
    buckets.trailing_zeros().min(MAX_BUCKET_BITS)
}
