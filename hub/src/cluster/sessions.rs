//! Who speaks for the cluster: takeover, standing by, silence.

use hubline::wire::{ADDRESSES, Epoch, Hello, HubMessage, RESUME};
use jiff::{SignedDuration, Timestamp};

use super::event::{CloseReason, Effect, SessionId};
use super::{Cluster, Comparison, Cursor, Faults};

/// Silence after which a cluster is stale: three heartbeats of 5 s (reference/invariants.md).
pub const STALE_AFTER: SignedDuration = SignedDuration::from_secs(15);

/// How long a run of an agent that could not be synchronized is not heard again.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// The session that speaks.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) session: SessionId,
    pub(super) instance: String,
    heard: Timestamp,
    pub(super) silent: bool,
    /// It can go on from a revision, and compare more of what it has when asked.
    pub(super) resumes: bool,
    /// It knows what to do with the target's addresses.
    addressed: bool,
}

/// A run of an agent that is not heard for a while.
#[derive(Debug)]
pub(super) struct Paused {
    epoch: Epoch,
    until: Timestamp,
}

impl Cluster {
    pub(super) fn open(&mut self, session: SessionId, hello: Hello, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Err(reason) = self.admit(&hello, now) {
            effects.push(Effect::Close(session, reason));
            return;
        }
        let lower = hello.inventory.epoch.counter < self.epoch.counter;
        match &self.live {
            Some(live) if lower && !live.silent => {
                effects.push(superseded(session, &live.instance));
                self.standing_by.insert(session);
                return;
            }
            Some(live) => {
                effects.push(superseded(live.session, &hello.instance));
                self.standing_by.insert(live.session);
            }
            None => {}
        }
        self.standing_by.remove(&session);
        self.begin(session, hello, now, effects);
    }

    fn begin(&mut self, session: SessionId, hello: Hello, now: Timestamp, effects: &mut Vec<Effect>) {
        let has = |flag| hello.capabilities.iter().any(|it| it == flag);
        let (resumes, addressed) = (has(RESUME), has(ADDRESSES));
        self.live = Some(Live {
            session,
            resumes,
            addressed,
            instance: hello.instance,
            heard: now,
            silent: false,
        });
        self.last_seen = Some(now);
        self.uid = Some(hello.cluster_uid);
        self.faults = Faults::default();
        self.comparison = Comparison::default();
        if self.epoch != hello.inventory.epoch {
            // A revision means nothing in another run.
            (self.epoch, self.revision) = (hello.inventory.epoch, 0);
        }
        self.cursor = Cursor::Awaiting;
        effects.push(Effect::Welcome(session, hello.statuses));
        let from = Some(self.revision).filter(|_| resumes);
        self.compare(session, &hello.inventory, from, effects);
        effects.push(Effect::Summary);
    }

    /// The session that speaks, when it is to be told the target's addresses.
    #[must_use]
    pub fn addressed(&self) -> Option<SessionId> {
        let live = self.live.as_ref().filter(|live| live.addressed);
        live.map(|live| live.session)
    }

    fn admit(&self, hello: &Hello, now: Timestamp) -> Result<(), CloseReason> {
        let settings = self.settings.as_ref().ok_or(CloseReason::NotConfigured)?;
        if hello.cluster_uid.is_empty() {
            return Err(CloseReason::NoUid);
        }
        let pinned = settings.uid.as_ref().or(self.uid.as_ref());
        if let Some(pinned) = pinned.filter(|pinned| **pinned != hello.cluster_uid) {
            return Err(CloseReason::WrongUid {
                pinned: pinned.clone(),
                claimed: hello.cluster_uid.clone(),
            });
        }
        match &self.paused {
            Some(paused) if paused.epoch == hello.inventory.epoch && now < paused.until => {
                let seconds = paused.until.duration_since(now).as_secs().max(1);
                Err(CloseReason::TryLater { seconds })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a session speaks for the cluster; if so, it was just heard.
    pub(super) fn heard(&mut self, session: SessionId, now: Timestamp) -> bool {
        match &mut self.live {
            Some(live) if live.session == session => {
                (live.heard, live.silent) = (now, false);
                self.last_seen = Some(now);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Nothing that was said is taken back: the last good state stays in force.
    pub(super) fn closed(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        self.standing_by.remove(&session);
        if self.session() == Some(session) {
            self.live = None;
            self.cursor = Cursor::Awaiting;
            self.wake_others(effects);
            effects.push(Effect::Summary);
        }
    }

    /// Those that stand by know only what they had when they were superseded: a new hello says what they have now.
    fn wake_others(&mut self, effects: &mut Vec<Effect>) {
        for session in std::mem::take(&mut self.standing_by) {
            effects.push(Effect::Close(session, CloseReason::SayHelloAgain));
        }
    }

    pub(super) fn close(&mut self, session: SessionId, reason: CloseReason, effects: &mut Vec<Effect>) {
        effects.push(Effect::Close(session, reason));
        self.closed(session, effects);
    }

    /// The same fault again and again: this run of the agent pauses, so that it cannot keep the hub busy for ever.
    pub(super) fn give_up(&mut self, session: SessionId, faults: u32, last: String, effects: &mut Vec<Effect>) {
        if let Some(live) = &self.live {
            self.paused = Some(Paused {
                epoch: self.epoch,
                until: live.heard.saturating_add(PAUSE).unwrap_or(Timestamp::MAX),
            });
        }
        self.close(session, CloseReason::CannotSynchronize { faults, last }, effects);
    }

    pub(super) fn tick(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Some(live) = &mut self.live {
            let silent = now.duration_since(live.heard) >= STALE_AFTER;
            if silent != live.silent {
                live.silent = silent;
                effects.push(Effect::Summary);
            }
        }
    }
}

fn superseded(session: SessionId, instance: &str) -> Effect {
    Effect::Send(session, HubMessage::Superseded(instance.to_owned()))
}
