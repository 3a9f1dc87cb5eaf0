//! The plugin `proxy-rewrite`, as far as it is needed here: path, host and headers of what is sent
//! on. Variables in values, `method` and all but the first pair of `regex_uri` are not looked at.

use http::{HeaderMap, HeaderName, HeaderValue};
use regex::Regex;
use serde_json::{Map, Value};

/// A `proxy-rewrite` in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProxyRewrite {
    /// path, with a query or without; the client's query is kept behind it
    uri: Option<String>,
    /// expression and template for a path, where there is no `uri`
    regex: Option<(String, String)>,
    pub(crate) host: Option<String>,
    set: Vec<(HeaderName, HeaderValue)>,
    add: Vec<(HeaderName, HeaderValue)>,
    remove: Vec<HeaderName>,
}

impl ProxyRewrite {
    pub(super) fn new(configuration: &Value) -> Self {
        let text = |field: &str| configuration[field].as_str().map(str::to_owned);
        let headers = &configuration["headers"];
        // The form without verbs sets what it names.
        let with_verbs = ["set", "add", "remove"].iter().any(|verb| headers.get(verb).is_some());
        let removed = headers["remove"].as_array().into_iter().flatten();
        Self {
            uri: text("uri"),
            regex: pair(&configuration["regex_uri"]),
            host: text("host"),
            set: pairs(if with_verbs { &headers["set"] } else { headers }),
            add: pairs(&headers["add"]),
            remove: removed.filter_map(|name| name.as_str()?.parse().ok()).collect(),
        }
    }

    /// The target to send instead of `target`.
    pub(crate) fn target(&self, target: &str) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(uri) = self.uri.clone().or_else(|| self.substituted(path)) else {
            return target.to_owned();
        };
        if query.is_empty() {
            return uri;
        }
        let separator = if uri.contains('?') { '&' } else { '?' };
        format!("{uri}{separator}{query}")
    }

    /// The path with what the expression finds replaced by the template.
    fn substituted(&self, path: &str) -> Option<String> {
        let (pattern, template) = self.regex.as_ref()?;
        let pattern = Regex::new(pattern).ok()?;
        // `$1` as PCRE reads it: followed by anything.
        let group = Regex::new(r"\$(\d+)").ok()?;
        let template = group.replace_all(template, "$${$1}");
        Some(pattern.replace(path, &*template).into_owned())
    }

    /// Adds, sets and removes, in that order.
    pub(crate) fn headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.add {
            headers.append(name.clone(), value.clone());
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
        for name in &self.remove {
            headers.remove(name);
        }
    }
}

/// The first two of a list of texts.
fn pair(value: &Value) -> Option<(String, String)> {
    Some((value.get(0)?.as_str()?.to_owned(), value.get(1)?.as_str()?.to_owned()))
}

fn pairs(value: &Value) -> Vec<(HeaderName, HeaderValue)> {
    let nothing = Map::new();
    let fields = value.as_object().unwrap_or(&nothing).iter();
    let pair = |(name, value): (&String, &Value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some((name.parse().ok()?, text.parse().ok()?))
    };
    fields.filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_path_is_replaced_and_the_query_kept() {
        let table = [
            (json!({"uri": "/z"}), "/x?a=1", "/z?a=1"),
            (json!({"uri": "/z"}), "/x", "/z"),
            (json!({"uri": "/z?b=2"}), "/x?a=1", "/z?b=2&a=1"),
            (json!({"host": "h"}), "/x?a=1", "/x?a=1"),
            (json!({"regex_uri": ["^/x/(.*)", "/z/$1y"]}), "/x/q?a=1", "/z/qy?a=1"),
            (json!({"regex_uri": ["^/x/(.*)", "/z/$1"], "uri": "/u"}), "/x/q", "/u"),
            (json!({"regex_uri": ["^/x/(.*)", "/z/$1"]}), "/y", "/y"),
        ];
        for (configuration, target, wanted) in table {
            let rewrite = ProxyRewrite::new(&configuration);
            assert_eq!(rewrite.target(target), wanted, "{configuration} {target}");
        }
    }

    #[test]
    fn headers_are_added_set_and_removed() {
        let table = [
            (json!({"set": {"X-A": "new"}}), vec![("x-a", "new"), ("x-b", "b")]),
            (json!({"X-A": 7}), vec![("x-a", "7"), ("x-b", "b")]),
            (
                json!({"add": {"X-A": "2"}}),
                vec![("x-a", "a"), ("x-a", "2"), ("x-b", "b")],
            ),
            (json!({"remove": ["x-a"]}), vec![("x-b", "b")]),
        ];
        for (given, wanted) in table {
            let mut headers = HeaderMap::new();
            headers.insert("x-a", HeaderValue::from_static("a"));
            headers.insert("x-b", HeaderValue::from_static("b"));
            ProxyRewrite::new(&json!({"headers": given})).headers(&mut headers);
            let mut shown: Vec<_> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                .collect();
            shown.sort_by_key(|(name, _)| *name);
            assert_eq!(shown, wanted, "{given}");
        }
    }
}
