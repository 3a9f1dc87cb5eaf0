//! The agent's configuration: one YAML file, with environment (`HUBLINE_AGENT__...`) and flags over it.

mod echo;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hubline::config::{ConfigError, duration};
use hubline::model::{ClusterId, ModelError};
use hubline::telemetry::{Logging, TelemetryError};
use hubline::tls::{Files, TlsError, client_tls};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::translate::TranslateOptions;
pub use echo::{EchoConfig, EchoListen, EchoListenError};

/// How the agent's environment variables begin: `HUBLINE_AGENT__TLS__CERTIFICATE` sets `tls.certificate`.
pub const ENVIRONMENT_PREFIX: &str = "HUBLINE_AGENT__";

/// Everything that is configured at an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentConfig {
    /// The cluster's name: that of the agent's certificate.
    pub cluster: String,
    /// Which replica, for people; the environment's `HOSTNAME` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What is read.
    pub source: SourceConfig,
    /// Where it goes.
    pub hubs: Vec<HubConfig>,
    /// Certificates towards the hubs.
    pub tls: Files,
    /// Which Ingresses are ours.
    pub ingress_class: IngressClassConfig,
    /// Whether an Ingress may name Services of other namespaces (annotation `svc-namespace`).
    pub cross_namespace_services: bool,
    /// Whether statuses and events are written to the cluster.
    pub status: bool,
    /// Zone or region of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Addresses by which the cluster's gateways or nodes are reached.
    pub addresses: Vec<String>,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub listen: SocketAddr,
    /// Where the hub finds out whether it reaches this cluster.
    pub echo: EchoConfig,
    /// How long listings may take at the start before what could not be listed counts as unknown.
    #[serde(with = "duration")]
    pub startup_grace: Duration,
    /// Logs.
    pub logging: Logging,
}

/// What is read: one of the two; the cluster that the agent runs in when neither is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceConfig {
    /// An API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube: Option<KubeConfig>,
    /// A directory of YAML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ManifestConfig>,
}

/// An API server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubeConfig {
    /// A kubeconfig file; what the environment offers when absent: its service account, or the user's own file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<PathBuf>,
    /// Namespaces that are looked at; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<BTreeSet<String>>,
    /// Which replica publishes.
    #[serde(default)]
    pub lease: LeaseConfig,
}

/// The Lease (`coordination.k8s.io/v1`) whose holder publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LeaseConfig {
    /// Its namespace; when absent the agent's own (that of its service account or kubeconfig).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self {
            namespace: None,
            name: "hubline-agent".to_owned(),
        }
    }
}

