//! `cargo bench-scale`: see [`hubline_sandbox::scale`].

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use hubline_sandbox::scale::{Options, run};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let ended = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(options)));
    if let Err(error) = ended {
        writeln!(std::io::stderr(), "error: {error:#}").ok();
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
