//! Follows one side's files, and publishes what is in force.
//!
//! The directories are watched, not the files: editors rename files, and Kubernetes swaps the symbolic link `..data` of
//! a mounted Secret. Files are read once they are quiet, and now and then in case the file system tells nothing. What
//! cannot be read, or is no pair, changes nothing: the previous ones stay in force, and after a while, since two files
//! cannot be replaced at once, a warning says so.
//!
//! Does not touch connections: who holds some subscribes, and decides.

mod notice;
#[cfg(test)]
mod tests;
mod watch_files;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::files::{Files, TlsError};
use super::side::Side;
use crate::telemetry::Metrics;
use notice::{Notices, TlsMetrics};
use watch_files::FileWatch;

/// How often something that stays wrong is said again.
const AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Times of a reloader.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// How long the directories must be quiet before the files are read.
    pub quiet: Duration,
    /// How long files may be no pair before that is said.
    pub patience: Duration,
    /// How often the files are read although nothing was noticed.
    pub rescan: Duration,
}

impl Default for Times {
    /// 200 ms: the steps of one replacement come within milliseconds. 10 s: a person who copies two files by hand.
    /// 30 s: only for file systems without notification (NFS, some container mounts), as for manifests.
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(200),
            patience: Duration::from_secs(10),
            rescan: Duration::from_secs(30),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Reloader<T> {
    files: Files,
    times: Times,
    current: watch::Sender<Arc<T>>,
    in_force: blake3::Hash,
    fault: Option<Fault>,
    notices: Notices,
    metrics: TlsMetrics,
}

/// Files that cannot be used, since when, and what was said of it.
#[derive(Debug)]
struct Fault {
    since: Instant,
    said: Option<(Instant, String)>,
}

/// One look at the files.
enum Look<T> {
    Same,
    Changed(blake3::Hash, T),
}

impl<T: Side> Reloader<T> {
    /// Reads the files, and registers `hubline_tls_*`.
    ///
    /// # Errors
    /// [`TlsError`] names the field, the file, and what is wrong with it: at a start there are no previous ones.
    pub fn new(files: Files, times: Times, metrics: &Metrics) -> Result<Self, TlsError> {
        let contents = files.read()?;
        let in_force = contents.fingerprint();
        let side = T::of(&files, files.check(contents)?)?;
        let metrics = metrics.register(TlsMetrics::register);
        metrics.in_force(side.expiry());
        Ok(Self {
            files,
            times,
            current: watch::Sender::new(Arc::new(side)),
            in_force,
            fault: None,
            notices: Notices::default(),
            metrics,
        })
    }

    /// What is in force, now and later.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<T>> {
        self.current.subscribe()
    }

    /// Follows the files until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.follow()).await;
    }

    async fn follow(&mut self) {
        let mut watched = FileWatch::begin();
        loop {
            // Watching begins before reading: what changes in between is seen by one of the two.
            watched.watch(&self.files);
            self.look().await;
            let expiry = self.current.borrow().expiry();
            self.notices.say(expiry, &self.files);
            if timeout(self.pause(), watched.changed()).await.is_ok() {
                // Not for ever: something else in the directory may never be quiet.
                timeout(self.times.patience, watched.quiet(self.times.quiet)).await.ok();
            }
        }
    }

    /// Until the next look that no event causes.
    fn pause(&self) -> Duration {
        match &self.fault {
            Some(Fault { since, said: None }) => {
                let due = *since + self.times.patience;
                due.saturating_duration_since(Instant::now()).min(self.times.rescan)
            }
            _ => self.times.rescan,
        }
    }

    async fn look(&mut self) {
        let (files, in_force) = (self.files.clone(), self.in_force);
        let looked = tokio::task::spawn_blocking(move || look::<T>(&files, in_force)).await;
        match looked {
            Ok(Ok(Look::Same)) => self.mended(),
            Ok(Ok(Look::Changed(contents, side))) => self.publish(contents, side),
            Ok(Err(error)) => self.broken(&error.to_string()),
            Err(error) => self.broken(&error.to_string()),
        }
    }

    fn publish(&mut self, contents: blake3::Hash, side: T) {
        let expiry = side.expiry();
        self.fault = None;
        self.in_force = contents;
        self.current.send_replace(Arc::new(side));
        self.metrics.in_force(expiry);
        self.metrics.reloaded("applied");
        let ends = expiry.certificate.map(|it| notice::date(it.not_after));
        info!(certificate = %self.files.certificate.display(), ends, "certificates read again");
    }

    /// What is there is what is in force.
    fn mended(&mut self) {
        if self.fault.take().is_some_and(|fault| fault.said.is_some()) {
            info!(certificate = %self.files.certificate.display(), "certificates can be read again, unchanged");
        }
    }

    fn broken(&mut self, reason: &str) {
        let now = Instant::now();
        let fault = self.fault.get_or_insert(Fault { since: now, said: None });
        let due = match &fault.said {
            None => now >= fault.since + self.times.patience,
            Some((at, said)) => said != reason || now >= *at + AGAIN,
        };
        if due {
            warn!(
                reason,
                "certificates cannot be read again, the previous ones stay in force"
            );
            self.metrics.reloaded("failed");
            fault.said = Some((now, reason.to_owned()));
        }
    }
}

fn look<T: Side>(files: &Files, in_force: blake3::Hash) -> Result<Look<T>, TlsError> {
    let contents = files.read()?;
    let found = contents.fingerprint();
    if found == in_force {
        return Ok(Look::Same);
    }
    Ok(Look::Changed(found, T::of(files, files.check(contents)?)?))
}
