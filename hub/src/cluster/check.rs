//! What a resource must satisfy beyond its form: judged one by one, without looking at any other.
//!
//! References that lead nowhere are no fault here: what is referred to may come later. Whatever of a resource alone
//! keeps plan from making an object of it is judged here, where its last good content is kept, on disk too.

mod certificate;
mod service;

use crate::credential;
use crate::plan::probes;
use hubline::expression;
use hubline::model::{
    Backend, Consumer, GlobalRule, Key, PathMatch, Plugin, Resource, ResourceKind, Route, StreamRoute,
};
use hubline::wire::WireError;
use std::collections::BTreeSet;

/// Why one resource is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A word for programs.
    pub reason: &'static str,
    /// A sentence for people: names the field and what is allowed, never a secret.
    pub message: String,
}

type Checked = Result<(), Refusal>;

impl Refusal {
    fn new(reason: &'static str, message: String) -> Self {
        Self { reason, message }
    }

    pub(super) fn unreadable(error: &WireError) -> Self {
        Self::new(error.reason(), error.to_string())
    }
}

/// Judges one resource.
///
/// # Errors
/// Why it is refused.
pub fn check(key: &Key, resource: &Resource) -> Checked {
    match resource {
        Resource::Route(it) => route(it),
        Resource::StreamRoute(it) => stream_route(it),
        Resource::Service(it) => service::service(it),
        Resource::Certificate(it) => certificate::certificate(key, it),
        Resource::Consumer(it) => consumer(it),
        Resource::PluginSet(it) => plugins("plugin_set.plugins", &it.plugins),
        Resource::GlobalRule(it) => global_rule(it),
        Resource::EndpointSet(_) | Resource::Node(_) | Resource::Export(_) | Resource::ClusterInfo(_) => Ok(()),
    }
}

/// Methods that APISIX's schema knows.
pub(crate) const METHODS: [&str; 10] = [
    "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE",
];

/// The plugin by which plan spreads a route over several backends.
pub(crate) const SPLIT: &str = "traffic-split";

/// The plugin by which plan keeps the consumers of other clusters off a route.
pub(crate) const RESTRICTION: &str = "consumer-restriction";

/// Lengths that APISIX's schema takes for a certificate and for a key, in characters.
pub(crate) const PEM_LENGTHS: std::ops::RangeInclusive<usize> = 128..=65_536;

fn unsupported(message: String) -> Checked {
    Err(Refusal::new("unsupported-value", message))
}

fn route(route: &Route) -> Checked {
    backends("route.backends", &route.backends)?;
    acts(route)?;
    if let Some(method) = route.methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        return unsupported(format!(
            "field route.methods: {method:?} is none of {}",
            METHODS.join(", ")
        ));
    }
    let mut conditions = route.conditions.iter();
    let conditions = conditions.try_for_each(|condition| expression::value_of(condition).map(drop));
    conditions.or_else(|message| unsupported(format!("field route.conditions: {message}")))?;
    some_path(route)?;
    if route.hosts.iter().any(|host| host.as_str() == probes::HOST) {
        let message = format!(
            "field route.hosts: {} is reserved for the hub's own probes",
            probes::HOST
        );
        return unsupported(message);
    }
    for set in &route.plugin_sets {
        refers_to("route.plugin_sets", set, ResourceKind::PluginSet)?;
    }
    plugins("route.plugins", &route.plugins)
}

/// A route without backends needs a plugin that answers, one with several has no room for a split of its own.
fn acts(route: &Route) -> Checked {
    let plugins = route.plugins.len() + route.plugin_sets.len();
    if route.backends.is_empty() && plugins == 0 {
        return unsupported("field route.backends: neither backends nor plugins are given".to_owned());
    }
    if route.backends.len() > 1 && route.plugins.iter().any(|plugin| plugin.name == SPLIT) {
        let message = format!("field route.plugins: a {SPLIT} plugin and several backends exclude each other");
        return unsupported(message);
    }
    Ok(())
}

/// A path that cannot be takes only itself out of force, as long as there is another one.
fn some_path(route: &Route) -> Checked {
    let mut faults = route.paths.iter().map(path);
    let first = faults.next().and_then(Result::err);
    match first.filter(|_| faults.all(|fault| fault.is_err())) {
        Some(message) => unsupported(format!("field route.paths: {message}")),
        None => Ok(()),
    }
}

/// Whether APISIX's router reads a path as it is meant. There is no way to escape a `*` there, so exact paths and
/// prefixes that have one are refused rather than widened.
pub(crate) fn path(path: &PathMatch) -> Result<(), String> {
    let (text, wildcard) = match path {
        PathMatch::Regex(_) => return Ok(()),
        PathMatch::Pattern(text) => (text, true),
        PathMatch::Exact(text) | PathMatch::Prefix(text) => (text, false),
    };
    if !text.starts_with('/') {
        return Err(format!("path {text:?} does not begin with /"));
    }
    if text.contains('*') && !wildcard {
        return Err(format!(
            "path {text:?} has a *, which APISIX reads as a wildcard; only ImplementationSpecific paths may have one"
        ));
    }
    Ok(())
}

