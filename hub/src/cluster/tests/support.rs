//! A model of an agent, and a short way to run it against a cluster's state machine.

use std::collections::{BTreeMap, BTreeSet};

use hubline::model::{
    ClusterId, Completeness, Endpoint, EndpointSet, EndpointState, Group, GroupKind, Key, Plugin, PluginSet, Port,
    Resource, ResourceKind, SecretText,
};
use hubline::wire::{
    BucketId, Checkpoint, Compare, ContentHash, Delta, Digest, DigestTable, EncodedResource, Epoch, GroupInventory,
    Hello, HubMessage, Inventory, Names, Resync, Scope, SnapshotBegin, SnapshotEnd, TouchedBucket,
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
                address: "10.0.0.1".into(),
                port: Port::new(value + 1).unwrap(),
                state: EndpointState::Ready,
                place: None,
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

/// A plugin set with a text.
pub(crate) fn wordy(name: &str, text: &str) -> EncodedResource {
    EncodedResource::encode(
        &plugins(name),
        &plugin_set(&format!("{{\"text\":\"{}\"}}", text.replace(['"', '\\'], ""))),
    )
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
    pub(crate) capabilities: Vec<String>,
    /// When each key changed last, in this run.
    changed: BTreeMap<Key, u64>,
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
            capabilities: Vec::new(),
            changed: BTreeMap::new(),
        }
    }

    pub(crate) fn with(mut self, resources: &[(Key, EncodedResource)]) -> Self {
        self.resources.extend(resources.iter().cloned());
        self
    }

    /// That tells one digest a group and can go on from a revision.
    pub(crate) fn resuming(mut self) -> Self {
        self.bits = 0;
        self.capabilities = vec![hubline::wire::RESUME.to_owned()];
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
            capabilities: self.capabilities.clone(),
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
            self.changed.insert(key.clone(), self.revision);
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

    /// Begins another run.
    pub(crate) fn begin(&mut self, epoch: Epoch) {
        (self.epoch, self.revision) = (epoch, 1);
        self.changed.clear();
    }

    /// What follows a revision, when that is anything.
    pub(crate) fn since(&self, session: u64, base_revision: u64) -> Option<Event> {
        let changed = self.changed.iter().filter(|(_, revision)| **revision > base_revision);
        let changed: Vec<Step> = changed
            .filter(|(key, _)| !self.unread.contains(*key))
            .map(|(key, _)| (key.clone(), self.resources.get(key).cloned()))
            .collect();
        let delta = Delta {
            base_revision,
            revision: self.revision,
            upserts: Vec::new(),
            removals: changed
                .iter()
                .filter(|(_, now)| now.is_none())
                .map(|(key, _)| key.clone())
                .collect(),
            touched: self.touched(&changed),
        };
        let received = changed
            .iter()
            .filter_map(|(_, now)| now.as_ref().map(received))
            .collect();
        let session = SessionId(session);
        (self.revision > base_revision).then_some(Event::Delta {
            session,
            delta,
            received,
        })
    }

    /// What it has when asked to compare closely.
    pub(crate) fn offer_closely(&self, session: u64) -> Event {
        let mut close = self.clone();
        close.bits = 2;
        close.offer(session)
    }

    pub(crate) fn checkpoint(&self, session: u64) -> Event {
        let table = self.table();
        let complete = self.groups.keys().filter(|group| self.is_complete(group));
        let digest = complete.fold(Digest::default(), |sum, group| sum.merged(table.root(group)));
        Event::Checkpoint {
            session: SessionId(session),
            checkpoint: Checkpoint {
                revision: self.revision,
                digest,
            },
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

/// What it wants to compare, if anything.
pub(crate) fn compared(effects: &[Effect], session: u64) -> Option<Compare> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send(to, HubMessage::Compare(compare)) if to.0 == session => Some(compare.clone()),
        _ => None,
    })
}

/// The revision from which it goes on, if it does.
pub(crate) fn resumed(effects: &[Effect], session: u64) -> Option<u64> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send(to, HubMessage::Resume(revision)) if to.0 == session => Some(*revision),
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

/// What the agent says to the hub's last effects, if it is asked for anything.
pub(crate) fn answer_to(agent: &Agent, effects: &[Effect], session: u64) -> Option<Event> {
    if let Some(from) = resumed(effects, session) {
        return agent.since(session, from);
    }
    if compared(effects, session).is_some() {
        return Some(agent.offer_closely(session));
    }
    let resync = asked(effects, session).filter(|resync| resync.scope != Scope::NOTHING)?;
    Some(agent.snapshot(session, resync.scope))
}

/// Lets the agent answer until the hub asks for nothing more; fails when that takes more than `most` answers.
pub(crate) fn answer(cluster: &mut Cluster, agent: &Agent, session: u64, mut last: Vec<Effect>, most: usize) {
    for _ in 0..=most {
        match answer_to(agent, &last, session) {
            None => return,
            Some(event) => last = cluster.on(event, now(0)),
        }
    }
    panic!("the hub asks without end: {last:?}");
}

/// A cluster that has all that an agent has, by session 1.
pub(crate) fn synchronized(agent: &Agent) -> Cluster {
    let mut cluster = cluster();
    let effects = cluster.on(agent.hello(1), now(0));
    answer(&mut cluster, agent, 1, effects, 2);
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
