//! One consistent version of everything that readers see.
//!
//! Written by the core after each batch of events and shared as a whole: readers never block the writer.
//! The maps are persistent (`imbl`), so that a new version costs what changed and not what there is.

use std::sync::Arc;

use hubline::model::{ClusterId, Diagnostic, GlobalKey, GroupState};
use hubline::wire::{ContentHash, Epoch};
use imbl::OrdMap;
use jiff::Timestamp;
use serde::Serialize;

use crate::change::Stored;
use crate::object::{Object, ObjectId};
use crate::path::demotion::Demotions;

/// One version of everything.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Grows with every version.
    pub version: u64,
    /// Clusters that the hub knows, whether configured, live or only remembered.
    pub clusters: OrdMap<ClusterId, Arc<ClusterSummary>>,
    /// Effective resources of all clusters (last good).
    pub resources: OrdMap<GlobalKey, Stored>,
    /// Why a resource is not in force, or not as it was last declared.
    pub problems: OrdMap<GlobalKey, Arc<Vec<Problem>>>,
    /// Desired objects.
    pub desired: OrdMap<ObjectId, Arc<Object>>,
    /// What became of desired objects at the target; those that are not named are programmed, as most are.
    pub outcomes: OrdMap<ObjectId, Outcome>,
    /// The target.
    pub target: Arc<TargetSummary>,
    /// What carries each cluster's traffic.
    pub carriers: OrdMap<ClusterId, Carrier>,
    /// What stands lower in upstreams than its path says.
    pub demotions: Demotions,
}

/// What carries a cluster's traffic over the path that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Carrier {
    /// Its upstreams as they are by rank.
    Upstreams,
    /// One upstream that all its routes share.
    Shared,
    /// One object at the target for the whole cluster.
    Diversion {
        /// The share that it takes.
        percent: u8,
    },
    /// Each of its upstreams, written again.
    Burst {
        /// Why not one object.
        why: String,
    },
}

impl Carrier {
    /// Whether it is a diversion.
    #[must_use]
    pub fn is_diversion(&self) -> bool {
        matches!(self, Self::Diversion { .. })
    }
}

/// A cluster as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSummary {
    /// Its name.
    pub id: ClusterId,
    /// Whether the hub's configuration lists it.
    pub configured: bool,
    /// The UID it is pinned to; none before first sight.
    pub uid: Option<String>,
    /// How current its state is.
    pub phase: Phase,
    /// The agent instance that speaks now.
    pub instance: Option<String>,
    /// Last run and revision seen.
    pub epoch: Epoch,
    /// Last revision taken.
    pub revision: u64,
    /// When its agent was last heard.
    pub last_seen: Option<Timestamp>,
    /// What the agent could and could not list.
    pub groups: Vec<GroupState>,
    /// What the agent found wrong with objects.
    pub diagnostics: Arc<Vec<Diagnostic>>,
    /// How many diagnostics were left out.
    pub diagnostics_omitted: u64,
}

/// How current a cluster's state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Never synchronized: nothing of it is in force.
    Unknown,
    /// A session is open and its first synchronization is under way.
    Syncing,
    /// A session is open and the state is the agent's.
    Live,
    /// No session: the last good state is in force.
    Stale,
}

impl Phase {
    /// Its name for people, API and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Syncing => "Syncing",
            Self::Live => "Live",
            Self::Stale => "Stale",
        }
    }
}

/// Why a resource is not in force, or not as it was last declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What about it.
    pub kind: ProblemKind,
    /// A word for programs.
    pub reason: String,
    /// A sentence for people: names the object, the field and what is allowed.
    pub message: String,
    /// The content it speaks of.
    pub content_hash: ContentHash,
}

/// What is wrong with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// Refused at the hub; its last good value, if any, is in force.
    Quarantined,
    /// Another cluster or object claimed the same earlier.
    Conflict,
    /// The target refused the object made from it.
    Refused,
    /// Something it refers to is not there.
    Unresolved,
}

impl ProblemKind {
    /// Its name for people, API and status.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Quarantined => "Quarantined",
            Self::Conflict => "Conflict",
            Self::Refused => "Refused",
            Self::Unresolved => "Unresolved",
        }
    }
}

/// What became of a desired object at the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Not written yet.
    Pending,
    /// The target has it with this content.
    Programmed(ContentHash),
    /// The target, or our check before it, refused this content; what was there before stays.
    Refused(Box<Refusal>),
}

/// Why the target has not what is desired. Behind a pointer: refusals are few, and outcomes as many as objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The content that was refused.
    pub hash: ContentHash,
    /// A word for programs.
    pub reason: String,
    /// The target's own words where it gave some.
    pub message: String,
}

/// The target as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetSummary {
    /// Its name.
    pub id: String,
    /// Whether it was observed whole since the hub's start or since it was lost.
    pub observed: bool,
    /// Objects of others that were seen there, by collection.
    pub foreign: Vec<(String, u64)>,
    /// A global rule of somebody else with plugin `traffic-split`, which keeps clusters from being diverted.
    pub foreign_split: Option<String>,
    /// Why it cannot be reached, if so.
    pub error: Option<String>,
}
