//! How an Ingress writes paths, and what a route is told apart by.

use hubline::model::{HostName, PathMatch};

use super::{DEFAULT_BACKEND_PRIORITY, annotations};
use crate::source::object::IngressPath;

/// Longest path in bytes. nginx refuses request lines over 8 KiB, and a key's section (4,096) must hold a host too.
const MAX_PATH_BYTES: usize = 3072;

/// The path type whose meaning is ours to say.
pub(super) const IMPLEMENTATION_SPECIFIC: &str = "ImplementationSpecific";

/// What makes a route the one it is.
pub(super) struct Match<'a> {
    pub(super) host: Option<&'a HostName>,
    /// `Prefix`, `Exact`, `ImplementationSpecific` or `default`.
    pub(super) word: &'a str,
    pub(super) path: PathMatch,
    pub(super) priority: i32,
}

impl Match<'_> {
    pub(super) fn section(&self) -> String {
        let host = self.host.map_or("", HostName::as_str);
        let path = match (&self.path, self.word) {
            (_, "default") => "",
            (
                PathMatch::Exact(path) | PathMatch::Prefix(path) | PathMatch::Pattern(path) | PathMatch::Regex(path),
                _,
            ) => path,
        };
        format!("{host}|{}|{path}", self.word)
    }
}

pub(super) fn default_match(host: Option<&HostName>) -> Match<'_> {
    Match {
        host,
        word: "default",
        path: PathMatch::Pattern("/*".to_owned()),
        priority: DEFAULT_BACKEND_PRIORITY,
    }
}

/// How a path is compared; else the field that is wrong and why.
pub(super) fn path_match(path: &IngressPath, regex: bool) -> Result<(&'static str, PathMatch), (&'static str, String)> {
    let text = path.path.as_ref();
    if text.len() > MAX_PATH_BYTES {
        let message = format!("has {} bytes, at most {MAX_PATH_BYTES} are allowed", text.len());
        return Err(("path", message));
    }
    if !text.is_empty() && !text.starts_with('/') {
        return Err(("path", format!("{text:?} does not begin with \"/\"")));
    }
    match (path.path_type.as_ref(), text) {
        ("Prefix" | "ImplementationSpecific", "") => Ok(("Prefix", PathMatch::Prefix("/".to_owned()))),
        ("Prefix", _) => Ok(("Prefix", PathMatch::Prefix(without_trailing_slash(text)))),
        ("Exact", "") => Err(("path", "an exact path is needed, beginning with \"/\"".to_owned())),
        ("Exact", _) => Ok(("Exact", PathMatch::Exact(text.to_owned()))),
        ("ImplementationSpecific", _) if regex => match annotations::check_regex(text) {
            Ok(()) => Ok(("ImplementationSpecific", PathMatch::Regex(text.to_owned()))),
            Err(message) => Err(("path", message)),
        },
        ("ImplementationSpecific", _) => Ok(("ImplementationSpecific", PathMatch::Pattern(text.to_owned()))),
        (other, _) => {
            let message = format!("{other:?} is not one of Prefix, Exact, ImplementationSpecific");
            Err(("pathType", message))
        }
    }
}

/// Kubernetes: a trailing slash of a prefix is ignored.
fn without_trailing_slash(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" => "/".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}
