//! Last good states over a restart: one redb file in the data directory, its values sealed with a key file.
//!
//! Written behind, never waited for: a crash loses at most about a second, which agents send again by digest.
//! Does not hold what can be derived (view, desired objects) nor what belongs to others.

mod error;
mod key;
mod paths;
mod read;
mod record;
mod seal;
#[cfg(test)]
mod tests;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hubline::model::ClusterId;
use redb::{Database, StorageBackend, TableDefinition};

pub use error::PersistError;
pub use paths::{PathStore, PathValues};
pub use read::Damaged;
pub use write::{PersistMetrics, Persisting, Writer};

use crate::cluster::Restored;
use seal::Sealer;

/// Name of the state's file in the data directory.
pub const STATE_FILE: &str = "state.redb";

/// Where the state is.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The data directory; made when it is missing.
    pub data_dir: PathBuf,
    /// The key: 32 random bytes, mode 0600; made when neither it nor a state is there.
    pub key_file: PathBuf,
}

impl StoreOptions {
    fn state(&self) -> PathBuf {
        self.data_dir.join(STATE_FILE)
    }
}

/// Sealed bytes of resources by cluster and key (as JSON: names are no secret, and errors must tell them).
const RESOURCES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("resources");

/// Sealed facts of clusters.
const CLUSTERS: TableDefinition<&str, &[u8]> = TableDefinition::new("clusters");

/// One sealed word, by which a wrong key is told from a damaged value.
const PROOF: TableDefinition<&str, &[u8]> = TableDefinition::new("proof");

/// The open state file.
#[derive(Debug)]
pub struct Store {
    database: Arc<Database>,
    sealer: Arc<Sealer>,
    damaged: Vec<Damaged>,
    writes: Writes,
}

/// Where the writing itself, which blocks, is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    /// On a thread for blocking work.
    OnAThread,
    /// In the task, which waits for nothing else: memory does not block.
    InTheTask,
}

impl Store {
    /// Opens the state and reads all of it; makes directory, key and file at the first start.
    /// Blocks: call it before the runtime is busy. A value that cannot be read is left where it is and logged, and
    /// its group counts as never complete, so that nothing is taken for gone because of it.
    ///
    /// # Errors
    /// [`PersistError`] says which file, what is wrong, and what to do.
    pub fn open(options: &StoreOptions) -> Result<(Self, Vec<(ClusterId, Restored)>), PersistError> {
        let state = options.state();
        let sealer = key::load(options)?;
        let database = read::open(&state)?;
        Self::load(database, sealer, options, Writes::OnAThread)
    }

    /// As [`Store::open`], in memory that the caller keeps, with a key that it has: for a simulation of the disk. What
    /// is written is written without threads, so that a runtime with paused time stays the only one to decide what
    /// happens when.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_in_memory(
        memory: impl StorageBackend,
        key: &[u8; 32],
    ) -> Result<(Self, Vec<(ClusterId, Restored)>), PersistError> {
        let nowhere = PathBuf::from("memory");
        let options = StoreOptions {
            data_dir: nowhere.clone(),
            key_file: nowhere.clone(),
        };
        let sealer = Sealer::new(key).map_err(PersistError::io(&nowhere))?;
        let database = Database::builder().create_with_backend(memory);
        let database = database.map_err(|error| PersistError::state(&nowhere, &error))?;
        Self::load(database, sealer, &options, Writes::InTheTask)
    }

    fn load(
        database: Database,
        sealer: Sealer,
        options: &StoreOptions,
        writes: Writes,
    ) -> Result<(Self, Vec<(ClusterId, Restored)>), PersistError> {
        let state = options.state();
        read::prove(&database, &sealer, options)?;
        let (clusters, damaged) = read::all(&database, &sealer).map_err(|error| PersistError::state(&state, &error))?;
        for it in &damaged {
            tracing::error!(
                cluster = it.cluster,
                key = it.key,
                problem = it.problem,
                "a stored value cannot be read"
            );
        }
        let store = Self {
            database: Arc::new(database),
            sealer: Arc::new(sealer),
            damaged,
            writes,
        };
        Ok((store, clusters))
    }

    /// The values that could not be read.
    #[must_use]
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// Starts the task that writes, at most `write_behind` (and the write itself) after a change.
    /// It ends, with everything written, when the last [`Writer`] is dropped.
    #[must_use]
    pub fn start(self, write_behind: Duration, metrics: PersistMetrics) -> (Writer, Persisting) {
        write::start(self, write_behind, metrics)
    }
}
