//! `hubline-hub`: runs a hub, checks a configuration, or plans snapshots without talking to anyone.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use hubline::program::{Threads, conclude, run_until_stopped, setting};
use hubline_hub::command::plan::plan_command;
use hubline_hub::config::{Grant, HubConfig};
use hubline_hub::pipeline::{self, Origin};
use hubline_hub::plan::PlanOptions;
use hubline_hub::plan::id::Prefix;
use serde_json::Value;

/// Merges the clusters of many agents and is the only writer to one APISIX.
#[derive(Debug, Parser)]
#[command(
    name = "hubline-hub",
    version,
    after_help = "Examples:
  hubline-hub run --config /etc/hubline/hub.yaml
  hubline-hub check-config --config hub.yaml
  hubline-hub plan room-a.yaml room-b.yaml > apisix.yaml"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub until SIGTERM or SIGINT; SIGHUP reads the list of clusters again.
    Run(Configuration),
    /// Read a configuration and the files that it names, as a start would, and say what is wrong.
    CheckConfig(Configuration),
    /// Print the objects that snapshots (of `hubline-agent translate`) would become at APISIX.
    Plan(Plan),
}

#[derive(Debug, clap::Args)]
struct Configuration {
    /// YAML file; without it defaults and environment (HUBLINE_HUB__...) alone.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override one key, as `--set target.name=edge`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    settings: Vec<(String, Value)>,
}

#[derive(Debug, clap::Args)]
struct Plan {
    /// Snapshots, one a cluster.
    #[arg(required = true)]
    snapshots: Vec<PathBuf>,
    /// Take hub name, id prefix and the clusters' grants from this configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// As `apisix.yaml` for APISIX in file mode, or as JSON.
    #[arg(short, long, value_enum, default_value_t = Form::ApisixYaml)]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For APISIX in file mode.
    ApisixYaml,
    /// For programs.
    Json,
}

fn main() -> ExitCode {
    hubline::tls::install_provider();
    conclude(execute(Arguments::parse().command))
}

fn execute(command: Command) -> Result<()> {
    match command {
        Command::Run(configuration) => run(configuration),
        Command::CheckConfig(configuration) => check(configuration),
        Command::Plan(plan) => print_plan(&plan),
    }
}

fn run(configuration: Configuration) -> Result<()> {
    let Configuration {
        config: file,
        settings: flags,
    } = configuration;
    let config = HubConfig::load(file.as_deref(), flags.clone())?;
    config.logging.start()?;
    run_until_stopped(Threads::Cores, |shutdown| async {
        Ok(pipeline::run(config, Origin { file, flags }, shutdown).await?)
    })
}

fn check(configuration: Configuration) -> Result<()> {
    let config = HubConfig::load(configuration.config.as_deref(), configuration.settings)?;
    config.check_files()?;
    writeln!(
        io::stdout(),
        "the configuration is valid: {} clusters, target {}",
        config.clusters.len(),
        config.target.name
    )?;
    Ok(())
}

fn print_plan(plan: &Plan) -> Result<()> {
    let config = match &plan.config {
        Some(file) => HubConfig::load(Some(file), Vec::new())?,
        None => HubConfig::default(),
    };
    let options = PlanOptions {
        prefix: Prefix::new(&config.id_prefix)?,
        grants: config.cluster_list().granted(Grant::GlobalRules),
        hub: config.hub,
        ..PlanOptions::default()
    };
    let json = plan.output == Form::Json;
    plan_command(
        &plan.snapshots,
        options,
        json,
        &mut io::stdout().lock(),
        &mut io::stderr().lock(),
    )?;
    Ok(())
}
