//! Finds the route of a request, in the order of APISIX's default router.
//!
//! Hosts first: the exact one, then wildcards from the longest to the shortest, then routes
//! without hosts. Inside a host: the exact path, then prefixes from the longest to the shortest.
//! At one path: higher `priority` first. What doesn't accept the request is passed over, and the
//! search goes on, into the next host too.

use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;

use super::facts::Facts;
use super::route::{Route, RoutePath};

/// All routes in force.
#[derive(Debug, Default)]
pub(crate) struct Router {
    exact: HashMap<String, Table>,
    /// by what stands after the `*`
    wildcards: HashMap<String, Table>,
    any: Table,
}

/// The routes of one host.
#[derive(Debug, Default)]
struct Table {
    exact: HashMap<String, Vec<Entry>>,
    prefixes: HashMap<String, Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    route: Arc<Route>,
    length: usize,
    pattern: Option<Regex>,
}

impl Router {
    pub(crate) fn insert(&mut self, route: &Arc<Route>) {
        self.each_table(route, |table| {
            for path in &route.paths {
                table.insert(route, path);
            }
        });
    }

    pub(crate) fn remove(&mut self, route: &Route) {
        self.each_table(route, |table| {
            for path in &route.paths {
                table.remove(route, path);
            }
        });
        let hosts = route.hosts.iter().flatten();
        for host in hosts {
            let (tables, name) = self.tables_of(host);
            if tables.get(name).is_some_and(Table::is_empty) {
                tables.remove(name);
            }
        }
    }

    fn each_table(&mut self, route: &Route, mut change: impl FnMut(&mut Table)) {
        let Some(hosts) = &route.hosts else {
            change(&mut self.any);
            return;
        };
        for host in hosts {
            let (tables, name) = self.tables_of(host);
            change(tables.entry(name.to_owned()).or_default());
        }
    }

    fn tables_of<'a>(&mut self, host: &'a str) -> (&mut HashMap<String, Table>, &'a str) {
        match host.strip_prefix('*') {
            Some(suffix) => (&mut self.wildcards, suffix),
            None => (&mut self.exact, host),
        }
    }

    pub(crate) fn find(&self, facts: &Facts<'_>) -> Option<&Arc<Route>> {
        let host = facts.host.as_str();
        let starts = host.char_indices().map(|(start, _)| start).chain([host.len()]);
        let suffixes = starts.filter_map(|start| self.wildcards.get(host.get(start..)?));
        let tables = self.exact.get(host).into_iter().chain(suffixes).chain([&self.any]);
        tables.into_iter().find_map(|table| table.find(facts))
    }
}

impl Table {
    fn entries(&mut self, path: &RoutePath) -> &mut HashMap<String, Vec<Entry>> {
        if path.is_prefix {
            &mut self.prefixes
        } else {
            &mut self.exact
        }
    }

    fn insert(&mut self, route: &Arc<Route>, path: &RoutePath) {
        let entries = self.entries(path).entry(path.literal.clone()).or_default();
        let (length, pattern) = (path.length, path.pattern.clone());
        let entry = Entry {
            route: Arc::clone(route),
            length,
            pattern,
        };
        let place = entries.partition_point(|earlier| earlier.rank() <= entry.rank());
        entries.insert(place, entry);
    }

    fn remove(&mut self, route: &Route, path: &RoutePath) {
        let all = self.entries(path);
        if let Some(entries) = all.get_mut(&path.literal) {
            entries.retain(|entry| entry.route.id != route.id);
            if entries.is_empty() {
                all.remove(&path.literal);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty()
    }

    fn find(&self, facts: &Facts<'_>) -> Option<&Arc<Route>> {
        let path = facts.path.as_str();
        let ends = path.char_indices().map(|(start, letter)| start + letter.len_utf8());
        let ends = std::iter::once(0).chain(ends).rev();
        let prefixes = ends.filter_map(|end| self.prefixes.get(path.get(..end)?));
        let entries = self.exact.get(path).into_iter().chain(prefixes).flatten();
        entries
            .into_iter()
            .find(|entry| entry.accepts(facts))
            .map(|entry| &entry.route)
    }
}

impl Entry {
    /// What is smaller is looked at first.
    fn rank(&self) -> (i64, usize, u64) {
        (
            self.route.priority.saturating_neg(),
            usize::MAX - self.length,
            self.route.created,
        )
    }

    fn accepts(&self, facts: &Facts<'_>) -> bool {
        self.route.accepts(facts)
            && self
                .pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(&facts.path))
    }
}
