//! What goes into a cluster's state machine and what comes out of it.

use std::fmt;

use bytes::Bytes;
use hubline::model::{Diagnostic, Group, Key};
use hubline::wire::{Checkpoint, Delta, Digest, Epoch, Hello, HubMessage, Inventory, SnapshotBegin, SnapshotEnd};

use super::Received;
use crate::change::Change;
use crate::view::Problem;

/// Names one stream for as long as the hub runs; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, out)
    }
}

/// What the operator says of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The UID it must have; without one the first that is seen is pinned.
    pub uid: Option<String>,
    /// Most resources it may have.
    pub max_resources: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            uid: None,
            max_resources: hubline::wire::limits::MAX_RESOURCES,
        }
    }
}

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The operator's word changed; none: the cluster is no longer listed (what it has stays in force).
    Configured(Option<Settings>),
    /// A session begins.
    Opened {
        /// Which.
        session: SessionId,
        /// Its first message; its cluster name agrees with its certificate.
        hello: Hello,
    },
    /// The agent says anew what it has.
    Offered {
        /// Which session.
        session: SessionId,
        /// What it has.
        inventory: Inventory,
    },
    /// A snapshot has arrived whole; one that was cut never becomes an event.
    Snapshot {
        /// Which session.
        session: SessionId,
        /// Its begin.
        begin: SnapshotBegin,
        /// The resources of all its parts.
        resources: Vec<Received>,
        /// Its end.
        end: SnapshotEnd,
    },
    /// A delta arrived.
    Delta {
        /// Which session.
        session: SessionId,
        /// Itself; `upserts` may be empty, since `received` has them.
        delta: Delta,
        /// Its upserts, read.
        received: Vec<Received>,
    },
    /// The agent says what it has, as one digest.
    Checkpoint {
        /// Which session.
        session: SessionId,
        /// What it has.
        checkpoint: Checkpoint,
    },
    /// The agent says what is wrong in its cluster.
    Diagnostics {
        /// Which session.
        session: SessionId,
        /// All of it.
        diagnostics: Vec<Diagnostic>,
        /// How many more there are.
        omitted: u64,
    },
    /// A sign of life.
    Heartbeat {
        /// Which session.
        session: SessionId,
    },
    /// A session is over.
    Closed {
        /// Which.
        session: SessionId,
    },
    /// Time has passed; wanted about once a second.
    Tick,
}

/// Something is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The hello is accepted: send the hub's [`hubline::wire::Welcome`], and what is said of its resources unless the
    /// agent still has just that, by this digest.
    Welcome(SessionId, Option<Digest>),
    /// Send a message.
    Send(SessionId, HubMessage),
    /// End a session.
    Close(SessionId, CloseReason),
    /// Effective resources changed; sorted by key.
    Changed(Vec<Change>),
    /// The quarantine changed: why a key is in it now, or none.
    Quarantine(Vec<(Key, Option<Problem>)>),
    /// Keep this over a restart.
    Persist(Vec<PersistOperation>),
    /// What [`super::Cluster::summary`] says has changed.
    Summary,
}

/// Something to be kept over a restart; of several for one key the last one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersistOperation {
    /// The last good bytes of a resource.
    Put {
        /// Its name.
        key: Key,
        /// Its bytes as sent.
        bytes: Bytes,
    },
    /// A resource is gone.
    Remove {
        /// Its name.
        key: Key,
    },
    /// Facts of the cluster.
    Meta(Meta),
}

/// What is kept of a cluster besides its resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// The UID it is pinned to.
    pub uid: Option<String>,
    /// Last run seen.
    pub epoch: Epoch,
    /// Last revision taken.
    pub revision: u64,
    /// The groups that it speaks of, sorted.
    pub groups: Vec<GroupRecord>,
}

/// What is remembered of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRecord {
    /// Which.
    pub group: Group,
    /// Whether the hub had all of it at some time.
    pub complete_once: bool,
}

/// What a restart begins with.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// Facts of the cluster.
    pub meta: Meta,
    /// Its last good resources.
    pub resources: Vec<Received>,
}

/// Why the hub ends a session. The text is for the agent's operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// Another cluster under a known name.
    #[error(
        "cluster uid {claimed:?} is not the one that this name is pinned to ({pinned:?}): \
         give the new cluster a name of its own, or, if it takes the old one's place, set its uid under `clusters`"
    )]
    WrongUid {
        /// What it should be.
        pinned: String,
        /// What the hello says.
        claimed: String,
    },
    /// No UID at all.
    #[error("hello.cluster_uid is empty; the uid of namespace kube-system is needed")]
    NoUid,
    /// No longer in the hub's list.
    #[error("this cluster is not listed in the hub's configuration; add it under `clusters`")]
    NotConfigured,
    /// The same fault again and again.
    #[error("{faults} times in a row what was sent did not agree with its own digests: {last}")]
    CannotSynchronize {
        /// How often.
        faults: u32,
        /// What was wrong last.
        last: String,
    },
    /// Too soon after [`CloseReason::CannotSynchronize`].
    #[error("this run of the agent could not be synchronized; it is heard again in {seconds} s")]
    TryLater {
        /// How long to wait, in seconds.
        seconds: i64,
    },
    /// More resources than allowed.
    #[error("{count} resources are more than the {limit} that this cluster may have")]
    TooManyResources {
        /// How many there would be.
        count: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// The session that spoke is gone, and this one stood by.
    #[error("the session that spoke for this cluster is gone: say hello again")]
    SayHelloAgain,
    /// It reads too slowly; it will get everything again.
    #[error("the agent does not read what the hub sends")]
    TooSlow,
    /// The hub stops.
    #[error("the hub stops")]
    Stopping,
}

impl CloseReason {
    /// The value of the metric label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::WrongUid { .. } => "wrong-uid",
            Self::NoUid => "no-uid",
            Self::NotConfigured => "not-configured",
            Self::CannotSynchronize { .. } => "cannot-synchronize",
            Self::TryLater { .. } => "try-later",
            Self::TooManyResources { .. } => "too-many-resources",
            Self::SayHelloAgain => "say-hello-again",
            Self::TooSlow => "too-slow",
            Self::Stopping => "stopping",
        }
    }
}
