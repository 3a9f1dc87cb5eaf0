//! A directory of YAML as a cluster's declarations: files `*.yaml`, `*.yml` and `*.json`, not those of subdirectories.
//!
//! The directory is watched, which also sees the symbolic link that Kubernetes swaps in ConfigMap mounts, and read
//! again now and then in case the file system tells nothing. A broken file or document is reported and withdraws
//! nothing: the last good objects of that file stay in force, and so does everything when the directory cannot be read.
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
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{SourceError, SourceEvent};
use state::Manifests;

pub use files::MAX_FILE_BYTES;

/// Times of the manifest source.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// How long changes are gathered before the directory is read.
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
        let news = match scan(directory.clone()).await {
            Ok(scan) => manifests.update(scan),
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
        tokio::select! {
            () = changed.notified() => tokio::time::sleep(times.debounce).await,
            () = tokio::time::sleep(times.rescan) => {}
        }
    }
}

async fn scan(directory: PathBuf) -> Result<files::Scan, String> {
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
