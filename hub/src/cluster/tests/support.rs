//! A model of an agent, and a short way to run it against a cluster's state machine.

use std::collections::{BTreeMap, BTreeSet};

use hubline::model::{
    ClusterId, Completeness, Endpoint, EndpointSet, EndpointState, Group, GroupKind, Key, Plugin, PluginSet, Port,
    Resource, ResourceKind, SecretText,
};
use hubline::wire::{
    BucketId, ContentHash, Delta, Digest, DigestTable, EncodedResource, Epoch, GroupInventory, Hello, HubMessage,
    Inventory, Resync, Scope, SnapshotBegin, SnapshotEnd, TouchedBucket,
};
use jiff::Timestamp;

use super::super::{Cluster, Effect, Event, Received, SessionId};

pub(crate) const UID: &str = "uid-a";

pub(crate) fn now(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000 + seconds).unwrap()
}

pub(crate) fn cluster() -> Cluster {
    Cluster::new(ClusterId::new("a").unwrap())
}

pub(crate) fn group(kind: ResourceKind) -> Group {
    let source = GroupKind::new("discovery.k8s.io", "EndpointSlice");
    Group { kind, source }
}

pub(crate) fn key(kind: ResourceKind, name: &str) -> Key {
    Key::new(kind, &group(kind).source, "shop", name, "")
}

pub(crate) fn set(name: &str) -> Key {
    key(ResourceKind::EndpointSet, name)
}

pub(crate) fn plugins(name: &str) -> Key {
    key(ResourceKind::PluginSet, name)
}

/// A valid resource of a key; `value` tells contents apart.
pub(crate) fn good(key: &Key, value: u16) -> EncodedResource {
    let resource = match key.kind {
        ResourceKind::PluginSet => plugin_set(&format!("{{\"count\":{value}}}")),
        _ => Resource::EndpointSet(EndpointSet {
            endpoints: vec![Endpoint {
                address: "10.0.0.1".to_owned(),
                port: Port::new(value + 1).unwrap(),
                state: EndpointState::Ready,
                node: None,
                zone: None,
            }],
        }),
    };
    EncodedResource::encode(key, &resource)
}

fn plugin_set(config: &str) -> Resource {
    let plugin = Plugin {
        name: "limit-count".to_owned(),
        config: SecretText::new(config.to_owned()),
    };
    Resource::PluginSet(PluginSet { plugins: vec![plugin] })
}

/// A resource that the hub refuses: a plugin set for its content, any other since body and key disagree.
pub(crate) fn bad(key: &Key, value: u16) -> EncodedResource {
    EncodedResource::encode(key, &plugin_set(&format!("hunter{value}")))
}

pub(crate) fn received(encoded: &EncodedResource) -> Received {
    Received::read(encoded.clone(), &mut Names::default()).unwrap()
}

/// One change of an agent: a key and what it is now.
pub(crate) type Step = (Key, Option<EncodedResource>);

/// An agent that has published something.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) epoch: Epoch,
    pub(crate) revision: u64,
    pub(crate) bits: u32,
    pub(crate) groups: BTreeMap<Group, Completeness>,
    /// Of these it cannot read the objects, and says nothing.
    pub(crate) unread: BTreeSet<Key>,
    pub(crate) resources: BTreeMap<Key, EncodedResource>,
}

impl Agent {
    pub(crate) fn new(counter: u64, random: u64) -> Self {
        let kinds = [ResourceKind::EndpointSet, ResourceKind::PluginSet];
        Self {
            epoch: Epoch { counter, random },
            revision: 1,
            bits: 2,
            groups: kinds.map(|kind| (group(kind), Completeness::Complete)).into(),
            unread: BTreeSet::new(),
            resources: BTreeMap::new(),
        }
    }

    pub(crate) fn with(mut self, resources: &[(Key, EncodedResource)]) -> Self {
        self.resources.extend(resources.iter().cloned());
        self
    }

    pub(crate) fn unknown(&mut self, kind: ResourceKind) {
        let reason = "forbidden".to_owned();
        self.groups.insert(group(kind), Completeness::Unknown { reason });
    }

    /// A group of which it cannot read these.
    pub(crate) fn partial(&mut self, kind: ResourceKind, unread: impl IntoIterator<Item = Key>) {
        self.unknown(kind);
        self.unread.extend(unread);
    }

    pub(crate) fn complete(&mut self, kind: ResourceKind) {
        self.unread.retain(|key| key.kind != kind);
        self.groups.insert(group(kind), Completeness::Complete);
    }

    pub(crate) fn is_complete(&self, group: &Group) -> bool {
        self.groups.get(group) == Some(&Completeness::Complete)
    }

    fn published(&self) -> impl Iterator<Item = (&Key, &EncodedResource)> {
        self.resources.iter().filter(|(key, _)| !self.unread.contains(*key))
    }

    fn table(&self) -> DigestTable {
        let mut table = DigestTable::default();
        for (key, encoded) in self.published() {
            table.replace(key, None, Some(encoded.hash()));
        }
        table
    }

