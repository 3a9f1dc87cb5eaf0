//! A hub that says what a test tells it to, over in-process pipes, and an agent that talks to it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt;
use hubline::model::{
    ClusterId, Completeness, Entry, Export, Group, GroupKind, GroupState, Key, Resource, ResourceKind,
};
use hubline::wire::proto::hubline_server::{Hubline, HublineServer};
use hubline::wire::{
    Ack, AgentMessage, Delta, Epoch, Hello, HubMessage, Resync, ResyncReason, Scope, Welcome, codec, proto,
};
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

use crate::metrics::Metrics;
use crate::output::Output;
use crate::publish::{Publisher, Reader};
use crate::session::{Backoff, Connect, ConnectError, Session, SessionContext, Speaker};
use crate::status::StatusBoard;

/// One session as the hub sees it.
pub(super) struct Peer {
    pub(super) hello: Hello,
    incoming: Streaming<proto::AgentMessage>,
    outgoing: mpsc::Sender<Result<proto::HubMessage, Status>>,
}

struct Service {
    peers: mpsc::Sender<Peer>,
    refuses: Arc<AtomicBool>,
    supersedes: Arc<AtomicBool>,
    /// Weak, or the stream would not end with its peer.
    last: Mutex<Option<mpsc::WeakSender<Result<proto::HubMessage, Status>>>>,
}

impl Service {
    /// A hello ends the stream before, and only then the new one is answered.
    async fn supersede(&self, next: &mpsc::Sender<Result<proto::HubMessage, Status>>) {
        let last = self.last.lock().unwrap().replace(next.downgrade());
        let last = last.filter(|_| self.supersedes.load(Ordering::Relaxed));
        if let Some(last) = last.and_then(|last| last.upgrade()) {
            let superseded = codec::to_hub_wire(HubMessage::Superseded("pod".to_owned()));
            last.send(Ok(superseded)).await.unwrap();
            last.closed().await;
        }
    }
}

#[async_trait]
impl Hubline for Service {
    type StreamStream = ReceiverStream<Result<proto::HubMessage, Status>>;

