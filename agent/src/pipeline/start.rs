//! What differs between a cluster and a manifest directory: client, UID, election, reading.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use hubline::tls::ClientSide;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::{HubLine, PipelineError};
use crate::config::{AgentConfig, EchoListen, HubConfig, KubeConfig, ManifestConfig, SourceConfig};
use crate::echo::{self, Limits};
use crate::lease::{self, Leadership};
use crate::session::TlsConnect;
use crate::source::{self, Name, SourceEvent};

/// Where declarations come from.
pub(super) enum Origin {
    Kube(Client, KubeConfig),
    Manifest(ManifestConfig),
}

impl Origin {
    pub(super) async fn of_config(source: &SourceConfig) -> Result<Self, PipelineError> {
        if let Some(manifest) = &source.manifest {
            return Ok(Self::Manifest(manifest.clone()));
        }
        let kube = source.kube.clone().unwrap_or_default();
        let client = client(&kube).await.map_err(PipelineError::Kube)?;
        Ok(Self::Kube(client, kube))
    }

    /// The way to the API server; a directory of manifests has none, and nobody to write a status to.
    pub(super) fn client(&self) -> Option<Client> {
        match self {
            Self::Kube(client, _) => Some(client.clone()),
            Self::Manifest(_) => None,
        }
    }

    /// What the hub pins the cluster to. Tried for ever: an API server may start later than its agent.
    pub(super) async fn uid(&self, cluster: &str) -> String {
        match self {
            Self::Kube(client, _) => source::kube::cluster_facts(client).await.uid,
            Self::Manifest(manifest) => manifest.uid.clone().unwrap_or_else(|| format!("manifest-{cluster}")),
        }
    }

    /// Begins to elect; without a lease this replica publishes from the start.
    pub(super) fn elect(
        &self,
        tasks: &TaskTracker,
        identity: String,
        leadership: watch::Sender<Leadership>,
        shutdown: &CancellationToken,
    ) {
        match self {
            Self::Kube(client, kube) => {
                let (client, config, shutdown) = (client.clone(), kube.lease.clone(), shutdown.clone());
                tasks.spawn(lease::run(client, config, identity, leadership, shutdown));
            }
            Self::Manifest(_) => {
                leadership.send_replace(Leadership {
                    holder: true,
                    transitions: 0,
                });
            }
        }
    }

    /// Begins to read.
    pub(super) fn read(
        self,
        tasks: &TaskTracker,
        events: mpsc::Sender<SourceEvent>,
        wanted: watch::Receiver<BTreeSet<Name>>,
        shutdown: &CancellationToken,
    ) {
        let shutdown = shutdown.clone();
        match self {
            Self::Kube(client, _) => {
                tasks.spawn(source::kube::run(client, wanted, events, shutdown));
            }
            Self::Manifest(manifest) => {
                let times = source::manifest::Times::default();
                tasks.spawn(source::manifest::run(manifest.directory, times, events, shutdown));
            }
        }
    }
}

async fn client(config: &KubeConfig) -> Result<Client, String> {
    let loaded = match &config.kubeconfig {
        None => Config::infer().await.map_err(|error| error.to_string())?,
        Some(path) => {
            let file =
                Kubeconfig::read_from(path).map_err(|error| format!("kubeconfig {}: {error}", path.display()))?;
            let options = KubeConfigOptions::default();
            let loaded = Config::from_custom_kubeconfig(file, &options).await;
            loaded.map_err(|error| format!("kubeconfig {}: {error}", path.display()))?
        }
    };
    let loaded = source::kube::Timeouts::default().of(loaded);
    Client::try_from(loaded).map_err(|error| error.to_string())
}

/// The hubs, over TLS.
pub(super) fn lines(config: &AgentConfig, certificates: &watch::Receiver<Arc<ClientSide>>) -> Vec<HubLine> {
    let line = |hub: &HubConfig| HubLine {
        addresses: hub.addresses.clone(),
        connect: Arc::new(TlsConnect::new(certificates.clone(), hub.server_name.clone())),
    };
    config.hubs.iter().map(line).collect()
}

/// Begins to answer at the echo port, before anything else can fail, and tells where the hub reaches it.
pub(super) async fn echo(
    config: &AgentConfig,
    origin: &Origin,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<Vec<String>, PipelineError> {
    let EchoListen::At(address) = config.echo.listen else {
        return Ok(Vec::new());
    };
    let unusable = |source| PipelineError::Echo { address, source };
    let listener = TcpListener::bind(address).await.map_err(unusable)?;
    let listens_on = listener.local_addr().map_err(unusable)?;
    let pod = match origin {
        Origin::Kube(..) => pod_address(),
        Origin::Manifest(_) => None,
    };
    let (cluster, limits) = (config.cluster_id()?, Limits::default());
    tasks.spawn(echo::serve(listener, cluster, limits, shutdown.clone()));
    Ok(echo::reached_at(&config.echo.advertise, pod, listens_on))
}

/// The pod's own address, as the downward API gives it.
fn pod_address() -> Option<IpAddr> {
    let text = std::env::var("POD_IP").ok().filter(|text| !text.is_empty())?;
    let address = text.parse();
    if address.is_err() {
        warn!(text, "POD_IP is no address: the hub is not told where the echo port is");
    }
    address.ok()
}

/// Which replica, for people.
pub(super) fn instance(config: &AgentConfig) -> String {
    let host = || std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    config
        .instance
        .clone()
        .or_else(host)
        .unwrap_or_else(|| "agent".to_owned())
}

/// Which run: two runs of one replica are two candidates for the lease.
pub(super) fn identity(instance: &str) -> String {
    format!("{instance}_{:016x}", rand::random::<u64>())
}
