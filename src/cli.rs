//! The `hubline` command line: shows what a hub knows, orders about paths, and makes certificates.
//!
//! It only speaks to the hub's API, in JSON, and knows nothing of the hub's own types.

mod certs;
mod client;
mod error;
mod events;
mod path;
mod show;
mod table;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use client::{HubAddress, HubAddressError};
pub use error::CliError;

/// Where a hub's API is unless its configuration says otherwise.
const DEFAULT_HUB: &str = "unix:/run/hubline/hub.sock";

const EXAMPLES: &str = "\
Examples:
  hubline clusters                         which clusters are there, and how current they are
  hubline routes --cluster a -o wide       what cluster a serves, and what became of it
  hubline routes --host shop.example.com   who serves a host
  hubline problems                         what is not in force, and why
  hubline paths                            which way each cluster is reached, and how well
  hubline path drain a line --for 2h --why 'provider works on the line'
  hubline events --follow                  what happens to paths
  hubline desired --kind upstreams -o json the objects as the hub wants them in APISIX
  hubline certs init --hub-name hub.example.com,10.0.0.5
  hubline certs agent a                    the certificate by which an agent speaks for cluster a
  hubline certs agent a -o yaml | kubectl apply -f -

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 the hub was not reached.";

/// Shows what a Hubline hub knows, orders about paths, and makes certificates for hub and agents.
#[derive(Debug, Parser)]
#[command(name = "hubline", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Clusters: how current they are and what they have
    Clusters(ClusterArguments),
    /// Routes: hosts, paths and backends, and what became of them
    Routes(RouteArguments),
    /// Services: ports and endpoints, and what became of them
    Services(ServiceArguments),
    /// Objects as the hub wants them in APISIX, without their secrets
    Desired(DesiredArguments),
    /// What is not in force, or not as it was declared, and why
    Problems(ProblemArguments),
    /// The last writes to APISIX, each with its cause
    Writes(WriteArguments),
    /// Paths: which way each cluster is reached, and how well each works
    Paths(PathsArguments),
    /// Orders about paths: pin, drain, freeze, with a time limit and a reason
    #[command(subcommand)]
    Path(path::Command),
    /// What happened to paths, and what happens
    Events(events::Arguments),
    /// Makes a certificate authority and certificates for hub and agents
    #[command(subcommand)]
    Certs(certs::Command),
    /// Version of this command
    Version,
}

/// Which hub, and in which form.
#[derive(Debug, Args)]
struct HubArguments {
    /// The hub's API: unix:/PATH or http://HOST:PORT
    #[arg(long, env = "HUBLINE_HUB", default_value = DEFAULT_HUB, value_name = "ADDRESS")]
    hub: HubAddress,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// With more columns
    Wide,
    /// As the API gives it
    Json,
}

/// Which part.
#[derive(Debug, Default, Args)]
struct Filter {
    /// Only this cluster
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Only this namespace
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
}

#[derive(Debug, Args)]
struct ClusterArguments {
    /// Only this cluster
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    #[command(flatten)]
    hub: HubArguments,
}

#[derive(Debug, Args)]
struct RouteArguments {
    /// Only routes that take this host, by name or by wildcard
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    hub: HubArguments,
}

#[derive(Debug, Args)]
struct ServiceArguments {
    /// Only services of this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    hub: HubArguments,
}

#[derive(Debug, Args)]
struct DesiredArguments {
    /// Only objects of this collection of the Admin API, as upstreams
    #[arg(long, value_name = "COLLECTION")]
    kind: Option<String>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    hub: HubArguments,
}

#[derive(Debug, Args)]
struct PathsArguments {
    /// Only this cluster
    cluster: Option<String>,
    #[command(flatten)]
    hub: HubArguments,
}

#[derive(Debug, Args)]
struct ProblemArguments {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    hub: HubArguments,
}

#[derive(Debug, Args)]
struct WriteArguments {
    /// At most so many, the newest first
    #[arg(long, default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    hub: HubArguments,
}

/// Runs the command line of this process.
pub async fn main() -> ExitCode {
    match main_of_process().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

async fn main_of_process() -> Result<(), CliError> {
    let mut stdout = std::io::stdout();
    let style = if stdout.is_terminal() {
        table::Style::Terminal
    } else {
        table::Style::Plain
    };
    let cli = Cli::try_parse_from(std::env::args_os())?;
    if let Command::Events(arguments) = &cli.command {
        return events::run(arguments, &mut stdout)
            .await
            .or_else(CliError::unless_nobody_reads);
    }
    // Written whole at the end, so that a reader that stops early (`head`) is no error in the middle.
    let mut output = Vec::new();
    let result = run(cli, style, &mut output).await;
    let written = stdout.lock().write_all(&output).map_err(CliError::Output);
    result.and(written.or_else(CliError::unless_nobody_reads))
}

/// Runs one command line, the command's own name first, as a script would; gives what it prints on success.
///
/// # Errors
/// [`CliError`], whose text is what stderr would show.
pub async fn output_of(arguments: impl Iterator<Item = OsString>) -> Result<String, CliError> {
    let mut output = Vec::new();
    run(Cli::try_parse_from(arguments)?, table::Style::Plain, &mut output).await?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Runs one command line; what it prints on success goes to `output`.
async fn run(cli: Cli, style: table::Style, output: &mut Vec<u8>) -> Result<(), CliError> {
    let (hub, query) = match cli.command {
        Command::Version => return version(output),
        Command::Certs(command) => return certs::run(&command, output),
        Command::Path(command) => return path::run(command, style, output).await,
        Command::Events(arguments) => return events::run(&arguments, output).await,
        Command::Clusters(arguments) => (arguments.hub, show::clusters(arguments.cluster)),
        Command::Routes(arguments) => (arguments.hub, show::routes(arguments.filter, arguments.host)),
        Command::Services(arguments) => (arguments.hub, show::services(arguments.filter, arguments.name)),
        Command::Desired(arguments) => (arguments.hub, show::desired(arguments.filter, arguments.kind)),
        Command::Problems(arguments) => (arguments.hub, show::problems(arguments.filter)),
        Command::Writes(arguments) => (arguments.hub, show::writes(arguments.limit)),
        Command::Paths(arguments) => (arguments.hub, show::paths(arguments.cluster)),
    };
    let answer = client::get(&hub.hub, &query).await?;
    show::print(&query, &answer, hub.output, style, output).map_err(CliError::Output)
}

/// Says something beside the output, on stderr.
#[expect(clippy::print_stderr, reason = "progress belongs there")]
fn say(text: &str) {
    eprintln!("hubline: {text}");
}

fn version(output: &mut Vec<u8>) -> Result<(), CliError> {
    writeln!(output, "hubline {}", env!("CARGO_PKG_VERSION")).map_err(CliError::Output)
}
