//! `cargo bench-peers`: see [`hubline_sandbox::bench`].

use std::process::ExitCode;

use clap::Parser;
use hubline::program::conclude;
use hubline_sandbox::bench::{Options, run};

fn main() -> ExitCode {
    let options = Options::parse();
    let ended = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(options)));
    conclude(ended)
}
