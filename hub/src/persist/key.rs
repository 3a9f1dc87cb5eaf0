//! The key file: made once, readable by its owner only.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::seal::{KEY_BYTES, Sealer};
use super::{PersistError, StoreOptions};

/// Loads the key, or makes one where there is no state yet.
pub(super) fn load(options: &StoreOptions) -> Result<Sealer, PersistError> {
    make_directory(&options.data_dir)?;
    let (key, state) = (options.key_file.clone(), options.state());
    if key.try_exists().map_err(PersistError::io(&key))? {
        return read(&key);
    }
    if state.try_exists().map_err(PersistError::io(&state))? {
        return Err(PersistError::KeyMissing { key, state });
    }
    make(&key)
}

fn make_directory(path: &Path) -> Result<(), PersistError> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.map_err(PersistError::io(path))
}

fn read(path: &Path) -> Result<Sealer, PersistError> {
    let io = || PersistError::io(path);
    let mut file = File::open(path).map_err(io())?;
    let metadata = file.metadata().map_err(io())?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(PersistError::KeyTooOpen { path, mode });
    }
    if metadata.size() != KEY_BYTES as u64 {
        let (path, size) = (path.to_owned(), metadata.size());
        return Err(PersistError::KeySize { path, size });
    }
    let mut key = [0; KEY_BYTES];
    file.read_exact(&mut key).map_err(io())?;
    Sealer::new(&key).map_err(io())
}

fn make(path: &Path) -> Result<Sealer, PersistError> {
    let io = || PersistError::io(path);
    let mut key = [0; KEY_BYTES];
    let filled = aws_lc_rs::rand::fill(&mut key);
    filled.map_err(|_| io()(std::io::Error::other("the system gives no random bytes")))?;
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(io())?;
    file.write_all(&key).and_then(|()| file.sync_all()).map_err(io())?;
    sync_directory(path)?;
    Sealer::new(&key).map_err(io())
}

/// Without it a power cut could keep a state and lose its key.
fn sync_directory(path: &Path) -> Result<(), PersistError> {
    let Some(directory) = path.parent() else {
        return Ok(());
    };
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(PersistError::io(directory))
}