    fn inventories(&self) -> Vec<GroupInventory> {
        let table = self.table();
        let inventory = |(group, completeness): (&Group, &Completeness)| GroupInventory {
            group: group.clone(),
            completeness: completeness.clone(),
            count: table.count(group),
            digests: table.fold(group, self.bits),
        };
        self.groups.iter().map(inventory).collect()
    }

    pub(crate) fn inventory(&self) -> Inventory {
        Inventory {
            epoch: self.epoch,
            revision: self.revision,
            groups: self.inventories(),
        }
    }

    pub(crate) fn offer(&self, session: u64) -> Event {
        Event::Offered {
            session: SessionId(session),
            inventory: self.inventory(),
        }
    }

    pub(crate) fn hello(&self, session: u64) -> Event {
        let hello = Hello {
            cluster: "a".to_owned(),
            cluster_uid: UID.to_owned(),
            instance: format!("agent-{session}"),
            capabilities: Vec::new(),
            inventory: self.inventory(),
            statuses: None,
        };
        let session = SessionId(session);
        Event::Opened { session, hello }
    }

    pub(crate) fn snapshot(&self, session: u64, scope: Scope) -> Event {
        let sent = self.published().filter(|(key, _)| scope.contains(key));
        let resources: Vec<_> = sent.map(|(_, encoded)| received(encoded)).collect();
        let digest = resources.iter().fold(Digest::default(), |sum, it| sum.with(it.hash()));
        Event::Snapshot {
            session: SessionId(session),
            begin: SnapshotBegin {
                epoch: self.epoch,
                revision: self.revision,
                scope,
                groups: self.inventories(),
            },
            end: SnapshotEnd {
                revision: self.revision,
                count: resources.len() as u64,
                digest,
            },
            resources,
        }
    }

    /// Changes what the agent has and says so.
    pub(crate) fn change(&mut self, session: u64, steps: &[Step]) -> Event {
        let base_revision = self.revision;
        self.revision += 1;
        let (mut upserts, mut removals) = (Vec::new(), Vec::new());
        for (key, now) in steps {
            let told = !self.unread.contains(key);
            if let Some(encoded) = now {
                self.resources.insert(key.clone(), encoded.clone());
                upserts.extend(told.then(|| received(encoded)));
            } else {
                self.resources.remove(key);
                removals.extend(told.then(|| key.clone()));
            }
        }
        Event::Delta {
            session: SessionId(session),
            delta: Delta {
                base_revision,
                revision: self.revision,
                upserts: Vec::new(),
                removals,
                touched: self.touched(steps),
            },
            received: upserts,
        }
    }

    fn touched(&self, steps: &[Step]) -> Vec<TouchedBucket> {
        let table = self.table();
        let touched = |(key, _): &Step| {
            let (group, bucket) = (Group::of(key), BucketId::of(key));
            let digest = table.bucket(&group, bucket);
            TouchedBucket { group, bucket, digest }
        };
        steps.iter().map(touched).collect()
    }
}

/// What the hub asked the session for, if anything.
pub(crate) fn asked(effects: &[Effect], session: u64) -> Option<Resync> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send(to, HubMessage::Resync(resync)) if to.0 == session => Some(resync.clone()),
        _ => None,
    })
}

pub(crate) fn nacks(effects: &[Effect]) -> Vec<Key> {
    let nack = |effect: &Effect| match effect {
        Effect::Send(_, HubMessage::Nack(nack)) => Some(nack.key.clone()),
        _ => None,
    };
    effects.iter().filter_map(nack).collect()
}

pub(crate) fn closed(effects: &[Effect], session: u64) -> Option<&'static str> {
    effects.iter().find_map(|effect| match effect {
        Effect::Close(which, reason) if which.0 == session => Some(reason.label()),
        _ => None,
    })
}

/// Lets the agent answer until the hub asks for nothing more; fails when that takes more than `most` snapshots.
pub(crate) fn answer(cluster: &mut Cluster, agent: &Agent, session: u64, mut last: Vec<Effect>, most: usize) {
    for _ in 0..=most {
        match asked(&last, session).filter(|resync| resync.scope != Scope::NOTHING) {
            None => return,
            Some(resync) => last = cluster.on(agent.snapshot(session, resync.scope), now(0)),
        }
    }
    panic!("the hub asks without end: {last:?}");
}

/// A cluster that has all that an agent has, by session 1.
pub(crate) fn synchronized(agent: &Agent) -> Cluster {
    let mut cluster = cluster();
    let effects = cluster.on(agent.hello(1), now(0));
    answer(&mut cluster, agent, 1, effects, 1);
    cluster
}

/// Effective resources by key.
pub(crate) fn state(cluster: &Cluster) -> BTreeMap<Key, ContentHash> {
    let resources = cluster.resources();
    resources.map(|(key, stored)| (key.clone(), stored.hash)).collect()
}

pub(crate) fn hashes(resources: &[(Key, EncodedResource)]) -> BTreeMap<Key, ContentHash> {
    resources.iter().map(|(key, it)| (key.clone(), it.hash())).collect()
}

pub(crate) fn entries(names: &[&str], value: u16) -> Vec<(Key, EncodedResource)> {
    names.iter().map(|name| (set(name), good(&set(name), value))).collect()
}
