//! The hub's copy of one cluster: a pure state machine, `on(event, now) → effects`.
//!
//! Decides whose session speaks, what is asked for, what takes effect and what is quarantined. A snapshot takes effect
//! whole or not at all; a key goes only by a complete snapshot that agrees with its digests, or by an explicit delta.
//! Work is proportional to the change; comparing a hello costs the digests, a snapshot its scope.
//!
//! Does no I/O and reads no clock; does not merge clusters (federate) and does not make statuses (the core does, from
//! [`Cluster::problems`] and from what becomes of objects at the target).

mod apply;
pub(crate) mod check;
mod compare;
mod drift;
mod event;
mod groups;
mod holdings;
mod received;
mod sessions;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use hubline::model::{ClusterId, Diagnostic, Key};
use hubline::wire::Epoch;
use jiff::Timestamp;

pub use check::{Refusal, check};
pub use event::{CloseReason, Effect, Event, GroupRecord, Meta, PersistOperation, Restored, SessionId, Settings};
pub use received::Received;
pub use sessions::STALE_AFTER;

use crate::change::Stored;
use crate::view::{ClusterSummary, Phase, Problem};
use drift::Comparison;
use groups::Groups;
use holdings::{Holdings, Outcome};
use sessions::{Live, Paused};

/// The state of one cluster.
#[derive(Debug)]
pub struct Cluster {
    id: ClusterId,
    /// None: the operator's list does not name it.
    settings: Option<Settings>,
    uid: Option<String>,
    epoch: Epoch,
    revision: u64,
    cursor: Cursor,
    live: Option<Live>,
    /// Sessions that were told that another one speaks.
    standing_by: BTreeSet<SessionId>,
    comparison: Comparison,
    paused: Option<Paused>,
    faults: Faults,
    holdings: Holdings,
    groups: Groups,
    diagnostics: Arc<Vec<Diagnostic>>,
    diagnostics_omitted: u64,
    last_seen: Option<Timestamp>,
}

/// Where in the agent's revisions the hub is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cursor {
    /// A snapshot or an offer was asked for, or there is no session.
    Awaiting,
    /// A delta must begin here, and then a checkpoint must agree.
    Resuming(u64),
    /// A delta must begin here.
    At(u64),
}

/// Faults in a row of the live session.
#[derive(Debug, Default)]
struct Faults {
    snapshots: u32,
    deltas: u32,
    checkpoints: u32,
}

impl Cluster {
    /// A cluster of which nothing is known, listed with default settings until [`Event::Configured`] says otherwise.
    #[must_use]
    pub fn new(id: ClusterId) -> Self {
        Self {
            id,
            settings: Some(Settings::default()),
            uid: None,
            epoch: Epoch::default(),
            revision: 0,
            cursor: Cursor::Awaiting,
            live: None,
            standing_by: BTreeSet::new(),
            comparison: Comparison::default(),
            paused: None,
            faults: Faults::default(),
            holdings: Holdings::default(),
            groups: Groups::default(),
            diagnostics: Arc::default(),
            diagnostics_omitted: 0,
            last_seen: None,
        }
    }

    /// A cluster as it was before the hub's restart: its last good state is in force at once.
    #[must_use]
    pub fn restore(id: ClusterId, restored: Restored) -> Self {
        let mut cluster = Self::new(id);
        let Restored { meta, resources } = restored;
        (cluster.uid, cluster.epoch, cluster.revision) = (meta.uid, meta.epoch, meta.revision);
        cluster.groups = Groups::restored(meta.groups);
        let mut already_known = Outcome::default();
        for received in resources {
            cluster.holdings.put(received, &mut already_known);
        }
        cluster
    }

