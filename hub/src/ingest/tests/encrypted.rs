//! Over real sockets with TLS: who an agent is.

use std::net::SocketAddr;
use std::path::Path;

use hubline::tls::{Authority, Files, Issued, client_tls, server_config};
use hubline::wire::{AgentMessage, HubMessage};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use super::super::*;
use super::support::*;

struct Encrypted {
    hub: Hub,
    authority: Authority,
    address: SocketAddr,
    directory: TempDir,
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
        hubline::tls::install_provider();
        let authority = Authority::new("test").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let issued = authority.issue_hub(&["hub.test"]).unwrap();
        let files = write(&directory.path().join("hub"), &authority, &issued);
        let (_, tls) = watch::channel(server_config(&files).unwrap());
        let hub = Hub::new(Settings::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, tls, hub.ingest.clone(), hub.shutdown.clone()));
        Self {
            hub,
            authority,
            address,
            directory,
        }
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