fn stream_route(route: &StreamRoute) -> Checked {
    backends("stream_route.backends", &route.backends)?;
    if route.backends.len() != 1 {
        let count = route.backends.len();
        return unsupported(format!(
            "field stream_route.backends: {count} are given, a stream has one"
        ));
    }
    plugins("stream_route.plugins", &route.plugins)
}

fn backends(field: &str, backends: &[Backend]) -> Checked {
    backends
        .iter()
        .try_for_each(|backend| refers_to(field, &backend.service, ResourceKind::Service))
}

fn refers_to(field: &str, key: &Key, wanted: ResourceKind) -> Checked {
    if key.kind == wanted {
        return Ok(());
    }
    let message = format!("field {field}: {key} is a {}, a {wanted} is needed", key.kind);
    Err(Refusal::new("invalid-reference", message))
}

/// A consumer's plugins replace those of the route that it calls (`merge_consumer_route` of APISIX), so one that it may
/// not have is what keeps it off the routes of other clusters.
fn consumer(consumer: &Consumer) -> Checked {
    let field = "consumer.plugins";
    plugins(field, &consumer.plugins)?;
    for plugin in &consumer.plugins {
        if plugin.name == RESTRICTION {
            return unsupported(format!(
                "field {field}: {RESTRICTION} is not taken from consumers, since it would replace what keeps consumers \
                 to their own cluster; routes may have it"
            ));
        }
        let config = serde_json::from_str(plugin.config.expose()).unwrap_or_default();
        let checked = credential::check(plugin, &config);
        checked.or_else(|message| unsupported(format!("field {field}: {message}")))?;
    }
    Ok(())
}

fn global_rule(rule: &GlobalRule) -> Checked {
    let field = "global_rule.plugins";
    plugins(field, &rule.plugins)?;
    plugins("global_rule.metadata", &rule.metadata)?;
    let own = |plugin: &&Plugin| matches!(plugin.name.as_str(), SPLIT | RESTRICTION);
    match rule.plugins.iter().find(own) {
        Some(plugin) => unsupported(format!(
            "field {field}: {} is the hub's own in global rules, since of two neither would run; routes may have it",
            plugin.name
        )),
        None => Ok(()),
    }
}

fn plugins(field: &str, plugins: &[Plugin]) -> Checked {
    let mut names = BTreeSet::new();
    for it in plugins {
        plugin(field, it)?;
        if !names.insert(&it.name) {
            return unsupported(format!("field {field}: {:?} is given twice", it.name));
        }
    }
    Ok(())
}

fn plugin(field: &str, plugin: &Plugin) -> Checked {
    let name = &plugin.name;
    if name.is_empty() {
        return Err(Refusal::new(
            "invalid-plugin",
            format!("field {field}: a plugin without a name"),
        ));
    }
    let config = serde_json::from_str(plugin.config.expose()).unwrap_or_default();
    if name == SPLIT && names_upstream(&config) {
        return unsupported(format!(
            "field {field}: {SPLIT} names an upstream_id; ids of upstreams are the hub's, which other clusters have, too: \
             give several backends, or an upstream in its place"
        ));
    }
    // The parser's own words could quote the configuration, which holds credentials.
    let parsed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(plugin.config.expose());
    parsed.map(|_| ()).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let message =
            format!("field {field}: the configuration of {name:?} is not a JSON object (line {line}, column {column})");
        Refusal::new("invalid-plugin", message)
    })
}

/// By its id, which could be another cluster's.
fn names_upstream(split: &serde_json::Value) -> bool {
    let rules = split["rules"].as_array().into_iter().flatten();
    let mut weighted = rules.filter_map(|rule| rule["weighted_upstreams"].as_array()).flatten();
    weighted.any(|entry| entry.get("upstream_id").is_some())
}

#[cfg(test)]
mod tests {
    use hubline::expression::Expression;
    use hubline::model::{Comparison, Condition};

    use super::*;

    fn plugin(name: &str, config: &str) -> Plugin {
        Plugin {
            name: name.to_owned(),
            config: hubline::model::SecretText::new(config.to_owned()),
        }
    }

