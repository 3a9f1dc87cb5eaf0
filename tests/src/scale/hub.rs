//! The hub: its binary, in a process of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hubline::model::SecretText;
use hubline::telemetry::Logging;
use hubline::tls::{Authority, Files, Issued};
use hubline_hub::config::{ApiAddress, ClusterConfig, HubConfig};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::target::Target;
use super::world::{World, cluster};
use super::{Options, progress};
use crate::build::Executables;
use crate::ports::free_port;
use crate::usage::{Usage, usage};

/// Between two looks at something that tells nobody when it changes. Each costs the hub a listing of its metrics.
const POLL: Duration = Duration::from_millis(100);

/// How long anything may take before it counts as lost: a first fill of a dev build on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(900);

/// The hub's binary.
#[derive(Debug)]
pub(super) struct Binary(PathBuf);

impl Binary {
    /// The one that the options name, else built by the cargo that runs us.
    pub(super) async fn find(options: &Options) -> Result<Self> {
        if let Some(hub) = &options.hub {
            return Ok(Self(hub.canonicalize()?));
        }
        progress(&format!("building the hub, profile {}", options.profile.name()));
        let built = Executables::build(options.profile, &["hubline-hub"]).await?;
        Ok(Self(built.named("hubline-hub")?))
    }
}

/// A hub with its folder.
pub(super) struct Hub {
    binary: PathBuf,
    config: PathBuf,
    log_file: Option<PathBuf>,
    api: SocketAddr,
    pub(super) agents: SocketAddr,
    client: reqwest::Client,
    child: Option<Child>,
}

impl Hub {
    /// Writes its configuration; it does not run yet.
    pub(super) fn prepare(
        options: &Options,
        binary: &Binary,
        world: &World,
        authority: &Authority,
        folder: &Path,
        target: &Target,
    ) -> Result<Self> {
        let api: SocketAddr = (Ipv4Addr::LOCALHOST, free_port()?).into();
        let agents: SocketAddr = (Ipv4Addr::LOCALHOST, free_port()?).into();
        let issued = authority.issue_hub(&["localhost"])?;
        let mut config = HubConfig {
            hub: "scale".to_owned(),
            data_dir: folder.join("data"),
            key_file: folder.join("data").join("seal.key"),
            tls: write_identity(folder, "hub", authority, &issued)?,
            logging: Logging {
                level: options.log.clone(),
                ..Logging::default()
            },
            ..HubConfig::default()
        };
        config.listen.agents = agents;
        config.listen.api = ApiAddress::Loopback(api);
        config.target.admin.addresses = vec![target.url().to_owned()];
        config.target.admin.key = Some(SecretText::new("scale".to_owned()));
        // A fill of 100,000 routes at 500 a second would take minutes of waiting that say nothing of the hub.
        config.tuning.batch_size = 100_000;
        for agent in 0..world.agents {
            config.clusters.push(ClusterConfig::named(cluster(agent)?));
        }
        let file = folder.join("hub.yaml");
        std::fs::write(&file, serde_saphyr::to_string(&config)?)?;
        Ok(Self {
            binary: binary.0.clone(),
            config: file,
            log_file: options.log_file.clone(),
            api,
            agents,
            client: reqwest::Client::builder().no_proxy().build()?,
            child: None,
        })
    }

    /// Starts it; returns the seconds until its API answers, which is when everything is restored.
    pub(super) async fn start(&mut self) -> Result<f64> {
        let log = match &self.log_file {
            Some(file) => std::fs::OpenOptions::new().create(true).append(true).open(file)?.into(),
            None => Stdio::null(),
        };
        let began = Instant::now();
        let mut command = Command::new(&self.binary);
        let command = command.arg("run").arg("--config").arg(&self.config);
        self.child = Some(command.stderr(log).kill_on_drop(true).spawn()?);
        self.until("API", |_| true).await?;
        Ok(began.elapsed().as_secs_f64())
    }

    fn process(&self) -> Result<u32> {
        let child = self.child.as_ref().context("the hub does not run")?;
        child.id().context("the hub has ended")
    }

    pub(super) fn usage(&self) -> Result<Usage> {
        usage(self.process()?)
    }

    /// Ends it in order with `TERM`, or wherever it is with `KILL`, and waits until it has.
    pub(super) async fn end(&mut self, signal: &str) -> Result<()> {
        let process = self.process()?.to_string();
        let sent = Command::new("kill").args(["-s", signal, &process]).status().await?;
        ensure!(sent.success(), "cannot signal the hub");
        let mut child = self.child.take().context("the hub does not run")?;
        timeout(PATIENCE, child.wait())
            .await
            .context("the hub does not end")??;
        Ok(())
    }

    /// Its metrics, read once.
    pub(super) async fn metrics(&self) -> Result<Metrics> {
        let url = format!("http://{}/metrics", self.api);
        let answer = self.client.get(url).send().await?.error_for_status()?;
        Ok(Metrics(answer.text().await?))
    }

    /// Waits until its metrics are as wanted, and returns them.
    pub(super) async fn until(&mut self, what: &str, holds: impl Fn(&Metrics) -> bool) -> Result<Metrics> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let child = self.child.as_mut().context("the hub does not run")?;
            if let Some(status) = child.try_wait()? {
                bail!("the hub ended with {status} before {what}");
            }
            match self.metrics().await {
                Ok(metrics) if holds(&metrics) => return Ok(metrics),
                Ok(_) | Err(_) if Instant::now() < deadline => {}
                Ok(metrics) => bail!("no {what} in {PATIENCE:?}; metrics:\n{}", metrics.0),
                Err(error) => return Err(error.context(format!("no {what} in {PATIENCE:?}"))),
            }
            sleep(POLL).await;
        }
    }
}

/// Metrics in their text form.
#[derive(Debug)]
pub(super) struct Metrics(String);

impl Metrics {
    /// The value of a series, named with its labels; 0 when it is not there.
    pub(super) fn value(&self, series: &str) -> f64 {
        let found = self
            .0
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        found.and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    /// A histogram's upper bounds and how many observations are at most so large; ascending.
    pub(super) fn buckets(&self, name: &str) -> Vec<(f64, f64)> {
        let begin = format!("{name}_bucket{{le=\"");
        let bucket = |line: &str| {
            let (bound, count) = line.strip_prefix(&begin)?.split_once("\"} ")?;
            Some((
                bound.trim_start_matches('+').to_lowercase().parse().ok()?,
                count.parse().ok()?,
            ))
        };
        self.0.lines().filter_map(bucket).collect()
    }
}

pub(super) fn write_identity(folder: &Path, name: &str, authority: &Authority, issued: &Issued) -> Result<Files> {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder)?;
    let files = Files::in_directory(&folder);
    std::fs::write(&files.ca, authority.certificate())?;
    std::fs::write(&files.certificate, &issued.chain)?;
    std::fs::write(&files.key, issued.private_key.expose())?;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_and_histograms_are_read() {
        let metrics = Metrics(
            "a_total 3\na_total_b 4\nb{x=\"y\"} 5.5\nc_bucket{le=\"0.1\"} 1\nc_bucket{le=\"+Inf\"} 2\n".to_owned(),
        );
        assert_eq!(metrics.value("a_total"), 3.0);
        assert_eq!(metrics.value("b{x=\"y\"}"), 5.5);
        assert_eq!(metrics.value("missing"), 0.0);
        assert_eq!(metrics.buckets("c"), [(0.1, 1.0), (f64::INFINITY, 2.0)]);
    }
}
