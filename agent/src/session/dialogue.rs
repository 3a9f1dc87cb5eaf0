//! What one session says and when: a state machine without I/O and clock.
//!
//! Sending is pulled: [`Dialogue::next`] is asked whenever the stream has room, so nothing queues up behind a slow hub.
//! One transfer (a snapshot, or the deltas up to now) is under way at a time, and the next begins when the hub has
//! acknowledged it: what changes meanwhile coalesces, the hub is never further behind than one transfer, and a resync
//! meets no deltas that it outdates.

use std::collections::VecDeque;

use hubline::wire::{
    ADDRESSES, Ack, AgentMessage, Compare, Delta, Digest, Held, Hello, HubMessage, Inventory, Nack, OFFER, RESUME,
    Resync, ResyncReason, Scope, Status, Welcome,
};

use super::recover::SessionError;
use crate::publish::{Detail, Reader, Snapshot};

/// What this agent can do; the hub ignores what it does not know.
pub(crate) const CAPABILITIES: [&str; 6] = ["zstd", OFFER, RESUME, "touched-digests", "diagnostics", ADDRESSES];

/// Resyncs and comparisons without an acknowledgement in between that are taken for a loop. Two are normal (a gap, and a digest that
/// differs after it); each costs up to a whole snapshot.
const MAX_RESYNCS_UNACKNOWLEDGED: u32 = 5;

/// What a message of the hub means to those outside of the dialogue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing.
    Nothing,
    /// The hub accepts the session.
    Welcomed(Welcome),
    /// It asks for resources.
    Resync(ResyncReason),
    /// It has this revision of this run, and wants what follows.
    Resumed(u64),
    /// It took what was sent; some of it does not take effect yet.
    Taken(Vec<Held>),
    /// It refuses one resource.
    Refused(Nack),
    /// It says what became of resources.
    Status(Status),
    /// It says by which addresses the world reaches its target.
    Addresses(Vec<String>),
}

#[derive(Debug)]
pub(crate) struct Dialogue {
    reader: Reader,
    phase: Phase,
    offers_welcome: bool,
    checkpoints_welcome: bool,
    /// Revision that the hub will have when it has taken everything sent so far.
    cursor: u64,
    /// Revision that the hub is known to have.
    acknowledged: u64,
    transfer: Option<Transfer>,
    /// Revision of the finished transfer that is not acknowledged.
    unacknowledged: Option<u64>,
    resyncs: u32,
    /// [`crate::publish::Version::groups`] and `diagnostics` that the hub has.
    groups: u64,
    diagnostics: Option<u64>,
    /// Only the newest of each: a hub that asks more often than it reads gets one answer.
    answer: Option<u64>,
    beat: Option<u64>,
    /// What the hub wants to compare.
    compare: Option<Detail>,
    checkpoint_due: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// An inventory of this revision is with the hub; it will say what it lacks.
    Offered(u64),
    Flowing,
}

#[derive(Debug)]
enum Transfer {
    Snapshot(Box<Snapshot>),
    Deltas(VecDeque<Delta>, Option<Inventory>),
}

impl Dialogue {
    /// Opens with a hello of what is published now.
    pub(crate) fn open(reader: Reader, who: &Speaker, statuses: Digest) -> (Self, Hello) {
        let (inventory, groups) = reader.inventory(&Detail::Roots);
        let dialogue = Self {
            phase: Phase::Offered(inventory.revision),
            offers_welcome: false,
            checkpoints_welcome: false,
            cursor: inventory.revision,
            acknowledged: inventory.revision,
            transfer: None,
            unacknowledged: None,
            resyncs: 0,
            groups,
            diagnostics: None,
            answer: None,
            beat: None,
            compare: None,
            checkpoint_due: false,
            reader,
        };
        (dialogue, who.hello(inventory, statuses))
    }

