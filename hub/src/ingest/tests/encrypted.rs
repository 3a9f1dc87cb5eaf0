//! Over real sockets with TLS: who an agent is.

use std::net::SocketAddr;
use std::path::Path;

use hubline::tls::{Authority, Files, Issued, ServerSide, Side, client_tls};
use hubline::wire::{AgentMessage, HubMessage};
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use super::super::*;
use super::support::*;

struct Encrypted {
    hub: Hub,
    authority: Authority,
    address: SocketAddr,
    directory: TempDir,
    tls: watch::Sender<Arc<ServerSide>>,
}

fn write(directory: &Path, authority: &Authority, issued: &Issued) -> Files {
    std::fs::create_dir_all(directory).unwrap();
    let files = Files::in_directory(directory);
    std::fs::write(&files.ca, authority.certificate()).unwrap();
    std::fs::write(&files.certificate, &issued.chain).unwrap();
    std::fs::write(&files.key, issued.private_key.expose()).unwrap();
    files
}

impl Encrypted {
    async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        hubline::tls::install_provider();
        let authority = Authority::new("test").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let issued = authority.issue_hub(&["hub.test"]).unwrap();
        let files = write(&directory.path().join("hub"), &authority, &issued);
        let tls = watch::Sender::new(Arc::new(ServerSide::load(&files).unwrap()));
        let hub = Hub::new(settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(
            listener,
            tls.subscribe(),
            hub.ingest.clone(),
            hub.shutdown.clone(),
        ));
        Self {
            hub,
            authority,
            address,
            directory,
            tls,
        }
    }

    /// The hub's certificate stays, and from now on agents of these authorities are trusted.
    fn trust(&self, authorities: &[&Authority]) {
        let bundle: String = authorities.iter().map(|it| it.certificate()).collect();
        let files = Files::in_directory(&self.directory.path().join("hub"));
        std::fs::write(&files.ca, bundle).unwrap();
        self.tls.send_replace(Arc::new(ServerSide::load(&files).unwrap()));
    }

    fn client(&self, authority: &Authority, name: &str) -> ClientTlsConfig {
        let issued = authority.issue_agent(&id(name)).unwrap();
        let files = write(&self.directory.path().join(name), &self.authority, &issued);
        client_tls(&files, Some("hub.test")).unwrap()
    }

    async fn connect(&self, tls: ClientTlsConfig) -> Result<Agent, String> {
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address)).unwrap();
        let channel = endpoint.tls_config(tls).unwrap().connect().await;
        let channel = channel.map_err(|error| format!("{error:?}"))?;
        Agent::open(channel).await.map_err(|status| format!("{status:?}"))
    }
}

#[tokio::test]
async fn a_whole_session() {
    let world = Encrypted::new().await;
    let mut agent = world.connect(world.client(&world.authority, "a")).await.unwrap();
    agent.say(hello(&super::support::agent())).await;
    let HubMessage::Welcome(welcome) = agent.hear().await.unwrap() else {
        panic!("no welcome");
    };
    assert_eq!(welcome.heartbeat_interval_ms, 5_000);
    assert!(matches!(agent.hear().await.unwrap(), HubMessage::Resync(_)));
    for message in snapshot(&super::support::agent()) {
        agent.say(message).await;
    }
    let HubMessage::Ack(ack) = agent.hear().await.unwrap() else {
        panic!("no ack");
    };
    assert_eq!((ack.taken, world.hub.resources()), (2, 2));
    agent.say(AgentMessage::Heartbeat(7, false)).await;
    assert_eq!(agent.hear().await.unwrap(), HubMessage::Heartbeat(7, true));
    world.hub.shutdown.cancel();
    let end = agent.end().await;
    assert_eq!((end.code(), end.message()), (Code::Unavailable, "the hub stops"));
}

#[tokio::test]
async fn a_certificate_speaks_for_its_own_cluster_only() {
    let world = Encrypted::new().await;
    let mut agent = world.connect(world.client(&world.authority, "b")).await.unwrap();
    agent.say(hello(&super::support::agent())).await;
    let end = agent.end().await;
    assert_eq!(end.code(), Code::PermissionDenied);
    assert!(
        end.message().contains("\"a\"") && end.message().contains("for b"),
        "{end:?}"
    );
    assert_eq!(world.hub.cluster.lock().unwrap().session(), None);
}

#[tokio::test]
async fn a_cluster_that_is_not_listed_is_told_so_until_it_is() {
    let world = Encrypted::new().await;
    world.hub.admitted.send_replace(Arc::default());
    let mut agent = world.connect(world.client(&world.authority, "a")).await.unwrap();
    agent.say(hello(&super::support::agent())).await;
    let end = agent.end().await;
    assert_eq!(end.code(), Code::PermissionDenied);
    assert!(end.message().contains("add it under `clusters`"), "{end:?}");
    world.hub.admitted.send_replace(list_of_a());
    let mut agent = world.connect(world.client(&world.authority, "a")).await.unwrap();
    agent.say(hello(&super::support::agent())).await;
    assert!(matches!(agent.hear().await.unwrap(), HubMessage::Welcome(_)));
}

