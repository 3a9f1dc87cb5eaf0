//! One stream, from hello to its end: drives a [`Dialogue`] with what comes, what may go and what time it is.

use std::time::Duration;

use hubline::wire::proto::hubline_client::HublineClient;
use hubline::wire::{AgentMessage, Held, Hello, HubMessage, Welcome, codec, limits, proto};
use tokio::sync::mpsc::OwnedPermit;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tracing::{debug, info, warn};

use super::Session;
use super::dialogue::{Dialogue, Heard};
use super::recover::SessionError;
use crate::publish::Version;

/// Messages between dialogue and transport. Two: one on its way into the transport's buffer, one ready behind it;
/// parts have 16 KiB, so a hub that stops reading holds some 32 KiB here.
const OUTGOING: usize = 2;

/// How long a hub may take for its first answer, and then for any progress, besides what the line takes.
const PATIENCE: Duration = Duration::from_secs(40);

/// The slowest line that carries a session, in bytes a second: 128 kbit/s.
const SLOWEST_LINE: u64 = 16 << 10;

/// Most bytes on their way that the hub has not seen: [`OUTGOING`] messages of 1 MiB at most, one that is being sent,
/// and HTTP/2's window of 1 MiB (hyper's own).
const MAX_UNDER_WAY: u64 = 4 << 20;

/// Heartbeats that may be missed, as DESIGN has it for paths: one is chance, two may be.
const MISSED: u32 = 3;

/// Used when a hub names no interval.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Bounds of the interval that a hub may name: below, it would be load; above, a dead line is noticed too late.
const HEARTBEAT_BOUNDS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

/// A stream that is open.
pub(super) struct Stream {
    outgoing: mpsc::Sender<proto::AgentMessage>,
    incoming: Streaming<proto::HubMessage>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Stream").finish_non_exhaustive()
    }
}

impl Stream {
    /// Opens a stream with its hello.
    pub(super) async fn open(channel: Channel, hello: Hello) -> Result<Self, SessionError> {
        let mut client = HublineClient::new(channel)
            .send_compressed(CompressionEncoding::Zstd)
            .accept_compressed(CompressionEncoding::Zstd)
            .max_decoding_message_size(limits::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(limits::MAX_MESSAGE_BYTES);
        let (outgoing, messages) = mpsc::channel(OUTGOING);
        // Before the call: a hub may answer only when it has heard the hello.
        let hello = codec::to_agent_wire(AgentMessage::Hello(hello));
        outgoing.send(hello).await.map_err(|_| SessionError::Closed)?;
        let call = client.stream(ReceiverStream::new(messages));
        let response = timeout(PATIENCE, call)
            .await
            .map_err(|_| SessionError::Stalled(PATIENCE))?;
        let incoming = response
            .map_err(|status| SessionError::Refused(Box::new(status)))?
            .into_inner();
        Ok(Self { outgoing, incoming })
    }
}

/// Until when what is expected.
struct Clock {
    heartbeat: Interval,
    sequence: u64,
    heard: Instant,
    progress: Instant,
    /// Bytes handed to the stream since the hub last answered any.
    under_way: u64,
}

impl Clock {
    fn new(period: Duration) -> Self {
        let now = Instant::now();
        Self {
            heartbeat: interval(period),
            sequence: 0,
            heard: now,
            progress: now,
            under_way: 0,
        }
    }

    /// Something went into the stream.
    fn said(&mut self, bytes: u64) {
        self.progress = Instant::now();
        self.under_way = self.under_way.saturating_add(bytes).min(MAX_UNDER_WAY);
    }

    /// The hub answered what was said.
    fn answered(&mut self) {
        self.progress = Instant::now();
        self.under_way = 0;
    }

    /// What is under way takes its time on a slow line; the hub's heartbeats say meanwhile that it lives.
    fn patience(&self) -> Duration {
        PATIENCE + Duration::from_secs(self.under_way / SLOWEST_LINE)
    }

    fn silence(&self) -> Duration {
        self.heartbeat.period() * MISSED
    }

    fn silent_at(&self) -> Instant {
        self.heard + self.silence().max(HEARTBEAT_BOUNDS.0)
    }
}

fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

type Received = Result<Option<proto::HubMessage>, tonic::Status>;

enum Event {
    Heard(Received),
    /// The stream takes one message more; none when it takes no more at all.
    Room(Option<OwnedPermit<proto::AgentMessage>>),
    News,
    Beat,
}

/// One session over an open stream.
pub(super) struct Exchange<'a> {
    pub(super) session: &'a Session,
    pub(super) dialogue: Dialogue,
    pub(super) stream: Stream,
    pub(super) versions: watch::Receiver<Version>,
}

