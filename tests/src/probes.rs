//! `cargo bench-probes`: what probing costs the hub.
//!
//! The probers of a thousand clusters with two paths each, and nothing else of the hub, in this process; the agents' real
//! echo ports in another one, so that only the hub's side is counted. Every probe must be answered.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use hubline::model::ClusterId;
use hubline_agent::echo::{self, Limits};
use hubline_hub::path::Allowed;
use hubline_hub::path::evidence::{ProbeResult, Vantage};
use hubline_hub::path::parameters::BackOff;
use hubline_hub::path::probe::{Finding, ProbeContext, ProbeSpec, Sample, Sockets, TimeoutPolicy, probe_path};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::usage::usage;

/// The share of one core that probing may cost (issue 5, build item 2).
const ALLOWED_CORES: f64 = 0.10;

/// How the processes tell that everything listens.
const ALL: &str = "all";

/// The cost of probing, in CPU time of the hub's side.
#[derive(Debug, Parser)]
#[command(
    name = "cargo bench-probes",
    after_help = "Examples:
  cargo bench-probes
  cargo bench-probes --clusters 100 --seconds 10 --check"
)]
pub struct Options {
    /// How many clusters, each with an echo port of its own.
    #[arg(long, default_value_t = 1_000)]
    clusters: usize,
    /// How many paths each of them has.
    #[arg(long, default_value_t = 2)]
    paths: usize,
    /// Between two probes of a path, in milliseconds.
    #[arg(long, default_value_t = 1_000)]
    interval: u64,
    /// How long it is measured.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// End with 1 when it costs more than 10 % of one core.
    #[arg(long)]
    check: bool,
    /// Be the agents: the other process.
    #[arg(long, hide = true)]
    agents: bool,
}

/// Measures and prints.
///
/// # Errors
/// What did not start; a probe that was not good; with `--check` a cost that is too high.
pub async fn run(options: Options) -> Result<()> {
    if options.agents {
        return serve(options.clusters).await;
    }
    let (_agents, addresses) = start_agents(options.clusters).await?;
    let (findings_tx, mut findings) = mpsc::channel(1_024);
    let probers = start_probers(&options, &addresses, &findings_tx);
    all_good(&mut findings, addresses.len() * options.paths).await?;
    let before = usage(std::process::id())?;
    let (began, lasts) = (Instant::now(), Duration::from_secs(options.seconds));
    let probes = count(&mut findings, began + lasts).await?;
    let (elapsed, after) = (began.elapsed().as_secs_f64(), usage(std::process::id())?);
    drop(probers);
    let spent = after.cpu_seconds - before.cpu_seconds;
    let cores = spent / elapsed;
    let out = &mut std::io::stdout();
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let each = spent * 1e6 / probes as f64;
    writeln!(out, "paths        {}", addresses.len() * options.paths)?;
    writeln!(out, "probes       {probes} in {elapsed:.1} s, all good")?;
    writeln!(
        out,
        "cpu          {:.1}% of one core, {each:.1} µs a probe",
        cores * 100.0
    )?;
    writeln!(out, "memory       {} MiB", after.memory_bytes >> 20)?;
    let holds = cores < ALLOWED_CORES;
    ensure!(
        holds || !options.check,
        "more than {}% of one core",
        ALLOWED_CORES * 100.0
    );
    Ok(())
}

fn name(cluster: usize) -> Result<ClusterId> {
    Ok(ClusterId::new(&format!("c-{cluster}"))?)
}

/// The agents' echo ports, until stdin ends.
async fn serve(clusters: usize) -> Result<()> {
    for cluster in 0..clusters {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        let serving = echo::serve(listener, name(cluster)?, Limits::default(), CancellationToken::new());
        tokio::spawn(serving);
    }
    writeln!(std::io::stdout(), "{ALL}")?;
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}

async fn start_agents(clusters: usize) -> Result<(Child, Vec<SocketAddr>)> {
    let mut agents = Command::new(std::env::current_exe()?)
        .args(["--agents", "--clusters", &clusters.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = agents.stdout.take().context("the agents have no stdout")?;
    let mut lines = BufReader::new(stdout).lines();
    let mut addresses = Vec::with_capacity(clusters);
    loop {
        let line = lines
            .next_line()
            .await?
            .context("the agents ended: too few file descriptors?")?;
        if line == ALL {
            return Ok((agents, addresses));
        }
        addresses.push(line.parse()?);
    }
}

/// Their senders; probers end with them.
type Probers = Vec<watch::Sender<Arc<ProbeSpec>>>;

fn start_probers(options: &Options, addresses: &[SocketAddr], findings: &mpsc::Sender<Finding>) -> Probers {
    let (_, samples) = watch::channel::<Arc<[Sample]>>(Arc::new([]));
    let (sockets, began) = (Sockets::default(), Instant::now());
    let mut probers = Vec::new();
    for (cluster, address) in addresses.iter().enumerate() {
        let Ok(cluster) = name(cluster) else { continue };
        for path in 0..options.paths {
            let spec = spec(&cluster, path, *address, options.interval, &samples);
            let (sender, spec) = watch::channel(Arc::new(spec));
            let context = ProbeContext {
                findings: findings.clone(),
                sockets: sockets.clone(),
                began,
                seed: probers.len() as u64,
            };
            tokio::spawn(probe_path(spec, context, CancellationToken::new()));
            probers.push(sender);
        }
    }
    probers
}

fn spec(
    cluster: &ClusterId,
    path: usize,
    echo: SocketAddr,
    interval: u64,
    samples: &watch::Receiver<Arc<[Sample]>>,
) -> ProbeSpec {
    let interval = Duration::from_millis(interval);
    ProbeSpec {
        cluster: cluster.clone(),
        path: format!("p-{path}").into(),
        interval,
        gateway_interval: interval,
        back_off: BackOff::default(),
        timeout: TimeoutPolicy::Auto,
        echo: vec![echo.to_string()],
        expected_cluster: cluster.clone(),
        targets: Vec::new(),
        samples: samples.clone(),
        gateways: Vec::new(),
        allowed: Allowed::new(&[ipnet::Ipv4Net::new_assert(Ipv4Addr::LOCALHOST, 32).into()]),
    }
}

/// Waits until each path was good once: connections are made before it is measured.
async fn all_good(findings: &mut mpsc::Receiver<Finding>, paths: usize) -> Result<()> {
    let mut good = std::collections::BTreeSet::new();
    while good.len() < paths {
        let (cluster, path, evidence) = findings.recv().await.context("the probers ended")?;
        if matches!(evidence.result, ProbeResult::Good { .. }) {
            good.insert((cluster, path));
        }
    }
    Ok(())
}

async fn count(findings: &mut mpsc::Receiver<Finding>, until: Instant) -> Result<u64> {
    let mut probes = 0;
    while let Ok(found) = tokio::time::timeout_at(until, findings.recv()).await {
        let (cluster, path, evidence) = found.context("the probers ended")?;
        let good = evidence.vantage == Vantage::Line && matches!(evidence.result, ProbeResult::Good { .. });
        ensure!(good, "{cluster} {path}: {evidence:?}");
        probes += 1;
    }
    Ok(probes)
}
