//! One session's task: reads, checks, decodes; hands whole events to the core and its answers to the agent.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use hubline::model::{ClusterId, UnixSeconds};
use hubline::tls::{Role, Stage, Validity};
use hubline::wire::{AgentMessage, Delta, HubMessage, Names, SnapshotEnd, codec, proto};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tonic::{Status, Streaming};

use super::assembly::{Assembly, read};
use super::listen::Introduction;
use super::proof::Proof;
use super::pulse::Pulse;
use super::refuse::Refused;
use super::sessions::Mailbox;
use super::{Inbound, Shared};
use crate::cluster::{CloseReason, Event, SessionId};

/// How long the last word may take to leave for an agent that does not read.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How often the core hears that a long snapshot, or a long part of one on a slow line, is still coming.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

type Outgoing = mpsc::Sender<Result<proto::HubMessage, Status>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    shared: Arc<Shared>,
    cluster: ClusterId,
    introduction: Introduction,
    incoming: Streaming<proto::AgentMessage>,
    id: SessionId,
    mailbox: Mailbox,
}

impl Session {
    pub(super) fn new(
        shared: Arc<Shared>,
        cluster: ClusterId,
        introduction: Introduction,
        incoming: Streaming<proto::AgentMessage>,
    ) -> Self {
        let (id, mailbox) = shared.sessions.open();
        Self {
            shared,
            cluster,
            introduction,
            incoming,
            id,
            mailbox,
        }
    }

    /// Runs until one side ends it. `place` is held as long.
    pub(super) async fn run(self, outgoing: Outgoing, place: OwnedSemaphorePermit) {
        let Self {
            shared,
            cluster,
            introduction,
            incoming,
            id,
            mailbox,
        } = self;
        let Introduction { proof, pulse, .. } = introduction;
        let beats = beats(shared.settings.heartbeat_interval);
        let mut reader = Reader {
            shared: Arc::clone(&shared),
            cluster: cluster.clone(),
            certificate: proof.as_ref().and_then(Proof::validity),
            pulse,
            incoming,
            id,
            assembly: None,
            names: Names::default(),
            told: Instant::now(),
            received: Instant::now(),
        };
        let end = tokio::select! {
            end = reader.run() => end,
            end = write(mailbox, beats, &outgoing) => Err(end),
            error = lost(proof) => Err(Refused::certificate(&error)),
        };
        // Of the core's events only the closing one is left, and it must come even to a core that is busy.
        reader.tell(Event::Closed { session: id }, None).await.ok();
        shared.sessions.forget(id);
        if let Err(refused) = end {
            shared.metrics.refused(refused.label);
            let reason = refused.status.message();
            tracing::warn!(cluster = %cluster, session = %id, kind = refused.label, reason, "session ended");
            outgoing.send_timeout(Err(refused.status), LAST_WORD).await.ok();
        }
        drop(place);
    }
}

async fn lost(proof: Option<Proof>) -> rustls::Error {
    match proof {
        Some(proof) => proof.lost().await,
        None => pending().await,
    }
}

fn beats(period: Duration) -> Interval {
    let mut beats = interval_at(Instant::now() + period, period);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats
}

/// Hands the core's messages on, and heartbeats between them: an agent whose line is full hears no answers to its own.
/// Returns when the session is to be closed.
async fn write(mut mailbox: Mailbox, mut beats: Interval, outgoing: &Outgoing) -> Refused {
    let mut sequence = 0;
    loop {
        let message = match mailbox.queue.try_recv() {
            // Before any closing: what was said earlier comes first.
            Ok(message) => message,
            Err(_) => tokio::select! {
                biased;
                Some(message) = mailbox.queue.recv() => message,
                reason = mailbox.close.recv() => return closed(reason),
                _ = beats.tick() => {
                    sequence += 1;
                    HubMessage::Heartbeat(sequence, false)
                }
            },
        };
        let sent = tokio::select! {
            sent = outgoing.send(Ok(codec::to_hub_wire(message))) => sent,
            // The agent does not read: what was said earlier has no way to go before.
            reason = mailbox.close.recv() => return closed(reason),
        };
        if sent.is_err() {
            return Refused::broken(Status::cancelled("the agent is gone"));
        }
    }
}

