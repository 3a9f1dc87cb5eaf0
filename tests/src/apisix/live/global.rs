//! The global rules. A plugin that more than one of them has does not run at all: the real one says
//! so in its log and nowhere else.

use std::collections::BTreeMap;

use serde_json::Value;

use super::plugins::{Layers, Plugin, Plugins};
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
        self.only(|plugins| plugins.split.as_ref())
    }

    /// The rules whose plugin of that kind runs, as layers.
    pub(super) fn with<T>(&self, kind: fn(&Plugins) -> Option<&Plugin<T>>) -> Layers<'_> {
        let rules = self.by_id.values();
        let mut rules: Vec<_> = rules.filter(|plugins| kind(plugins).is_some()).collect();
        if rules.len() > 1 {
            rules.clear();
        }
        rules.into_iter().collect()
    }

    fn only<T>(&self, kind: fn(&Plugins) -> Option<&Plugin<T>>) -> Option<&Plugin<T>> {
        let mut all = self.by_id.values().filter_map(kind);
        let first = all.next();
        first.filter(|_| all.next().is_none())
    }
}
