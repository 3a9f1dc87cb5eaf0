//! Takes up a changed list of clusters, and changed addresses of the target, while the hub runs.
//!
//! The file's directory is watched (editors and ConfigMap mounts replace files), it is read again now and then, and at
//! SIGHUP. A file that is broken changes nothing and is said once. Anything else than `clusters` and `status` needs a
//! restart and is said once, too.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hubline::telemetry::Metrics;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{ClusterList, HubConfig, HubConfigError};

/// Between two looks without an event: network file systems give none.
const PERIOD: Duration = Duration::from_secs(30);
/// How long the directory must be quiet: editors write in several steps.
const QUIET: Duration = Duration::from_millis(100);

/// Top-level keys that need no restart.
const TAKEN_UP: [&str; 2] = ["clusters", "status"];

/// Reads the configuration as the start did: same file, same flags.
pub type Loader = Arc<dyn Fn() -> Result<HubConfig, HubConfigError> + Send + Sync>;

/// What became of one look at the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing changed.
    Unchanged,
    /// The list of clusters, or `status`, changed and is in force; `restart` names changed keys that are not.
    Applied {
        /// Changed top-level keys that need a restart.
        restart: Vec<String>,
    },
    /// Only keys changed that need a restart.
    NeedsRestart {
        /// Those keys.
        keys: Vec<String>,
    },
    /// The new configuration is broken; the old one stays in force.
    Refused {
        /// Why.
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// The only writer of the list of clusters and of the target's addresses.
pub struct Reloader {
    loader: Loader,
    started: HubConfig,
    list: watch::Sender<Arc<ClusterList>>,
    addresses: watch::Sender<Arc<[String]>>,
    said: Option<Outcome>,
    counts: Family<ResultLabel, Counter>,
}

impl fmt::Debug for Reloader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Reloader").finish_non_exhaustive()
    }
}

impl Reloader {
    /// Begins with the configuration that the hub started with.
    #[must_use]
    pub fn new(started: HubConfig, loader: Loader, metrics: &Metrics) -> Self {
        let list = watch::Sender::new(Arc::new(started.cluster_list()));
        let addresses = watch::Sender::new(started.status.addresses.as_slice().into());
        let counts = Family::default();
        metrics.register(|registry| {
            let help = "Looks at the changed configuration file, by result";
            registry.register("hubline_config_reloads", help, counts.clone());
        });
        Self {
            loader,
            started,
            list,
            addresses,
            said: None,
            counts,
        }
    }

    /// The list, now and later.
    #[must_use]
    pub fn clusters(&self) -> watch::Receiver<Arc<ClusterList>> {
        self.list.subscribe()
    }

    /// By which addresses the world reaches the target, now and later.
    #[must_use]
    pub fn addresses(&self) -> watch::Receiver<Arc<[String]>> {
        self.addresses.subscribe()
    }

    /// Looks once.
    pub async fn reload(&mut self) -> Outcome {
        let loader = Arc::clone(&self.loader);
        let loaded = tokio::task::spawn_blocking(move || loader()).await;
        let outcome = match loaded {
            Ok(Ok(config)) => self.take(&config),
            Ok(Err(error)) => Outcome::Refused {
                reason: error.to_string(),
            },
            Err(error) => Outcome::Refused {
                reason: error.to_string(),
            },
        };
        self.say(&outcome);
        outcome
    }

    fn take(&mut self, config: &HubConfig) -> Outcome {
        let restart = changed_keys(&self.started, config);
        let list = Arc::new(config.cluster_list());
        let listed = self.list.send_if_modified(|current| {
            let changed = **current != *list;
            *current = list;
            changed
        });
        let addressed = self.addresses.send_if_modified(|current| {
            let changed = **current != *config.status.addresses;
            *current = config.status.addresses.as_slice().into();
            changed
        });
        match (listed || addressed, restart.is_empty()) {
            (true, _) => Outcome::Applied { restart },
            (false, true) => Outcome::Unchanged,
            (false, false) => Outcome::NeedsRestart { keys: restart },
        }
    }

    /// Logs and counts what is new.
    fn say(&mut self, outcome: &Outcome) {
        if self.said.as_ref() == Some(outcome) && !matches!(outcome, Outcome::Applied { .. }) {
            return;
        }
        self.said = Some(outcome.clone());
        let result = match outcome {
            Outcome::Unchanged => return,
            Outcome::Applied { restart } => {
                let clusters = self.list.borrow().iter().count();
                tracing::info!(clusters, needs_restart = restart.join(","), "configuration reloaded");
                "applied"
            }
            Outcome::NeedsRestart { keys } => {
                tracing::warn!(
                    keys = keys.join(","),
                    "changed configuration needs a restart of the hub"
                );
                "needs_restart"
            }
            Outcome::Refused { reason } => {
                tracing::error!(reason, "changed configuration refused, the previous one stays in force");
                "refused"
            }
        };
        self.counts.get_or_create(&ResultLabel { result }).inc();
    }

    /// Looks at every event of the file's directory, at every SIGHUP, and now and then, until cancelled.
    ///
    /// # Errors
    /// When no signal handler can be installed. A directory that cannot be watched is only logged.
    pub async fn run(mut self, file: &Path, cancel: CancellationToken) -> std::io::Result<()> {
        // One is enough: it only says that there is something to look at.
        let (events, mut changed) = mpsc::channel(1);
        let _watcher = watcher(file, events)
            .inspect_err(|error| {
                tracing::warn!(file = %file.display(), reason = %error, "configuration is not watched, only read periodically");
            })
            .ok();
        let mut hangup = signal(SignalKind::hangup())?;
        while let Some(trigger) = next(&mut changed, &mut hangup, &cancel).await {
            if trigger == Trigger::Hangup {
                self.said = None;
            }
            self.reload().await;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    Event,
    Hangup,
    Period,
}

/// Waits for a reason to look; none when cancelled.
async fn next(changed: &mut mpsc::Receiver<()>, hangup: &mut Signal, cancel: &CancellationToken) -> Option<Trigger> {
    tokio::select! {
        () = cancel.cancelled() => None,
        Some(()) = hangup.recv() => Some(Trigger::Hangup),
        () = tokio::time::sleep(PERIOD) => Some(Trigger::Period),
        Some(()) = changed.recv() => {
            while let Ok(Some(())) = tokio::time::timeout(QUIET, changed.recv()).await {}
            Some(Trigger::Event)
        }
    }
}

fn watcher(file: &Path, events: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the file is an event as well; it changes nothing.
        let reading = event.is_ok_and(|event| event.kind.is_access());
        if !reading && events.try_send(()).is_err() {
            tracing::trace!("a look at the configuration is due already");
        }
    })?;
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    watcher.watch(directory, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// Top-level keys that differ, without those that are taken up.
fn changed_keys(before: &HubConfig, after: &HubConfig) -> Vec<String> {
    let (Ok(Value::Object(before)), Ok(Value::Object(after))) =
        (serde_json::to_value(before), serde_json::to_value(after))
    else {
        return Vec::new();
    };
    let differs = |key: &&String| before.get(*key) != after.get(*key) && !TAKEN_UP.contains(&key.as_str());
    after.keys().filter(differs).cloned().collect()
}
