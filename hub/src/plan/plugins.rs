//! Plugins of routes, sets and rules.
//!
//! Whether the target knows a plugin and accepts its configuration is checked against the target's schema by the sink.

use std::collections::BTreeSet;

use hubline::model::{GlobalRule, Plugin, PluginSet, Resource};
use serde_json::{Map, Value, json};

use super::id::Class;
use super::scope::{Rendered, Scope, fields};
use crate::object::ObjectKind;
use crate::view::ProblemKind;

/// The `plugins` of an object.
///
/// # Errors
/// Which plugin's configuration is no JSON object, or was left out of a dry run's file; never its text, which may hold credentials.
pub(super) fn plugins(plugins: &[Plugin]) -> Result<Map<String, Value>, String> {
    let mut rendered = Map::new();
    for plugin in plugins {
        if plugin.config.is_redacted() {
            return Err(format!(
                "the configuration of plugin {} was left out of the file",
                plugin.name
            ));
        }
        let Ok(Value::Object(config)) = serde_json::from_str(plugin.config.expose()) else {
            return Err(format!(
                "the configuration of plugin {} is not a JSON object",
                plugin.name
            ));
        };
        rendered.insert(plugin.name.clone(), Value::Object(config));
    }
    Ok(rendered)
}

/// A plugin config, which routes name by `plugin_config_id`.
pub(super) fn plugin_set(scope: &Scope<'_>, set: &PluginSet) -> Rendered {
    let plugins = match plugins(&set.plugins) {
        Ok(plugins) => plugins,
        Err(message) => return scope.refuse("InvalidPlugin", message),
    };
    let id = scope.id(ObjectKind::PluginConfig, Class::PluginConfig, &scope.key.key, "");
    let body = fields(json!({"plugins": plugins}));
    Rendered {
        objects: vec![scope.object(id, body, BTreeSet::new()).into()],
        ..Rendered::default()
    }
}

/// A global rule: it acts on everybody's traffic, so only clusters that were granted it have any.
pub(super) fn global_rule(scope: &Scope<'_>, rule: &GlobalRule) -> Rendered {
    if !scope.options.grants.contains(&scope.key.cluster) {
        let message = format!(
            "{}: the cluster is not granted plugins on everybody's traffic; the hub's operator grants them",
            scope.subject()
        );
        return scope.withhold(ProblemKind::Refused, "NotGranted", message);
    }
    let plugins = match plugins(&rule.plugins) {
        Ok(plugins) => plugins,
        Err(message) => return scope.refuse("InvalidPlugin", message),
    };
    let id = scope.id(ObjectKind::GlobalRule, Class::GlobalRule, &scope.key.key, "");
    let body = fields(json!({"plugins": plugins}));
    Rendered {
        objects: vec![scope.object(id, body, BTreeSet::new()).into()],
        ..Rendered::default()
    }
}

/// The plugins of a set of the same cluster; none when it is not there or not valid.
pub(super) fn of_set(scope: &Scope<'_>, key: &hubline::model::Key) -> Option<Map<String, Value>> {
    match scope.find(key)?.resource.as_ref() {
        Resource::PluginSet(set) => plugins(&set.plugins).ok(),
        _ => None,
    }
}