#[tokio::test]
async fn without_a_certificate_of_our_authority_nobody_is_heard() {
    let world = Encrypted::new().await;
    let ca = Certificate::from_pem(world.authority.certificate());
    let nobody = ClientTlsConfig::new().ca_certificate(ca).domain_name("hub.test");
    let stranger = world.client(&Authority::new("other").unwrap(), "a");
    for tls in [nobody, stranger] {
        assert!(world.connect(tls).await.is_err());
    }
    // A server's certificate is of the authority, but speaks for no cluster.
    let issued = world.authority.issue_agent(&id("a")).unwrap();
    let hub = world.authority.issue_hub(&["a"]).unwrap();
    assert_ne!(issued.chain, hub.chain);
    let files = write(&world.directory.path().join("not-an-agent"), &world.authority, &hub);
    let refused = world.connect(client_tls(&files, Some("hub.test")).unwrap()).await;
    assert!(refused.is_err());
    assert_eq!(world.hub.sessions.count(), 0);
}

#[tokio::test]
async fn a_session_ends_when_its_authority_is_taken_away_and_not_before() {
    let world = Encrypted::new().await;
    let mut agent = world.connect(world.client(&world.authority, "a")).await.unwrap();
    agent.say(hello(&super::support::agent())).await;
    assert!(matches!(agent.hear().await.unwrap(), HubMessage::Welcome(_)));
    let next = Authority::new("next").unwrap();
    world.trust(&[&next, &world.authority]);
    agent.say(AgentMessage::Heartbeat(7, false)).await;
    while agent.hear().await.unwrap() != HubMessage::Heartbeat(7, true) {}
    world.trust(&[&next]);
    let end = agent.end().await;
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    assert!(end.message().contains("no longer one that the hub trusts"), "{end:?}");
    // With a new certificate it is heard at once.
    let mut agent = world.connect(world.client(&next, "a")).await.unwrap();
    agent.say(hello(&super::support::agent())).await;
    assert!(matches!(agent.hear().await.unwrap(), HubMessage::Welcome(_)));
    assert!(world.hub.sessions.certificate(&id("a")).is_some());
}

#[tokio::test]
async fn a_certificate_is_lost_when_it_ends() {
    hubline::tls::install_provider();
    let authority = Authority::new("test").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let files = write(
        directory.path(),
        &authority,
        &authority.issue_hub(&["hub.test"]).unwrap(),
    );
    let tls = watch::Sender::new(Arc::new(ServerSide::load(&files).unwrap()));
    let brief = authority.issuing_for(Duration::from_secs(1));
    let agent = brief.issue_agent(&id("a")).unwrap();
    let der = rustls::pki_types::CertificateDer::from_pem_slice(agent.chain.as_bytes()).unwrap();
    let lost = proof::Proof::new(&[der], tls.subscribe()).lost();
    let lost = tokio::time::timeout(Duration::from_secs(20), lost).await.unwrap();
    assert!(lost.to_string().contains("expired"), "{lost}");
}

/// Someone at another address of this machine who connects and says nothing.
async fn stranger(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    socket.connect(address).await.unwrap()
}

#[tokio::test]
async fn silent_connections_keep_no_agent_out() {
    let few = Settings {
        max_handshakes: 8,
        ..Settings::default()
    };
    let world = Encrypted::with(few).await;
    let mut strangers = Vec::new();
    for _ in 0..100 {
        strangers.push(stranger(world.address).await);
    }
    for _ in 0..8 {
        let agent = world.connect(world.client(&world.authority, "a"));
        // Below the minute after which silent ones are sent away in any case.
        let agent = tokio::time::timeout(Duration::from_secs(20), agent).await;
        let mut agent = agent.expect("strangers are in the way").unwrap();
        agent.say(hello(&super::support::agent())).await;
        assert!(matches!(agent.hear().await.unwrap(), HubMessage::Welcome(_)));
        strangers.push(stranger(world.address).await);
    }
    // There is a bound: the first had to go.
    let mut byte = [0];
    let gone = tokio::time::timeout(Duration::from_secs(20), strangers[0].read(&mut byte)).await;
    assert!(!matches!(gone.expect("the first is still there"), Ok(1..)));
}

/// As after a restart of the hub. None may need a second attempt, or all of them would come again.
#[tokio::test]
async fn a_thousand_agents_at_once_are_let_in() {
    let world = Encrypted::new().await;
    let tls = world.client(&world.authority, "a");
    let agents = (0..1_000).map(|_| world.connect(tls.clone()));
    let connected = futures::future::join_all(agents).await;
    let refused: Vec<_> = connected.iter().filter_map(|it| it.as_ref().err()).collect();
    assert!(
        refused.is_empty(),
        "{} were refused: {:?}",
        refused.len(),
        refused.first()
    );
}
