//! What paths keep over a restart: verdicts and active paths of clusters, and orders, each as one sealed value.
//!
//! Unlike last good states these are few, and an order acts only once it is on disk: a write is waited for.

use std::collections::BTreeMap;
use std::sync::Arc;

use hubline::model::ClusterId;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::seal::Sealer;
use super::{PersistError, Store, Writes};
use crate::path::decision::PersistedCluster;
use crate::path::machine::Restored;
use crate::path::orders::{Order, OrderId};

/// Sealed JSON by `cluster/NAME` or `order/ID`.
const PATHS: TableDefinition<&str, &[u8]> = TableDefinition::new("paths");

/// Values to write, by place; none removes one.
#[derive(Debug, Default, Clone)]
pub struct PathValues(BTreeMap<String, Option<Vec<u8>>>);

impl PathValues {
    /// Keeps an order.
    pub fn order(&mut self, order: &Order) {
        self.put(order_place(order.id), order);
    }

    /// Forgets an order.
    pub fn forget_order(&mut self, id: OrderId) {
        self.0.insert(order_place(id), None);
    }

    /// Keeps what is held of a cluster's paths.
    pub fn cluster(&mut self, id: &ClusterId, state: &PersistedCluster) {
        self.put(format!("cluster/{id}"), state);
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, place: String, value: &impl Serialize) {
        match serde_json::to_vec(value) {
            Ok(bytes) => drop(self.0.insert(place, Some(bytes))),
            Err(error) => tracing::error!(place, %error, "a value of paths cannot be kept"),
        }
    }

    /// Those that are not written yet, except where something newer came in the meantime.
    pub fn put_back(&mut self, older: Self) {
        for (place, value) in older.0 {
            self.0.entry(place).or_insert(value);
        }
    }
}

fn order_place(id: OrderId) -> String {
    format!("order/{id}")
}

/// Where paths keep what outlives a restart. Cloning shares.
#[derive(Debug, Clone)]
pub struct PathStore {
    database: Arc<Database>,
    sealer: Arc<Sealer>,
    writes: Writes,
}

impl Store {
    /// The part of the state that belongs to paths.
    #[must_use]
    pub fn paths(&self) -> PathStore {
        PathStore {
            database: Arc::clone(&self.database),
            sealer: Arc::clone(&self.sealer),
            writes: self.writes,
        }
    }
}

impl PathStore {
    /// Everything that was kept. A value that cannot be read is logged and left out. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn load(&self) -> Result<Restored, PersistError> {
        let failed = |error: redb::Error| PersistError::Paths(error.to_string());
        let mut restored = Restored::default();
        let transaction = self.database.begin_read().map_err(|error| failed(error.into()))?;
        let table = match transaction.open_table(PATHS) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(restored),
            Err(error) => return Err(failed(error.into())),
        };
        for row in table.iter().map_err(|error| failed(error.into()))? {
            let (place, sealed) = row.map_err(|error| failed(error.into()))?;
            if let Err(problem) = self.read(place.value(), sealed.value(), &mut restored) {
                tracing::error!(place = place.value(), problem, "a stored value of paths cannot be read");
            }
        }
        Ok(restored)
    }

    fn read(&self, place: &str, sealed: &[u8], restored: &mut Restored) -> Result<(), String> {
        let bytes = self.sealer.open(&sealed_place(place), sealed);
        let bytes = bytes.ok_or("it was not sealed with this key for this place")?;
        match place.split_once('/') {
            Some(("cluster", name)) => {
                let id = ClusterId::new(name).map_err(|error| error.to_string())?;
                restored.clusters.push((id, parse(&bytes)?));
            }
            Some(("order", _)) => restored.orders.push(parse(&bytes)?),
            _ => return Err("nobody knows this place".to_owned()),
        }
        Ok(())
    }

    /// Writes, and returns once it is on disk.
    ///
    /// # Errors
    /// When it is not.
    pub async fn write(&self, values: PathValues) -> Result<(), PersistError> {
        if values.is_empty() {
            return Ok(());
        }
        let store = self.clone();
        let write = move || {
            store
                .write_now(&values)
                .map_err(|error| PersistError::Paths(error.to_string()))
        };
        match self.writes {
            Writes::InTheTask => write(),
            Writes::OnAThread => {
                let written = tokio::task::spawn_blocking(write).await;
                written.unwrap_or_else(|error| Err(PersistError::Paths(error.to_string())))
            }
        }
    }

    fn write_now(&self, values: &PathValues) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(PATHS)?;
            for (place, value) in &values.0 {
                match value {
                    Some(value) => {
                        let sealed = self.sealer.seal(&sealed_place(place), value).map_err(redb::Error::Io)?;
                        table.insert(place.as_str(), sealed.as_slice())?;
                    }
                    None => drop(table.remove(place.as_str())?),
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

fn sealed_place(place: &str) -> String {
    format!("paths\0{place}")
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}
