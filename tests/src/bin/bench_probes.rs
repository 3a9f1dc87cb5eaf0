//! `cargo bench-probes`: see [`hubline_sandbox::probes`].

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use hubline_sandbox::probes::{Options, run};

fn main() -> ExitCode {
    let ended = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(Options::parse())));
    if let Err(error) = ended {
        writeln!(std::io::stderr(), "error: {error:#}").ok();
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
