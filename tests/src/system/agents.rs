//! The agents of a system.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result};
use hubline::tls::Files;
use hubline_agent::config::AgentConfig;
use serde_json::json;

use super::System;
use crate::program::Program;

/// What an agent reads.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A directory of manifests.
    Manifests(&'a Path),
    /// A directory of manifests, and what the hub pins the cluster to.
    ManifestsOf(&'a Path, &'a str),
    /// A cluster, by a kubeconfig.
    Kube(&'a Path),
}

/// An agent's echo port.
#[derive(Debug, Clone, Copy)]
pub struct EchoPort {
    /// Where it listens.
    pub listen: SocketAddr,
    /// By which address it is reached; none: the hub is told of no echo.
    pub advertise: Option<SocketAddr>,
}

impl Default for EchoPort {
    /// Anywhere, and nobody is told.
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            advertise: None,
        }
    }
}

impl System {
    /// Starts the agent of a cluster, with a certificate of its own.
    ///
    /// # Errors
    /// When its threads cannot be started.
    pub fn start_agent(&mut self, cluster: &str, source: Source<'_>) -> Result<()> {
        let identity = self.identity(cluster)?;
        self.start_agent_as(cluster, source, &identity)
    }

    /// Starts an agent that says it is `cluster`, with any certificate.
    ///
    /// # Errors
    /// When its threads cannot be started.
    pub fn start_agent_as(&mut self, cluster: &str, source: Source<'_>, identity: &Files) -> Result<()> {
        self.run_agent(cluster, cluster, source, identity, EchoPort::default())
    }

    /// As [`System::start_agent`], with an echo port that is reached from outside.
    ///
    /// # Errors
    /// When its threads cannot be started.
    pub fn start_agent_with_echo(&mut self, cluster: &str, source: Source<'_>, echo: EchoPort) -> Result<()> {
        let identity = self.identity(cluster)?;
        self.run_agent(cluster, cluster, source, &identity, echo)
    }

    /// Starts one of several agents of a cluster; `replica` names it, to stop or kill it and in the hub's API.
    ///
    /// # Errors
    /// When its threads cannot be started.
    pub fn start_replica(&mut self, replica: &str, cluster: &str, source: Source<'_>) -> Result<()> {
        let identity = self.identity(cluster)?;
        self.run_agent(replica, cluster, source, &identity, EchoPort::default())
    }

    fn run_agent(
        &mut self,
        replica: &str,
        cluster: &str,
        source: Source<'_>,
        identity: &Files,
        echo: EchoPort,
    ) -> Result<()> {
        let config = self.agent_config(replica, cluster, source, identity, echo)?;
        let program = Program::start(&format!("agent-{replica}"), move |shutdown| async move {
            hubline_agent::pipeline::run(config, shutdown).await.map_err(Into::into)
        })?;
        self.agents.insert(replica.to_owned(), program);
        Ok(())
    }

    /// Written as a user would, and read by the agent's own loader.
    fn agent_config(
        &self,
        replica: &str,
        cluster: &str,
        source: Source<'_>,
        identity: &Files,
        echo: EchoPort,
    ) -> Result<AgentConfig> {
        let source = match source {
            Source::Manifests(directory) => json!({"manifest": {"directory": directory}}),
            Source::ManifestsOf(directory, uid) => json!({"manifest": {"directory": directory, "uid": uid}}),
            Source::Kube(kubeconfig) => json!({"kube": {"kubeconfig": kubeconfig, "lease": {"namespace": "hubline"}}}),
        };
        let config = json!({
            "cluster": cluster,
            "instance": replica,
            "source": source,
            "hubs": [{"addresses": [format!("localhost:{}", self.hub_link.address().port())]}],
            "tls": {"ca": identity.ca, "certificate": identity.certificate, "key": identity.key},
            "listen": "127.0.0.1:0",
            "echo": {"listen": echo.listen, "advertise": echo.advertise.as_slice()},
        });
        let file = self.folder().join(format!("agent-{replica}.yaml"));
        std::fs::write(&file, serde_saphyr::to_string(&config)?)?;
        Ok(AgentConfig::load(Some(&file), Vec::new())?)
    }

    /// Ends an agent in order.
    ///
    /// # Errors
    /// The agent's own.
    pub async fn stop_agent(&mut self, cluster: &str) -> Result<()> {
        self.agents.remove(cluster).context("no such agent runs")?.stop().await
    }

    /// Ends an agent wherever it is.
    ///
    /// # Errors
    /// When no such agent runs.
    pub async fn kill_agent(&mut self, cluster: &str) -> Result<()> {
        self.agents.remove(cluster).context("no such agent runs")?.kill().await
    }
}
