//! What happened in a run, line by line, and how often.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::lock;

/// The log of one run; cloning shares.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    began: Instant,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    lines: Vec<String>,
    counts: BTreeMap<&'static str, u64>,
    violations: Vec<String>,
    echo: bool,
}

impl Log {
    /// Begins now; `echo` shows every line at once.
    pub(crate) fn begin(echo: bool) -> Self {
        let inner = Inner {
            echo,
            ..Inner::default()
        };
        Self {
            began: Instant::now(),
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Virtual seconds since the beginning.
    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    pub(crate) fn say(&self, line: impl fmt::Display) {
        let line = format!("{:9.3} {line}", self.seconds());
        let mut inner = lock(&self.inner);
        if inner.echo {
            eprintln!("{line}");
        }
        inner.lines.push(line);
    }

    /// Something that is counted in the last line of all runs.
    pub(crate) fn count(&self, what: &'static str) {
        *lock(&self.inner).counts.entry(what).or_default() += 1;
    }

    /// A fault that is injected: said and counted.
    pub(crate) fn fault(&self, kind: &'static str, what: impl fmt::Display) {
        self.count(kind);
        self.say(format_args!("FAULT {kind}: {what}"));
    }

    /// A promise is broken.
    pub(crate) fn violation(&self, promise: &str, what: impl fmt::Display) {
        let text = format!("{promise}: {what}");
        self.say(format_args!("BROKEN {text}"));
        lock(&self.inner).violations.push(text);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        lock(&self.inner).lines.clone()
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.inner).counts.clone()
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        lock(&self.inner).violations.clone()
    }
}