    /// Takes one event.
    pub fn on(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Configured(settings) => self.configured(settings, &mut effects),
            Event::Opened { session, hello } => self.open(session, hello, now, &mut effects),
            Event::Closed { session } => self.closed(session, &mut effects),
            Event::Tick => self.tick(now, &mut effects),
            Event::Offered { session, .. }
            | Event::Snapshot { session, .. }
            | Event::Delta { session, .. }
            | Event::Checkpoint { session, .. }
            | Event::Diagnostics { session, .. }
            | Event::Heartbeat { session } => {
                if self.heard(session, now) {
                    self.said(event, now, &mut effects);
                    effects.push(Effect::Summary);
                }
            }
        }
        effects
    }

    /// Something that the session that speaks for the cluster said.
    fn said(&mut self, event: Event, now: Timestamp, effects: &mut Vec<Effect>) {
        match event {
            Event::Offered { session, inventory } => self.compare(session, &inventory, None, effects),
            Event::Checkpoint { session, checkpoint } => self.checkpoint(session, checkpoint, now, effects),
            Event::Snapshot {
                session,
                begin,
                resources,
                end,
            } => self.snapshot(session, begin, resources, &end, effects),
            Event::Delta {
                session,
                delta,
                received,
            } => self.delta(session, &delta, received, effects),
            Event::Diagnostics {
                diagnostics, omitted, ..
            } => {
                self.diagnostics = Arc::new(diagnostics);
                self.diagnostics_omitted = omitted;
            }
            Event::Heartbeat { .. }
            | Event::Configured(_)
            | Event::Opened { .. }
            | Event::Closed { .. }
            | Event::Tick => {}
        }
    }

    /// Leaving the list ends the session and withdraws nothing.
    fn configured(&mut self, settings: Option<Settings>, effects: &mut Vec<Effect>) {
        self.settings = settings;
        let reason = match &self.settings {
            None => Some(CloseReason::NotConfigured),
            Some(settings) => self.uid.as_ref().and_then(|uid| settings.refuses(uid)),
        };
        if let (Some(reason), Some(session)) = (reason, self.session()) {
            self.close(session, reason, effects);
        }
        effects.push(Effect::Summary);
    }

    fn reached(&mut self, epoch: Epoch, revision: u64) {
        (self.epoch, self.revision, self.cursor) = (epoch, revision, Cursor::At(revision));
    }

    fn meta(&self) -> Effect {
        Effect::Persist(vec![PersistOperation::Meta(Meta {
            uid: self.uid.clone(),
            epoch: self.epoch,
            revision: self.revision,
            groups: self.groups.records(),
        })])
    }

    /// Loses one key and all that is known of it, as a program's fault or a broken memory might; nobody is told.
    #[cfg(test)]
    fn corrupt(&mut self, key: &hubline::model::Key) {
        self.holdings.remove(key, &mut Outcome::default());
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &ClusterId {
        &self.id
    }

    /// The session that speaks for it.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.live.as_ref().map(|live| live.session)
    }

    /// Effective resources, sorted by key: of each the last that was good.
    pub fn resources(&self) -> impl Iterator<Item = (&Key, Stored)> {
        self.holdings.effective()
    }

    /// The quarantine, sorted by key.
    pub fn problems(&self) -> impl Iterator<Item = (&Key, &Problem)> {
        self.holdings.problems()
    }

    /// Whether every group that the agent speaks of is complete or was so once: only then may what is not in
    /// [`Cluster::resources`] be taken for gone at the target.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.groups.settled()
    }

    /// How current the state is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.live {
            Some(live) if !live.silent => match self.cursor {
                Cursor::Awaiting | Cursor::Resuming(_) => Phase::Syncing,
                Cursor::At(_) => Phase::Live,
            },
            Some(_) | None if self.groups.any_complete_once() || self.holdings.len() > 0 => Phase::Stale,
            Some(_) | None => Phase::Unknown,
        }
    }

    /// The cluster as people see it; costs its groups.
    #[must_use]
    pub fn summary(&self) -> ClusterSummary {
        ClusterSummary {
            id: self.id.clone(),
            configured: self.settings.is_some(),
            uid: self.uid.clone(),
            phase: self.phase(),
            instance: self.live.as_ref().map(|live| live.instance.clone()),
            epoch: self.epoch,
            revision: self.revision,
            last_seen: self.last_seen,
            groups: self.groups.states(),
            diagnostics: Arc::clone(&self.diagnostics),
            diagnostics_omitted: self.diagnostics_omitted,
        }
    }
}

impl Settings {
    fn refuses(&self, uid: &str) -> Option<CloseReason> {
        let pinned = self.uid.as_deref().filter(|pinned| *pinned != uid)?;
        Some(CloseReason::WrongUid {
            pinned: pinned.to_owned(),
            claimed: uid.to_owned(),
        })
    }
}
