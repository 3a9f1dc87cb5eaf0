//! The global rules. A plugin that more than one of them has does not run at all: the real one says
//! so in its log and nowhere else.

use std::collections::BTreeMap;

use serde_json::Value;

use super::plugins::{Plugin, Plugins};
use super::split::TrafficSplit;

/// All global rules in force.
#[derive(Debug, Default)]
pub(super) struct GlobalRules {
    by_id: BTreeMap<String, Plugins>,
}

impl GlobalRules {
    /// Takes the new value of a rule; none if it is gone.
    pub(super) fn refresh(&mut self, id: &str, value: Option<&Value>) {
        match value {
            Some(value) => self.by_id.insert(id.to_owned(), Plugins::new(value)),
            None => self.by_id.remove(id),
        };
    }

    pub(super) fn split(&self) -> Option<&Plugin<TrafficSplit>> {
        let mut splits = self.by_id.values().filter_map(|plugins| plugins.split.as_ref());
        let first = splits.next();
        first.filter(|_| splits.next().is_none())
    }
}
