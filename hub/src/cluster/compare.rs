//! Which buckets differ between what an agent says it has and what the hub has.

use std::collections::BTreeSet;

use hubline::model::{Completeness, Group};
use hubline::wire::digest::bucket_bits;
use hubline::wire::{BucketSet, Digest, DigestTable, GroupInventory, Scope, SnapshotBegin, SnapshotEnd};

use super::received::Received;

/// The buckets that differ and are to be asked for: exactly what the hub lacks. Of a group that the agent calls unknown
/// those in which it has something: the hub takes what can be read, and keeps what it has besides. That may differ for
/// as long as the group is unknown, so it is asked for once a hello or offer. What is not mentioned is not compared.
pub(super) fn lacking(mine: &DigestTable, groups: &[GroupInventory]) -> Vec<BucketSet> {
    groups
        .iter()
        .filter_map(|theirs| differing_group(mine, theirs))
        .collect()
}

/// The groups that differ as a whole only because the agent told one digest of them: neither side has so few that they
/// are not divided, or nothing at all.
pub(super) fn coarse(mine: &DigestTable, lacking: &[BucketSet], groups: &[GroupInventory]) -> Vec<Group> {
    let divisible = |theirs: &&GroupInventory| {
        let whole = |set: &BucketSet| set.group == theirs.group && set.buckets.is_empty();
        theirs.digests.len() == 1
            && bucket_bits(theirs.count) > 0
            && mine.count(&theirs.group) > 0
            && lacking.iter().any(whole)
    };
    groups.iter().filter(divisible).map(|it| it.group.clone()).collect()
}

/// The buckets that differ although they must not: those of complete groups.
fn differing(mine: &DigestTable, groups: &[GroupInventory]) -> Vec<BucketSet> {
    let complete = groups.iter().filter(|it| is_complete(it));
    complete.filter_map(|theirs| differing_group(mine, theirs)).collect()
}

fn is_complete(theirs: &GroupInventory) -> bool {
    theirs.completeness == Completeness::Complete
}

fn differing_group(mine: &DigestTable, theirs: &GroupInventory) -> Option<BucketSet> {
    let bits = theirs.digests.len().max(1).trailing_zeros();
    let folded = mine.fold(&theirs.group, bits);
    let (complete, nothing) = (is_complete(theirs), Digest::default());
    let differs = |(mine, theirs): (&Digest, &Digest)| mine != theirs && (complete || *theirs != nothing);
    let buckets: Vec<u32> = (0_u32..)
        .zip(folded.iter().zip(&theirs.digests))
        .filter(|(_, pair)| differs(*pair))
        .map(|(bucket, _)| bucket)
        .collect();
    if buckets.is_empty() {
        return None;
    }
    if buckets.len() == folded.len() {
        return Some(BucketSet::whole(theirs.group.clone()));
    }
    let group = theirs.group.clone();
    Some(BucketSet { group, bits, buckets })
}

/// Whether all that `asked` names lies within `scope`. Buckets that the scope divides more finely count as outside.
fn covers(scope: &Scope, asked: &BucketSet) -> bool {
    let Scope::Buckets(sets) = scope else {
        return true;
    };
    let covered = |bucket: u32| {
        sets.iter().any(|set| {
            let mask = (1_u32 << set.bits) - 1;
            set.group == asked.group
                && (set.buckets.is_empty() || (set.bits <= asked.bits && set.buckets.contains(&(bucket & mask))))
        })
    };
    let whole = || {
        sets.iter()
            .any(|set| set.group == asked.group && set.buckets.is_empty())
    };
    if asked.buckets.is_empty() {
        // One bucket that is everything (bits 0), or all of many: only the whole group covers it.
        return whole();
    }
    asked.buckets.iter().all(|bucket| covered(*bucket))
}

/// How a snapshot stands to its own digests.
pub(super) enum Verdict {
    /// The hub will have exactly what the agent has.
    Agrees,
    /// What lies in its scope agrees; these buckets outside of it changed in the meantime.
    Outdated(Vec<BucketSet>),
    /// It does not agree with itself.
    Broken(String),
}

/// Judges a snapshot whole. `after` are the digests as they would be with it.
pub(super) fn judge(begin: &SnapshotBegin, resources: &[Received], end: &SnapshotEnd, after: &DigestTable) -> Verdict {
    if let Err(fault) = sums(begin, resources, end) {
        return Verdict::Broken(fault);
    }
    let left = differing(after, &begin.groups);
    match left.iter().find(|set| covers(&begin.scope, set)) {
        Some(set) => Verdict::Broken(format!("the digests of {} differ after it", name(&set.group))),
        None if left.is_empty() => Verdict::Agrees,
        None => Verdict::Outdated(left),
    }
}

fn sums(begin: &SnapshotBegin, resources: &[Received], end: &SnapshotEnd) -> Result<(), String> {
    if begin.revision != end.revision {
        let (begun, ended) = (begin.revision, end.revision);
        return Err(format!("it began at revision {begun} and ended at {ended}"));
    }
    let count = resources.len() as u64;
    if count != end.count {
        return Err(format!("{count} resources came, its end says {}", end.count));
    }
    let digest = resources.iter().fold(Digest::default(), |sum, it| sum.with(it.hash()));
    if digest != end.digest {
        return Err("the sum of what came is not the digest in its end".to_owned());
    }
    let mut keys = BTreeSet::new();
    match resources.iter().find(|it| !keys.insert(&it.key)) {
        Some(twice) => Err(format!("{} came twice", twice.key)),
        None => Ok(()),
    }
}

pub(super) fn name(group: &Group) -> String {
    format!("{} from {}", group.kind, group.source)
}
