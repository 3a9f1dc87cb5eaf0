//! A directory of YAML as a cluster's declarations: files `*.yaml`, `*.yml` and `*.json`, not those of subdirectories.
//!
//! The directory is watched, which also sees the symbolic link that Kubernetes swaps in ConfigMap mounts, and read
//! again now and then in case the file system tells nothing. A broken file or document is reported and withdraws
//! nothing: the last good objects of that file stay in force, and so does everything when the directory cannot be read.
//! A file that is half-written may look whole: what a reading takes away is looked at twice (`state`).
//! What is broken at the first reading has no last good form: then the kinds that may stand there are not known whole.

mod document;
mod files;
mod state;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::Watcher;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{SourceError, SourceEvent};
use state::Manifests;

pub use files::MAX_FILE_BYTES;

/// Times of the manifest source.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// For how long nothing must have changed before the directory is read, and between two looks at what may be gone.
    pub debounce: Duration,
    /// How often it is read although nothing was noticed.
    pub rescan: Duration,
}

impl Default for Times {
    /// 100 ms: an editor's or kubelet's steps of one change come within some milliseconds.
    /// 30 s: only for file systems without notification (NFS, some container mounts).
    fn default() -> Self {
        Self {
            debounce: Duration::from_millis(100),
            rescan: Duration::from_secs(30),
        }
    }
}

/// Most debounces that a reading is put off by changes that do not end: a second, by the default.
const PATIENCE: u32 = 10;

/// Reads a directory once.
///
/// # Errors
/// [`SourceError::Directory`] when the directory itself cannot be read; faults in files are events.
pub fn read_once(directory: &Path) -> Result<Vec<SourceEvent>, SourceError> {
    let scan = files::read(directory).map_err(|reason| SourceError::Directory {
        path: directory.display().to_string(),
        reason,
    })?;
    Ok(Manifests::default().update(scan))
}

/// Reads and watches a directory until cancelled or nobody reads the events any more. A directory that is missing
/// or unreadable is tried again for ever.
pub async fn run(directory: PathBuf, times: Times, events: mpsc::Sender<SourceEvent>, cancel: CancellationToken) {
    tokio::select! {
        () = cancel.cancelled() => {}
        () = follow(directory, times, &events) => {}
    }
}

async fn follow(directory: PathBuf, times: Times, events: &mpsc::Sender<SourceEvent>) {
    let changed = Arc::new(Notify::new());
    let mut manifests = Manifests::default();
    let mut watcher = None;
    loop {
        // Watching begins before reading: what changes in between is seen by one of the two.
        if watcher.is_none() {
            watcher = watch(&directory, Arc::clone(&changed));
        }
        let read = match manifests.is_begun() {
            true => scan(&directory).await,
            false => first_scan(&directory, times.debounce).await,
        };
        let mut doubtful = false;
        let news = match read {
            Ok(scan) => {
                let news = manifests.update(scan);
                doubtful = manifests.is_doubtful();
                news
            }
            Err(reason) => {
                warn!(directory = %directory.display(), reason, "manifest directory cannot be read");
                watcher = None;
                manifests.failed(&format!("{}: {reason}", directory.display()))
            }
        };
        for event in news {
            if events.send(event).await.is_err() {
                return info!("nobody reads the manifests any more");
            }
        }
        let wait = if doubtful { times.debounce } else { times.rescan };
        if timeout(wait, changed.notified()).await.is_ok() {
            quiet(&changed, times.debounce).await;
        }
    }
}

/// Returns once nothing has changed for a debounce, or patience ends.
async fn quiet(changed: &Notify, debounce: Duration) {
    let ends = Instant::now() + debounce * PATIENCE;
    while Instant::now() < ends && timeout(debounce, changed.notified()).await.is_ok() {}
}

/// The first reading has nothing before it that could stay in force: it counts when the next one gives the same.
async fn first_scan(directory: &Path, debounce: Duration) -> Result<files::Scan, String> {
    let mut last = scan(directory).await?;
    for _ in 0..PATIENCE {
        sleep(debounce).await;
        let before = std::mem::replace(&mut last, scan(directory).await?);
        if before == last {
            break;
        }
    }
    Ok(last)
}

async fn scan(directory: &Path) -> Result<files::Scan, String> {
    let directory = directory.to_owned();
    let read = tokio::task::spawn_blocking(move || files::read(&directory)).await;
    read.unwrap_or_else(|error| Err(error.to_string()))
}

/// None when it cannot be watched: then the periodic reading alone must do.
fn watch(directory: &Path, changed: Arc<Notify>) -> Option<notify::RecommendedWatcher> {
    let notice = move |event: notify::Result<notify::Event>| {
        // Reading the directory is itself an access, and must not lead to the next one.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            changed.notify_one();
        }
    };
    let watcher = notify::recommended_watcher(notice).and_then(|mut watcher| {
        watcher.watch(directory, notify::RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watcher
        .inspect_err(|error| warn!(directory = %directory.display(), %error, "manifest directory cannot be watched"))
        .ok()
}
