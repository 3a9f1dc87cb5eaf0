//! What a scripted agent has, and the honest messages about it; a test breaks them as it likes.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use hubline::model::{Completeness, Group, GroupKind, Key, ResourceKind};
use hubline::wire::{
    AgentMessage, BucketId, Delta, Digest, DigestTable, EncodedResource, Epoch, GroupInventory, Hello, HubMessage,
    Inventory, Resync, Scope, SnapshotBegin, SnapshotEnd, TouchedBucket,
};

use super::Scripted;

/// How finely groups are divided: four buckets, so that one change is not everything.
const BITS: u32 = 2;

/// What an agent has. Its groups are those that it speaks of, whether it has anything of them or not.
#[derive(Debug, Clone)]
pub struct Belongings {
    /// This run.
    pub epoch: Epoch,
    /// Counter within the run.
    pub revision: u64,
    /// UID of its cluster.
    pub uid: String,
    /// Flags of its hello.
    pub capabilities: Vec<String>,
    /// All complete.
    pub groups: Vec<Group>,
    /// By key, as they travel.
    pub resources: BTreeMap<Key, EncodedResource>,
}

/// A group by kind and source, as `(Route, "networking.k8s.io", "Ingress")`.
#[must_use]
pub fn group(kind: ResourceKind, api_group: &str, source: &str) -> Group {
    let source = GroupKind::new(api_group, source);
    Group { kind, source }
}

impl Belongings {
    /// The first run of an agent that speaks of these groups and has nothing.
    #[must_use]
    pub fn of(groups: &[Group]) -> Self {
        Self {
            epoch: Epoch { counter: 1, random: 1 },
            revision: 1,
            uid: "uid".to_owned(),
            capabilities: Vec::new(),
            groups: groups.to_vec(),
            resources: BTreeMap::new(),
        }
    }

    /// With these resources.
    #[must_use]
    pub fn with(mut self, resources: impl IntoIterator<Item = (Key, EncodedResource)>) -> Self {
        self.resources.extend(resources);
        self
    }

    /// The same, after a restart of the agent.
    #[must_use]
    pub fn restarted(mut self) -> Self {
        self.epoch.random += 1;
        self.revision = 1;
        self
    }

    fn table(&self) -> DigestTable {
        let mut table = DigestTable::default();
        for (key, encoded) in &self.resources {
            table.replace(key, None, Some(encoded.hash()));
        }
        table
    }

    fn inventories(&self) -> Vec<GroupInventory> {
        let table = self.table();
        let inventory = |group: &Group| GroupInventory {
            group: group.clone(),
            completeness: Completeness::Complete,
            count: table.count(group),
            digests: table.fold(group, BITS),
        };
        self.groups.iter().map(inventory).collect()
    }

    /// What opens a session of `cluster`.
    #[must_use]
    pub fn hello(&self, cluster: &str) -> AgentMessage {
        AgentMessage::Hello(Hello {
            cluster: cluster.to_owned(),
            cluster_uid: self.uid.clone(),
            instance: format!("agent-{}-{}", self.epoch.counter, self.epoch.random),
            capabilities: self.capabilities.clone(),
            inventory: Inventory {
                epoch: self.epoch,
                revision: self.revision,
                groups: self.inventories(),
            },
            statuses: None,
        })
    }

    /// Begin, one part, and end of a snapshot.
    #[must_use]
    pub fn snapshot(&self, scope: &Scope) -> [AgentMessage; 3] {
        let sent = self.resources.iter().filter(|(key, _)| scope.contains(key));
        let sent: Vec<_> = sent.map(|(_, encoded)| encoded.clone()).collect();
        let begin = SnapshotBegin {
            epoch: self.epoch,
            revision: self.revision,
            scope: scope.clone(),
            groups: self.inventories(),
        };
        let end = SnapshotEnd {
            revision: self.revision,
            count: sent.len() as u64,
            digest: sent.iter().fold(Digest::default(), |sum, it| sum.with(it.hash())),
        };
        [
            AgentMessage::SnapshotBegin(begin),
            AgentMessage::SnapshotPart(sent),
            AgentMessage::SnapshotEnd(end),
        ]
    }

    /// Changes what it has: a delta with its touched digests. None is a removal.
    pub fn change(&mut self, changes: &[(Key, Option<EncodedResource>)]) -> Delta {
        let base_revision = self.revision;
        self.revision += 1;
        for (key, now) in changes {
            match now {
                Some(encoded) => drop(self.resources.insert(key.clone(), encoded.clone())),
                None => drop(self.resources.remove(key)),
            }
        }
        Delta {
            base_revision,
            revision: self.revision,
            upserts: changes.iter().filter_map(|(_, now)| now.clone()).collect(),
            removals: changes
                .iter()
                .filter(|(_, now)| now.is_none())
                .map(|(key, _)| key.clone())
                .collect(),
            touched: self.touched(changes),
        }
    }

    fn touched(&self, changes: &[(Key, Option<EncodedResource>)]) -> Vec<TouchedBucket> {
        let table = self.table();
        let touched = |(key, _): &(Key, _)| {
            let (group, bucket) = (Group::of(key), BucketId::of(key));
            let digest = table.bucket(&group, bucket);
            TouchedBucket { group, bucket, digest }
        };
        changes.iter().map(touched).collect()
    }

    /// Says hello and hears what the hub lacks.
    ///
    /// # Errors
    /// When the hub does not answer so.
    pub async fn open(&self, cluster: &str, agent: &mut Scripted) -> Result<Resync> {
        agent.say(self.hello(cluster)).await?;
        let answer = agent.until("resync", |it| matches!(it, HubMessage::Resync(_))).await?;
        match answer {
            HubMessage::Resync(resync) => Ok(resync),
            other => bail!("heard {other:?}"),
        }
    }

    /// Sends a snapshot and waits until it is taken; says how many resources were.
    ///
    /// # Errors
    /// When the hub does not take it.
    pub async fn send(&self, scope: &Scope, agent: &mut Scripted) -> Result<u64> {
        for message in self.snapshot(scope) {
            agent.say(message).await?;
        }
        acknowledged(agent, self.revision).await
    }

    /// Sends a delta and waits until it is taken; says how many resources were. All that the hub said before is heard
    /// then.
    ///
    /// # Errors
    /// When the hub does not take it.
    pub async fn send_delta(&self, delta: Delta, agent: &mut Scripted) -> Result<u64> {
        let revision = delta.revision;
        agent.say(AgentMessage::Delta(delta)).await?;
        acknowledged(agent, revision).await
    }
}

async fn acknowledged(agent: &mut Scripted, revision: u64) -> Result<u64> {
    let wanted = |it: &HubMessage| matches!(it, HubMessage::Ack(ack) if ack.revision == revision);
    match agent.until("ack", wanted).await? {
        HubMessage::Ack(ack) => Ok(ack.taken),
        other => bail!("heard {other:?}"),
    }
}