    /// Takes a message of the hub.
    pub(crate) fn hear(&mut self, message: HubMessage) -> Result<Heard, SessionError> {
        match message {
            HubMessage::Welcome(welcome) => {
                let has = |flag| welcome.capabilities.iter().any(|it| it == flag);
                (self.offers_welcome, self.checkpoints_welcome) = (has(OFFER), has(RESUME));
                return Ok(Heard::Welcomed(welcome));
            }
            HubMessage::Resync(resync) => return self.resync(&resync),
            HubMessage::Resume(revision) => return Ok(self.resume(revision)),
            HubMessage::Compare(compare) => return self.compared(compare),
            HubMessage::Ack(ack) => return Ok(self.taken(ack)),
            HubMessage::Nack(nack) => return Ok(Heard::Refused(nack)),
            HubMessage::Status(status) => return Ok(Heard::Status(status)),
            HubMessage::Addresses(addresses) => return Ok(Heard::Addresses(addresses)),
            HubMessage::Heartbeat(sequence, false) => self.answer = Some(sequence),
            HubMessage::Heartbeat(_, true) | HubMessage::Unknown => {}
            HubMessage::Superseded(instance) => return Err(SessionError::Superseded(instance)),
        }
        Ok(Heard::Nothing)
    }

    fn resync(&mut self, resync: &Resync) -> Result<Heard, SessionError> {
        let offered = self.offered();
        if resync.scope == Scope::NOTHING {
            if let Some(revision) = offered {
                (self.cursor, self.acknowledged) = (revision, revision);
                (self.phase, self.resyncs) = (Phase::Flowing, 0);
            }
            return Ok(Heard::Resync(resync.reason));
        }
        self.asked()?;
        // Outside of the scope the hub has what it compared with, or else what it acknowledged.
        let snapshot = self
            .reader
            .snapshot(&resync.scope, offered.unwrap_or(self.acknowledged));
        self.cursor = snapshot.revision();
        self.unacknowledged = None;
        self.phase = Phase::Flowing;
        self.transfer = Some(Transfer::Snapshot(Box::new(snapshot)));
        Ok(Heard::Resync(resync.reason))
    }

    /// The revision of the inventory that is with the hub.
    fn offered(&self) -> Option<u64> {
        match self.phase {
            Phase::Offered(revision) => Some(revision),
            Phase::Flowing => None,
        }
    }

    /// Counts what the hub asks for.
    fn asked(&mut self) -> Result<(), SessionError> {
        self.resyncs += 1;
        if self.resyncs > MAX_RESYNCS_UNACKNOWLEDGED {
            return Err(SessionError::ResyncLoop(MAX_RESYNCS_UNACKNOWLEDGED));
        }
        Ok(())
    }

    /// The hub has an older revision of this run: the deltas from there lead to now, and a checkpoint proves it.
    fn resume(&mut self, revision: u64) -> Heard {
        if self.offered().is_none() {
            return Heard::Nothing;
        }
        (self.cursor, self.acknowledged) = (revision, revision);
        self.phase = Phase::Flowing;
        self.checkpoint_due = true;
        Heard::Resumed(revision)
    }

    /// The hub wants to know more: at once when it waits for nothing else, else behind what is under way.
    fn compared(&mut self, compare: Compare) -> Result<Heard, SessionError> {
        self.asked()?;
        let detail = Detail::wanted(compare.groups);
        if self.offered().is_some() {
            let (inventory, groups) = self.reader.inventory(&detail);
            self.groups = groups;
            self.transfer = Some(Transfer::Deltas(VecDeque::new(), Some(inventory)));
        } else {
            self.compare = Some(detail);
        }
        Ok(Heard::Resync(compare.reason))
    }

    fn taken(&mut self, ack: Ack) -> Heard {
        self.acknowledged = self.acknowledged.max(ack.revision.min(self.cursor));
        if self.unacknowledged.is_some_and(|revision| revision <= ack.revision) {
            self.unacknowledged = None;
            self.resyncs = 0;
        }
        Heard::Taken(ack.held)
    }

    /// A heartbeat is due, and with it, where nothing is under way, a checkpoint.
    pub(crate) fn beat(&mut self, sequence: u64) {
        self.beat = Some(sequence);
        self.checkpoint_due = true;
    }

    /// Whether the hub owes an answer to what was sent.
    pub(crate) fn waits(&self) -> bool {
        self.unacknowledged.is_some() || self.phase != Phase::Flowing
    }

    /// Whether [`Dialogue::next`] has something to say.
    pub(crate) fn wants_to_send(&self) -> bool {
        let urgent = self.answer.is_some() || self.beat.is_some();
        urgent || self.transfer.is_some() || self.has_news() || self.may_check()
    }

    fn has_news(&self) -> bool {
        let version = self.reader.version();
        let news = version.revision != self.cursor
            || version.groups != self.groups
            || self.compare.is_some()
            || Some(version.diagnostics) != self.diagnostics;
        news && !self.waits()
    }

