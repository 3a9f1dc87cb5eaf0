//! What is published, as one value: resources, removals still known, digests, completeness, diagnostics.

use std::collections::{BTreeMap, BTreeSet};

use hubline::model::{Completeness, Diagnostic, Group, GroupState, Key, ObjectRef, ResourceKind, Severity};
use hubline::wire::digest::bucket_bits;
use hubline::wire::limits::{MAX_KEY_PART_BYTES, MAX_RESOURCE_BYTES, MAX_RESOURCES};
use hubline::wire::{Checkpoint, ContentHash, Digest, DigestTable, EncodedResource, Epoch, GroupInventory, Inventory};

use super::{Detail, Version};
use crate::output::Output;

/// Removals kept however few resources there are: 1,024 keys of some 200 bytes are nothing,
/// and spare a small cluster that deletes much of itself a comparison of digests.
pub(super) const MIN_TOMBSTONES: usize = 1_024;

/// The newest value of one key; none when it was removed.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    revision: u64,
    pub(super) resource: Option<EncodedResource>,
}

/// All that is published. Every change of a key has a revision of its own,
/// so that a delta may be cut between any two keys and still name true revisions.
#[derive(Debug)]
pub(super) struct State {
    pub(super) epoch: Epoch,
    pub(super) revision: u64,
    /// A persistent map: a snapshot takes its version by a reference count.
    pub(super) slots: imbl::OrdMap<Key, Slot>,
    /// Each slot once, by the revision of its last change.
    pub(super) log: BTreeMap<u64, Key>,
    /// Revisions of slots without a resource.
    tombstones: BTreeSet<u64>,
    /// Revision of the newest removal that was forgotten: older cursors cannot be served.
    pub(super) floor: u64,
    pub(super) digests: DigestTable,
    groups: BTreeMap<Group, Completeness>,
    groups_version: u64,
    diagnostics: Vec<Diagnostic>,
    /// Of resources that no hub could take; their last good value stays published.
    refused: BTreeMap<Key, Diagnostic>,
    diagnostics_version: u64,
}

