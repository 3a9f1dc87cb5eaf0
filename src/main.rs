//! The `hubline` command.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    hubline::tls::install_provider();
    hubline::cli::main().await
}
