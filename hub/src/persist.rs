//! Last good states over a restart: one redb file in the data directory, its values sealed with a key file.
//!
//! Written behind, never waited for: a crash loses at most about a second, which agents send again by digest.
//! Does not hold what can be derived (view, desired objects) nor what belongs to others.

mod error;
mod key;
mod read;
mod record;
mod seal;
#[cfg(test)]
mod tests;
mod write;

use std::path::Path;
use std::sync::Arc;

use hubline::model::ClusterId;
use redb::{Database, TableDefinition};

pub use error::PersistError;
pub use read::Damaged;
pub use write::{Flusher, PersistMetrics, Writer};

use crate::cluster::Restored;
use seal::Sealer;

/// Name of the state's file in the data directory.
pub const STATE_FILE: &str = "state.redb";

/// Name of the key's file in the data directory: 32 random bytes, mode 0600.
#[cfg(test)]
pub(crate) const KEY_FILE: &str = "seal.key";

/// Sealed bytes of resources by cluster and key (as JSON: names are no secret, and errors must tell them).
const RESOURCES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("resources");

/// Sealed facts of clusters.
const CLUSTERS: TableDefinition<&str, &[u8]> = TableDefinition::new("clusters");

/// One sealed word, by which a wrong key is told from a damaged value.
const PROOF: TableDefinition<&str, &[u8]> = TableDefinition::new("proof");

/// The open state file.
#[derive(Debug)]
pub struct Persist {
    database: Arc<Database>,
    sealer: Arc<Sealer>,
    damaged: Vec<Damaged>,
}

impl Persist {
    /// Opens the state in a directory, sealed with the key in `key_file`, and reads all of it; makes directory, key and file at the first start.
    /// Blocks: call it before the runtime is busy. A value that cannot be read is left where it is and logged, and
    /// its group counts as never complete, so that nothing is taken for gone because of it.
    ///
    /// # Errors
    /// [`PersistError`] says which file, what is wrong, and what to do.
    pub fn open(directory: &Path, key_file: &Path) -> Result<(Self, Vec<(ClusterId, Restored)>), PersistError> {
        let state = directory.join(STATE_FILE);
        let sealer = key::load(directory, key_file)?;
        let database = read::open(&state)?;
        read::prove(&database, &sealer, &state, key_file)?;
        let (clusters, damaged) = read::all(&database, &sealer).map_err(|error| PersistError::state(&state, &error))?;
        for it in &damaged {
            tracing::error!(
                cluster = it.cluster,
                key = it.key,
                problem = it.problem,
                "a stored value cannot be read"
            );
        }
        let persist = Self {
            database: Arc::new(database),
            sealer: Arc::new(sealer),
            damaged,
        };
        Ok((persist, clusters))
    }

    /// The values that could not be read.
    #[must_use]
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// The handle by which states are written, and the task that does it.
    #[must_use]
    pub fn start(self, metrics: PersistMetrics) -> (Writer, Flusher) {
        write::pair(self.database, self.sealer, metrics)
    }
}
