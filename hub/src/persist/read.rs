//! Reading the state at the start.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use hubline::model::{ClusterId, Group, Key};
use hubline::wire::{EncodedResource, Names};
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableError};

use super::seal::{Sealer, cluster_place, resource_place};
use super::{CLUSTERS, PROOF, PersistError, RESOURCES, StoreOptions, record};
use crate::cluster::{GroupRecord, Received, Restored};

/// A value that cannot be read. It stays in the file until its agent sends it anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Whose.
    pub cluster: String,
    /// The resource, or `facts` for those of the cluster itself.
    pub key: String,
    /// What is wrong.
    pub problem: String,
}

type Clusters = BTreeMap<ClusterId, Restored>;

/// Pages of the file that are kept in memory: it is read once, and written in batches. The database's own default of
/// 1 GiB would keep everything that a hub has a second time, and what is given here is used up by the first sync.
const CACHE_BYTES: usize = 4 << 20;

/// What proves the key.
const WORD: &[u8] = b"hubline";

pub(super) fn open(path: &Path) -> Result<Database, PersistError> {
    // The file is made here, since the database would make it readable by everyone.
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    drop(file.open(path).map_err(PersistError::io(path))?);
    Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(path)
        .map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => PersistError::InUse(path.to_owned()),
            other => PersistError::state(path, &other),
        })
}

/// Refuses a key that is not the one of the file; a new file gets its proof.
pub(super) fn prove(database: &Database, sealer: &Sealer, options: &StoreOptions) -> Result<(), PersistError> {
    let (state, key) = (options.state(), options.key_file.clone());
    match proof(database) {
        Ok(Some(sealed)) if sealer.open("proof", &sealed).as_deref() == Some(WORD) => Ok(()),
        Ok(Some(_)) => Err(PersistError::WrongKey { key, state }),
        Ok(None) => write_proof(database, sealer).map_err(|error| PersistError::state(&state, &error)),
        Err(error) => Err(PersistError::state(&state, &error)),
    }
}

fn proof(database: &Database) -> Result<Option<Vec<u8>>, redb::Error> {
    match database.begin_read()?.open_table(PROOF) {
        Ok(table) => Ok(table.get("proof")?.map(|value| value.value().to_vec())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes all tables with the proof, in one transaction.
fn write_proof(database: &Database, sealer: &Sealer) -> Result<(), redb::Error> {
    let sealed = sealer.seal("proof", WORD).map_err(redb::Error::Io)?;
    let transaction = database.begin_write()?;
    transaction.open_table(PROOF)?.insert("proof", sealed.as_slice())?;
    transaction.open_table(RESOURCES)?;
    transaction.open_table(CLUSTERS)?;
    transaction.commit()?;
    Ok(())
}

type All = (Vec<(ClusterId, Restored)>, Vec<Damaged>);

pub(super) fn all(database: &Database, sealer: &Sealer) -> Result<All, redb::Error> {
    let (mut clusters, mut damaged) = (Clusters::new(), Vec::new());
    let transaction = database.begin_read()?;
    for row in transaction.open_table(CLUSTERS)?.iter()? {
        let (name, sealed) = row?;
        if let Err(problem) = facts(&mut clusters, sealer, name.value(), sealed.value()) {
            damaged.push(report(name.value(), "facts", problem));
        }
    }
    // Rows come cluster by cluster.
    let (mut names, mut of) = (Names::default(), String::new());
    for row in transaction.open_table(RESOURCES)?.iter()? {
        let (place, sealed) = row?;
        let (name, key) = place.value();
        if of != name {
            (names, of) = (Names::default(), name.to_owned());
        }
        if let Err(problem) = resource(&mut clusters, sealer, &mut names, (name, key), sealed.value()) {
            doubt(&mut clusters, name, key);
            damaged.push(report(name, &readable(key), problem));
        }
    }
    Ok((clusters.into_iter().collect(), damaged))
}

fn report(cluster: &str, key: &str, problem: String) -> Damaged {
    Damaged {
        cluster: cluster.to_owned(),
        key: key.to_owned(),
        problem,
    }
}

fn readable(key: &str) -> String {
    serde_json::from_str::<Key>(key).map_or_else(|_| key.to_owned(), |key| key.to_string())
}

const NOT_OURS: &str = "it was not sealed with this key for this place";

fn facts(clusters: &mut Clusters, sealer: &Sealer, name: &str, sealed: &[u8]) -> Result<(), String> {
    let id = ClusterId::new(name).map_err(|error| error.to_string())?;
    // Whatever its facts: the cluster is known, and what it has is in force.
    let restored = clusters.entry(id).or_default();
    let bytes = sealer.open(&cluster_place(name), sealed).ok_or(NOT_OURS)?;
    restored.meta = record::read(&bytes).map_err(|error| error.to_string())?;
    Ok(())
}

fn resource(
    clusters: &mut Clusters,
    sealer: &Sealer,
    names: &mut Names,
    (name, key): (&str, &str),
    sealed: &[u8],
) -> Result<(), String> {
    let id = ClusterId::new(name).map_err(|error| error.to_string())?;
    let bytes = sealer.open(&resource_place(name, key), sealed).ok_or(NOT_OURS)?;
    let received =
        Received::stored(EncodedResource::from_bytes(bytes.into()), names).map_err(|error| error.to_string())?;
    clusters.entry(id).or_default().resources.push(received);
    Ok(())
}

/// A group of which a value is lost is not what it was when it was complete.
fn doubt(clusters: &mut Clusters, name: &str, key: &str) {
    let (Ok(id), Ok(key)) = (ClusterId::new(name), serde_json::from_str::<Key>(key)) else {
        return;
    };
    let groups = &mut clusters.entry(id).or_default().meta.groups;
    let group = Group::of(&key);
    groups.retain(|record| record.group != group);
    groups.push(GroupRecord {
        group,
        complete_once: false,
    });
}
