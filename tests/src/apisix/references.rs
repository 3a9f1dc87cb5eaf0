//! Who refers to whom, indexed so that a deletion needs no search.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::kind::Kind;

/// An object that refers to another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    /// through the configuration of `traffic-split`, not through a field of its own
    through_plugin: bool,
}

/// For every object that is referred to, who does.
#[derive(Debug, Default)]
pub(crate) struct References {
    sources: BTreeMap<(Kind, String), BTreeSet<Source>>,
}

impl References {
    pub(crate) fn add(&mut self, kind: Kind, id: &str, value: &Value) {
        for (target, through_plugin) in targets(kind, value) {
            let source = Source {
                kind,
                id: id.to_owned(),
                through_plugin,
            };
            self.sources.entry(target).or_default().insert(source);
        }
    }

    pub(crate) fn remove(&mut self, kind: Kind, id: &str, value: &Value) {
        for (target, through_plugin) in targets(kind, value) {
            let source = Source {
                kind,
                id: id.to_owned(),
                through_plugin,
            };
            if let Some(sources) = self.sources.get_mut(&target) {
                sources.remove(&source);
                if sources.is_empty() {
                    self.sources.remove(&target);
                }
            }
        }
    }

    /// The ids of the routes that name the service `id`.
    pub(crate) fn routes_of_service(&self, id: &str) -> Vec<String> {
        let sources = self.sources.get(&(Kind::Service, id.to_owned()));
        let routes = sources
            .into_iter()
            .flatten()
            .filter(|source| source.kind == Kind::Route);
        routes.map(|source| source.id.clone()).collect()
    }

    /// Why the object can't be deleted, in the words of the real one; none if it can.
    pub(crate) fn objection(&self, kind: Kind, id: &str) -> Option<String> {
        let sources = self.sources.get(&(kind, id.to_owned()))?;
        let blocking: BTreeSet<_> = sources
            .iter()
            .filter_map(|source| Some((rank(kind, source.kind)?, &source.id, !source.through_plugin)))
            .collect();
        let ((_, word), id, direct) = blocking.into_iter().next()?;
        let place = if direct { "" } else { "plugin in " };
        Some(format!(
            "{}, {place}{word} [{id}] is still using it now",
            refusal(kind)?
        ))
    }
}

/// The order in which the real one looks for users of an object, and what it calls them. Stream
/// routes don't keep an upstream from being deleted.
fn rank(target: Kind, source: Kind) -> Option<(u8, &'static str)> {
    match (target, source) {
        (Kind::Service, Kind::StreamRoute) => Some((1, "stream_route")),
        (_, Kind::Route) => Some((0, "route")),
        (Kind::Upstream, Kind::Service) => Some((1, "service")),
        (Kind::Upstream, Kind::PluginConfig) => Some((2, "plugin_config")),
        (Kind::Upstream | Kind::ConsumerGroup, Kind::Consumer) => Some((3, "consumer")),
        (Kind::Upstream, Kind::ConsumerGroup) => Some((4, "consumer_group")),
        (Kind::Upstream, Kind::GlobalRule) => Some((5, "global_rules")),
        _ => None,
    }
}

fn refusal(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Upstream => Some("can not delete this upstream"),
        Kind::Service => Some("can not delete this service directly"),
        Kind::PluginConfig => Some("can not delete this plugin config"),
        Kind::ConsumerGroup => Some("can not delete this consumer group"),
        _ => None,
    }
}

const FIELDS: [(&str, Kind); 4] = [
    ("upstream_id", Kind::Upstream),
    ("service_id", Kind::Service),
    ("plugin_config_id", Kind::PluginConfig),
    ("group_id", Kind::ConsumerGroup),
];

/// What an object refers to, and whether through a plugin.
fn targets(kind: Kind, value: &Value) -> Vec<((Kind, String), bool)> {
    if kind == Kind::PluginMetadata {
        return Vec::new();
    }
    let direct = FIELDS
        .iter()
        .filter_map(|(field, target)| Some(((*target, id_text(value.get(field)?)?), false)));
    let split = split_upstreams(value)
        .into_iter()
        .map(|id| ((Kind::Upstream, id), true));
    direct.chain(split).collect()
}

fn split_upstreams(value: &Value) -> Vec<String> {
    let rules = value.pointer("/plugins/traffic-split/rules").and_then(Value::as_array);
    let weighted = rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule.get("weighted_upstreams").and_then(Value::as_array));
    weighted
        .flatten()
        .filter_map(|entry| id_text(entry.get("upstream_id")?))
        .collect()
}

/// Ids may be written as strings or as numbers.
pub(crate) fn id_text(id: &Value) -> Option<String> {
    match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
