//! What one session says and when: a state machine without I/O and clock.
//!
//! Sending is pulled: [`Dialogue::next`] is asked whenever the stream has room, so nothing queues up behind a slow hub.
//! One transfer (a snapshot, or the deltas up to now) is under way at a time, and the next begins when the hub has
//! acknowledged it: what changes meanwhile coalesces, the hub is never further behind than one transfer, and a resync
//! meets no deltas that it outdates.

use std::collections::VecDeque;

use hubline::wire::{
    Ack, AgentMessage, Delta, Held, Hello, HubMessage, Inventory, Nack, OFFER, Resync, ResyncReason, Scope, Status,
    Welcome,
};

use super::recover::SessionError;
use crate::publish::{Reader, Snapshot};

/// What this agent can do; the hub ignores what it does not know.
pub(crate) const CAPABILITIES: [&str; 4] = ["zstd", OFFER, "touched-digests", "diagnostics"];

/// Resyncs without an acknowledgement in between that are taken for a loop. Two are normal (a gap, and a digest that
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
    /// It took what was sent; some of it does not take effect yet.
    Taken(Vec<Held>),
    /// It refuses one resource.
    Refused(Nack),
    /// It says what became of resources.
    Status(Status),
}

#[derive(Debug)]
pub(crate) struct Dialogue {
    reader: Reader,
    phase: Phase,
    offers_welcome: bool,
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
    pub(crate) fn open(reader: Reader, who: &Speaker) -> (Self, Hello) {
        let (inventory, groups) = reader.inventory();
        let dialogue = Self {
            phase: Phase::Offered(inventory.revision),
            offers_welcome: false,
            cursor: inventory.revision,
            acknowledged: inventory.revision,
            transfer: None,
            unacknowledged: None,
            resyncs: 0,
            groups,
            diagnostics: None,
            answer: None,
            beat: None,
            reader,
        };
        (dialogue, who.hello(inventory))
    }

    /// Takes a message of the hub.
    pub(crate) fn hear(&mut self, message: HubMessage) -> Result<Heard, SessionError> {
        match message {
            HubMessage::Welcome(welcome) => {
                self.offers_welcome = welcome.capabilities.iter().any(|it| it == OFFER);
                return Ok(Heard::Welcomed(welcome));
            }
            HubMessage::Resync(resync) => return self.resync(&resync),
            HubMessage::Ack(ack) => return Ok(self.taken(ack)),
            HubMessage::Nack(nack) => return Ok(Heard::Refused(nack)),
            HubMessage::Status(status) => return Ok(Heard::Status(status)),
            HubMessage::Heartbeat(sequence, false) => self.answer = Some(sequence),
            HubMessage::Heartbeat(_, true) | HubMessage::Unknown => {}
            HubMessage::Superseded(instance) => return Err(SessionError::Superseded(instance)),
        }
        Ok(Heard::Nothing)
    }

    fn resync(&mut self, resync: &Resync) -> Result<Heard, SessionError> {
        let offered = match self.phase {
            Phase::Offered(revision) => Some(revision),
            Phase::Flowing => None,
        };
        if resync.scope == Scope::NOTHING {
            if let Some(revision) = offered {
                (self.cursor, self.acknowledged) = (revision, revision);
                self.phase = Phase::Flowing;
            }
            return Ok(Heard::Resync(resync.reason));
        }
        self.resyncs += 1;
        if self.resyncs > MAX_RESYNCS_UNACKNOWLEDGED {
            return Err(SessionError::ResyncLoop(MAX_RESYNCS_UNACKNOWLEDGED));
        }
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

    fn taken(&mut self, ack: Ack) -> Heard {
        self.acknowledged = self.acknowledged.max(ack.revision.min(self.cursor));
        if self.unacknowledged.is_some_and(|revision| revision <= ack.revision) {
            self.unacknowledged = None;
            self.resyncs = 0;
        }
        Heard::Taken(ack.held)
    }

    /// A heartbeat is due.
    pub(crate) fn beat(&mut self, sequence: u64) {
        self.beat = Some(sequence);
    }

    /// Whether the hub owes an answer to what was sent.
    pub(crate) fn waits(&self) -> bool {
        self.unacknowledged.is_some() || self.phase != Phase::Flowing
    }

    /// Whether [`Dialogue::next`] has something to say.
    pub(crate) fn wants_to_send(&self) -> bool {
        self.answer.is_some() || self.beat.is_some() || self.transfer.is_some() || self.has_news()
    }

    fn has_news(&self) -> bool {
        let version = self.reader.version();
        let news = version.revision != self.cursor
            || version.groups != self.groups
            || Some(version.diagnostics) != self.diagnostics;
        news && !self.waits()
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
        let now = self.reader.catch_up(self.cursor);
        let must_offer = now.groups != self.groups || now.deltas.is_none();
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
    fn hello(&self, inventory: Inventory) -> Hello {
        Hello {
            cluster: self.cluster.to_string(),
            cluster_uid: self.cluster_uid.clone(),
            instance: self.instance.clone(),
            capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
            inventory,
        }
    }
}
