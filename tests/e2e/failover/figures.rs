//! What cuts cost, gathered over all tests.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use hubline_sandbox::apisix::Call;
use hubline_sandbox::failover::{Measured, Requests, Table};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::log;

/// Names the file for the table; with it everything is measured with the default parameters.
pub(crate) const FILE: &str = "HUBLINE_FAILOVER_TABLE";

static TABLE: Mutex<Table> = Mutex::new(Table::new());

/// The moment of a cut, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) at: Instant,
    wall: Timestamp,
}

impl Cut {
    pub(crate) fn now() -> Self {
        Self {
            at: Instant::now(),
            wall: Timestamp::now(),
        }
    }

    /// When the hub first held a path of this cluster for anything but up, by its log.
    fn verdict(self, cluster: &str) -> Option<Duration> {
        let cluster = format!("cluster=\"{cluster}\"");
        let at = log::first_after(self.wall, &["path is not well", &cluster])?;
        at.duration_since(self.wall).try_into().ok()
    }

    /// What it cost those who asked; `writes` are those since the cut.
    pub(crate) fn record(self, what: &str, cluster: &str, requests: &Requests, writes: &[Call]) {
        let since = |moment: Instant| moment.saturating_duration_since(self.at);
        let caught = requests.under_way(self.at).failed().len();
        let requests = requests.after(self.at);
        let verdict = self.verdict(cluster);
        let calls = || writes.iter().map(|call| since(call.at));
        let measured = Measured {
            what: what.to_owned(),
            sent: requests.len(),
            failed: requests.failed().len(),
            longest: requests.longest(),
            verdict,
            called: verdict.and_then(|verdict| Some(calls().min()?.saturating_sub(verdict))),
            moved: calls().max(),
            last_failed: requests.last_failed().map(since),
            writes: writes.len(),
            caught,
        };
        TABLE.lock().unwrap_or_else(PoisonError::into_inner).push(measured);
    }
}

/// Shows all that was measured.
pub(crate) fn show() -> Result<()> {
    let table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    if table.is_empty() {
        return Ok(());
    }
    let text = format!("{}\n", table.render());
    match std::env::var_os(FILE) {
        Some(file) => std::fs::write(file, text)?,
        None => std::io::stdout().write_all(text.as_bytes())?,
    }
    Ok(())
}
