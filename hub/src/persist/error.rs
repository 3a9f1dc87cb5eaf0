//! Why the state cannot be opened.

use std::path::{Path, PathBuf};

/// Why the state cannot be opened, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    /// What belongs to paths cannot be read or written.
    #[error("verdicts and orders in the state file: {0}")]
    Paths(String),
    /// A file or directory cannot be used.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is a state, but no key.
    #[error(
        "{key} is missing, but {state} is there: put the key file back; \
         or, to begin anew, move the state file away: agents send everything again"
    )]
    KeyMissing {
        /// Where the key should be.
        key: PathBuf,
        /// The state that needs it.
        state: PathBuf,
    },
    /// Others could read the key.
    #[error("{path} has mode {mode:04o}, others can read it; allowed: 0600 or 0400 (chmod 600)")]
    KeyTooOpen {
        /// The key file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not a key.
    #[error("{path} has {size} bytes, a key has exactly 32")]
    KeySize {
        /// The key file.
        path: PathBuf,
        /// Its size, in bytes.
        size: u64,
    },
    /// The state was sealed with another key.
    #[error(
        "{key} is not the key that {state} was sealed with: put the right key file back; \
         or, to begin anew, move the state file away: agents send everything again"
    )]
    WrongKey {
        /// The key file.
        key: PathBuf,
        /// The state file.
        state: PathBuf,
    },
    /// At the end something could not be written.
    #[error("the last states could not be written; agents send again what is missing")]
    LastWrite,
    /// Another process has it.
    #[error("{0} is in use by another process; one data directory serves one hub")]
    InUse(PathBuf),
    /// The file is damaged.
    #[error(
        "{path} cannot be read ({problem}): move it away and start again; \
         agents send everything again, and until then what is at the target stays"
    )]
    State {
        /// The state file.
        path: PathBuf,
        /// The database's words.
        problem: String,
    },
}

impl PersistError {
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(super) fn state(path: &Path, problem: &impl ToString) -> Self {
        Self::State {
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }
}
