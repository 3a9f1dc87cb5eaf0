use std::collections::BTreeMap;

use hubline::model::{
    Completeness, Diagnostic, Entry, Export, Group, GroupKind, GroupState, Key, ObjectRef, Plugin, PluginSet, Resource,
    ResourceKind, SecretText, Severity,
};
use hubline::wire::limits::{MAX_RESOURCE_BYTES, PART_BYTES, TEXTS_BYTES};
use hubline::wire::{
    AgentMessage, BucketId, BucketSet, ContentHash, DigestTable, EncodedResource, Epoch, Inventory, Scope, codec,
};
use proptest::prelude::*;
use prost::Message;

use super::state::MIN_TOMBSTONES;
use super::{Detail, Publisher, Snapshot};
use crate::output::Output;

fn source() -> GroupKind {
    GroupKind::new("networking.k8s.io", "Ingress")
}

fn key(name: &str) -> Key {
    Key::new(ResourceKind::Export, &source(), "shop", name, "")
}

fn entry(name: &str, weight: u32) -> Entry {
    Entry {
        key: key(name),
        resource: Resource::Export(Export { weight: Some(weight) }),
    }
}

fn large(name: &str, bytes: usize) -> Entry {
    let plugin = Plugin {
        name: "large".to_owned(),
        config: SecretText::new("x".repeat(bytes)),
    };
    Entry {
        key: key(name).with_kind(ResourceKind::PluginSet),
        resource: Resource::PluginSet(PluginSet { plugins: vec![plugin] }),
    }
}

fn upserts(entries: Vec<Entry>) -> Output {
    Output {
        upserts: entries,
        ..Output::default()
    }
}

fn removals(names: &[&str]) -> Output {
    Output {
        removals: names.iter().map(|name| key(name)).collect(),
        ..Output::default()
    }
}

fn groups(completeness: Completeness) -> Output {
    let group = Group {
        kind: ResourceKind::Export,
        source: source(),
    };
    Output {
        groups: Some(vec![GroupState { group, completeness }]),
        ..Output::default()
    }
}

fn published(outputs: Vec<Output>) -> Publisher {
    let mut publisher = Publisher::new(Epoch::default());
    for output in outputs {
        publisher.apply(output);
    }
    publisher
}

/// What a hub would hold, applying messages as the protocol says and checking every digest it is told.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct Copy {
    revision: u64,
    resources: BTreeMap<Key, ContentHash>,
}

impl Copy {
    fn take(&mut self, resource: &EncodedResource) {
        let key = resource.decode().unwrap().key;
        self.resources.insert(key, resource.hash());
    }

    fn table(&self) -> DigestTable {
        let mut table = DigestTable::default();
        for (key, hash) in &self.resources {
            table.replace(key, None, Some(*hash));
        }
        table
    }

    fn deltas(&mut self, deltas: &[hubline::wire::Delta]) {
        for delta in deltas {
            assert_eq!(delta.base_revision, self.revision, "bases chain");
            assert!(delta.revision > self.revision);
            self.revision = delta.revision;
            delta.upserts.iter().for_each(|it| self.take(it));
            for key in &delta.removals {
                self.resources.remove(key);
            }
            let table = self.table();
            for touched in &delta.touched {
                assert_eq!(table.bucket(&touched.group, touched.bucket), touched.digest);
            }
        }
    }

    fn snapshot(&mut self, snapshot: Snapshot) -> usize {
        let (mut begin, mut taken, mut parts) = (None, Vec::new(), 0);
        for message in snapshot {
            match message {
                AgentMessage::SnapshotBegin(it) => begin = Some(it),
                AgentMessage::SnapshotPart(part) => {
                    let bytes: usize = part.iter().map(|it| it.bytes().len()).sum();
                    assert!(bytes <= PART_BYTES || part.len() == 1);
                    (parts, taken) = (parts + 1, [taken, part].concat());
                }
                AgentMessage::SnapshotEnd(end) => assert_eq!(end.count, taken.len() as u64),
                other => panic!("{other:?}"),
            }
        }
        let begin = begin.unwrap();
        self.revision = begin.revision;
        self.resources.retain(|key, _| !begin.scope.contains(key));
        taken.iter().for_each(|it| self.take(it));
        self.agrees_with(&Inventory {
            epoch: begin.epoch,
            revision: begin.revision,
            groups: begin.groups,
        });
        parts
    }

