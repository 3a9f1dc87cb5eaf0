//! A whole Hubline in one process: stand-in APISIX, hub, agents, and a link between agents and hub that can be cut.
//!
//! Real sockets, real TLS, the programs' own wiring; only APISIX is a stand-in.

mod agents;
mod certificates;
mod look;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use hubline::model::{ClusterId, SecretText};
use hubline::tls::{Authority, Files, Issued};
use hubline_hub::config::{ApiAddress, ClusterConfig, HubConfig};
use hubline_hub::pipeline::Origin;
use tempfile::TempDir;

use crate::apisix::{StandIn, StandInOptions};
use crate::link::Link;
use crate::ports::free_port;
use crate::program::Program;
use crate::scripted::Scripted;

pub use agents::{EchoPort, Source};
pub use certificates::Owner;
pub use look::Answer;

/// How long anything may take before a test calls it lost: far above what it takes on a busy machine with two cores.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The APISIX that the hub writes to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Base URL of its Admin API.
    pub admin: String,
    /// Its admin key.
    pub key: SecretText,
    /// Base URL of its gateway.
    pub gateway: String,
}

/// See the module.
#[derive(Debug)]
pub struct System {
    folder: TempDir,
    authority: Authority,
    /// The target.
    pub apisix: StandIn,
    /// Between agents and hub.
    pub hub_link: Link,
    gateway: String,
    config: HubConfig,
    hub: Option<Program>,
    agents: BTreeMap<String, Program>,
}