fn closed(reason: Option<CloseReason>) -> Refused {
    Refused::closed(&reason.unwrap_or(CloseReason::Stopping))
}

struct Reader {
    shared: Arc<Shared>,
    cluster: ClusterId,
    incoming: Streaming<proto::AgentMessage>,
    id: SessionId,
    certificate: Option<Validity>,
    pulse: Pulse,
    assembly: Option<Assembly>,
    names: Names,
    /// When the core last heard of this session.
    told: Instant,
    /// When the last message came.
    received: Instant,
}

impl Reader {
    async fn run(&mut self) -> Result<(), Refused> {
        let settings = &self.shared.settings;
        let (hello_timeout, idle) = (settings.hello_timeout, settings.heartbeat_interval * 3);
        let first = timeout(hello_timeout, self.next()).await;
        let first = first.map_err(|_| Refused::silent("no hello", hello_timeout.as_secs()))?;
        let Some(first) = first? else {
            return Ok(());
        };
        self.hello(first).await?;
        while let Some(message) = self.patiently(idle).await? {
            self.take(message).await?;
        }
        Ok(())
    }

    /// The next message. While bytes of it come, the session is not silent.
    async fn patiently(&mut self, idle: Duration) -> Result<Option<AgentMessage>, Refused> {
        let (mut count, mut heard) = (self.pulse.count(), Instant::now());
        loop {
            let left = (heard + idle).saturating_duration_since(Instant::now());
            if let Ok(next) = timeout(left.min(SIGN_OF_LIFE), self.next()).await {
                return next;
            }
            let before = std::mem::replace(&mut count, self.pulse.count());
            if count != before {
                heard = Instant::now();
                self.received = heard;
                let session = self.id;
                self.tell(Event::Heartbeat { session }, None).await?;
            } else if heard.elapsed() >= idle {
                return Err(Refused::silent("no message", idle.as_secs()));
            }
        }
    }

    async fn next(&mut self) -> Result<Option<AgentMessage>, Refused> {
        let Some(message) = self.incoming.message().await.map_err(Refused::broken)? else {
            return Ok(None);
        };
        self.received = Instant::now();
        let kind = kind(&message);
        self.shared.metrics.received(kind);
        let message = codec::agent_message(message);
        message.map(Some).map_err(|error| Refused::wire(kind, &error))
    }

    async fn hello(&mut self, first: AgentMessage) -> Result<(), Refused> {
        let AgentMessage::Hello(hello) = first else {
            return Err(Refused::invalid("the first message of a session must be hello"));
        };
        if hello.cluster != self.cluster.as_str() {
            return Err(Refused::wrong_cluster(&self.cluster, &hello.cluster));
        }
        if self.shared.admitted.borrow().get(&self.cluster).is_none() {
            return Err(Refused::closed(&CloseReason::NotConfigured));
        }
        let session = self.id;
        tracing::info!(cluster = %self.cluster, session = %session, instance = hello.instance, "session opened");
        self.showed();
        self.tell(Event::Opened { session, hello }, None).await
    }

    /// The certificate of an agent that may speak.
    fn showed(&self) {
        let Some(certificate) = self.certificate else { return };
        self.shared.sessions.showed(&self.cluster, certificate);
        let now = UnixSeconds(jiff::Timestamp::now().as_second());
        if certificate.stage(Role::Certificate, now) != Stage::Valid {
            let ends = jiff::Timestamp::from_second(certificate.not_after.0)
                .ok()
                .map(tracing::field::display);
            tracing::warn!(cluster = %self.cluster, ends, "the agent's certificate ends soon");
        }
    }

    async fn take(&mut self, message: AgentMessage) -> Result<(), Refused> {
        let session = self.id;
        match message {
            AgentMessage::Hello(_) => Err(Refused::invalid("hello came twice; only the first message may be one")),
            AgentMessage::Offer(inventory) => self.tell(Event::Offered { session, inventory }, None).await,
            AgentMessage::SnapshotBegin(begin) => {
                // A snapshot that was not ended is dropped: a newer one takes its place.
                self.assembly = Some(Assembly::new(begin));
                Ok(())
            }
            AgentMessage::SnapshotPart(part) => self.part(part).await,
            AgentMessage::SnapshotEnd(end) => self.end(end).await,
            AgentMessage::Delta(delta) => self.delta(delta).await,
            AgentMessage::Diagnostics(diagnostics, omitted) => {
                let event = Event::Diagnostics {
                    session,
                    diagnostics,
                    omitted,
                };
                self.tell(event, None).await
            }
            AgentMessage::Checkpoint(checkpoint) => self.tell(Event::Checkpoint { session, checkpoint }, None).await,
            AgentMessage::Heartbeat(sequence, false) => {
                self.shared
                    .sessions
                    .send(session, HubMessage::Heartbeat(sequence, true));
                self.tell(Event::Heartbeat { session }, None).await
            }
            AgentMessage::Heartbeat(_, true) | AgentMessage::Unknown => {
                self.tell(Event::Heartbeat { session }, None).await
            }
        }
    }

