//! The hub's end of the streams: who an agent is, what it may send, and how much.
//!
//! One task a session reads, checks and decodes, and hands whole events to the core; a snapshot is kept aside until its
//! end and dropped with its stream. Backwards, [`Sessions`] takes the core's messages without ever waiting.
//!
//! Does not know what the hub has of a cluster, nor who speaks for it: that is [`crate::cluster`].

mod assembly;
mod handshakes;
mod listen;
mod metrics;
mod proof;
mod pulse;
mod refuse;
mod session;
mod sessions;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use hubline::model::ClusterId;
use hubline::wire::proto::hubline_server::{Hubline, HublineServer};
use hubline::wire::{limits, proto};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status, Streaming};

pub use listen::{Connection, Peer, ServeError, serve, serve_connections};
pub use metrics::IngestMetrics;
pub use sessions::Sessions;

use crate::cluster::Event;
use crate::config::ClusterList;
use listen::Introduction;
use session::Session;

/// Messages on their way to one agent's connection: two, so that the next is encoded while one is sent.
const OUTGOING: usize = 2;

/// Bounds of ingest.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The hub's name, for people.
    pub hub: String,
    /// How often both sides send a heartbeat; a session from which no byte came three times as long is closed.
    pub heartbeat_interval: Duration,
    /// How long a new stream may take to say hello.
    pub hello_timeout: Duration,
    /// Most sessions at a time.
    pub max_sessions: usize,
    /// Most TLS handshakes at a time. When more come, the oldest of the address that has most of them gives way.
    pub max_handshakes: usize,
    /// Most bytes of one snapshot.
    pub max_snapshot_bytes: u64,
    /// Most resources of one snapshot.
    pub max_resources: u64,
    /// Most bytes of the snapshots and deltas of all sessions that wait for their end or for the core.
    pub max_waiting_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hub: "hubline".to_owned(),
            heartbeat_interval: Duration::from_secs(5),
            hello_timeout: Duration::from_secs(10),
            // Twice the design's 1,000 clusters: while agents move, old and new sessions overlap.
            max_sessions: 2_000,
            // Twice the design's 1,000 clusters, which may come at once, and one of some 20 KiB each: 40 MiB at most.
            max_handshakes: 2_000,
            max_snapshot_bytes: limits::MAX_SNAPSHOT_BYTES,
            max_resources: limits::MAX_RESOURCES,
            // Two of the largest snapshots, or 1,000 of 1 MiB.
            max_waiting_bytes: 1 << 30,
        }
    }
}

/// An event of one cluster, for the core.
#[derive(Debug)]
pub struct Inbound {
    /// Which cluster.
    pub cluster: ClusterId,
    /// What happened.
    pub event: Event,
    /// When its last message came.
    pub received: Instant,
    /// The share of the waiting resources' memory that the event holds; given back when this is dropped.
    pub memory: Option<OwnedSemaphorePermit>,
}

/// The clusters that the operator lists.
pub type Admitted = watch::Receiver<Arc<ClusterList>>;

/// The gRPC service. Cloning shares.
#[derive(Debug, Clone)]
pub struct Ingest(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    admitted: Admitted,
    inbound: mpsc::Sender<Inbound>,
    sessions: Arc<Sessions>,
    metrics: IngestMetrics,
    places: Arc<Semaphore>,
    memory: Arc<Semaphore>,
}

impl Ingest {
    /// A service that hands events to `inbound` and takes the answers from `sessions`. 1,024 is a good bound of
    /// `inbound`: the memory of resources is bounded by [`Settings::max_waiting_bytes`], and the rest is small.
    #[must_use]
    pub fn new(
        settings: Settings,
        admitted: Admitted,
        inbound: mpsc::Sender<Inbound>,
        sessions: Arc<Sessions>,
        metrics: IngestMetrics,
    ) -> Self {
        let places = Arc::new(Semaphore::new(settings.max_sessions));
        let memory = Arc::new(Semaphore::new(settings.max_waiting_bytes.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Shared {
            settings,
            admitted,
            inbound,
            sessions,
            metrics,
            places,
            memory,
        }))
    }

    fn server(self) -> HublineServer<Self> {
        HublineServer::new(self)
            .accept_compressed(CompressionEncoding::Zstd)
            .send_compressed(CompressionEncoding::Zstd)
            .max_decoding_message_size(limits::MAX_MESSAGE_BYTES)
    }

    fn begin(
        &self,
        introduction: Introduction,
        incoming: Streaming<proto::AgentMessage>,
    ) -> Result<mpsc::Receiver<Result<proto::HubMessage, Status>>, Status> {
        let cluster = introduction
            .peer
            .cluster
            .clone()
            .map_err(|error| refuse::identity(&error))?;
        let place = Arc::clone(&self.0.places).try_acquire_owned();
        let place = place.map_err(|_| refuse::too_many_sessions(self.0.settings.max_sessions))?;
        let (outgoing, responses) = mpsc::channel(OUTGOING);
        let session = Session::new(Arc::clone(&self.0), cluster, introduction, incoming);
        tokio::spawn(session.run(outgoing, place));
        Ok(responses)
    }
}

#[tonic::async_trait]
impl Hubline for Ingest {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<proto::HubMessage, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<proto::AgentMessage>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let introduction = request.extensions().get::<Introduction>().cloned();
        let introduction = introduction.ok_or_else(refuse::unencrypted)?;
        let address = introduction.peer.address.clone();
        let responses = self.begin(introduction, request.into_inner()).inspect_err(|status| {
            self.0.metrics.refused("identity");
            tracing::warn!(address, reason = status.message(), "stream refused");
        })?;
        // At once, before the hello: an agent may wait for the answer's head before it says anything.
        Ok(Response::new(Box::pin(ReceiverStream::new(responses))))
    }
}