impl System {
    /// A stand-in and a hub that lists `clusters`; no agents yet.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn start(clusters: &[&str]) -> Result<Self> {
        hubline::tls::install_provider();
        let apisix = StandIn::start(StandInOptions::default()).await?;
        let (admin, key) = (apisix.admin_url(), SecretText::new(apisix.admin_key().to_owned()));
        let gateway = format!("http://{}", apisix.gateway_addr());
        Self::start_with(clusters, apisix, Target { admin, key, gateway }).await
    }

    /// As [`System::start`], with a hub that writes to `target`, whatever the stand-in is.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn start_with(clusters: &[&str], apisix: StandIn, target: Target) -> Result<Self> {
        let mut system = Self::prepare(clusters, apisix, target).await?;
        system.start_hub()?;
        Ok(system)
    }

    /// As [`System::start`], with these clusters, and a hub that does not run yet: [`System::config`] can be changed
    /// before [`System::start_hub`].
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn prepared(clusters: Vec<ClusterConfig>) -> Result<Self> {
        hubline::tls::install_provider();
        let apisix = StandIn::start(StandInOptions::default()).await?;
        let (admin, key) = (apisix.admin_url(), SecretText::new(apisix.admin_key().to_owned()));
        let gateway = format!("http://{}", apisix.gateway_addr());
        let mut system = Self::prepare(&[], apisix, Target { admin, key, gateway }).await?;
        system.config.clusters = clusters;
        Ok(system)
    }

    async fn prepare(clusters: &[&str], apisix: StandIn, target: Target) -> Result<Self> {
        hubline::tls::install_provider();
        let folder = tempfile::tempdir()?;
        let authority = Authority::new("sandbox")?;
        let agents: SocketAddr = (Ipv4Addr::LOCALHOST, free_port()?).into();
        let hub_link = Link::start((Ipv4Addr::LOCALHOST, 0).into(), agents).await?;
        let files = write_identity(
            folder.path(),
            "hub",
            &authority,
            &authority.issue_hub(&["localhost", "127.0.0.1"])?,
        )?;
        let config = hub_config(folder.path(), files, agents, clusters, &target)?;
        let gateway = target.gateway;
        Ok(Self {
            folder,
            authority,
            apisix,
            hub_link,
            gateway,
            config,
            hub: None,
            agents: BTreeMap::new(),
        })
    }

    /// Starts the hub again, from its data directory.
    ///
    /// # Errors
    /// When its threads cannot be started; what it fails at later shows when it is stopped.
    pub fn start_hub(&mut self) -> Result<()> {
        let (config, file) = (self.config.clone(), self.hub_config_file());
        std::fs::write(&file, serde_saphyr::to_string(&config)?)?;
        self.hub = Some(Program::start("hub", move |shutdown| async move {
            let origin = Origin {
                file: Some(file),
                flags: Vec::new(),
            };
            hubline_hub::pipeline::run(config, origin, shutdown)
                .await
                .map_err(Into::into)
        })?);
        Ok(())
    }

    /// The file that the hub reads again when it changes.
    #[must_use]
    pub fn hub_config_file(&self) -> PathBuf {
        self.folder.path().join("hub.yaml")
    }

    /// Ends the hub in order.
    ///
    /// # Errors
    /// The hub's own.
    pub async fn stop_hub(&mut self) -> Result<()> {
        self.hub.take().context("no hub runs")?.stop().await
    }

    /// Ends the hub wherever it is.
    ///
    /// # Errors
    /// When no hub runs.
    pub async fn kill_hub(&mut self) -> Result<()> {
        self.hub.take().context("no hub runs")?.kill().await
    }

    /// The hub's configuration; a change takes effect at its next start.
    pub fn config(&mut self) -> &mut HubConfig {
        &mut self.config
    }

    /// A folder of this system's own.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Files of a fresh certificate for an agent of `cluster`.
    ///
    /// # Errors
    /// When the name is no cluster name.
    pub fn identity(&self, cluster: &str) -> Result<Files> {
        self.identity_from(&self.authority, cluster)
    }

    /// As [`System::identity`], issued by an authority that the hub does not know.
    ///
    /// # Errors
    /// When the name is no cluster name.
    pub fn forged_identity(&self, cluster: &str) -> Result<Files> {
        self.identity_from(&Authority::new("forger")?, cluster)
    }

    /// The hub is known by the system's own authority in any case.
    fn identity_from(&self, issuer: &Authority, cluster: &str) -> Result<Files> {
        let issued = issuer.issue_agent(&ClusterId::new(cluster)?)?;
        let name = format!("agent-{cluster}");
        write_identity(self.folder.path(), &name, &self.authority, &issued)
    }

    /// Connects an agent of `cluster` that says what a test tells it.
    ///
    /// # Errors
    /// When no stream can be opened.
    pub async fn script(&self, cluster: &str) -> Result<Scripted> {
        // The hub listens to agents before it listens to people.
        self.until_api("/v1/clusters", |_| true).await?;
        Scripted::connect(self.hub_link.address(), &self.identity(cluster)?).await
    }
}

fn hub_config(folder: &Path, tls: Files, agents: SocketAddr, clusters: &[&str], target: &Target) -> Result<HubConfig> {
    let mut config = HubConfig {
        hub: "sandbox".to_owned(),
        tls,
        ..HubConfig::default()
    };
    config.data_dir = folder.join("hub-data");
    config.key_file = folder.join("hub-data").join("seal.key");
    config.listen.agents = agents;
    config.listen.api = ApiAddress::Unix(folder.join("hub.sock"));
    config.target.name = "sandbox".to_owned();
    config.target.admin.addresses = vec![target.admin.clone()];
    let key_file = folder.join("admin.key");
    std::fs::write(&key_file, target.key.expose())?;
    config.target.admin.key_file = Some(key_file);
    for name in clusters {
        config.clusters.push(ClusterConfig::named(ClusterId::new(name)?));
    }
    Ok(config)
}

fn write_identity(folder: &Path, name: &str, authority: &Authority, issued: &Issued) -> Result<Files> {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder)?;
    let files = Files::in_directory(&folder);
    std::fs::write(&files.ca, authority.certificate())?;
    std::fs::write(&files.certificate, &issued.chain)?;
    std::fs::write(&files.key, issued.private_key.expose())?;
    Ok(files)
}