    async fn part(&mut self, part: Vec<hubline::wire::EncodedResource>) -> Result<(), Refused> {
        let bytes: usize = part.iter().map(|it| it.bytes().len()).sum();
        self.shared.metrics.bytes(bytes);
        let assembly = self.assembly.as_mut();
        let assembly = assembly.ok_or_else(|| Refused::invalid("snapshot_part without snapshot_begin"))?;
        assembly.take(part, &self.shared.settings, &self.shared.memory, &mut self.names)?;
        if self.told.elapsed() >= SIGN_OF_LIFE {
            let session = self.id;
            self.tell(Event::Heartbeat { session }, None).await?;
        }
        Ok(())
    }

    async fn end(&mut self, end: SnapshotEnd) -> Result<(), Refused> {
        let assembly = self.assembly.take();
        self.names.forget_keys();
        let assembly = assembly.ok_or_else(|| Refused::invalid("snapshot_end without snapshot_begin"))?;
        let event = Event::Snapshot {
            session: self.id,
            begin: assembly.begin,
            resources: assembly.resources,
            end,
        };
        self.tell(event, assembly.memory).await
    }

    async fn delta(&mut self, mut delta: Delta) -> Result<(), Refused> {
        let upserts = std::mem::take(&mut delta.upserts);
        let bytes: usize = upserts.iter().map(|it| it.bytes().len()).sum();
        self.shared.metrics.bytes(bytes);
        let names = &mut self.names;
        let received = upserts.into_iter().map(|it| read("delta", it, names));
        let received = received.collect::<Result<_, _>>()?;
        self.names.forget_keys();
        let event = Event::Delta {
            session: self.id,
            delta,
            received,
        };
        let memory = self.wait_for_memory(bytes).await?;
        self.tell(event, Some(memory)).await
    }

    /// Deltas count among the waiting snapshots' memory. Unlike a snapshot's part one may wait for it: it holds none
    /// meanwhile, so nobody waits for it in turn.
    async fn wait_for_memory(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refused> {
        let most = self.shared.settings.max_waiting_bytes;
        let bytes = u32::try_from(bytes.min(most)).map_err(|_| Refused::busy())?;
        let memory = Arc::clone(&self.shared.memory).acquire_many_owned(bytes).await;
        memory.map_err(|_| Refused::busy())
    }

    /// Waits while the core is busy, and with it, by flow control, the agent.
    async fn tell(&mut self, event: Event, memory: Option<OwnedSemaphorePermit>) -> Result<(), Refused> {
        self.told = Instant::now();
        let cluster = self.cluster.clone();
        let inbound = Inbound {
            cluster,
            event,
            received: self.received,
            memory,
        };
        let sent = self.shared.inbound.send(inbound).await;
        sent.map_err(|_| Refused::closed(&CloseReason::Stopping))
    }
}

fn kind(message: &proto::AgentMessage) -> &'static str {
    use proto::agent_message::Message;
    match &message.message {
        Some(Message::Hello(_)) => "hello",
        Some(Message::Offer(_)) => "offer",
        Some(Message::SnapshotBegin(_)) => "snapshot_begin",
        Some(Message::SnapshotPart(_)) => "snapshot_part",
        Some(Message::SnapshotEnd(_)) => "snapshot_end",
        Some(Message::Delta(_)) => "delta",
        Some(Message::Diagnostics(_)) => "diagnostics",
        Some(Message::Heartbeat(_)) => "heartbeat",
        Some(Message::Checkpoint(_)) => "checkpoint",
        None => "unknown",
    }
}
