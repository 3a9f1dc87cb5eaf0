//! The distilled contract in `tests/contract/`: what objects and plugins must look like.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::kind::Kind;

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    Contract::load(
        include_str!("../../contract/kinds.yaml"),
        include_str!("../../contract/plugins.yaml"),
    )
});

/// The contract, with all shared shapes filled in.
#[derive(Debug)]
struct Contract {
    kinds: Map<String, Value>,
    secrets: Map<String, Value>,
    plugins: Map<String, Value>,
    stream_plugins: Map<String, Value>,
}

impl Contract {
    /// A file that can't be read gives an empty contract, which no test survives.
    fn load(kinds: &str, plugins: &str) -> Self {
        let kinds: Value = serde_saphyr::from_str(kinds).unwrap_or_default();
        let plugins: Value = serde_saphyr::from_str(plugins).unwrap_or_default();
        let shapes = &kinds["shapes"];
        Self {
            kinds: table(&kinds["kinds"], shapes),
            secrets: table(&kinds["secrets"], shapes),
            plugins: with_meta(table(&plugins["plugins"], shapes), shapes),
            stream_plugins: with_meta(table(&plugins["stream_plugins"], shapes), shapes),
        }
    }
}

fn table(entries: &Value, shapes: &Value) -> Map<String, Value> {
    let entries = entries.as_object().into_iter().flatten();
    entries
        .map(|(name, entry)| (name.clone(), filled(entry, shapes)))
        .collect()
}

/// Replaces every `use: NAME` by the shape of that name.
fn filled(value: &Value, shapes: &Value) -> Value {
    match value {
        Value::Object(fields) => match fields.get("use").and_then(Value::as_str) {
            Some(name) if fields.len() == 1 => filled(&shapes[name], shapes),
            _ => fields
                .iter()
                .map(|(name, field)| (name.clone(), filled(field, shapes)))
                .collect(),
        },
        Value::Array(items) => items.iter().map(|item| filled(item, shapes)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn with_meta(mut plugins: Map<String, Value>, shapes: &Value) -> Map<String, Value> {
    for plugin in plugins.values_mut() {
        let schema = plugin.get_mut("schema").and_then(Value::as_object_mut);
        let Some(schema) = schema else { continue };
        let properties = schema.entry("properties").or_insert_with(|| json!({}));
        properties["_meta"] = filled(&shapes["meta"], shapes);
    }
    plugins
}

/// The schema of a kind of object. Secrets have one per manager, metadata one per plugin.
pub(crate) fn schema(kind: Kind) -> Option<&'static Value> {
    CONTRACT.kinds.get(kind.schema_name())
}

/// A schema by the name that `/apisix/admin/schema/{name}` uses.
pub(crate) fn schema_named(name: &str) -> Option<&'static Value> {
    CONTRACT.kinds.get(name)
}

pub(crate) fn secret_schema(manager: &str) -> Option<&'static Value> {
    CONTRACT.secrets.get(manager)
}

/// Which of a plugin's schemas applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PluginSchema {
    /// on routes, services and so on
    Main,
    /// on consumers and credentials: of authentication plugins another one
    Consumer,
}

pub(crate) fn plugin(name: &str) -> Option<&'static Value> {
    CONTRACT.plugins.get(name)
}

pub(crate) fn plugin_schema(name: &str, which: PluginSchema) -> Option<&'static Value> {
    let plugin = plugin(name)?;
    let consumer = plugin.get("consumer_schema");
    let consumer = consumer.filter(|_| which == PluginSchema::Consumer);
    consumer.or_else(|| plugin.get("schema"))
}

/// The fields of a plugin's configuration that answers to writes show encrypted.
pub(crate) fn encrypted_fields(name: &str) -> impl Iterator<Item = &'static str> {
    let fields = plugin(name)
        .and_then(|plugin| plugin.get("encrypt"))
        .and_then(Value::as_array);
    fields.into_iter().flatten().filter_map(Value::as_str)
}

/// The plugins that the stand-in knows, highest priority first.
pub fn plugin_names() -> Vec<&'static str> {
    by_priority(&CONTRACT.plugins)
}

pub(crate) fn stream_plugin_names() -> Vec<&'static str> {
    by_priority(&CONTRACT.stream_plugins)
}

/// The names, highest priority first.
fn by_priority(plugins: &'static Map<String, Value>) -> Vec<&'static str> {
    let mut names: Vec<_> = plugins
        .iter()
        .map(|(name, plugin)| (plugin["priority"].as_i64(), name.as_str()))
        .collect();
    names.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    names.into_iter().map(|(_, name)| name).collect()
}

/// Every plugin as `/apisix/admin/plugins?all=true` shows it.
pub(crate) fn plugins(stream: bool) -> Value {
    let plugins = if stream {
        &CONTRACT.stream_plugins
    } else {
        &CONTRACT.plugins
    };
    let shown = plugins.iter().map(|(name, plugin)| {
        let fields = plugin.as_object().into_iter().flatten();
        let fields = fields.filter(|(field, _)| field.as_str() != "encrypt");
        let fields = fields.map(|(field, value)| (field.clone(), value.clone()));
        (name.clone(), Value::Object(fields.collect()))
    });
    Value::Object(shown.collect())
}

/// The kinds that the control API tells the schema of.
const SHOWN: [&str; 13] = [
    "consumer",
    "consumer_group",
    "global_rule",
    "plugin_config",
    "plugins",
    "proto",
    "route",
    "service",
    "ssl",
    "stream_route",
    "upstream",
    "upstream_hash_header_schema",
    "upstream_hash_vars_schema",
];

/// All schemas, as the control API's `/v1/schema` shows them.
pub(crate) fn all_schemas() -> Value {
    let kinds = SHOWN
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), schema_named(name)?.clone())));
    json!({
        "main": kinds.collect::<Map<_, _>>(),
        "plugins": plugins(false),
        "stream_plugins": plugins(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_can_be_read() {
        assert_eq!(plugin_names().len(), 47);
        assert_eq!(stream_plugin_names(), ["ip-restriction", "limit-conn", "syslog"]);
        for name in ["route", "service", "upstream", "ssl", "credential", "consumer_group"] {
            assert!(schema_named(name).is_some(), "{name}");
        }
        assert!(secret_schema("vault").is_some());
    }

    #[test]
    fn no_shape_is_left_unfilled() {
        let text = serde_json::to_string(&CONTRACT.kinds).unwrap() + &serde_json::to_string(&CONTRACT.plugins).unwrap();
        assert!(!text.contains("\"use\":"));
        assert!(!text.contains(":null"), "a shape that does not exist");
    }
}
