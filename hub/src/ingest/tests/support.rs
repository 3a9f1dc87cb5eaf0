//! A hub of one cluster without the rest of the hub, and an agent that says what a test tells it.

use std::sync::{Arc, Mutex};

use futures::StreamExt;
use hubline::model::ClusterId;
use hubline::wire::proto::hubline_client::HublineClient;
use hubline::wire::{AgentMessage, HubMessage, Scope, codec, proto};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

use super::super::*;
use crate::cluster::tests::support as model;
use crate::cluster::{Cluster, Effect};
use crate::config::ClusterConfig;

pub(super) fn id(name: &str) -> ClusterId {
    ClusterId::new(name).unwrap()
}

/// The operator's list with cluster `a` alone.
pub(super) fn list_of_a() -> Arc<ClusterList> {
    Arc::new(ClusterList::new(&[ClusterConfig::named(id("a"))]))
}

/// What there is of a hub: ingest, and a core of one cluster.
pub(super) struct Hub {
    pub(super) ingest: Ingest,
    pub(super) sessions: Arc<Sessions>,
    pub(super) admitted: watch::Sender<Arc<ClusterList>>,
    pub(super) cluster: Arc<Mutex<Cluster>>,
    /// Events that the core has handled.
    pub(super) handled: watch::Receiver<Vec<&'static str>>,
    pub(super) shutdown: CancellationToken,
}

impl Hub {
    pub(super) fn new(settings: Settings) -> Self {
        let (hub, events, handled_by) = Self::stalled(settings, 16);
        tokio::spawn(core(
            Arc::clone(&hub.cluster),
            Arc::clone(&hub.sessions),
            events,
            handled_by,
        ));
        hub
    }

    /// Without a core: events wait where they are.
    pub(super) fn stalled(
        settings: Settings,
        capacity: usize,
    ) -> (Self, mpsc::Receiver<Inbound>, watch::Sender<Vec<&'static str>>) {
        let metrics = IngestMetrics::register(&mut prometheus_client::registry::Registry::default());
        let sessions = Arc::new(Sessions::new(&settings, metrics.clone()));
        let (admitted, list) = watch::channel(list_of_a());
        let (inbound, events) = mpsc::channel(capacity);
        let (handled_by, handled) = watch::channel(Vec::new());
        let cluster = Arc::new(Mutex::new(Cluster::new(id("a"))));
        let hub = Self {
            ingest: Ingest::new(settings, list, inbound, Arc::clone(&sessions), metrics),
            sessions,
            admitted,
            cluster,
            handled,
            shutdown: CancellationToken::new(),
        };
        (hub, events, handled_by)
    }

    /// Waits until the core has handled an event of a kind.
    pub(super) async fn handled(&mut self, kind: &str) {
        self.handled.wait_for(|kinds| kinds.contains(&kind)).await.unwrap();
    }

    pub(super) fn resources(&self) -> usize {
        self.cluster.lock().unwrap().resources().count()
    }

    /// A connection within the process, as cluster `name`.
    pub(super) async fn connect(&self, name: &str) -> Channel {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        self.connect_through(name, ours, theirs).await
    }

    /// As [`Hub::connect`], with so many bytes a second from the agent to the hub.
    pub(super) async fn connect_slowly(&self, name: &str, bytes_per_second: u32) -> Channel {
        let (ours, near) = tokio::io::duplex(1 << 12);
        let (far, theirs) = tokio::io::duplex(1 << 12);
        tokio::spawn(slow_line(far, near, bytes_per_second));
        self.connect_through(name, ours, theirs).await
    }

    async fn connect_through(&self, name: &str, ours: DuplexStream, theirs: DuplexStream) -> Channel {
        let peer = Peer {
            cluster: Ok(id(name)),
            address: "in-process".to_owned(),
        };
        let connections = futures::stream::iter([Connection::identified(ours, peer)]);
        let connections = connections.chain(futures::stream::pending());
        tokio::spawn(serve_connections(
            connections,
            self.ingest.clone(),
            self.shutdown.clone(),
        ));
        channel(theirs).await
    }
}