impl State {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            revision: 0,
            slots: imbl::OrdMap::new(),
            log: BTreeMap::new(),
            tombstones: BTreeSet::new(),
            floor: 0,
            digests: DigestTable::default(),
            groups: BTreeMap::new(),
            groups_version: 0,
            diagnostics: Vec::new(),
            refused: BTreeMap::new(),
            diagnostics_version: 0,
        }
    }

    pub(super) fn version(&self) -> Version {
        Version {
            epoch: self.epoch,
            revision: self.revision,
            groups: self.groups_version,
            diagnostics: self.diagnostics_version,
        }
    }

    pub(super) fn apply(&mut self, output: Output) {
        let refused = self.refused.clone();
        for key in output.removals {
            self.refused.remove(&key);
            self.store(&key, None);
        }
        for entry in output.upserts {
            self.upsert(&entry.key, EncodedResource::encode(&entry.key, &entry.resource));
        }
        self.forget_removals();
        output.groups.into_iter().for_each(|groups| self.set_groups(groups));
        let diagnostics = output.diagnostics.unwrap_or_else(|| self.diagnostics.clone());
        if diagnostics != self.diagnostics || refused != self.refused {
            self.diagnostics = diagnostics;
            self.diagnostics_version += 1;
        }
    }

    fn upsert(&mut self, key: &Key, resource: EncodedResource) {
        if let Some(problem) = self.problem(key, &resource) {
            self.refused.insert(key.clone(), refusal(key, &problem));
            return;
        }
        self.refused.remove(key);
        self.store(key, Some(resource));
    }

    /// What would make a hub refuse a whole message for the sake of this resource.
    fn problem(&self, key: &Key, resource: &EncodedResource) -> Option<String> {
        let size = resource.bytes().len();
        if size > MAX_RESOURCE_BYTES {
            return Some(format!("has {size} bytes, at most {MAX_RESOURCE_BYTES} are allowed"));
        }
        if let Some(part) = key.texts().into_iter().find(|part| part.len() > MAX_KEY_PART_BYTES) {
            let length = part.len();
            return Some(format!(
                "has a name of {length} bytes, at most {MAX_KEY_PART_BYTES} are allowed"
            ));
        }
        let full = self.len() as u64 >= MAX_RESOURCES && !self.contains(key);
        full.then(|| format!("is beyond the {MAX_RESOURCES} resources that a cluster may have"))
    }

    fn store(&mut self, key: &Key, resource: Option<EncodedResource>) {
        let last = self.slots.get(key);
        let before = last.and_then(|slot| slot.resource.as_ref()).map(EncodedResource::hash);
        let after = resource.as_ref().map(EncodedResource::hash);
        if before == after {
            return;
        }
        if let Some(last) = last {
            self.log.remove(&last.revision);
            self.tombstones.remove(&last.revision);
        }
        self.revision += 1;
        self.log.insert(self.revision, key.clone());
        if after.is_none() {
            self.tombstones.insert(self.revision);
        }
        self.digests.replace(key, before, after);
        let revision = self.revision;
        self.slots.insert(key.clone(), Slot { revision, resource });
    }

    /// Keeps no more removals than there are resources.
    fn forget_removals(&mut self) {
        while self.tombstones.len() > self.len().max(MIN_TOMBSTONES) {
            let Some(revision) = self.tombstones.pop_first() else {
                return;
            };
            if let Some(key) = self.log.remove(&revision) {
                self.slots.remove(&key);
            }
            self.floor = revision;
        }
    }

    fn set_groups(&mut self, groups: Vec<GroupState>) {
        let groups: BTreeMap<_, _> = groups.into_iter().map(|it| (it.group, it.completeness)).collect();
        if groups != self.groups {
            self.groups = groups;
            self.groups_version += 1;
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> [usize; 3] {
        [self.slots.len(), self.log.len(), self.tombstones.len()]
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.tombstones.len()
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.hash(key).is_some()
    }

    pub(super) fn hash(&self, key: &Key) -> Option<ContentHash> {
        let resource = self.slots.get(key)?.resource.as_ref();
        resource.map(EncodedResource::hash)
    }

    pub(super) fn counts(&self) -> Vec<(ResourceKind, u64)> {
        let mut counts = BTreeMap::new();
        for group in self.digests.groups() {
            *counts.entry(group.kind).or_default() += self.digests.count(group);
        }
        counts.into_iter().collect()
    }

    pub(super) fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut all: Vec<_> = self.diagnostics.iter().chain(self.refused.values()).cloned().collect();
        all.sort();
        all
    }

    pub(super) fn inventory(&self, detail: &Detail) -> Inventory {
        let known = self.groups.keys().chain(self.digests.groups());
        let groups: BTreeSet<_> = known.collect();
        Inventory {
            epoch: self.epoch,
            revision: self.revision,
            groups: groups
                .into_iter()
                .map(|group| self.group_inventory(group, detail))
                .collect(),
        }
    }

    /// All that there is as one digest: what is unknown may differ at a hub for as long as it is unknown.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        let complete = self.groups.iter().filter(|(_, it)| **it == Completeness::Complete);
        Checkpoint {
            revision: self.revision,
            digest: complete.fold(Digest::default(), |sum, (group, _)| {
                sum.merged(self.digests.root(group))
            }),
        }
    }

    fn group_inventory(&self, group: &Group, detail: &Detail) -> GroupInventory {
        let count = self.digests.count(group);
        // A group that nothing was said of must not be taken for complete: absence would then mean removal.
        let unsaid = || Completeness::Unknown {
            reason: "not reported".to_owned(),
        };
        GroupInventory {
            group: group.clone(),
            completeness: self.groups.get(group).cloned().unwrap_or_else(unsaid),
            count,
            digests: self
                .digests
                .fold(group, if detail.names(group) { bucket_bits(count) } else { 0 }),
        }
    }
}

fn refusal(key: &Key, problem: &str) -> Diagnostic {
    Diagnostic {
        object: ObjectRef {
            source: key.source.clone(),
            namespace: key.namespace.as_ref().to_owned(),
            name: key.name.clone(),
        },
        field: String::new(),
        severity: Severity::Error,
        reason: "TooLarge".to_owned(),
        message: format!("its {} {problem}; what was published before stays", key.kind),
    }
}
