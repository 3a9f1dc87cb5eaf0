//! `hubline-agent`: runs an agent, checks a configuration, or translates a directory without talking to anyone.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use hubline::model::ClusterId;
use hubline::program::{Threads, conclude, run_until_stopped, setting};
use hubline_agent::config::AgentConfig;
use hubline_agent::pipeline;
use hubline_agent::source::crd::definitions;
use hubline_agent::translate::{Secrets, TranslateOptions, dry_run, snapshot_yaml};
use serde_json::Value;

/// Reads what one cluster declares and streams it to the hubs.
#[derive(Debug, Parser)]
#[command(
    name = "hubline-agent",
    version,
    after_help = "Examples:
  hubline-agent run --config /etc/hubline/agent.yaml
  hubline-agent check-config --config agent.yaml
  hubline-agent translate --cluster room-a ./manifests > room-a.yaml
  hubline-agent crds | kubectl apply --server-side -f -"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent until SIGTERM or SIGINT.
    Run(Configuration),
    /// Read a configuration and the files that it names, as a start would, and say what is wrong.
    CheckConfig(Configuration),
    /// Print what a directory of manifests becomes, as YAML; what is wrong with it goes to stderr.
    Translate(Translate),
    /// Print the CustomResourceDefinitions of the kinds that the agent reads, as YAML.
    Crds(Crds),
}

#[derive(Debug, clap::Args)]
struct Configuration {
    /// YAML file; without it defaults and environment (HUBLINE_AGENT__...) alone.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override one key, as `--set cluster=room-a`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    settings: Vec<(String, Value)>,
}

#[derive(Debug, clap::Args)]
struct Translate {
    /// Name of the cluster: a DNS-1123 label.
    #[arg(long, value_name = "NAME")]
    cluster: ClusterId,
    /// Directory of YAML files.
    directory: PathBuf,
    /// As `crossNamespaceServices: true` in the agent's configuration.
    #[arg(long)]
    cross_namespace_services: bool,
    /// Print private keys instead of their fingerprints.
    #[arg(long)]
    show_secrets: bool,
}

#[derive(Debug, clap::Args)]
struct Crds {
    /// Write a file for each into this directory instead.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

fn main() -> ExitCode {
    hubline::tls::install_provider();
    conclude(execute(Arguments::parse().command))
}

fn execute(command: Command) -> Result<()> {
    match command {
        Command::Run(configuration) => run(configuration),
        Command::CheckConfig(configuration) => check_config(configuration),
        Command::Translate(translate) => print_translation(translate),
        Command::Crds(crds) => print_definitions(crds.directory.as_deref()),
    }
}

fn run(configuration: Configuration) -> Result<()> {
    let config = AgentConfig::load(configuration.config.as_deref(), configuration.settings)?;
    config.logging.start()?;
    run_until_stopped(Threads::One, |shutdown| async {
        Ok(pipeline::run(config, shutdown).await?)
    })
}

fn check_config(configuration: Configuration) -> Result<()> {
    let config = AgentConfig::load(configuration.config.as_deref(), configuration.settings)?;
    config.check_files()?;
    Ok(writeln!(io::stdout(), "the configuration is valid")?)
}

fn print_translation(translate: Translate) -> Result<()> {
    let options = TranslateOptions {
        cross_namespace_services: translate.cross_namespace_services,
        ..TranslateOptions::new(translate.cluster)
    };
    let yaml = translation(options, &translate.directory, translate.show_secrets)?;
    Ok(io::stdout().write_all(yaml.as_bytes())?)
}

fn print_definitions(directory: Option<&Path>) -> Result<()> {
    let definitions = definitions()?;
    if let Some(directory) = directory {
        for file in definitions {
            let path = directory.join(file.name);
            std::fs::write(&path, file.text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        return Ok(());
    }
    let documents: Vec<String> = definitions.into_iter().map(|file| file.text).collect();
    Ok(io::stdout().write_all(documents.join("---\n").as_bytes())?)
}

/// The snapshot; diagnostics go to stderr and are no failure: they are what a dry run is for.
fn translation(options: TranslateOptions, directory: &Path, show_secrets: bool) -> Result<String> {
    let (snapshot, diagnostics) = dry_run(options, directory)?;
    for diagnostic in diagnostics {
        writeln!(io::stderr(), "{:?}: {diagnostic}", diagnostic.severity)?;
    }
    let secrets = if show_secrets {
        Secrets::Shown
    } else {
        Secrets::Redacted
    };
    Ok(snapshot_yaml(&snapshot, secrets)?)
}
