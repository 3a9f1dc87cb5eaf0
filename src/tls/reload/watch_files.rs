//! Tells when something changed where the files are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::debug;

use crate::tls::files::Files;

/// Watches directories; without a watcher, only the periodic look is left.
#[derive(Debug)]
pub(super) struct FileWatch {
    watcher: Option<RecommendedWatcher>,
    changed: Arc<Notify>,
}

impl FileWatch {
    pub(super) fn begin() -> Self {
        let changed = Arc::new(Notify::new());
        let told = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading the files is an event as well, and must not lead to the next reading.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                told.notify_one();
            }
        });
        let watcher = watcher
            .inspect_err(|error| debug!(%error, "certificates are not watched, only read now and then"))
            .ok();
        Self { watcher, changed }
    }

    /// Watches the directories of the files, again where they were replaced.
    pub(super) fn watch(&mut self, files: &Files) {
        let Some(watcher) = &mut self.watcher else { return };
        let paths = [&files.ca, &files.certificate, &files.key];
        let directories: BTreeSet<PathBuf> = paths.into_iter().map(|path| directory(path)).collect();
        for directory in directories {
            if let Err(error) = watcher.watch(&directory, RecursiveMode::NonRecursive) {
                debug!(directory = %directory.display(), %error, "certificates are only read now and then");
            }
        }
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns when nothing has changed for so long.
    pub(super) async fn quiet(&self, quiet: Duration) {
        while timeout(quiet, self.changed.notified()).await.is_ok() {}
    }
}

fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
