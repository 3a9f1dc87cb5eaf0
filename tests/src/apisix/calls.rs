//! The record of Admin API calls.

use std::collections::VecDeque;

use serde_json::Value;
use tokio::time::Instant;

/// One call of the Admin API, recorded when it was answered.
#[derive(Clone, Debug)]
pub struct Call {
    /// when the request had been read
    pub at: Instant,
    /// `GET`, `PUT` and so on
    pub method: String,
    /// path and query as sent
    pub path: String,
    /// body as sent
    pub body: String,
    /// status that was answered; 0 if the connection was dropped instead
    pub status: u16,
}

impl Call {
    /// Whether the call asks for a change: PUT, POST, PATCH or DELETE.
    pub fn is_write(&self) -> bool {
        matches!(self.method.as_str(), "PUT" | "POST" | "PATCH" | "DELETE")
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

/// How many calls are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepCalls {
    /// every one: for tests, which end
    All,
    /// only the last ones: for a demo that runs for days
    Last(usize),
}

/// The remembered calls, oldest first.
#[derive(Debug)]
pub(crate) struct CallLog {
    keep: KeepCalls,
    calls: VecDeque<Call>,
}

impl CallLog {
    pub(crate) fn new(keep: KeepCalls) -> Self {
        Self {
            keep,
            calls: VecDeque::new(),
        }
    }

    pub(crate) fn push(&mut self, call: Call) {
        self.calls.push_back(call);
        if let KeepCalls::Last(limit) = self.keep {
            while self.calls.len() > limit {
                self.calls.pop_front();
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.calls.clear();
    }
}
