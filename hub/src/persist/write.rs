//! Writing behind: the latest value per key waits here, one transaction writes them all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hubline::model::{ClusterId, Key};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use redb::Database;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::seal::{Sealer, cluster_place, resource_place};
use super::{CLUSTERS, PersistError, RESOURCES, Store, Writes, record};
use crate::cluster::{Meta, PersistOperation};

/// How long to wait after a write that failed, as on a full disk.
const PAUSE: Duration = Duration::from_secs(1);

/// Where last good states go. Cloning shares.
#[derive(Debug, Clone)]
pub struct Writer(Arc<Open>);

/// There while a writer is: its end tells the task to finish.
#[derive(Debug)]
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed.cancel();
    }
}

#[derive(Debug)]
struct Shared {
    pending: Mutex<Pending>,
    more: Notify,
    closed: CancellationToken,
    metrics: PersistMetrics,
}

/// Bounded by the keys of all clusters, whatever the number of changes.
#[derive(Debug, Default)]
struct Pending {
    resources: BTreeMap<(ClusterId, Key), Option<Bytes>>,
    clusters: BTreeMap<ClusterId, Meta>,
}

impl Writer {
    /// Notes what is to be written; never waits for the disk.
    pub fn write(&self, cluster: &ClusterId, operations: Vec<PersistOperation>) {
        let shared = &self.0.0;
        let mut pending = shared.pending();
        for operation in operations {
            pending.note(cluster, operation);
        }
        shared.metrics.waiting.set(pending.len());
        drop(pending);
        shared.more.notify_one();
    }
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        // What is in it is whole at every moment, even when another thread panicked.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn note(&mut self, cluster: &ClusterId, operation: PersistOperation) {
        let cluster = cluster.clone();
        match operation {
            PersistOperation::Put { key, bytes } => drop(self.resources.insert((cluster, key), Some(bytes))),
            PersistOperation::Remove { key } => drop(self.resources.insert((cluster, key), None)),
            PersistOperation::Meta(meta) => drop(self.clusters.insert(cluster, meta)),
        }
    }

    fn len(&self) -> i64 {
        i64::try_from(self.resources.len() + self.clusters.len()).unwrap_or(i64::MAX)
    }

    fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.clusters.is_empty()
    }

    /// Back to waiting, except where something newer came in the meantime.
    fn put_back(&mut self, older: Self) {
        for (key, value) in older.resources {
            self.resources.entry(key).or_insert(value);
        }
        for (cluster, meta) in older.clusters {
            self.clusters.entry(cluster).or_insert(meta);
        }
    }
}

/// The task that writes.
#[derive(Debug)]
pub struct Persisting(JoinHandle<bool>);

impl Persisting {
    /// Waits until the last [`Writer`] is dropped and everything is written.
    ///
    /// # Errors
    /// When the last write failed; the log says why.
    pub async fn finished(self) -> Result<(), PersistError> {
        match self.0.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(PersistError::LastWrite),
        }
    }
}

#[derive(Debug)]
struct Flusher {
    shared: Arc<Shared>,
    database: Arc<Database>,
    sealer: Arc<Sealer>,
    writes: Writes,
    holdoff: Duration,
}

pub(super) fn start(store: Store, holdoff: Duration, metrics: PersistMetrics) -> (Writer, Persisting) {
    let shared = Arc::new(Shared {
        pending: Mutex::default(),
        more: Notify::new(),
        closed: CancellationToken::new(),
        metrics,
    });
    let flusher = Flusher {
        shared: Arc::clone(&shared),
        database: store.database,
        sealer: store.sealer,
        writes: store.writes,
        holdoff,
    };
    let writer = Writer(Arc::new(Open(shared)));
    (writer, Persisting(tokio::spawn(flusher.run())))
}

