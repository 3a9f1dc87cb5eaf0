//! One session's task: reads, checks, decodes; hands whole events to the core and its answers to the agent.

use std::sync::Arc;
use std::time::Duration;

use hubline::model::ClusterId;
use hubline::wire::{AgentMessage, Delta, HubMessage, Names, SnapshotEnd, codec, proto};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout};
use tonic::{Status, Streaming};

use super::assembly::{Assembly, read};
use super::refuse::Refused;
use super::sessions::Mailbox;
use super::{Inbound, Shared};
use crate::cluster::{CloseReason, Event, SessionId};

/// How long the last word may take to leave for an agent that does not read.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How often the core hears that a long snapshot is still coming.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

type Outgoing = mpsc::Sender<Result<proto::HubMessage, Status>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    shared: Arc<Shared>,
    cluster: ClusterId,
    incoming: Streaming<proto::AgentMessage>,
    id: SessionId,
    mailbox: Mailbox,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, cluster: ClusterId, incoming: Streaming<proto::AgentMessage>) -> Self {
        let (id, mailbox) = shared.sessions.open();
        Self {
            shared,
            cluster,
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
            incoming,
            id,
            mailbox,
        } = self;
        let mut reader = Reader {
            shared: Arc::clone(&shared),
            cluster: cluster.clone(),
            incoming,
            id,
            assembly: None,
            names: Names::default(),
            told: Instant::now(),
            received: Instant::now(),
        };
        let end = tokio::select! {
            end = reader.run() => end,
            end = write(mailbox, &outgoing) => Err(end),
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

/// Hands the core's messages on; returns when the session is to be closed.
async fn write(mut mailbox: Mailbox, outgoing: &Outgoing) -> Refused {
    loop {
        let message = match mailbox.queue.try_recv() {
            // Before any closing: what was said earlier comes first.
            Ok(message) => message,
            Err(_) => tokio::select! {
                biased;
                Some(message) = mailbox.queue.recv() => message,
                reason = mailbox.close.recv() => return closed(reason),
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
        loop {
            let next = timeout(idle, self.next()).await;
            match next.map_err(|_| Refused::silent("no message", idle.as_secs()))?? {
                Some(message) => self.take(message).await?,
                None => return Ok(()),
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
        self.tell(Event::Opened { session, hello }, None).await
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
