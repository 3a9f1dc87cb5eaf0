//! The messages of the stream as plain values.

use prost::Message;

use super::{BucketId, ContentHash, Digest, EncodedResource, codec};
use crate::model::{Completeness, Diagnostic, Group, Key};

/// From agent to hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentMessage {
    /// First message of a session.
    Hello(Hello),
    /// What the agent has now; sent when the completeness of a group changed. The hub answers with a [`Resync`].
    Offer(Inventory),
    /// Opens a snapshot.
    SnapshotBegin(SnapshotBegin),
    /// Resources of the open snapshot.
    SnapshotPart(Vec<EncodedResource>),
    /// Closes it; only now it takes effect.
    SnapshotEnd(SnapshotEnd),
    /// From one revision to a later one.
    Delta(Delta),
    /// All that is wrong at this time, and how many more there are; replaces the last such message.
    Diagnostics(Vec<Diagnostic>, u64),
    /// Sign of life: a sequence number, and whether it answers one.
    Heartbeat(u64, bool),
    /// All that the agent has, as one digest.
    Checkpoint(Checkpoint),
    /// A message of a newer agent; ignored.
    Unknown,
}

/// From hub to agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubMessage {
    /// The hello is accepted.
    Welcome(Welcome),
    /// What the hub lacks.
    Resync(Resync),
    /// The hub has this revision of the agent's run: go on from there.
    Resume(u64),
    /// The hub wants an [`AgentMessage::Offer`] that says more.
    Compare(Compare),
    /// What was taken.
    Ack(Ack),
    /// One resource is refused.
    Nack(Nack),
    /// What became of resources.
    Status(Status),
    /// IP addresses and DNS names by which the world reaches the target; none when none are configured.
    Addresses(Vec<String>),
    /// Sign of life: a sequence number, and whether it answers one.
    Heartbeat(u64, bool),
    /// Another instance (named for people) speaks for this cluster: stand by.
    Superseded(String),
    /// A message of a newer hub; ignored.
    Unknown,
}

/// Who opens a session, and what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// As claimed; the certificate decides. Not yet checked.
    pub cluster: String,
    /// UID of kube-system or of the manifest directory.
    pub cluster_uid: String,
    /// Which replica, for people.
    pub instance: String,
    /// Capability flags; unknown ones are ignored.
    pub capabilities: Vec<String>,
    /// What it has.
    pub inventory: Inventory,
    /// Digest of the statuses that it still has of this hub ([`ResourceStatus::hash`]).
    pub statuses: Option<Digest>,
}

/// What an agent has, by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// This run.
    pub epoch: Epoch,
    /// Counter within the run.
    pub revision: u64,
    /// Sorted by group.
    pub groups: Vec<GroupInventory>,
}

/// One run of an agent. Compared by counter only; the random part tells runs of equal counters apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// Lease transitions, or 0 where there is no Lease.
    pub counter: u64,
    /// Random.
    pub random: u64,
}

/// One group's completeness and digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInventory {
    /// Which.
    pub group: Group,
    /// Whether everything was seen.
    pub completeness: Completeness,
    /// How many resources.
    pub count: u64,
    /// 2^bits digests; the length says how finely the group is divided.
    pub digests: Vec<Digest>,
}

/// Buckets of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSet {
    /// Which group.
    pub group: Group,
    /// How finely `buckets` divide it.
    pub bits: u32,
    /// Sorted; none means the whole group.
    pub buckets: Vec<u32>,
}

impl BucketSet {
    /// The whole group.
    #[must_use]
    pub fn whole(group: Group) -> Self {
        Self {
            group,
            bits: 0,
            buckets: Vec::new(),
        }
    }

    /// Whether a key lies in it.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        let in_bucket = || self.buckets.is_empty() || self.buckets.contains(&BucketId::of(key).coarse(self.bits));
        self.group.kind == key.kind && self.group.source == key.source && in_bucket()
    }
}

/// What a snapshot replaces, or what a resync asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All groups.
    Everything,
    /// These buckets; none means nothing.
    Buckets(Vec<BucketSet>),
}

