//! Hubline's own programs, run inside the test process so that they can be killed at any await.

use std::future::Future;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Time for blocking work (a commit to disk, a name lookup) to end after a kill, before the next start.
const BLOCKING_WORK: Duration = Duration::from_secs(10);

/// A program with a runtime of its own: stopping ends it in order, killing drops it wherever it is.
#[derive(Debug)]
pub struct Program {
    name: String,
    runtime: Option<Runtime>,
    shutdown: CancellationToken,
    main: JoinHandle<Result<()>>,
}

impl Program {
    /// Starts a program; it gets a token that asks it to stop.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start<F>(name: &str, main: impl FnOnce(CancellationToken) -> F) -> Result<Self>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(name)
            .enable_all()
            .build()?;
        let shutdown = CancellationToken::new();
        let main = runtime.spawn(main(shutdown.clone()));
        Ok(Self {
            name: name.to_owned(),
            runtime: Some(runtime),
            shutdown,
            main,
        })
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// Its own.
    pub async fn stop(mut self) -> Result<()> {
        self.shutdown.cancel();
        let ended = (&mut self.main).await;
        let name = self.name.clone();
        tokio::task::spawn_blocking(move || drop(self)).await?;
        ended
            .with_context(|| format!("{name} panicked"))?
            .with_context(|| format!("{name} failed"))
    }

    /// Drops all of its tasks wherever they are, as `kill -9` would: no goodbye, no flush.
    ///
    /// # Errors
    /// When the thread that waits for it panicked.
    pub async fn kill(self) -> Result<()> {
        tokio::task::spawn_blocking(move || drop(self)).await?;
        Ok(())
    }

    /// Whether it has ended by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.main.is_finished()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        // A runtime must not be dropped on a thread of another one.
        let waits = thread::spawn(move || runtime.shutdown_timeout(BLOCKING_WORK));
        if waits.join().is_err() {
            tracing::error!(program = %self.name, "shutting down its runtime panicked");
        }
    }
}