    /// Whether the hub has all that was sent, and a checkpoint is due.
    fn may_check(&self) -> bool {
        self.checkpoint_due && self.checkpoints_welcome && self.transfer.is_none() && !self.waits()
    }

    /// None when something was published in this very moment: the checkpoint follows it.
    fn checkpoint(&mut self) -> Option<AgentMessage> {
        let (checkpoint, groups) = self.reader.checkpoint();
        let current = checkpoint.revision == self.cursor && groups == self.groups;
        self.checkpoint_due = !current;
        current.then_some(AgentMessage::Checkpoint(checkpoint))
    }

    /// The next message, when there is one.
    pub(crate) fn next(&mut self) -> Result<Option<AgentMessage>, SessionError> {
        if let Some(sequence) = self.answer.take() {
            return Ok(Some(AgentMessage::Heartbeat(sequence, true)));
        }
        if let Some(sequence) = self.beat.take() {
            return Ok(Some(AgentMessage::Heartbeat(sequence, false)));
        }
        if self.transfer.is_none() && self.has_news() {
            if let Some(message) = self.diagnostics() {
                return Ok(Some(message));
            }
            self.begin_transfer()?;
        }
        if self.may_check() {
            return Ok(self.checkpoint());
        }
        Ok(self.proceed())
    }

    fn diagnostics(&mut self) -> Option<AgentMessage> {
        let version = self.reader.version().diagnostics;
        if self.diagnostics.replace(version) == Some(version) {
            return None;
        }
        let (diagnostics, omitted) = self.reader.diagnostics();
        Some(AgentMessage::Diagnostics(diagnostics, omitted))
    }

    /// Deltas up to now; an offer behind them when completeness changed, or alone when deltas cannot lead there.
    fn begin_transfer(&mut self) -> Result<(), SessionError> {
        let wanted = self.compare.take();
        // A hub that cannot ask for more must be told all at once.
        let plain = if self.checkpoints_welcome {
            Detail::Roots
        } else {
            Detail::All
        };
        let now = self.reader.catch_up(self.cursor, wanted.as_ref().unwrap_or(&plain));
        let must_offer = now.groups != self.groups || now.deltas.is_none() || wanted.is_some();
        if must_offer && !self.offers_welcome {
            return Err(SessionError::Reoffer);
        }
        self.groups = now.groups;
        let offer = must_offer.then_some(now.inventory);
        let deltas = now.deltas.unwrap_or_default();
        self.transfer = Some(Transfer::Deltas(deltas.into(), offer));
        Ok(())
    }

    /// One message more of the transfer under way.
    fn proceed(&mut self) -> Option<AgentMessage> {
        let message = match self.transfer.take()? {
            Transfer::Snapshot(mut snapshot) => {
                let message = snapshot.next()?;
                if matches!(message, AgentMessage::SnapshotEnd(_)) {
                    self.unacknowledged = Some(snapshot.revision());
                } else {
                    self.transfer = Some(Transfer::Snapshot(snapshot));
                }
                message
            }
            Transfer::Deltas(deltas, offer) => self.proceed_with(deltas, offer)?,
        };
        Some(message)
    }

    fn proceed_with(&mut self, mut deltas: VecDeque<Delta>, offer: Option<Inventory>) -> Option<AgentMessage> {
        let Some(delta) = deltas.pop_front() else {
            let inventory = offer?;
            self.phase = Phase::Offered(inventory.revision);
            self.unacknowledged = None;
            return Some(AgentMessage::Offer(inventory));
        };
        self.cursor = delta.revision;
        if deltas.is_empty() {
            self.unacknowledged = Some(delta.revision);
        }
        if !deltas.is_empty() || offer.is_some() {
            self.transfer = Some(Transfer::Deltas(deltas, offer));
        }
        Some(AgentMessage::Delta(delta))
    }
}

/// Who speaks.
#[derive(Debug, Clone)]
pub struct Speaker {
    /// The cluster.
    pub cluster: hubline::model::ClusterId,
    /// UID of kube-system or of the manifest directory.
    pub cluster_uid: String,
    /// Which replica, for people.
    pub instance: String,
}

impl Speaker {
    /// What opens a session.
    #[must_use]
    pub fn hello(&self, inventory: Inventory, statuses: Digest) -> Hello {
        Hello {
            cluster: self.cluster.to_string(),
            cluster_uid: self.cluster_uid.clone(),
            instance: self.instance.clone(),
            capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
            inventory,
            statuses: Some(statuses),
        }
    }
}