/// Slow from the agent to the hub only, as lines to a room often are.
async fn slow_line(agent: DuplexStream, hub: DuplexStream, bytes_per_second: u32) {
    let (mut from_agent, mut to_agent) = tokio::io::split(agent);
    let (mut from_hub, mut to_hub) = tokio::io::split(hub);
    let slow = async {
        let mut buffer = [0; 1_000];
        while let Ok(count @ 1..) = from_agent.read(&mut buffer).await {
            let part = u32::try_from(count).unwrap();
            tokio::time::sleep(Duration::from_secs(part.into()) / bytes_per_second).await;
            if to_hub.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    let fast = tokio::io::copy(&mut from_hub, &mut to_agent);
    drop(futures::future::join(slow, fast).await);
}

async fn channel(io: DuplexStream) -> Channel {
    let mut io = Some(io);
    let connector = tower::service_fn(move |_| {
        let io = io.take().map(TokioIo::new);
        async move { io.ok_or_else(|| std::io::Error::other("only once")) }
    });
    let endpoint = Endpoint::from_static("http://in-process");
    endpoint.connect_with_connector(connector).await.unwrap()
}

async fn core(
    cluster: Arc<Mutex<Cluster>>,
    sessions: Arc<Sessions>,
    mut events: mpsc::Receiver<Inbound>,
    handled: watch::Sender<Vec<&'static str>>,
) {
    while let Some(inbound) = events.recv().await {
        let kind = match &inbound.event {
            Event::Opened { .. } => "opened",
            Event::Snapshot { .. } => "snapshot",
            Event::Closed { .. } => "closed",
            _ => "other",
        };
        let effects = cluster.lock().unwrap().on(inbound.event, model::now(0));
        for effect in effects {
            match effect {
                Effect::Welcome(session, _) => sessions.welcome(session),
                Effect::Send(session, message) => sessions.send(session, message),
                Effect::Close(session, reason) => sessions.close(session, reason),
                Effect::Changed(_) | Effect::Quarantine(_) | Effect::Persist(_) | Effect::Summary => {}
            }
        }
        handled.send_modify(|kinds| kinds.push(kind));
    }
}

/// An agent that says what it is told.
pub(super) struct Agent {
    to_hub: mpsc::Sender<proto::AgentMessage>,
    from_hub: Streaming<proto::HubMessage>,
}

impl Agent {
    pub(super) async fn open(channel: Channel) -> Result<Self, Status> {
        let (to_hub, messages) = mpsc::channel(16);
        let mut client = HublineClient::new(channel)
            .accept_compressed(CompressionEncoding::Zstd)
            .send_compressed(CompressionEncoding::Zstd);
        let response = client.stream(ReceiverStream::new(messages)).await?;
        let from_hub = response.into_inner();
        Ok(Self { to_hub, from_hub })
    }

    pub(super) async fn say(&self, message: AgentMessage) {
        self.say_raw(codec::to_agent_wire(message)).await;
    }

    pub(super) async fn say_raw(&self, message: proto::AgentMessage) {
        self.to_hub.send(message).await.unwrap();
    }

    pub(super) async fn hear(&mut self) -> Result<HubMessage, Status> {
        let message = self.from_hub.message().await?;
        Ok(codec::hub_message(message.expect("the hub said goodbye without a word")).unwrap())
    }

    /// Reads until the hub ends the session.
    pub(super) async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.hear().await {
                return status;
            }
        }
    }
}

/// The hello of an agent model.
pub(super) fn hello(agent: &model::Agent) -> AgentMessage {
    match agent.hello(0) {
        Event::Opened { hello, .. } => AgentMessage::Hello(hello),
        other => panic!("{other:?}"),
    }
}

/// The messages of a snapshot of everything: begin, part, end.
pub(super) fn snapshot(agent: &model::Agent) -> [AgentMessage; 3] {
    match agent.snapshot(0, Scope::Everything) {
        Event::Snapshot { begin, end, .. } => [
            AgentMessage::SnapshotBegin(begin),
            AgentMessage::SnapshotPart(agent.resources.values().cloned().collect()),
            AgentMessage::SnapshotEnd(end),
        ],
        other => panic!("{other:?}"),
    }
}

/// An agent with two resources.
pub(super) fn agent() -> model::Agent {
    model::Agent::new(1, 1).with(&model::entries(&["x", "y"], 1))
}
