//! Plugins of routes and sets.
//!
//! Whether the target knows a plugin and accepts its configuration is checked against the target's schema by the sink.

use std::collections::BTreeSet;

use hubline::model::{Plugin, PluginSet, Resource};
use serde_json::{Map, Value, json};

use super::id::Class;
use super::scope::{Rendered, Scope, fields};
use crate::cluster::check::RESTRICTION;
use crate::object::ObjectKind;

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

/// Plugins that count together where they name the same group, over all of APISIX; one that is configured otherwise is
/// refused there (`limit-count/init.lua`).
const COUNTING: [&str; 2] = ["limit-count", "graphql-limit-count"];

/// The `plugins` of an object of a cluster, whose groups are its own.
///
/// # Errors
/// As [`plugins`].
pub(super) fn of_cluster(scope: &Scope<'_>, list: &[Plugin]) -> Result<Map<String, Value>, String> {
    let mut rendered = plugins(list)?;
    for name in COUNTING {
        if let Some(group) = rendered.get_mut(name).and_then(|config| config.get_mut("group"))
            && let Some(text) = group.as_str()
        {
            *group = format!("{}{text}", scope.options.prefix.cluster_prefix(&scope.key.cluster)).into();
        }
    }
    Ok(rendered)
}

/// A plugin config, which routes name by `plugin_config_id`.
///
/// Routes that name it keep the consumers of other clusters off by themselves. But they are written after it, and
/// between the two it must not be open to these either.
pub(super) fn plugin_set(scope: &Scope<'_>, set: &PluginSet) -> Rendered {
    let mut plugins = match of_cluster(scope, &set.plugins) {
        Ok(plugins) => plugins,
        Err(message) => return scope.refuse("InvalidPlugin", message),
    };
    let mut callers = scope.callers();
    if let Some(restriction) = callers.shared_restriction(&plugins) {
        plugins.insert(RESTRICTION.to_owned(), restriction);
    }
    callers.rename_anonymous(&mut plugins);
    let id = scope.id(ObjectKind::PluginConfig, Class::PluginConfig, &scope.key.key, "");
    let body = fields(json!({"plugins": plugins}));
    Rendered {
        objects: vec![scope.object(id, body, BTreeSet::new()).into()],
        problems: scope.unresolved(&callers),
        wants: callers.wants.into_iter().collect(),
        ..Rendered::default()
    }
}

/// The plugins of a set of the same cluster; none when it is not there or not valid.
pub(super) fn of_set(scope: &Scope<'_>, key: &hubline::model::Key) -> Option<Map<String, Value>> {
    match scope.find(key)?.resource.as_ref() {
        Resource::PluginSet(set) => of_cluster(scope, &set.plugins).ok(),
        _ => None,
    }
}