    async fn stream(
        &self,
        request: Request<Streaming<proto::AgentMessage>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        if self.refuses.swap(false, Ordering::Relaxed) {
            return Err(Status::permission_denied("the certificate is of another cluster"));
        }
        let (outgoing, answers) = mpsc::channel(8);
        let mut incoming = request.into_inner();
        let hello = codec::agent_message(incoming.message().await?.unwrap()).unwrap();
        let AgentMessage::Hello(hello) = hello else {
            panic!("{hello:?} instead of a hello");
        };
        self.supersede(&outgoing).await;
        let peer = Peer {
            hello,
            incoming,
            outgoing,
        };
        self.peers.send(peer).await.unwrap();
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

/// The hub, and the way to it.
#[derive(Debug)]
pub(super) struct ScriptedHub {
    peers: mpsc::Receiver<Peer>,
    pub(super) refuses: Arc<AtomicBool>,
    /// Whether a hello ends the stream before.
    pub(super) supersedes: Arc<AtomicBool>,
    /// Told when the agent's certificates are renewed.
    pub(super) renewal: Arc<Notify>,
    pipes: Pipes,
}

/// Connects in process; addresses that begin with `dead` lead nowhere.
#[derive(Debug, Clone)]
struct Pipes {
    accept: mpsc::Sender<DuplexStream>,
    renewal: Arc<Notify>,
    tried: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Connect for Pipes {
    async fn connect(&self, address: &str) -> Result<Channel, ConnectError> {
        self.tried.lock().unwrap().push(address.to_owned());
        if address.starts_with("dead") {
            let error = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
            return Err(ConnectError::unreachable(address, &error));
        }
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        self.accept.send(theirs).await.unwrap();
        let mut once = Some(ours);
        let connector = tower::service_fn(move |_| {
            let pipe = once.take();
            async move { pipe.map(TokioIo::new).ok_or_else(|| std::io::Error::other("used up")) }
        });
        let endpoint = Endpoint::from_static("http://hub");
        endpoint
            .connect_with_connector(connector)
            .await
            .map_err(|error| ConnectError::unreachable(address, &error))
    }

    async fn renewed(&self) {
        self.renewal.notified().await;
    }
}

impl ScriptedHub {
    pub(super) fn start() -> Self {
        let (peers_tx, peers) = mpsc::channel(4);
        let (accept, accepted) = mpsc::channel(4);
        let (refuses, supersedes) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let service = HublineServer::new(Service {
            peers: peers_tx,
            refuses: Arc::clone(&refuses),
            supersedes: Arc::clone(&supersedes),
            last: Mutex::default(),
        })
        .accept_compressed(CompressionEncoding::Zstd)
        .send_compressed(CompressionEncoding::Zstd);
        let incoming = ReceiverStream::new(accepted).map(Ok::<_, std::io::Error>);
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        let (tried, renewal) = (Arc::default(), Arc::new(Notify::new()));
        Self {
            peers,
            refuses,
            supersedes,
            renewal: Arc::clone(&renewal),
            pipes: Pipes { accept, renewal, tried },
        }
    }

    pub(super) async fn peer(&mut self) -> Peer {
        self.peers.recv().await.unwrap()
    }

    /// Whether no session waits.
    pub(super) fn is_left_alone(&self) -> bool {
        self.peers.is_empty()
    }

    pub(super) fn tried(&self) -> Vec<String> {
        self.pipes.tried.lock().unwrap().clone()
    }
}

impl Peer {
    pub(super) async fn send(&self, message: HubMessage) {
        self.outgoing.send(Ok(codec::to_hub_wire(message))).await.unwrap();
    }

    pub(super) async fn fail(&self, status: Status) {
        self.outgoing.send(Err(status)).await.unwrap();
    }

    /// The next message of any sort; none when the agent ended the stream.
    pub(super) async fn any(&mut self) -> Option<AgentMessage> {
        let message = self.incoming.message().await.ok().flatten()?;
        Some(codec::agent_message(message).unwrap())
    }

    /// The next message that is neither a heartbeat nor diagnostics.
    pub(super) async fn next(&mut self) -> AgentMessage {
        loop {
            match self.any().await.expect("the session ended") {
                AgentMessage::Heartbeat(..) | AgentMessage::Diagnostics(..) => {}
                message => return message,
            }
        }
    }

    pub(super) async fn welcome(&self, capabilities: &[&str]) {
        self.send(HubMessage::Welcome(Welcome {
            hub: "scripted".to_owned(),
            capabilities: capabilities.iter().map(|it| (*it).to_owned()).collect(),
            heartbeat_interval_ms: 5_000,
        }))
        .await;
    }

    pub(super) async fn resync(&self, reason: ResyncReason, scope: Scope) {
        self.send(HubMessage::Resync(Resync { reason, scope })).await;
    }

    /// Accepts the session and says what is lacking.
    pub(super) async fn accept(&self, scope: Scope) {
        self.welcome(&["offer"]).await;
        self.resync(ResyncReason::Hello, scope).await;
    }

    /// Accepts the session as a hub that resumes, compares and checks.
    pub(super) async fn accept_resuming(&self, answer: HubMessage) {
        self.welcome(&["offer", "resume"]).await;
        self.send(answer).await;
    }

    pub(super) async fn ack(&self, revision: u64) {
        let (taken, held) = (1, Vec::new());
        self.send(HubMessage::Ack(Ack { revision, taken, held })).await;
    }

    pub(super) async fn delta(&mut self) -> Delta {
        match self.next().await {
            AgentMessage::Delta(delta) => delta,
            other => panic!("{other:?} instead of a delta"),
        }
    }

    /// A whole snapshot: its revision, scope and the names in it.
    pub(super) async fn snapshot(&mut self) -> (u64, Scope, Vec<String>) {
        let AgentMessage::SnapshotBegin(begin) = self.next().await else {
            panic!("no snapshot");
        };
        let mut taken = Vec::new();
        loop {
            match self.next().await {
                AgentMessage::SnapshotPart(part) => {
                    taken.extend(part.iter().map(|it| it.decode().unwrap().key.name.clone()))
                }
                AgentMessage::SnapshotEnd(end) => {
                    assert_eq!((end.revision, end.count), (begin.revision, taken.len() as u64));
                    return (begin.revision, begin.scope, taken);
                }
                other => panic!("{other:?} within a snapshot"),
            }
        }
    }
}

/// What is published, and sessions of it.
pub(super) struct Agent {
    pub(super) publisher: Publisher,
    pub(super) status: StatusBoard,
    _shutdown: DropGuard,
    token: CancellationToken,
}

impl Agent {
    /// With the resources `names`, each of weight 1, all groups complete.
    pub(super) fn publishing(names: &[&str]) -> Self {
        let mut publisher = Publisher::new(Epoch { counter: 3, random: 7 });
        publisher.apply(upserts(names, 1));
        publisher.apply(completeness(Completeness::Complete));
        let token = CancellationToken::new();
        Self {
            publisher,
            status: StatusBoard::new("hub".to_owned(), Metrics::default()),
            _shutdown: token.clone().drop_guard(),
            token,
        }
    }

    pub(super) fn reader(&self) -> Reader {
        self.publisher.reader()
    }

    pub(super) fn connect(&self, hub: &ScriptedHub) {
        self.connect_over(hub, &["hub:7443"]);
    }

    pub(super) fn connect_over(&self, hub: &ScriptedHub, addresses: &[&str]) {
        let context = SessionContext {
            speaker: Speaker {
                cluster: ClusterId::new("a").unwrap(),
                cluster_uid: "uid".to_owned(),
                instance: "pod".to_owned(),
            },
            reader: self.reader(),
            metrics: Metrics::default(),
            backoff: Backoff::default(),
        };
        let addresses = addresses.iter().map(|it| (*it).to_owned()).collect();
        let session = Session::new(context, addresses, Arc::new(hub.pipes.clone()), self.status.clone());
        tokio::spawn(session.run(self.token.clone()));
    }

    /// Publishes what is made of a cluster.
    pub(super) fn apply(&mut self, output: Output) -> u64 {
        self.publisher.apply(output)
    }

    pub(super) fn set(&mut self, name: &str, weight: u32) -> u64 {
        self.publisher.apply(upserts(&[name], weight))
    }

    pub(super) fn remove(&mut self, name: &str) -> u64 {
        self.publisher.apply(Output {
            removals: vec![key(name)],
            ..Output::default()
        })
    }
}

pub(super) fn key(name: &str) -> Key {
    Key::new(ResourceKind::Export, &GroupKind::new("", "Service"), "shop", name, "")
}

pub(super) fn upserts(names: &[&str], weight: u32) -> Output {
    let entry = |name: &&str| Entry {
        key: key(name),
        resource: Resource::Export(Export { weight: Some(weight) }),
    };
    Output {
        upserts: names.iter().map(entry).collect(),
        ..Output::default()
    }
}

pub(super) fn completeness(completeness: Completeness) -> Output {
    let group = Group::of(&key(""));
    Output {
        groups: Some(vec![GroupState { group, completeness }]),
        ..Output::default()
    }
}
