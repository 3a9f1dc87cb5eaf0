//! The last published state of this cluster, from which every session takes what its hub lacks.
//!
//! One [`Publisher`] writes, any number of [`Reader`]s take consistent versions and never wait for each other.
//! The newest value of a key is all that is kept: a hub that lags is caught up by one delta, however many changes it
//! missed, so memory is bounded by keys. Deliberately absent: hubs, streams, time.

mod delta;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use hubline::model::{Diagnostic, Group, Key, ResourceKind};
use hubline::wire::limits::MAX_DIAGNOSTICS;
use hubline::wire::text::fitting;
use hubline::wire::{Checkpoint, ContentHash, Delta, Epoch, Inventory, Scope};
use tokio::sync::watch;

use crate::output::Output;
pub use snapshot::Snapshot;
use state::State;

/// What sessions compare to see whether anything is new for their hub.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version {
    /// The run; a new one begins when a lease is won.
    pub epoch: Epoch,
    /// Counts changes of resources.
    pub revision: u64,
    /// Counts changes of any group's completeness.
    pub groups: u64,
    /// Counts changes of the diagnostics.
    pub diagnostics: u64,
}

/// The only writer.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
}

/// Reads consistent versions; cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    // A std lock: nothing is awaited while it is held, and a reader holds it for the size of a delta at most.
    state: RwLock<State>,
    version: watch::Sender<Version>,
}

/// Of which groups an inventory has the digests of all buckets; of the others it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// Of none: what a hub needs to see that nothing changed.
    Roots,
    /// Of all.
    All,
    /// Of these.
    Groups(BTreeSet<Group>),
}

impl Detail {
    /// As a [`hubline::wire::Compare`] names groups: none means all.
    #[must_use]
    pub fn wanted(groups: Vec<Group>) -> Self {
        if groups.is_empty() {
            return Self::All;
        }
        Self::Groups(groups.into_iter().collect())
    }

    /// As a snapshot of `scope` needs it: buckets only where only buckets are sent.
    fn of_scope(scope: &Scope) -> Self {
        let Scope::Buckets(sets) = scope else {
            return Self::Roots;
        };
        let divided = sets.iter().filter(|set| !set.buckets.is_empty());
        Self::Groups(divided.map(|set| set.group.clone()).collect())
    }

    fn names(&self, group: &Group) -> bool {
        match self {
            Self::Roots => false,
            Self::All => true,
            Self::Groups(groups) => groups.contains(group),
        }
    }
}

/// What brings a hub from a cursor to now, taken from one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatchUp {
    /// Deltas whose bases chain from the cursor on; none when the cursor is older than the removals still known.
    pub deltas: Option<Vec<Delta>>,
    /// What there is after them.
    pub inventory: Inventory,
    /// Its [`Version::groups`].
    pub groups: u64,
}

impl Publisher {
    /// Nothing published yet.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        let state = State::new(epoch);
        let (version, _) = watch::channel(state.version());
        let shared = Shared {
            state: RwLock::new(state),
            version,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// A reader of what is published.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Takes what changed, and tells the revision afterwards. Equal values change nothing and wake nobody.
    pub fn apply(&mut self, output: Output) -> u64 {
        self.write(|state| state.apply(output))
    }

    /// Begins another run with the same content: after winning a lease.
    pub fn begin_epoch(&mut self, epoch: Epoch) {
        self.write(|state| state.epoch = epoch);
    }

    fn write(&mut self, change: impl FnOnce(&mut State)) -> u64 {
        let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let version = state.version();
        drop(state);
        self.shared
            .version
            .send_if_modified(|last| std::mem::replace(last, version) != version);
        version.revision
    }
}

impl Reader {
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.shared.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes when something new was published.
    #[must_use]
    pub fn versions(&self) -> watch::Receiver<Version> {
        self.shared.version.subscribe()
    }

    /// The version now.
    #[must_use]
    pub fn version(&self) -> Version {
        self.state().version()
    }

    /// What there is, by digest, and its [`Version::groups`].
    #[must_use]
    pub fn inventory(&self, detail: &Detail) -> (Inventory, u64) {
        let state = self.state();
        (state.inventory(detail), state.version().groups)
    }

    /// All that there is as one digest, and its [`Version::groups`].
    #[must_use]
    pub fn checkpoint(&self) -> (Checkpoint, u64) {
        let state = self.state();
        (state.checkpoint(), state.version().groups)
    }

    /// What changed since a cursor; none when the cursor is older than the removals still known, or not of this run.
    #[must_use]
    pub fn deltas_since(&self, cursor: u64) -> Option<Vec<Delta>> {
        self.state().deltas_since(cursor)
    }

    /// What changed since a cursor, together with what there is after it.
    #[must_use]
    pub fn catch_up(&self, cursor: u64, detail: &Detail) -> CatchUp {
        let state = self.state();
        CatchUp {
            deltas: state.deltas_since(cursor),
            inventory: state.inventory(detail),
            groups: state.version().groups,
        }
    }

    /// A snapshot of `scope` for a hub that holds everything outside of `scope` as it was at revision `base`:
    /// the scope is widened by what changed since, so that the hub has all of the snapshot's revision afterwards.
    #[must_use]
    pub fn snapshot(&self, scope: &Scope, base: u64) -> Snapshot {
        self.state().snapshot(scope, base)
    }

    /// The diagnostics that may travel, and how many more there are.
    #[must_use]
    pub fn diagnostics(&self) -> (Vec<Diagnostic>, u64) {
        let mut all = self.state().diagnostics();
        let fitting = fitting(&all, MAX_DIAGNOSTICS);
        let omitted = all.len().saturating_sub(fitting) as u64;
        all.truncate(fitting);
        (all, omitted)
    }

    /// All diagnostics, and how often they changed.
    #[must_use]
    pub fn all_diagnostics(&self) -> (Vec<Diagnostic>, u64) {
        let state = self.state();
        (state.diagnostics(), state.version().diagnostics)
    }

    /// The content that is published of this key, if any.
    #[must_use]
    pub fn hash(&self, key: &Key) -> Option<ContentHash> {
        self.state().hash(key)
    }

    /// Whether a resource of this key is published.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        self.state().contains(key)
    }

    /// How many resources are published.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.state().len()
    }

    /// Keys with a value or a removal, entries of the log, and removals: all that grows with what is published.
    #[cfg(test)]
    pub(crate) fn held(&self) -> [usize; 3] {
        self.state().held()
    }

    /// How many resources of each kind are published; sorted.
    #[must_use]
    pub fn counts(&self) -> Vec<(ResourceKind, u64)> {
        self.state().counts()
    }
}