    fn agrees_with(&self, inventory: &Inventory) {
        let table = self.table();
        assert_eq!(self.revision, inventory.revision);
        for group in &inventory.groups {
            let bits = group.digests.len().trailing_zeros();
            assert_eq!(table.fold(&group.group, bits), group.digests, "{:?}", group.group);
            assert_eq!(table.count(&group.group), group.count);
        }
    }
}

#[test]
fn equal_values_wake_nobody() {
    let mut publisher = published(vec![upserts(vec![entry("a", 1)]), groups(Completeness::Complete)]);
    let mut versions = publisher.reader().versions();
    versions.mark_unchanged();
    publisher.apply(upserts(vec![entry("a", 1)]));
    publisher.apply(groups(Completeness::Complete));
    publisher.apply(removals(&["never"]));
    assert!(!versions.has_changed().unwrap());
    assert_eq!(publisher.apply(upserts(vec![entry("a", 2)])), 2);
    assert!(versions.has_changed().unwrap());
}

#[test]
fn a_lagging_hub_gets_the_latest_value_of_each_key_once() {
    let mut publisher = published(vec![upserts(vec![entry("a", 1), entry("b", 1)])]);
    for weight in 2..100 {
        publisher.apply(upserts(vec![entry("a", weight)]));
    }
    publisher.apply(removals(&["b"]));
    let deltas = publisher.reader().deltas_since(2).unwrap();
    assert_eq!(deltas.len(), 1);
    assert_eq!((deltas[0].upserts.len(), deltas[0].removals.len()), (1, 1));
    assert_eq!(publisher.reader().deltas_since(101), Some(Vec::new()));
}

#[test]
fn large_changes_are_cut_and_their_bases_chain() {
    let entries = ["a", "b", "c", "d"]
        .map(|name| large(name, PART_BYTES * 2 / 5))
        .to_vec();
    let publisher = published(vec![upserts(entries)]);
    let deltas = publisher.reader().deltas_since(0).unwrap();
    assert_eq!(deltas.iter().map(|it| it.revision).collect::<Vec<_>>(), [2, 4]);
    let mut copy = Copy::default();
    copy.deltas(&deltas);
    copy.agrees_with(&publisher.reader().inventory(&Detail::All).0);
    // A hub that got only the first half goes on from there.
    assert_eq!(publisher.reader().deltas_since(2).unwrap().len(), 1);
    assert_eq!(
        Copy::default().snapshot(publisher.reader().snapshot(&Scope::Everything, 0)),
        2
    );
}

#[test]
fn a_bucket_cut_in_two_has_its_digest_in_the_later_delta() {
    let bucket = |name: &str| BucketId::of(&large(name, 0).key);
    let twin = |name: &String| bucket(name) == bucket("a");
    let twin = (0..).map(|number| format!("n{number}")).find(twin).unwrap();
    let entries = [large("a", PART_BYTES / 2), large("b", PART_BYTES / 2), large(&twin, 1)];
    let publisher = published(entries.into_iter().map(|it| upserts(vec![it])).collect());
    let deltas = publisher.reader().deltas_since(0).unwrap();
    assert_eq!(deltas.len(), 2);
    assert_eq!(deltas[0].touched, []);
    Copy::default().deltas(&deltas);
}

