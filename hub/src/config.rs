//! The hub's configuration: one YAML file, with environment (`HUBLINE_HUB__...`) and flags over it.
//!
//! [`HubConfig::load`] gives a configuration that makes sense as a whole, [`HubConfig::check_files`] one whose files are
//! there too. Only the list of clusters and what is told for statuses may change while the hub runs ([`reload`]).

mod address;
mod cluster;
pub mod reload;
mod status;
mod target;
#[cfg(test)]
mod tests;
mod tuning;
mod validate;

use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use hubline::config::ConfigError;
use hubline::telemetry::{Logging, TelemetryError};
use hubline::tls::{Files, TlsError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::path::parameters::HubFailover;

pub use address::{AddressError, ApiAddress};
pub use cluster::{ClusterConfig, ClusterList, Grant};
pub use status::StatusConfig;
pub use target::{AdminConfig, TargetConfig};
pub use tuning::Tuning;
pub use validate::Invalid;

/// How the hub's environment variables begin: `HUBLINE_HUB__TLS__CERTIFICATE` sets `tls.certificate`.
pub const ENVIRONMENT_PREFIX: &str = "HUBLINE_HUB__";

/// Everything that is configured at a hub.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HubConfig {
    /// The hub's name: a DNS-1123 label, written into the label `hub` of every object.
    pub hub: String,
    /// Where last good states are kept.
    pub data_dir: PathBuf,
    /// The key that seals them; made at the first start when it is missing.
    pub key_file: PathBuf,
    /// Where it listens.
    pub listen: Listen,
    /// Certificates towards agents.
    pub tls: Files,
    /// Which clusters may speak; may change while the hub runs.
    pub clusters: Vec<ClusterConfig>,
    /// What agents are told for the statuses that they write; may change while the hub runs.
    pub status: StatusConfig,
    /// The APISIX that is written to.
    pub target: TargetConfig,
    /// How ids of our objects begin: 1 to 8 of `a-z` and `0-9`.
    pub id_prefix: String,
    /// When the hub suspects itself.
    pub failover: HubFailover,
    /// Speeds and portions.
    pub tuning: Tuning,
    /// Logs.
    pub logging: Logging,
}

/// Where the hub listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listen {
    /// For agents (gRPC, mTLS); `[::]` is all addresses, IPv4 too.
    pub agents: SocketAddr,
    /// For people and programs on this machine.
    pub api: ApiAddress,
}

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub enum HubConfigError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ConfigError),
    /// It makes no sense as a whole.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Its certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Its log levels are wrong.
    #[error(transparent)]
    Logging(#[from] TelemetryError),
}

impl Default for HubConfig {
    /// Paths are those of the systemd unit and the container image.
    fn default() -> Self {
        Self {
            hub: "hubline".to_owned(),
            data_dir: "/var/lib/hubline".into(),
            key_file: "/var/lib/hubline/seal.key".into(),
            listen: Listen {
                agents: (Ipv6Addr::UNSPECIFIED, 7443).into(),
                api: ApiAddress::Unix("/run/hubline/hub.sock".into()),
            },
            tls: Files::in_directory(Path::new("/etc/hubline/tls")),
            clusters: Vec::new(),
            status: StatusConfig::default(),
            target: TargetConfig::default(),
            id_prefix: "hl".to_owned(),
            failover: HubFailover::default(),
            tuning: Tuning::default(),
            logging: Logging::default(),
        }
    }
}

impl HubConfig {
    /// Reads defaults, file, environment and flags (dotted paths), and checks the whole.
    ///
    /// # Errors
    /// [`HubConfigError::Read`] and [`HubConfigError::Invalid`] name field, origin and what is allowed.
    pub fn load(file: Option<&Path>, flags: Vec<(String, Value)>) -> Result<Self, HubConfigError> {
        let config: Self = hubline::config::load(&Self::default(), file, ENVIRONMENT_PREFIX, flags)?;
        config.validate()?;
        Ok(config)
    }

    /// As [`Self::load`], from a YAML text alone; errors call it `name`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(name: &str, text: &str) -> Result<Self, HubConfigError> {
        let config: Self = hubline::config::parse(&Self::default(), name, text)?;
        config.validate()?;
        Ok(config)
    }

    /// Reads the files that the configuration names, as a start would.
    ///
    /// # Errors
    /// [`HubConfigError`] names the field and the file.
    pub fn check_files(&self) -> Result<(), HubConfigError> {
        hubline::tls::server_config(&self.tls)?;
        self.target.admin.read_key()?;
        self.target.admin.read_ca()?;
        self.clone().with_identities()?;
        self.check_targets()
    }

    /// The certificates and keys that probes of configured targets need.
    fn check_targets(&self) -> Result<(), HubConfigError> {
        for (at, cluster) in self.clusters.iter().enumerate() {
            for (path_at, path) in cluster.paths.iter().enumerate() {
                for (target_at, target) in path.targets.iter().enumerate() {
                    let field = format!("clusters.{at}.paths.{path_at}.targets.{target_at}");
                    let checked = target.check_files();
                    checked.map_err(|fault| Invalid::one(format!("{field}: {fault}")))?;
                }
            }
        }
        Ok(())
    }

    /// The same with what the files of client certificates towards gateways hold.
    ///
    /// # Errors
    /// [`Invalid`] names the field, the file and what is wrong.
    pub fn with_identities(mut self) -> Result<Self, Invalid> {
        for (at, cluster) in self.clusters.iter_mut().enumerate() {
            for (path_at, path) in cluster.paths.iter_mut().enumerate() {
                let Some(gateway) = &mut path.gateway else { continue };
                let field = format!("clusters.{at}.paths.{path_at}.gateway");
                gateway
                    .read_identity()
                    .map_err(|fault| Invalid::one(format!("{field}.{fault}")))?;
            }
        }
        Ok(self)
    }

    /// The clusters by name.
    #[must_use]
    pub fn cluster_list(&self) -> ClusterList {
        ClusterList::new(&self.clusters)
    }
}
