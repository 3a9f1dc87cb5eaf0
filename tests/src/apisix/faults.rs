//! Ways to make the Admin API fail.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What happens to a call that a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// answered with this status and body, without doing anything
    Answer(u16, String),
    /// done and answered, this much later
    Delay(Duration),
    /// done, but the connection is dropped instead of an answer
    DoneButDropped,
    /// not done, and the connection is dropped
    Dropped,
}

impl Fault {
    /// What APISIX answers while its etcd is away.
    pub fn unavailable() -> Self {
        Fault::Answer(
            503,
            "{\"error_msg\":\"has no healthy etcd endpoint available\"}\n".to_owned(),
        )
    }
}

/// What a rule can look at.
#[derive(Clone, Debug)]
pub struct CallHead {
    /// `GET`, `PUT` and so on
    pub method: String,
    /// path without query, such as `/apisix/admin/routes/1`
    pub path: String,
}

type Predicate = Box<dyn Fn(&CallHead) -> bool + Send + Sync>;

struct Rule {
    number: u64,
    matches: Predicate,
    fault: Fault,
    /// how many more calls it holds for; none: until its guard is dropped
    left: Option<u32>,
}

/// The rules in force; the first that matches decides.
#[derive(Default)]
pub(crate) struct Faults {
    rules: Vec<Rule>,
    last_number: u64,
}

impl fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Faults")
            .field("rules", &self.rules.len())
            .finish()
    }
}

impl Faults {
    pub(crate) fn add(&mut self, matches: Predicate, fault: Fault, left: Option<u32>) -> u64 {
        self.last_number += 1;
        self.rules.push(Rule {
            number: self.last_number,
            matches,
            fault,
            left,
        });
        self.last_number
    }

    /// The fault for a call, which uses up one of its rule's times.
    pub(crate) fn take(&mut self, head: &CallHead) -> Option<Fault> {
        let index = self.rules.iter().position(|rule| (rule.matches)(head))?;
        let rule = &mut self.rules[index];
        let fault = rule.fault.clone();
        rule.left = rule.left.map(|left| left.saturating_sub(1));
        if rule.left == Some(0) {
            self.rules.remove(index);
        }
        Some(fault)
    }

    fn remove(&mut self, number: u64) {
        self.rules.retain(|rule| rule.number != number);
    }
}

/// Ends a fault when dropped.
#[must_use = "the fault ends when this is dropped"]
#[derive(Debug)]
pub struct FaultGuard {
    pub(crate) faults: Arc<Mutex<Faults>>,
    pub(crate) number: u64,
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.remove(self.number);
    }
}