impl Exchange<'_> {
    /// Runs until the stream ends, and tells why.
    pub(super) async fn run(mut self) -> SessionError {
        let mut clock = Clock::new(HEARTBEAT);
        loop {
            if let Err(error) = self.step(&mut clock).await {
                return error;
            }
        }
    }

    async fn step(&mut self, clock: &mut Clock) -> Result<(), SessionError> {
        let wants_to_send = self.dialogue.wants_to_send();
        let owes = wants_to_send || self.dialogue.waits();
        let patience = clock.patience();
        let (silent_at, stalled_at) = (clock.silent_at(), clock.progress + patience);
        let event = tokio::select! {
            message = self.stream.incoming.message() => Event::Heard(message),
            permit = self.stream.outgoing.clone().reserve_owned(), if wants_to_send => Event::Room(permit.ok()),
            changed = self.versions.changed() => changed.map_or(Event::Room(None), |()| Event::News),
            _ = clock.heartbeat.tick() => Event::Beat,
            () = sleep_until(silent_at) => return Err(SessionError::Silent(clock.silence())),
            () = sleep_until(stalled_at), if owes => return Err(SessionError::Stalled(patience)),
        };
        if !owes {
            clock.answered();
        }
        self.on(event, clock)
    }

    fn on(&mut self, event: Event, clock: &mut Clock) -> Result<(), SessionError> {
        match event {
            Event::Heard(message) => return self.heard(message, clock),
            Event::Room(permit) => {
                if let Some(bytes) = self.say(permit.ok_or(SessionError::Closed)?)? {
                    clock.said(bytes);
                }
            }
            Event::News => {}
            Event::Beat => {
                clock.sequence += 1;
                self.dialogue.beat(clock.sequence);
                self.session.status.refill();
            }
        }
        Ok(())
    }

    /// Sends what is next, and tells how many bytes that are. Heartbeats are no progress, or a hub that answers them
    /// and acknowledges nothing would be waited for without end.
    fn say(&mut self, permit: OwnedPermit<proto::AgentMessage>) -> Result<Option<u64>, SessionError> {
        let Some(message) = self.dialogue.next()? else {
            return Ok(None);
        };
        let progress = !matches!(message, AgentMessage::Heartbeat(..) | AgentMessage::Checkpoint(_));
        let bytes = self.session.count(&message);
        permit.send(codec::to_agent_wire(message));
        Ok(progress.then_some(bytes))
    }

    fn heard(&mut self, message: Received, clock: &mut Clock) -> Result<(), SessionError> {
        let message = message.map_err(|status| SessionError::Refused(Box::new(status)))?;
        let message = codec::hub_message(message.ok_or(SessionError::Closed)?)?;
        clock.heard = Instant::now();
        if matches!(
            message,
            HubMessage::Ack(_)
                | HubMessage::Resync(_)
                | HubMessage::Resume(_)
                | HubMessage::Compare(_)
                | HubMessage::Welcome(_)
        ) {
            clock.answered();
        }
        let heard = self.dialogue.hear(message)?;
        self.note(heard, clock);
        Ok(())
    }

    fn note(&self, heard: Heard, clock: &mut Clock) {
        let (session, hub) = (self.session, self.session.name());
        match heard {
            Heard::Nothing => {}
            Heard::Welcomed(welcome) => self.welcomed(&welcome, clock),
            Heard::Resync(reason) => {
                debug!(hub, reason = reason.label(), "the hub says what it lacks");
                session.metrics.resyncs(hub, reason.label());
            }
            Heard::Resumed(revision) => {
                debug!(hub, revision, "the hub goes on from what it has");
                session.metrics.resyncs(hub, "resume");
            }
            Heard::Taken(held) => log_held(hub, &held),
            Heard::Refused(nack) => {
                warn!(hub, key = %nack.key, reason = nack.reason, message = nack.message, "refused");
                session.metrics.nacks(hub);
                session.status.refused(nack);
            }
            Heard::Status(status) => session.status.apply(status, &session.reader),
            Heard::Addresses(addresses) => session.status.set_addresses(addresses),
        }
    }

    fn welcomed(&self, welcome: &Welcome, clock: &mut Clock) {
        let named = Duration::from_millis(welcome.heartbeat_interval_ms);
        let period = if named.is_zero() { HEARTBEAT } else { named };
        clock.heartbeat = interval(period.clamp(HEARTBEAT_BOUNDS.0, HEARTBEAT_BOUNDS.1));
        info!(hub = %self.session.name(), named = welcome.hub, "connected");
        self.session.welcomed();
    }
}

/// A hub that holds a mass removal holds thousands: the first say what is the matter, the status board has all.
fn log_held(hub: &str, held: &[Held]) {
    for it in held.iter().take(3) {
        info!(hub, held = held.len(), key = %it.key, reason = it.reason, message = it.message, "held");
    }
}