impl Flusher {
    /// Writes until it is closed, and then once more; whether that succeeded.
    async fn run(self) -> bool {
        while self.due().await {
            if !self.flush().await {
                self.shared.more.notify_one();
                self.unless_closed(sleep(PAUSE)).await;
            }
        }
        self.flush().await
    }

    /// Waits for a change and for others to join it; false when it is closed.
    async fn due(&self) -> bool {
        self.unless_closed(self.shared.more.notified()).await && self.unless_closed(sleep(self.holdoff)).await
    }

    /// Waits are cut short by the end, writes never: an older one must not overtake the last.
    async fn unless_closed(&self, wait: impl Future<Output = ()>) -> bool {
        self.shared.closed.run_until_cancelled(wait).await.is_some()
    }

    /// Writes what waits; whether it succeeded.
    async fn flush(&self) -> bool {
        let pending = Arc::new(std::mem::take(&mut *self.shared.pending()));
        if pending.is_empty() {
            return true;
        }
        let problem = self.write(&pending).await.err();
        self.shared.metrics.flushed(problem.is_none());
        if let Some(problem) = problem {
            tracing::error!(problem, values = pending.len(), "last good states could not be written");
            self.keep(pending);
            return false;
        }
        self.shared.metrics.waiting.set(self.shared.pending().len());
        true
    }

    async fn write(&self, pending: &Arc<Pending>) -> Result<(), String> {
        let (database, sealer, pending) = (
            Arc::clone(&self.database),
            Arc::clone(&self.sealer),
            Arc::clone(pending),
        );
        let write = move || write(&database, &sealer, &pending).map_err(|error| error.to_string());
        match self.writes {
            Writes::InTheTask => write(),
            Writes::OnAThread => {
                let written = tokio::task::spawn_blocking(write).await;
                written.unwrap_or_else(|error| Err(error.to_string()))
            }
        }
    }

    fn keep(&self, pending: Arc<Pending>) {
        let pending = Arc::try_unwrap(pending).unwrap_or_else(|shared| Pending {
            resources: shared.resources.clone(),
            clusters: shared.clusters.clone(),
        });
        self.shared.pending().put_back(pending);
    }
}

/// One transaction, so that the file always holds a state that was.
fn write(database: &Database, sealer: &Sealer, pending: &Pending) -> Result<(), redb::Error> {
    let json = |error: serde_json::Error| redb::Error::Io(error.into());
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(RESOURCES)?;
        for ((cluster, key), value) in &pending.resources {
            let (cluster, key) = (cluster.as_str(), serde_json::to_string(key).map_err(json)?);
            let place = (cluster, key.as_str());
            if let Some(bytes) = value {
                let sealed = sealer
                    .seal(&resource_place(cluster, &key), bytes)
                    .map_err(redb::Error::Io)?;
                table.insert(place, sealed.as_slice())?;
            } else {
                table.remove(place)?;
            }
        }
        let mut table = transaction.open_table(CLUSTERS)?;
        for (cluster, meta) in &pending.clusters {
            let bytes = record::write(meta).map_err(json)?;
            let sealed = sealer
                .seal(&cluster_place(cluster.as_str()), &bytes)
                .map_err(redb::Error::Io)?;
            table.insert(cluster.as_str(), sealed.as_slice())?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// What persist counts. Cloning shares.
#[derive(Debug, Clone, Default)]
pub struct PersistMetrics {
    pub(super) flushes: Family<[(&'static str, &'static str); 1], Counter>,
    pub(super) waiting: Gauge,
}

impl PersistMetrics {
    /// Makes and registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("hubline_persist");
        registry.register(
            "flushes",
            "Writes of last good states, by result",
            metrics.flushes.clone(),
        );
        registry.register("waiting", "Values that wait to be written", metrics.waiting.clone());
        metrics
    }

    fn flushed(&self, succeeded: bool) {
        let result = if succeeded { "written" } else { "failed" };
        self.flushes.get_or_create(&[("result", result)]).inc();
    }
}
