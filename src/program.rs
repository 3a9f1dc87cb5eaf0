//! What the agent's and the hub's binaries do alike: overriding keys, stopping on signals, saying what went wrong.

use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Reads the value of `--set`: `KEY=VALUE`, where the value is JSON, or else a text.
///
/// # Errors
/// When there is no `=`.
pub fn setting(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not KEY=VALUE"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((key.to_owned(), value))
}

/// On how many threads a program's tasks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// All on the one that starts it: each further thread costs megabytes of the allocator's.
    One,
    /// One for each core.
    Cores,
}

/// Runs a program until it ends by itself, or SIGTERM or SIGINT asks it to by its token.
///
/// # Errors
/// The program's own, or when threads or signal handlers cannot be had.
pub fn run_until_stopped<F>(threads: Threads, main: impl FnOnce(CancellationToken) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let mut runtime = match threads {
        Threads::One => Builder::new_current_thread(),
        Threads::Cores => Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build().context("cannot start threads")?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping");
            token.cancel();
        });
        main(shutdown).await
    })
}

/// Exit status 0, or 1 with the error and its causes on stderr.
#[must_use]
pub fn conclude(result: Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    // Nothing is left to be done about an error on stderr itself.
    drop(writeln!(io::stderr(), "error: {}", chain(&error)));
    ExitCode::FAILURE
}

/// An error with its causes, each said once: most of our errors name their causes themselves.
fn chain(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_json_or_text() {
        for (text, value) in [
            ("a=1", json!(1)),
            ("a=x y", json!("x y")),
            ("a=[1]", json!([1])),
            ("a=b=c", json!("b=c")),
        ] {
            assert_eq!(setting(text), Ok(("a".to_owned(), value)));
        }
        assert!(setting("a").is_err());
    }

    #[test]
    fn each_cause_is_said_once() {
        let inner = anyhow::anyhow!("no threads");
        assert_eq!(chain(&inner.context("cannot start")), "cannot start: no threads");
        assert_eq!(
            chain(&anyhow::anyhow!("no threads").context("cannot start: no threads")),
            "cannot start: no threads"
        );
    }
}
