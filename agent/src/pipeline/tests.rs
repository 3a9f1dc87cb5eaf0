//! A whole agent over real TLS: a manifest directory on one side, a hub that records what it hears on the other.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use hubline::model::{ClusterId, Key, Node, NodeAddress, NodeAddressKind, Resource, ResourceKind};
use hubline::tls::{Authority, Files};
use hubline::wire::proto::hubline_server::{Hubline, HublineServer};
use hubline::wire::{Ack, AgentMessage, Hello, HubMessage, Resync, ResyncReason, Scope, Welcome, codec, proto};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::codec::CompressionEncoding;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use super::*;
use crate::source::{Coverage, Kind, Name, Object, SourceEvent};

/// Generous: it only bounds a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);

struct Recorder {
    heard: mpsc::Sender<AgentMessage>,
}

#[async_trait]
impl Hubline for Recorder {
    type StreamStream = ReceiverStream<Result<proto::HubMessage, Status>>;

    async fn stream(
        &self,
        request: Request<Streaming<proto::AgentMessage>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        assert!(request.peer_certs().is_some(), "the agent shows its certificate");
        let (answers, stream) = mpsc::channel(4);
        let (mut incoming, heard) = (request.into_inner(), self.heard.clone());
        tokio::spawn(async move {
            let (capabilities, hub) = (vec!["offer".to_owned()], "recorder".to_owned());
            let welcome = HubMessage::Welcome(Welcome {
                hub,
                capabilities,
                heartbeat_interval_ms: 1_000,
            });
            let (reason, scope) = (ResyncReason::Hello, Scope::Everything);
            for answer in [welcome, HubMessage::Resync(Resync { reason, scope })] {
                answers.send(Ok(codec::to_hub_wire(answer))).await.unwrap();
            }
            while let Ok(Some(message)) = incoming.message().await {
                let message = codec::agent_message(message).unwrap();
                let revision = match &message {
                    AgentMessage::SnapshotEnd(end) => Some(end.revision),
                    AgentMessage::Delta(delta) => Some(delta.revision),
                    _ => None,
                };
                heard.send(message).await.unwrap();
                if let Some(revision) = revision {
                    let (taken, held) = (1, Vec::new());
                    let ack = HubMessage::Ack(Ack { revision, taken, held });
                    answers.send(Ok(codec::to_hub_wire(ack))).await.unwrap();
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

fn write_files(directory: &Path, ca: &str, issued: &hubline::tls::Issued) -> Files {
    let files = Files::in_directory(directory);
    std::fs::write(&files.ca, ca).unwrap();
    std::fs::write(&files.certificate, &issued.chain).unwrap();
    std::fs::write(&files.key, issued.private_key.expose()).unwrap();
    files
}

async fn hub(authority: &Authority, heard: mpsc::Sender<AgentMessage>) -> u16 {
    hubline::tls::install_provider();
    let issued = authority.issue_hub(&["localhost", "127.0.0.1"]).unwrap();
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(&issued.chain, issued.private_key.expose()))
        .client_ca_root(Certificate::from_pem(authority.certificate()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = HublineServer::new(Recorder { heard })
        .accept_compressed(CompressionEncoding::Zstd)
        .send_compressed(CompressionEncoding::Zstd);
    let server = Server::builder().tls_config(tls).unwrap().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    port
}

fn config(directory: &Path, files: Files, port: u16) -> AgentConfig {
    let text = format!(
        "cluster: a\nlisten: 127.0.0.1:0\necho: {{listen: 127.0.0.1:0}}\nsource: {{manifest: {{directory: {}}}}}\nhubs: [{{addresses: [\"127.0.0.1:{port}\"]}}]",
        directory.display()
    );
    let config = AgentConfig::parse("agent.yaml", &text).unwrap();
    AgentConfig { tls: files, ..config }
}

const SERVICE: &str = "
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}
";

async fn next(heard: &mut mpsc::Receiver<AgentMessage>) -> AgentMessage {
    loop {
        match timeout(PATIENCE, heard.recv()).await.unwrap().unwrap() {
            AgentMessage::Heartbeat(..) | AgentMessage::Diagnostics(..) => {}
            message => return message,
        }
    }
}

async fn kinds_of_snapshot(heard: &mut mpsc::Receiver<AgentMessage>) -> Vec<ResourceKind> {
    let mut kinds = Vec::new();
    loop {
        match next(heard).await {
            AgentMessage::SnapshotPart(part) => kinds.extend(part.iter().map(|it| it.decode().unwrap().key.kind)),
            AgentMessage::SnapshotEnd(_) => return kinds,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_directory_reaches_its_hub_over_tls() {
    let (certificates, manifests) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(manifests.path().join("node.yaml"), SERVICE).unwrap();
    let authority = Authority::new("test").unwrap();
    let issued = authority.issue_agent(&ClusterId::new("a").unwrap()).unwrap();
    let files = write_files(certificates.path(), authority.certificate(), &issued);
    let (heard_tx, mut heard) = mpsc::channel(100);
    let port = hub(&authority, heard_tx).await;
    let shutdown = CancellationToken::new();
    let agent = tokio::spawn(run(config(manifests.path(), files, port), shutdown.clone()));

    let hello = next(&mut heard).await;
    let AgentMessage::Hello(Hello {
        cluster, cluster_uid, ..
    }) = &hello
    else {
        panic!("{hello:?} instead of a hello");
    };
    assert_eq!((cluster.as_str(), cluster_uid.as_str()), ("a", "manifest-a"));
    assert!(kinds_of_snapshot(&mut heard).await.contains(&ResourceKind::Node));
    shutdown.cancel();
    assert!(timeout(PATIENCE, agent).await.unwrap().unwrap().is_ok());
}

#[tokio::test]
async fn what_cannot_begin_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path(), Files::in_directory(directory.path()), 1);
    let error = run(config, CancellationToken::new()).await.unwrap_err().to_string();
    assert!(error.starts_with("tls.ca: cannot read"), "{error}");
}

/// A node whose only address tells how often it changed.
fn changed(node: usize, change: usize) -> SourceEvent {
    let address = NodeAddress {
        kind: NodeAddressKind::Internal,
        address: format!("10.0.{}.{}", change / 250, change % 250),
    };
    let node = (
        Name::new("", &format!("n{node}")),
        Node {
            addresses: vec![address],
            ..Node::default()
        },
    );
    SourceEvent::Apply(Box::new(Object::Node(node.0, node.1)))
}

/// A stage between a source that a test plays and the hub at `port`.
fn stage(config: &AgentConfig, events: mpsc::Receiver<SourceEvent>) -> (Stage, Reader) {
    stage_with(config, events, None)
}

fn stage_with(config: &AgentConfig, events: mpsc::Receiver<SourceEvent>, ledger: Option<Ledger>) -> (Stage, Reader) {
    let certificates =
        Reloader::<ClientSide>::new(config.tls.clone(), Times::default(), &Telemetry::default()).unwrap();
    let options = StageOptions {
        translate: config.translate_options().unwrap(),
        speaker: Speaker {
            cluster: ClusterId::new("a").unwrap(),
            cluster_uid: "uid".to_owned(),
            instance: "pod".to_owned(),
        },
        hubs: start::lines(config, &certificates.subscribe()),
        metrics: Metrics::default(),
        grace: PATIENCE,
        random: Random::of_the_system(),
    };
    let leader = Leadership {
        holder: true,
        transitions: 0,
    };
    let edges = Edges {
        events,
        wanted: watch::channel(std::collections::BTreeSet::new()).0,
        leadership: watch::channel(leader).1,
        ledger,
        readiness: watch::channel(Readiness::Starting).0,
    };
    let stage = Stage::new(options, edges);
    let reader = stage.reader();
    (stage, reader)
}

/// Plays 5,000 changes a second for some seconds, as many as `changes` of each of `keys` nodes. Gives the source back,
/// since an agent ends with it.
async fn play(events: mpsc::Sender<SourceEvent>, keys: usize, changes: usize) -> mpsc::Sender<SourceEvent> {
    for kind in Kind::ALL {
        let coverage = Coverage::All;
        for event in [SourceEvent::Begin(*kind), SourceEvent::End { kind: *kind, coverage }] {
            events.send(event).await.unwrap();
        }
    }
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for at in 0..keys * changes {
        if at % 50 == 0 {
            ticks.tick().await;
        }
        events.send(changed(at % keys, at / keys)).await.unwrap();
    }
    events
}

/// What a hub that takes 20 messages a second has in the end, and how many upserts that took.
async fn hear_until(heard: &mut mpsc::Receiver<AgentMessage>, keys: usize, last: &Resource) -> usize {
    let (mut done, mut upserts) = (std::collections::BTreeSet::<Key>::new(), 0);
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while done.len() < keys {
        ticks.tick().await;
        let resources = match next(heard).await {
            AgentMessage::SnapshotPart(part) => part,
            AgentMessage::Delta(delta) => delta.upserts,
            _ => Vec::new(),
        };
        upserts += resources.len();
        let decoded = resources.iter().map(|it| it.decode().unwrap());
        done.extend(
            decoded
                .filter(|it| it.resource.as_ref().unwrap().as_ref() == Some(last))
                .map(|it| it.key),
        );
    }
    upserts
}

#[tokio::test]
async fn five_thousand_changes_a_second_end_in_the_last_values() {
    // Few keys coalesce; of many each changes so seldom that nothing can, and the cluster's own is one more.
    for (keys, changes, most) in [(50, 300, 15_000 / 2), (5_000, 3, 15_000 + 5_000 + 1)] {
        let certificates = tempfile::tempdir().unwrap();
        let authority = Authority::new("test").unwrap();
        let issued = authority.issue_agent(&ClusterId::new("a").unwrap()).unwrap();
        let files = write_files(certificates.path(), authority.certificate(), &issued);
        let (heard_tx, mut heard) = mpsc::channel(1);
        let port = hub(&authority, heard_tx).await;
        let (events_tx, events) = mpsc::channel(EVENTS);
        let (stage, reader) = stage(&config(certificates.path(), files, port), events);
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(stage.run(shutdown.clone()));
        let player = tokio::spawn(play(events_tx, keys, changes));
        let SourceEvent::Apply(last) = changed(0, changes - 1) else {
            unreachable!()
        };
        let Object::Node(_, last) = *last else { unreachable!() };
        let upserts = hear_until(&mut heard, keys, &last.into()).await;
        assert!(upserts <= most, "{keys} keys: {upserts}");
        // And what is said of the cluster itself.
        assert_eq!(reader.held(), [keys + 1, keys + 1, 0]);
        let source = player.await.unwrap();
        shutdown.cancel();
        running.await.unwrap();
        drop(source);
    }
}

/// An Ingress as its watch tells it: status and object.
fn ingress(version: &str, class: &str) -> [SourceEvent; 2] {
    use crate::source::object::Ingress;
    use crate::source::{ObjectId, Reported, ReportedStatus};
    let (kind, name) = (Kind::Ingress, Name::new("shop", "web"));
    let reported = Reported {
        uid: "u".into(),
        version: version.into(),
        generation: 1,
        by_us: false,
        status: ReportedStatus::Addresses(Vec::new()),
    };
    let object = Ingress {
        class: Some(class.into()),
        ..Ingress::default()
    };
    let id = ObjectId {
        kind,
        name: name.clone(),
    };
    [
        SourceEvent::Reported(id, Box::new(reported)),
        SourceEvent::Listed(Box::new(Object::Ingress(name, object))),
    ]
}

#[tokio::test]
async fn the_ledger_hears_of_an_object_what_its_watch_and_translate_say() {
    use crate::output::Standing;
    let certificates = tempfile::tempdir().unwrap();
    let authority = Authority::new("test").unwrap();
    let issued = authority.issue_agent(&ClusterId::new("a").unwrap()).unwrap();
    let files = write_files(certificates.path(), authority.certificate(), &issued);
    let (events_tx, events) = mpsc::channel(EVENTS);
    let ledger = crate::conditions::Ledger::default();
    let stage = stage_with(&config(certificates.path(), files, 1), events, Some(ledger.clone())).0;
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(stage.run(shutdown.clone()));
    let listing = async |objects: Vec<SourceEvent>| {
        let (kind, coverage) = (Kind::Ingress, Coverage::All);
        let all = [SourceEvent::Begin(kind)].into_iter().chain(objects);
        for event in all.chain([SourceEvent::End { kind, coverage }]) {
            events_tx.send(event).await.unwrap();
        }
    };
    for kind in Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Ingress) {
        let coverage = Coverage::All;
        for event in [SourceEvent::Begin(kind), SourceEvent::End { kind, coverage }] {
            events_tx.send(event).await.unwrap();
        }
    }
    listing(ingress("7", "apisix").into()).await;
    let id = ledger.dirty().await.pop_first().unwrap();
    let facts = until_facts(&ledger, &id).await;
    assert_eq!(
        (&*facts.reported.version, facts.declared.standing),
        ("7", Standing::Ours)
    );
    // Its own write comes back: only what it says of itself is another.
    listing(ingress("8", "apisix").into()).await;
    ledger.dirty().await;
    assert_eq!(&*until_facts(&ledger, &id).await.reported.version, "8");
    // A listing without it.
    listing(Vec::new()).await;
    ledger.dirty().await;
    assert_eq!(ledger.all(), []);
    shutdown.cancel();
    running.await.unwrap();
}

async fn until_facts(ledger: &crate::conditions::Ledger, id: &crate::source::ObjectId) -> crate::conditions::Facts {
    loop {
        if let Some(facts) = ledger.facts(id) {
            return facts;
        }
        ledger.dirty().await;
    }
}