#[test]
fn removals_are_forgotten_in_bounds_and_then_not_served() {
    let names: Vec<_> = (0..MIN_TOMBSTONES + 3).map(|number| format!("n{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let entries = names.iter().map(|name| entry(name, 1)).collect();
    let publisher = published(vec![upserts(entries), removals(&names)]);
    let reader = publisher.reader();
    let first = (names.len() + 3) as u64;
    assert_eq!(reader.deltas_since(first - 1), None);
    let deltas = reader.deltas_since(first).unwrap();
    assert_eq!(
        deltas.iter().map(|delta| delta.removals.len()).sum::<usize>(),
        MIN_TOMBSTONES
    );
    assert_eq!(
        reader.deltas_since(reader.version().revision + 1),
        None,
        "a cursor of another run"
    );
    assert_eq!(reader.len(), 0);
}

#[test]
fn an_unreported_group_is_never_complete() {
    let publisher = published(vec![upserts(vec![entry("a", 1)])]);
    let (inventory, _) = publisher.reader().inventory(&Detail::All);
    assert!(matches!(inventory.groups[0].completeness, Completeness::Unknown { .. }));
}

#[test]
fn completeness_has_a_version_of_its_own() {
    let mut publisher = published(vec![groups(Completeness::Complete)]);
    let before = publisher.reader().version();
    let reason = "403".to_owned();
    publisher.apply(groups(Completeness::Unknown { reason }));
    let after = publisher.reader().version();
    assert_eq!((after.revision, after.groups), (before.revision, before.groups + 1));
}

#[test]
fn a_resource_too_large_stops_only_itself() {
    let good = large("a", 10);
    let mut publisher = published(vec![upserts(vec![good, entry("b", 1)])]);
    let before = publisher.reader().inventory(&Detail::All).0;
    publisher.apply(upserts(vec![large("a", MAX_RESOURCE_BYTES)]));
    let reader = publisher.reader();
    assert_eq!(reader.inventory(&Detail::All).0, before, "the last good value stays");
    let (diagnostics, omitted) = reader.diagnostics();
    assert_eq!((diagnostics.len(), omitted), (1, 0));
    assert_eq!(diagnostics[0].reason, "TooLarge");
    publisher.apply(upserts(vec![large("a", 11)]));
    assert_eq!(reader.diagnostics().0, []);
}

#[test]
fn diagnostics_stay_within_a_message_however_long_they_are() {
    let fault = |number: usize| Diagnostic {
        object: ObjectRef {
            source: source(),
            namespace: "shop".to_owned(),
            name: format!("n{number}"),
        },
        field: "x".repeat(10_000),
        severity: Severity::Error,
        reason: "Invalid".to_owned(),
        message: "é".repeat(100_000),
    };
    let diagnostics = Some((0..3_000).map(fault).collect());
    let publisher = published(vec![Output {
        diagnostics,
        ..Output::default()
    }]);
    let (told, omitted) = publisher.reader().diagnostics();
    assert!((100..1_000).contains(&told.len()), "{}", told.len());
    assert_eq!(told.len() as u64 + omitted, 3_000);
    let message = codec::to_agent_wire(AgentMessage::Diagnostics(told, omitted));
    assert!(message.encoded_len() <= TEXTS_BYTES, "{}", message.encoded_len());
}

#[test]
fn a_snapshot_does_not_see_later_changes() {
    let mut publisher = published(vec![upserts(vec![entry("a", 1), entry("b", 1)])]);
    let mut snapshot = publisher.reader().snapshot(&Scope::Everything, 0);
    snapshot.next();
    publisher.apply(removals(&["a"]));
    assert!(matches!(snapshot.next(), Some(AgentMessage::SnapshotPart(part)) if part.len() == 2));
}

proptest! {
    /// Whatever a hub holds and misses, deltas, whole snapshots and snapshots of some buckets all lead to the same.
    #[test]
    fn every_way_leads_to_what_is_published(
        first in proptest::collection::vec((0..40_u32, 0..4_u32), 0..40),
        second in proptest::collection::vec((0..40_u32, 0..4_u32), 0..40),
        broken in 0..40_u32,
    ) {
        let change = |(name, weight): &(u32, u32)| match weight {
            0 => removals(&[&format!("n{name}")]),
            _ => upserts(vec![entry(&format!("n{name}"), *weight)]),
        };
        let mut publisher = published(first.iter().map(change).collect());
        let reader = publisher.reader();
        let mut by_delta = Copy::default();
        by_delta.deltas(&reader.deltas_since(0).unwrap());
        let (mut by_buckets, base) = (by_delta.clone(), by_delta.revision);
        for output in second.iter().map(change) {
            publisher.apply(output);
        }
        by_delta.deltas(&reader.deltas_since(base).unwrap());
        let broken = key(&format!("n{broken}"));
        by_buckets.resources.insert(broken.clone(), ContentHash(1));
        let (bits, group) = (3, Group::of(&broken));
        let buckets = vec![BucketId::of(&broken).coarse(bits)];
        by_buckets.snapshot(reader.snapshot(&Scope::Buckets(vec![BucketSet { group, bits, buckets }]), base));
        let mut whole = Copy::default();
        whole.snapshot(reader.snapshot(&Scope::Everything, 0));
        prop_assert_eq!(&by_delta, &whole);
        prop_assert_eq!(&by_buckets, &whole);
        whole.agrees_with(&reader.inventory(&Detail::All).0);
    }
}