/// A directory of YAML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManifestConfig {
    /// The directory.
    pub directory: PathBuf,
    /// What the hub pins the cluster to, as it pins others to the UID of kube-system; `manifest-CLUSTER` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// One hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HubConfig {
    /// `HOST:PORT`, tried in this order, as the private line and then the public network.
    pub addresses: Vec<String>,
    /// The name in the hub's certificate, where it is not the host of each address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// Which Ingresses are ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IngressClassConfig {
    /// Class that is ours even when no IngressClass object of that name exists.
    pub name: String,
    /// Values of `IngressClass.spec.controller` that are ours.
    pub controllers: Vec<String>,
}

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AgentConfigError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ConfigError),
    /// The cluster's name is none.
    #[error("cluster: {0}")]
    Cluster(#[from] ModelError),
    /// A field makes no sense.
    #[error("{field}: {problem}")]
    Field {
        /// Path of the field.
        field: String,
        /// What is wrong and what is allowed.
        problem: &'static str,
    },
    /// Its certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Its log levels are wrong.
    #[error(transparent)]
    Logging(#[from] TelemetryError),
}

impl Default for AgentConfig {
    /// Paths are those of the container image.
    fn default() -> Self {
        Self {
            cluster: String::new(),
            instance: None,
            source: SourceConfig::default(),
            hubs: Vec::new(),
            tls: Files::in_directory(Path::new("/etc/hubline/tls")),
            ingress_class: IngressClassConfig::default(),
            cross_namespace_services: false,
            status: true,
            zone: None,
            addresses: Vec::new(),
            listen: (Ipv4Addr::LOCALHOST, 8081).into(),
            echo: EchoConfig::default(),
            // Six times what listing 100,000 objects takes in pages of 200 at 10 ms each.
            startup_grace: Duration::from_secs(30),
            logging: Logging::default(),
        }
    }
}

impl Default for IngressClassConfig {
    fn default() -> Self {
        Self {
            name: "apisix".to_owned(),
            controllers: vec![
                "hubline.dev/ingress-controller".to_owned(),
                "apisix.apache.org/apisix-ingress-controller".to_owned(),
            ],
        }
    }
}

impl AgentConfig {
    /// Reads defaults, file, environment and flags (dotted paths), and checks the whole.
    ///
    /// # Errors
    /// [`AgentConfigError`] names field, origin and what is allowed.
    pub fn load(file: Option<&Path>, flags: Vec<(String, Value)>) -> Result<Self, AgentConfigError> {
        let config: Self = hubline::config::load(&Self::default(), file, ENVIRONMENT_PREFIX, flags)?;
        config.check()?;
        Ok(config)
    }

    /// As [`Self::load`], from a YAML text alone; errors call it `name`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(name: &str, text: &str) -> Result<Self, AgentConfigError> {
        let config: Self = hubline::config::parse(&Self::default(), name, text)?;
        config.check()?;
        Ok(config)
    }

    /// Checks what the fields mean together.
    ///
    /// # Errors
    /// [`AgentConfigError`] names the field and what is allowed.
    pub fn check(&self) -> Result<(), AgentConfigError> {
        self.cluster_id()?;
        if self.source.kube.is_some() && self.source.manifest.is_some() {
            return Err(field("source", "has kube and manifest, only one of them is allowed"));
        }
        if self.hubs.is_empty() {
            return Err(field("hubs", "is empty, at least one hub is needed"));
        }
        for (at, hub) in self.hubs.iter().enumerate() {
            if hub.addresses.is_empty() {
                return Err(field(
                    format!("hubs[{at}].addresses"),
                    "is empty, at least one HOST:PORT is needed",
                ));
            }
            if !hub.addresses.iter().all(|address| is_host_and_port(address)) {
                return Err(field(
                    format!("hubs[{at}].addresses"),
                    "has an address that is not HOST:PORT",
                ));
            }
        }
        self.check_echo()?;
        Ok(self.logging.check()?)
    }

    fn check_echo(&self) -> Result<(), AgentConfigError> {
        let EchoConfig { listen, advertise } = &self.echo;
        if !advertise.iter().all(|address| is_host_and_port(address)) {
            return Err(field("echo.advertise", "has an address that is not HOST:PORT"));
        }
        if *listen == EchoListen::Off && !advertise.is_empty() {
            return Err(field("echo.advertise", "has addresses, but echo.listen is off"));
        }
        Ok(())
    }

    /// Checks the files that the configuration names.
    ///
    /// # Errors
    /// [`AgentConfigError::Tls`] names field and file.
    pub fn check_files(&self) -> Result<(), AgentConfigError> {
        for hub in &self.hubs {
            client_tls(&self.tls, hub.server_name.as_deref())?;
        }
        Ok(())
    }

    /// The cluster's name.
    ///
    /// # Errors
    /// [`AgentConfigError::Cluster`] when it is none.
    pub fn cluster_id(&self) -> Result<ClusterId, AgentConfigError> {
        Ok(ClusterId::new(&self.cluster)?)
    }

    /// What translation depends on, but for the echo's addresses: they follow from the port that is listened on.
    ///
    /// # Errors
    /// [`AgentConfigError::Cluster`] when the cluster's name is none.
    pub fn translate_options(&self) -> Result<TranslateOptions, AgentConfigError> {
        let kube = self.source.kube.as_ref();
        Ok(TranslateOptions {
            cluster: self.cluster_id()?,
            ingress_class: self.ingress_class.name.clone(),
            controllers: self.ingress_class.controllers.clone(),
            zone: self.zone.clone(),
            addresses: self.addresses.clone(),
            echo: Vec::new(),
            namespaces: kube.and_then(|kube| kube.namespaces.clone()),
            cross_namespace_services: self.cross_namespace_services,
        })
    }
}

fn field(field: impl Into<String>, problem: &'static str) -> AgentConfigError {
    let field = field.into();
    AgentConfigError::Field { field, problem }
}

fn is_host_and_port(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else {
        return false;
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let host_is_one = !host.is_empty() && !host.contains('/') && (bracketed || !host.contains(':'));
    host_is_one && port.parse::<u16>().is_ok_and(|port| port > 0)
}
