//! What happened to paths, for those who watch: the last records with numbers, so that a reader that was away goes on
//! where it stopped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::decision::PathRecord;

/// Records that are kept: at 4 switches of a cluster in an hour, with some ten records each, a day of one cluster that
/// never rests.
pub(crate) const KEPT: usize = 1_000;

/// A record and its number, which only grows within one run of the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// From 1.
    pub number: u64,
    /// What happened.
    pub record: Arc<PathRecord>,
}

/// The last records. Cloning shares.
#[derive(Debug, Clone)]
pub struct PathLog {
    kept: Arc<Mutex<VecDeque<Numbered>>>,
    last: watch::Sender<u64>,
}

impl Default for PathLog {
    fn default() -> Self {
        Self {
            kept: Arc::default(),
            last: watch::Sender::new(0),
        }
    }
}

impl PathLog {
    pub(crate) fn push(&self, record: PathRecord) {
        let mut kept = self.kept();
        let number = *self.last.borrow() + 1;
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Numbered {
            number,
            record: Arc::new(record),
        });
        drop(kept);
        self.last.send_replace(number);
    }

    /// The records after this number, oldest first; those that are no longer kept are missing.
    #[must_use]
    pub fn after(&self, number: u64) -> Vec<Numbered> {
        let kept = self.kept();
        kept.iter().filter(|record| record.number > number).cloned().collect()
    }

    /// The number of the last record, now and whenever it changes.
    #[must_use]
    pub fn last(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Numbered>> {
        // What is in it is whole at every moment, even when another thread panicked.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
