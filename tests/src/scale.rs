//! `cargo bench-scale`: one hub with a thousand agents, without Kubernetes.
//!
//! The hub is the release binary in a process of its own, so that its memory is its own. The agents are the real
//! publisher and session over real mTLS, with resources that are made up; the target is a bare Admin API that keeps
//! bodies. Correctness is always asserted: everything arrives, a restart writes nothing. Figures are only reported,
//! and judged where `--check` asks for it.

mod figures;
mod fleet;
mod hub;
mod reconnect;
mod stages;
mod table;
mod target;
mod wire;
mod world;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use crate::build::Profile;
use figures::{Figures, judge};
use hub::Binary;
use world::World;

/// One hub with a thousand agents: memory for each endpoint, the cost of one change, a restart with nothing changed.
#[derive(Debug, Parser)]
#[command(
    name = "cargo bench-scale",
    after_help = "Examples:
  cargo bench-scale
  cargo bench-scale --agents 100 --routes 10000 -o json > figures.json
  cargo bench-scale --profile dev --quick --agents 20 --routes 200
  cargo bench-scale --hub ./hubline-hub --check"
)]
pub struct Options {
    /// How many agents, each of a cluster of its own.
    #[arg(long, default_value_t = 1_000)]
    agents: usize,
    /// How many routes all agents have together, each with a service and an endpoint set of its own.
    #[arg(long, default_value_t = 100_000)]
    routes: usize,
    /// How many endpoints each service has.
    #[arg(long, default_value_t = 10)]
    endpoints_per_service: usize,
    /// The smaller size, with as many routes an agent, to which the cost of one change is compared.
    #[arg(long, default_value_t = 1_000, value_name = "ROUTES")]
    compare_with: usize,
    /// Endpoint changes, one after another.
    #[arg(long, default_value_t = 2_000)]
    changes: usize,
    /// Fewer changes and shorter waits: shows that everything works, and measures little.
    #[arg(long)]
    quick: bool,
    /// How the hub is built.
    #[arg(long, value_enum, default_value_t = Profile::Shipped)]
    profile: Profile,
    /// A hub that is built already.
    #[arg(long, value_name = "FILE")]
    hub: Option<PathBuf>,
    /// The hub's log level; its own default writes a line for each write, as in production.
    #[arg(long, default_value = "info")]
    log: String,
    /// Where the hub's log goes, restarts included; nowhere when not given.
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// The form of what is printed to stdout.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// End with 1 when a figure is not as good as it must be.
    #[arg(long)]
    check: bool,
}

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

impl Options {
    /// The same with fewer routes and as many of them an agent.
    fn smaller(&self) -> World {
        let routes = self.compare_with.min(self.routes);
        let agents = (self.agents * routes).div_ceil(self.routes.max(1));
        World::new(agents, routes, self.endpoints_per_service)
    }

    fn changes(&self) -> usize {
        if self.quick { self.changes.min(50) } else { self.changes }
    }
}

/// Tells a waiting person how far it is.
fn progress(text: &str) {
    // A closed stderr is no reason to stop measuring.
    drop(writeln!(std::io::stderr(), "bench-scale: {text}"));
}

/// Measures and prints.
///
/// # Errors
/// What did not start; anything lost or written in vain; with `--check` a figure that is not as good as it must be.
pub async fn run(options: Options) -> Result<()> {
    hubline::tls::install_provider();
    let binary = Binary::find(&options).await?;
    let small = stages::measure(&options, &binary, options.smaller()).await?;
    let world = World::new(options.agents, options.routes, options.endpoints_per_service);
    let large = stages::measure(&options, &binary, world).await?;
    let figures = Figures { small, large };
    let verdicts = judge(&figures);
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
