//! A hub and an agent as processes of their own, configured as a user would.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hubline::model::ClusterId;
use hubline::tls::{Authority, Files, Issued};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::binaries::Binaries;
use super::cluster::Cluster;
use super::figures::Usage;
use super::target::Target;
use crate::kube::process::Process;
use crate::ports::free_port;
use crate::usage::usage;

/// The cluster's name.
const CLUSTER: &str = "bench";

/// How long a program may take to be ready, or agent and hub to agree.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at the hub's API, which tells nobody when it changes.
const POLL: Duration = Duration::from_millis(20);

/// One of the two programs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Agent,
    Hub,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Installation {
    folder: TempDir,
    agent_binary: PathBuf,
    hub_binary: PathBuf,
    hub_port: u16,
    api: reqwest::Client,
    agent: Option<Process>,
    hub: Option<Process>,
}

impl Installation {
    /// Writes certificates and configurations, and starts a hub that waits for the agent.
    pub(super) async fn prepare(binaries: &Binaries, cluster: &Cluster, target: &Target) -> Result<Self> {
        let folder = TempDir::with_prefix("hubline-bench-")?;
        let api = reqwest::Client::builder()
            .unix_socket(folder.path().join("hub.sock"))
            .timeout(PATIENCE)
            .build()?;
        let hub_port = free_port()?;
        write_configurations(folder.path(), hub_port, cluster, target)?;
        let mut installation = Self {
            folder,
            agent_binary: binaries.agent.clone(),
            hub_binary: binaries.hub.clone(),
            hub_port,
            api,
            agent: None,
            hub: None,
        };
        installation.start(Part::Hub)?;
        installation.until_ready().await?;
        Ok(installation)
    }

    /// Starts one of them.
    pub(super) fn start(&mut self, part: Part) -> Result<()> {
        let (binary, name) = match part {
            Part::Agent => (&self.agent_binary, "agent"),
            Part::Hub => (&self.hub_binary, "hub"),
        };
        let config = self.folder.path().join(format!("{name}.yaml"));
        let arguments = vec!["run".to_owned(), "--config".to_owned(), config.display().to_string()];
        let log = self.folder.path().join(format!("{name}.log"));
        *self.slot(part) = Some(Process::start(binary, arguments, log)?);
        Ok(())
    }

    /// Ends one of them in order.
    pub(super) async fn end(&mut self, part: Part) -> Result<()> {
        let process = self.slot(part).take().context("it does not run")?;
        let status = tokio::task::spawn_blocking(move || process.terminate()).await??;
        ensure!(status.success(), "{part:?} ended with {status}");
        Ok(())
    }

