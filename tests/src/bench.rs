//! `cargo bench-peers`: what Hubline costs and how fast it is, beside the figures of other controllers on the same work.
//!
//! It measures what ships: the release binaries as processes of their own, a real kube-apiserver, and the stand-in
//! APISIX as a target that is never the limit (its own pace is measured too). Correctness is always asserted: nothing
//! lost, nothing written that need not be. Times are only reported, and judged where `--check` asks for it.

mod binaries;
mod churn;
mod cluster;
mod cold;
mod figures;
mod installation;
mod peers;
mod restart;
mod single;
mod table;
mod target;
mod verdict;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use crate::build::Profile;
use binaries::Binaries;
use cluster::Cluster;
use figures::{Figures, SizeFigures};
use installation::Installation;
use target::Target;

/// Hubline beside its peers: cold start, single changes, churn and restarts, at several sizes.
#[derive(Debug, Parser)]
#[command(
    name = "cargo bench-peers",
    after_help = "Examples:
  cargo bench-peers
  cargo bench-peers --sizes 100,1000 -o json > figures.json
  cargo bench-peers --sizes 1000 --stages cold,restart
  cargo bench-peers --agent ./hubline-agent --hub ./hubline-hub --check"
)]
pub struct Options {
    /// How many Ingresses, each with a Service and an EndpointSlice of its own.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,5000", value_name = "N,...")]
    sizes: Vec<usize>,
    /// What is measured.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "cold,single,churn,restart")]
    stages: Vec<Stage>,
    /// Fewer changes and shorter waits: shows that everything works, and measures little.
    #[arg(long)]
    quick: bool,
    /// How the agent and the hub are built.
    #[arg(long, value_enum, default_value_t = Profile::Shipped)]
    profile: Profile,
    /// An agent that is built already.
    #[arg(long, value_name = "FILE", requires = "hub")]
    agent: Option<PathBuf>,
    /// A hub that is built already.
    #[arg(long, value_name = "FILE", requires = "agent")]
    hub: Option<PathBuf>,
    /// The form of what is printed to stdout.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// End with 1 when a figure is not as good as it must be.
    #[arg(long)]
    check: bool,
}

/// One thing that is measured; a cold start comes first in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// From the agent's start to the last object at the target.
    Cold,
    /// Endpoint changes, one after another.
    Single,
    /// 50 endpoint changes a second.
    Churn,
    /// Agent and hub start again while nothing changed.
    Restart,
}

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// How much is done.
#[derive(Debug, Clone, Copy)]
struct Effort {
    /// Endpoint changes, one after another.
    singles: usize,
    /// How long the churn lasts.
    churn: Duration,
    /// How long nothing may be written after a restart. The longest that a write is held back is the removal grace of
    /// two seconds; a batch of routes waits for one.
    quiet: Duration,
}

impl Effort {
    /// 200 changes and 30 s are what the peers were measured with.
    fn of(quick: bool) -> Self {
        if quick {
            return Self {
                singles: 10,
                churn: Duration::from_secs(2),
                quiet: Duration::from_secs(3),
            };
        }
        Self {
            singles: 200,
            churn: Duration::from_secs(30),
            quiet: Duration::from_secs(5),
        }
    }
}

/// Tells a waiting person how far it is.
fn progress(text: &str) {
    // A closed stderr is no reason to stop measuring.
    drop(writeln!(std::io::stderr(), "bench-peers: {text}"));
}

/// Measures and prints.
///
/// # Errors
/// What did not start; anything lost or written in vain; with `--check` a figure that is not as good as it must be.
pub async fn run(options: Options) -> Result<()> {
    hubline::tls::install_provider();
    let binaries = Binaries::find(&options).await?;
    let figures = measure(&options, &binaries).await?;
    let verdicts = verdict::verdicts(&figures);
    let text = match options.output {
        Output::Table => table::render(&figures, &verdicts),
        Output::Json => serde_json::to_string_pretty(&serde_json::json!({"figures": figures, "verdicts": verdicts}))?,
    };
    writeln!(std::io::stdout(), "{text}")?;
    let missed = verdicts.iter().filter(|verdict| !verdict.holds).count();
    ensure!(
        !options.check || missed == 0,
        "{missed} figures are not as they must be"
    );
    Ok(())
}

async fn measure(options: &Options, binaries: &Binaries) -> Result<Figures> {
    let effort = Effort::of(options.quick);
    progress("starting a kube-apiserver");
    let mut cluster = Cluster::start().await?;
    let target_calls_per_second = target::pace().await?;
    let mut sizes = Vec::new();
    for size in options.sizes.iter().copied() {
        cluster.grow(size).await?;
        sizes.push(measure_size(options, effort, binaries, &mut cluster).await?);
    }
    Ok(Figures {
        profile: options.profile.name().to_owned(),
        target_calls_per_second,
        sizes,
    })
}

async fn measure_size(
    options: &Options,
    effort: Effort,
    binaries: &Binaries,
    cluster: &mut Cluster,
) -> Result<SizeFigures> {
    let size = cluster.size();
    let wants = |stage| options.stages.contains(&stage);
    let target = Target::start().await?;
    let mut installation = Installation::prepare(binaries, cluster, &target).await?;
    progress(&format!("{size}: cold start"));
    let cold = cold::measure(&mut installation, &target, cluster).await?;
    let mut figures = SizeFigures::new(size, cold);
    if wants(Stage::Single) {
        progress(&format!("{size}: {} single changes", effort.singles));
        figures.single = Some(single::measure(&installation, &target, cluster, effort.singles).await?);
    }
    if wants(Stage::Churn) {
        progress(&format!("{size}: 50 changes a second for {:?}", effort.churn));
        figures.churn = Some(churn::measure(&installation, &target, cluster, effort.churn).await?);
    }
    if wants(Stage::Restart) {
        progress(&format!("{size}: restarts"));
        figures.restarts = Some(restart::measure(&mut installation, &target, effort.quiet).await?);
    }
    installation.stop().await?;
    Ok(figures)
}
