//! One route, compiled: where it is found, and what a request must be to take it.

use std::sync::Arc;

use ipnet::IpNet;
use regex::Regex;
use serde_json::Value;

use super::facts::Facts;
use super::plugins::Plugins;
use super::upstream::{Timeouts, Upstream};
use crate::apisix::expression::{Expression, network};
use crate::apisix::references::id_text;
use crate::apisix::store::Object;

/// A route in force.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) id: String,
    /// revision of its creation: among equals the older one is found first
    pub(crate) created: u64,
    pub(crate) priority: i64,
    /// lower case; none: any host
    pub(crate) hosts: Option<Vec<String>>,
    pub(crate) paths: Vec<RoutePath>,
    pub(crate) service_id: Option<String>,
    pub(crate) upstream_id: Option<String>,
    pub(crate) upstream: Option<Arc<Upstream>>,
    pub(crate) timeouts: Option<Timeouts>,
    pub(crate) websocket: Option<bool>,
    pub(crate) enabled: bool,
    pub(super) plugin_config_id: Option<String>,
    pub(super) plugins: Plugins,
    name: Option<String>,
    methods: Option<Vec<String>>,
    addresses: Option<Vec<IpNet>>,
    vars: Option<Expression>,
}

/// One of a route's paths.
#[derive(Clone, Debug)]
pub(crate) struct RoutePath {
    /// without what begins at the `*`
    pub(crate) literal: String,
    pub(crate) is_prefix: bool,
    /// length of the path as written: among equal priorities the longer is found first
    pub(crate) length: usize,
    /// for a `*` that is not at the end
    pub(crate) pattern: Option<Regex>,
}

impl RoutePath {
    fn new(path: &str) -> Self {
        let length = path.len();
        match path.split_once('*') {
            None => Self {
                literal: path.to_owned(),
                is_prefix: false,
                length,
                pattern: None,
            },
            Some((literal, after)) => Self {
                literal: literal.to_owned(),
                is_prefix: true,
                length,
                pattern: (!after.is_empty()).then(|| middle_pattern(path)).flatten(),
            },
        }
    }
}

/// Segments that begin with `*` match anything, others only themselves.
fn middle_pattern(path: &str) -> Option<Regex> {
    let segments = path.split('/').map(|segment| {
        if segment.starts_with('*') {
            "(?s:.*)".to_owned()
        } else {
            regex::escape(segment)
        }
    });
    let pattern = segments.collect::<Vec<_>>().join("/");
    Regex::new(&format!("^{pattern}$")).ok()
}

impl Route {
    pub(super) fn new(id: &str, object: &Object) -> Self {
        let value = &*object.value;
        let either = |one: &str, several: &str| value.get(several).or_else(|| value.get(one));
        let paths = either("uri", "uris").map(texts).unwrap_or_default();
        Self {
            id: id.to_owned(),
            created: object.created,
            priority: value["priority"].as_i64().unwrap_or(0),
            hosts: either("host", "hosts").map(lowercase_texts),
            paths: paths.iter().map(|path| RoutePath::new(path)).collect(),
            service_id: value.get("service_id").and_then(id_text),
            upstream_id: value.get("upstream_id").and_then(id_text),
            upstream: value.get("upstream").map(|inline| Arc::new(Upstream::new(inline))),
            timeouts: value.get("timeout").map(Timeouts::new),
            websocket: value["enable_websocket"].as_bool(),
            // Lua is not run here: what would need it is never found.
            enabled: value.get("status") != Some(&Value::from(0)) && value.get("filter_func").is_none(),
            plugin_config_id: value.get("plugin_config_id").and_then(id_text),
            plugins: Plugins::new(value),
            name: value["name"].as_str().map(str::to_owned),
            methods: value.get("methods").map(texts),
            addresses: either("remote_addr", "remote_addrs")
                .map(|addresses| texts(addresses).iter().filter_map(|text| network(text)).collect()),
            vars: value.get("vars").and_then(|vars| Expression::compile(vars).ok()),
        }
    }

    /// Whether a request that is for this route's host and path meets its other conditions.
    pub(super) fn accepts(&self, facts: &Facts<'_>) -> bool {
        let methods = self.methods.as_ref();
        let addresses = self.addresses.as_ref();
        methods.is_none_or(|methods| methods.iter().any(|method| method == facts.method))
            && addresses.is_none_or(|nets| nets.iter().any(|net| net.contains(&facts.remote)))
            && self
                .vars
                .as_ref()
                .is_none_or(|vars| vars.holds(&|name| self.variable(facts, name)))
    }

    /// The variable of that name, of a request that takes this route.
    pub(super) fn variable(&self, facts: &Facts<'_>, name: &str) -> Option<String> {
        match name {
            "route_id" => Some(self.id.clone()),
            "route_name" => self.name.clone(),
            "service_id" => self.service_id.clone(),
            _ => facts.variable(name),
        }
    }
}

/// A string, or an array of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        other => other.as_str().map(str::to_owned).into_iter().collect(),
    }
}

pub(super) fn lowercase_texts(value: &Value) -> Vec<String> {
    texts(value).iter().map(|text| text.to_lowercase()).collect()
}
