//! Paths of routes as APISIX's router wants them.
//!
//! APISIX's default router (`radixtree_host_uri`) reads `*` as a wildcard and nothing else; `:name` means something only
//! to `radixtree_uri_with_parameter`, which Hubline does not support.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hubline::model::{HostName, PathMatch, Route};
use serde_json::{Value, json};

use crate::cluster::check::path as check;
use crate::federate::{Claim, normal_path};

/// Kinds of path, by what goes before what where APISIX itself does not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PathKind {
    Prefix,
    Regex,
    Pattern,
    Exact,
}

impl PathKind {
    fn of(path: &PathMatch) -> Self {
        match path {
            PathMatch::Exact(_) => Self::Exact,
            PathMatch::Prefix(_) => Self::Prefix,
            PathMatch::Pattern(_) => Self::Pattern,
            PathMatch::Regex(_) => Self::Regex,
        }
    }

    fn rank(self) -> i64 {
        match self {
            Self::Prefix => 0,
            Self::Regex => 1,
            Self::Pattern => 2,
            Self::Exact => 3,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Regex => "regex",
            Self::Pattern => "pattern",
            Self::Exact => "exact",
        }
    }
}

/// The `priority` of APISIX for a route's own priority and the kind of its paths.
fn priority(route: i32, kind: PathKind) -> i64 {
    // 4: the number of kinds.
    i64::from(route).saturating_mul(4).saturating_add(kind.rank())
}

/// The share of a route that fits into one object.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    /// Tells the parts of one route apart; goes into the id.
    pub(super) label: String,
    /// As APISIX counts it.
    pub(super) priority: i64,
    /// Sorted; none for any.
    pub(super) hosts: Vec<HostName>,
    /// In the order of the paths.
    pub(super) uris: Vec<String>,
    /// Further conditions by which paths are compared.
    pub(super) vars: Vec<Value>,
}

/// A route's parts that are in force, sorted by label, and why some of its paths cannot be.
pub(super) fn parts(route: &Route, granted: &[Arc<Claim>]) -> (Vec<Part>, Vec<String>) {
    let mut kinds: BTreeMap<PathKind, BTreeMap<PathMatch, BTreeSet<HostName>>> = BTreeMap::new();
    let mut refused = BTreeSet::new();
    for claim in granted {
        let Claim::Requests { host, path, .. } = claim.as_ref() else {
            continue;
        };
        if let Err(message) = check(path) {
            refused.insert(message);
            continue;
        }
        let hosts = kinds
            .entry(PathKind::of(path))
            .or_default()
            .entry(path.clone())
            .or_default();
        hosts.extend(host.clone());
    }
    let whole = paths_by_kind(route);
    let hosts: BTreeSet<_> = route.hosts.iter().cloned().collect();
    let mut parts = Vec::new();
    for (kind, paths) in kinds {
        let complete = paths.len() == whole.get(&kind).copied().unwrap_or_default()
            && paths.values().all(|granted| *granted == hosts);
        split(route, kind, &paths, complete, &mut parts);
    }
    parts.sort_by(|one, other| one.label.cmp(&other.label));
    (parts, refused.into_iter().collect())
}

fn paths_by_kind(route: &Route) -> BTreeMap<PathKind, usize> {
    let paths: BTreeSet<_> = route.paths.iter().map(normal_path).collect();
    let mut counts = BTreeMap::new();
    for path in paths.iter().filter(|path| check(path).is_ok()) {
        let count: &mut usize = counts.entry(PathKind::of(path)).or_default();
        *count = count.saturating_add(1);
    }
    counts
}

/// One part for all paths of a kind while the route has all it claims; else one for each path, with its own hosts.
fn split(
    route: &Route,
    kind: PathKind,
    paths: &BTreeMap<PathMatch, BTreeSet<HostName>>,
    complete: bool,
    parts: &mut Vec<Part>,
) {
    let part = |label: String, hosts: BTreeSet<HostName>, paths: &[&PathMatch]| Part {
        label,
        priority: priority(route.priority, kind),
        hosts: hosts.into_iter().collect(),
        uris: uris(paths),
        vars: vars(paths),
    };
    if complete {
        let all: Vec<_> = paths.keys().collect();
        let hosts = route.hosts.iter().cloned().collect();
        parts.push(part(kind.label().to_owned(), hosts, &all));
        return;
    }
    for (path, hosts) in paths {
        let label = format!("{}|{}", kind.label(), text(path));
        parts.push(part(label, hosts.clone(), &[path]));
    }
}

fn text(path: &PathMatch) -> &str {
    match path {
        PathMatch::Exact(text) | PathMatch::Prefix(text) | PathMatch::Pattern(text) | PathMatch::Regex(text) => text,
    }
}

fn uris(paths: &[&PathMatch]) -> Vec<String> {
    let mut uris = Vec::new();
    for path in paths {
        match path {
            PathMatch::Exact(text) | PathMatch::Pattern(text) => uris.push(text.clone()),
            PathMatch::Prefix(text) if text == "/" => uris.push("/*".to_owned()),
            PathMatch::Prefix(text) => uris.extend([text.clone(), format!("{text}/*")]),
            PathMatch::Regex(_) => uris.push("/*".to_owned()),
        }
    }
    uris.dedup();
    uris
}

fn vars(paths: &[&PathMatch]) -> Vec<Value> {
    let mut vars: Vec<_> = paths
        .iter()
        .filter_map(|path| match path {
            PathMatch::Regex(text) => Some(json!(["uri", "~~", text])),
            PathMatch::Exact(_) | PathMatch::Prefix(_) | PathMatch::Pattern(_) => None,
        })
        .collect();
    if vars.len() > 1 {
        vars.insert(0, json!("OR"));
        return vec![Value::Array(vars)];
    }
    vars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        let exact = |text: &str| PathMatch::Exact(text.to_owned());
        let prefix = |text: &str| PathMatch::Prefix(text.to_owned());
        let table: [(PathMatch, &[&str]); 7] = [
            (exact("/a"), &["/a"]),
            (exact("/a/"), &["/a/"]),
            (prefix("/"), &["/*"]),
            (prefix("/a"), &["/a", "/a/*"]),
            (prefix("/a/"), &["/a", "/a/*"]),
            (prefix("//"), &["/*"]),
            (PathMatch::Pattern("/a*".to_owned()), &["/a*"]),
        ];
        for (path, wanted) in table {
            assert_eq!(uris(&[&normal_path(&path)]), wanted, "{path:?}");
        }
    }

    #[test]
    fn what_apisix_would_read_otherwise_is_refused() {
        for path in ["/a*b", "/*", "a", ""] {
            assert!(check(&PathMatch::Exact(path.to_owned())).is_err(), "{path}");
            assert!(check(&PathMatch::Prefix(path.to_owned())).is_err(), "{path}");
        }
        for path in ["/:name", "/a.b", "/a%20b", "/ä", "/a?b"] {
            assert_eq!(check(&PathMatch::Exact(path.to_owned())), Ok(()), "{path}");
        }
    }

    #[test]
    fn exact_goes_before_prefix_within_a_priority_and_never_across() {
        assert!(priority(0, PathKind::Exact) > priority(0, PathKind::Prefix));
        assert!(priority(1, PathKind::Prefix) > priority(0, PathKind::Exact));
        assert_eq!(priority(0, PathKind::Prefix), 0);
    }
}
