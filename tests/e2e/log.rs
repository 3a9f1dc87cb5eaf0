//! Everything that is logged while a test runs: shown when it fails, and searched for secrets.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use hubline_sandbox::system::PATIENCE;
use jiff::Timestamp;
use tokio::sync::Notify;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// All of our own but what the sandbox says of each request, and of others what says what they do.
const FILTER: &str = "debug,hubline=trace,hubline_agent=trace,hubline_hub=trace,hubline_sandbox=debug,h2=info,hyper=info,tower=info,rustls=info";

/// How much of it a failure shows.
const TAIL_LINES: usize = 60;

static LOG: Log = Log(Mutex::new(Vec::new()));

/// Told of every line.
static LOGGED: Notify = Notify::const_new();

#[derive(Debug)]
struct Log(Mutex<Vec<u8>>);

#[derive(Debug, Clone, Copy)]
struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        LOGGED.notify_waiters();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Writer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

/// Begins to keep what is logged, for the whole process: agent and hub have threads of their own.
pub(crate) fn start() {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(FILTER))
        .with_ansi(false)
        .with_writer(Writer)
        .init();
}

/// Forgets what was logged.
pub(crate) fn clear() {
    LOG.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// What was logged since the test began.
pub(crate) fn all() -> Arc<str> {
    String::from_utf8_lossy(&LOG.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
}

/// Waits until one line has all of these words.
pub(crate) async fn until(words: &[&str]) -> Result<()> {
    let has = |line: &str| words.iter().all(|word| line.contains(word));
    let logged = async {
        loop {
            let next = LOGGED.notified();
            if all().lines().any(has) {
                return;
            }
            next.await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, logged).await;
    waited.with_context(|| format!("nothing with {words:?} was logged"))
}

/// When the first line with all of these words was logged after a moment.
pub(crate) fn first_after(moment: Timestamp, words: &[&str]) -> Option<Timestamp> {
    let log = all();
    let has = |line: &&str| words.iter().all(|word| line.contains(word));
    let times = log
        .lines()
        .filter(has)
        .filter_map(|line| line.split(' ').next()?.parse::<Timestamp>().ok());
    times.filter(|time| *time >= moment).min()
}

/// The last lines of our own.
pub(crate) fn tail() -> String {
    let log = all();
    let ours: Vec<_> = log.lines().filter(|line| line.contains(" hubline")).collect();
    ours.iter()
        .skip(ours.len().saturating_sub(TAIL_LINES))
        .map(|line| format!("{line}\n"))
        .collect()
}