    /// Ends both.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.end(Part::Agent).await?;
        self.end(Part::Hub).await
    }

    fn slot(&mut self, part: Part) -> &mut Option<Process> {
        match part {
            Part::Agent => &mut self.agent,
            Part::Hub => &mut self.hub,
        }
    }

    /// What one of them has used since its start.
    pub(super) fn usage(&self, part: Part) -> Result<Usage> {
        let process = match part {
            Part::Agent => &self.agent,
            Part::Hub => &self.hub,
        };
        Ok(usage(process.as_ref().context("it does not run")?.id())?.into())
    }

    /// Bytes that the agent sent to the hub over the connection that is open; none when `ss` does not tell.
    pub(super) fn uplink_bytes(&self) -> Option<u64> {
        let port = format!("dport = :{}", self.hub_port);
        let output = Command::new("ss").args(["-tinH", &port]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let sent = text
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("bytes_sent:"));
        let sent: Vec<u64> = sent.filter_map(|number| number.parse().ok()).collect();
        (!sent.is_empty()).then(|| sent.iter().sum())
    }

    /// The run of the agent with which the hub agrees; none when it agrees with none.
    pub(super) async fn live_epoch(&self) -> Option<String> {
        let clusters = self.ask("/v1/clusters").await.ok()?;
        let cluster = clusters["items"].as_array()?.first()?.clone();
        let epoch = cluster["epoch"].as_str().filter(|_| cluster["phase"] == "Live");
        epoch.map(str::to_owned)
    }

    /// Waits until agent and hub agree, on another run of the agent than `before`.
    pub(super) async fn until_live(&mut self, before: Option<&str>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self
                .live_epoch()
                .await
                .is_some_and(|epoch| Some(epoch.as_str()) != before)
            {
                return Ok(());
            }
            self.check_time(deadline, "agent and hub do not agree")?;
            sleep(POLL).await;
        }
    }

    /// Waits until the hub has looked at the target.
    pub(super) async fn until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(state) = self.ask("/readyz").await
                && state["target"]["observed"] == true
            {
                return Ok(());
            }
            self.check_time(deadline, "the hub is not ready")?;
            sleep(POLL).await;
        }
    }

    async fn ask(&self, path: &str) -> Result<Value> {
        let response = self.api.get(format!("http://hub{path}")).send().await?;
        Ok(response.json().await?)
    }

    /// Fails when a program has ended or time is up, with the ends of the logs.
    fn check_time(&mut self, deadline: Instant, what: &str) -> Result<()> {
        for process in [&mut self.agent, &mut self.hub].into_iter().flatten() {
            if let Some(status) = process.ended()? {
                bail!("{what}, a program ended with {status}:\n{}", process.log_tail());
            }
        }
        if Instant::now() > deadline {
            let logs = [&self.hub, &self.agent].into_iter().flatten();
            let logs: Vec<String> = logs.map(Process::log_tail).collect();
            bail!("{what} after {PATIENCE:?}:\n{}", logs.join("\n"));
        }
        Ok(())
    }
}

fn write_configurations(folder: &Path, hub_port: u16, cluster: &Cluster, target: &Target) -> Result<()> {
    let authority = Authority::new("bench")?;
    let hub = write_identity(folder, "hub", &authority, &authority.issue_hub(&["localhost"])?)?;
    let issued = authority.issue_agent(&ClusterId::new(CLUSTER)?)?;
    let agent = write_identity(folder, "agent", &authority, &issued)?;
    let key_file = folder.join("admin.key");
    fs::write(&key_file, target.admin_key())?;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, hub_port));
    let hub = json!({
        "hub": "bench",
        "dataDir": folder.join("data"),
        "keyFile": folder.join("data").join("seal.key"),
        "listen": {"agents": listen, "api": format!("unix:{}", folder.join("hub.sock").display())},
        "tls": tls(&hub),
        "clusters": [{"name": CLUSTER}],
        "target": {"admin": {"addresses": [target.admin_url()], "keyFile": key_file}},
    });
    let agent = json!({
        "cluster": CLUSTER,
        "source": {"kube": {"kubeconfig": cluster.server().agent_kubeconfig()?, "lease": {"namespace": "hubline"}}},
        "hubs": [{"addresses": [format!("localhost:{hub_port}")]}],
        "tls": tls(&agent),
        "listen": "127.0.0.1:0",
        "echo": {"listen": "127.0.0.1:0"},
    });
    fs::write(folder.join("hub.yaml"), serde_saphyr::to_string(&hub)?)?;
    fs::write(folder.join("agent.yaml"), serde_saphyr::to_string(&agent)?)?;
    Ok(())
}

fn tls(files: &Files) -> Value {
    json!({"ca": files.ca, "certificate": files.certificate, "key": files.key})
}

fn write_identity(folder: &Path, name: &str, authority: &Authority, issued: &Issued) -> Result<Files> {
    let folder = folder.join(name);
    fs::create_dir_all(&folder)?;
    let files = Files::in_directory(&folder);
    fs::write(&files.ca, authority.certificate())?;
    fs::write(&files.certificate, &issued.chain)?;
    fs::write(&files.key, issued.private_key.expose())?;
    Ok(files)
}