    #[test]
    fn what_would_get_round_the_hub_is_refused() {
        let consumer = |plugins| Resource::from(Consumer { plugins, created: None });
        let rule = |plugins, metadata| {
            Resource::from(GlobalRule {
                plugins,
                metadata,
                created: None,
            })
        };
        let table = [
            (consumer(vec![plugin("key-auth", r#"{"key":"k"}"#)]), None),
            (consumer(vec![plugin("limit-count", "{}")]), None),
            (
                consumer(vec![plugin(RESTRICTION, "{}")]),
                Some("consumer-restriction is not taken from consumers"),
            ),
            (consumer(vec![plugin("key-auth", "{}")]), Some("key-auth has no key")),
            (
                consumer(vec![plugin("cors", "{}"), plugin("cors", "{}")]),
                Some(r#""cors" is given twice"#),
            ),
            (rule(vec![plugin("key-auth", "{}")], vec![plugin("cors", "{}")]), None),
            (
                rule(vec![plugin(SPLIT, "{}")], Vec::new()),
                Some("traffic-split is the hub's own"),
            ),
            (
                rule(vec![plugin(RESTRICTION, "{}")], Vec::new()),
                Some("consumer-restriction is the hub's own"),
            ),
            (
                consumer(vec![plugin(
                    SPLIT,
                    r#"{"rules":[{"weighted_upstreams":[{"upstream_id":"x"}]}]}"#,
                )]),
                Some("traffic-split names an upstream_id"),
            ),
            (
                consumer(vec![plugin(
                    SPLIT,
                    r#"{"rules":[{"weighted_upstreams":[{"upstream":{}}]}]}"#,
                )]),
                None,
            ),
            (
                rule(Vec::new(), vec![plugin("cors", "never shown")]),
                Some("global_rule.metadata: the configuration of \"cors\" is not a JSON object"),
            ),
        ];
        let key = Key::new(
            ResourceKind::Consumer,
            &hubline::model::GroupKind::new("x", "C"),
            "shop",
            "jack",
            "",
        );
        for (resource, fault) in table {
            let message = check(&key, &resource).err().map(|refusal| refusal.message);
            let as_said = fault.is_none_or(|fault| message.as_ref().is_some_and(|message| message.contains(fault)));
            assert!(
                as_said && message.is_some() == fault.is_some(),
                "{fault:?}: {message:?}"
            );
        }
    }

    /// APISIX drops a route whose conditions it cannot compile, and a route without them is wider than it was declared.
    #[test]
    fn conditions_that_apisix_would_not_compile_are_refused() {
        let condition = |operator: &str, values: &[&str]| {
            Condition::from(Comparison {
                variable: "arg_a".to_owned(),
                operator: operator.to_owned(),
                negated: false,
                values: values.iter().map(|&value| value.to_owned()).collect(),
            })
        };
        let expression = Expression::parse(r#"["OR",["arg_a",">",1],["arg_b","==","x"]]"#).unwrap();
        // What a hub sees of an expression whose field it does not know.
        let unknown = Condition::from(Comparison {
            variable: String::new(),
            operator: String::new(),
            negated: false,
            values: Vec::new(),
        });
        let table = [
            (condition("==", &["x"]), true),
            (condition("in", &["x", "y"]), true),
            (Condition::Expression(expression), true),
            (condition("==", &["x", "y"]), false),
            (condition("like", &["x"]), false),
            (condition("ipmatch", &["10.0.0.0/8", "x"]), false),
            (unknown, false),
        ];
        for (condition, accepted) in table {
            let route = Route {
                conditions: vec![condition],
                ..route_to(vec![PathMatch::Exact("/".to_owned())])
            };
            let message = super::route(&route).err().map(|refusal| refusal.message);
            let named = message
                .as_ref()
                .map(|message| message.contains("field route.conditions"));
            assert_eq!(
                named,
                (!accepted).then_some(true),
                "{:?}: {message:?}",
                route.conditions
            );
        }
    }

    fn route_to(paths: Vec<PathMatch>) -> Route {
        Route {
            hosts: Vec::new(),
            paths,
            methods: Vec::new(),
            conditions: Vec::new(),
            priority: 0,
            backends: Vec::new(),
            plugins: vec![plugin("cors", "{}")],
            plugin_sets: Vec::new(),
            timeouts: None,
            websocket: false,
            created: None,
        }
    }

    #[test]
    fn a_path_that_cannot_be_takes_only_itself_out_of_force() {
        let (exact, prefix) = (
            |text: &str| PathMatch::Exact(text.to_owned()),
            |text: &str| PathMatch::Prefix(text.to_owned()),
        );
        let pattern = PathMatch::Pattern("/a*".to_owned());
        let table = [
            (vec![exact("/a"), exact("/a*")], None),
            (vec![exact("/a*"), prefix("/*")], Some("path \"/a*\" has a *")),
            (vec![exact("a")], Some("does not begin with /")),
            (vec![exact("a"), pattern], None),
        ];
        for (paths, fault) in table {
            let route = route_to(paths);
            let message = some_path(&route).err().map(|refusal| refusal.message);
            let as_said = fault.is_none_or(|fault| message.as_ref().is_some_and(|message| message.contains(fault)));
            assert!(
                as_said && message.is_some() == fault.is_some(),
                "{:?}: {message:?}",
                route.paths
            );
        }
    }
}