impl Scope {
    /// Nothing at all.
    pub const NOTHING: Self = Self::Buckets(Vec::new());

    /// Whether a key lies in it.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        match self {
            Self::Everything => true,
            Self::Buckets(sets) => sets.iter().any(|set| set.contains(key)),
        }
    }
}

/// Opens a snapshot: what lies in `scope` and in a complete group is replaced by what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotBegin {
    /// The run it is of.
    pub epoch: Epoch,
    /// The revision it is of.
    pub revision: u64,
    /// What it replaces.
    pub scope: Scope,
    /// Completeness, counts and digests after it.
    pub groups: Vec<GroupInventory>,
}

/// Closes a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotEnd {
    /// As at its begin.
    pub revision: u64,
    /// Resources in all parts.
    pub count: u64,
    /// Sum of their hashes.
    pub digest: Digest,
}

/// From one revision to a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// Revision it applies to.
    pub base_revision: u64,
    /// Revision it leads to.
    pub revision: u64,
    /// New and changed resources.
    pub upserts: Vec<EncodedResource>,
    /// Keys that are gone.
    pub removals: Vec<Key>,
    /// Digests, afterwards, of the finest buckets it touched.
    pub touched: Vec<TouchedBucket>,
}

/// A bucket's digest after a delta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchedBucket {
    /// Which group.
    pub group: Group,
    /// Which of its finest buckets.
    pub bucket: BucketId,
    /// Its digest.
    pub digest: Digest,
}

/// All that an agent has at a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which revision.
    pub revision: u64,
    /// Sum of the hashes of all resources of complete groups.
    pub digest: Digest,
}

/// The hub's first answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The hub's name, for people.
    pub hub: String,
    /// Capability flags; unknown ones are ignored.
    pub capabilities: Vec<String>,
    /// How often the agent sends a heartbeat, in milliseconds.
    pub heartbeat_interval_ms: u64,
}

/// What the hub lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resync {
    /// Why it asks.
    pub reason: ResyncReason,
    /// What it asks for.
    pub scope: Scope,
}

/// Of which groups the hub wants to compare all buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// Why it asks.
    pub reason: ResyncReason,
    /// Which; none means all.
    pub groups: Vec<Group>,
}

/// Why a hub asks for resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResyncReason {
    /// Answer to a hello or an offer.
    Hello,
    /// A delta's base is not the revision held.
    Gap,
    /// A bucket's digest differs.
    DigestMismatch,
    /// A snapshot's counts or digest did not agree.
    BrokenSnapshot,
    /// A person asked.
    Operator,
}

impl ResyncReason {
    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Gap => "gap",
            Self::DigestMismatch => "digest-mismatch",
            Self::BrokenSnapshot => "broken-snapshot",
            Self::Operator => "operator",
        }
    }
}

/// What was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Up to which revision.
    pub revision: u64,
    /// How many resources changed.
    pub taken: u64,
    /// What was received and does not take effect yet.
    pub held: Vec<Held>,
}

/// A change that does not take effect yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Of which resource.
    pub key: Key,
    /// A word for programs, as `mass-removal`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

/// One resource is refused; its old value stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nack {
    /// Which.
    pub key: Key,
    /// Which content.
    pub content_hash: ContentHash,
    /// A word for programs.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

/// What became of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// A replay of everything begins: forget what was said.
    pub replay_begin: bool,
    /// The replay is whole.
    pub replay_end: bool,
    /// One each.
    pub statuses: Vec<ResourceStatus>,
}

/// What became of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceStatus {
    /// Which.
    pub key: Key,
    /// Which content it speaks of.
    pub content_hash: ContentHash,
    /// As `Programmed`, `Quarantined`, `Conflict`, `Held`.
    pub condition: String,
    /// A word for programs.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// Nothing is said of this key any more.
    pub gone: bool,
}

impl ResourceStatus {
    /// Hash of what it says, by which both sides compare what was said.
    #[must_use]
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(&codec::to_wire::resource_status(self.clone()).encode_to_vec())
    }
}
