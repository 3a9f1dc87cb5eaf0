//! Checks of the `plugins` that an object carries.

use serde_json::Value;

use crate::apisix::contract::{self, PluginSchema};
use crate::apisix::expression::Expression;
use crate::apisix::schema;

/// Checks every plugin's configuration; the error is the real one's message.
pub(super) fn check(plugins: &Value, which: PluginSchema) -> Result<(), String> {
    for (name, configuration) in plugins.as_object().into_iter().flatten() {
        check_one(name, configuration, which)?;
    }
    Ok(())
}

fn check_one(name: &str, configuration: &Value, which: PluginSchema) -> Result<(), String> {
    if !configuration.is_object() && !configuration.is_array() {
        return Err(format!("invalid plugin conf {configuration} for plugin [{name}]"));
    }
    let Some(wanted) = contract::plugin_schema(name, which) else {
        return Err(format!("unknown plugin [{name}]"));
    };
    schema::check(wanted, &mut configuration.clone())
        .map_err(|error| format!("failed to check the configuration of plugin {name} err: {error}"))?;
    if name == "traffic-split" {
        check_split(configuration)
            .map_err(|error| format!("failed to check the configuration of plugin {name} err: {error}"))?;
    }
    configuration.pointer("/_meta/filter").map_or(Ok(()), check_vars)
}

fn check_vars(vars: &Value) -> Result<(), String> {
    Expression::compile(vars)
        .map(|_| ())
        .map_err(|error| format!("failed to validate the 'vars' expression: {error}"))
}

/// That the upstreams it names are there is not checked.
fn check_split(configuration: &Value) -> Result<(), String> {
    let rules = configuration["rules"].as_array().into_iter().flatten();
    let mut conditions = rules.filter_map(|rule| rule["match"].as_array()).flatten();
    conditions.try_for_each(|condition| check_vars(&condition["vars"]))
}

/// Only authentication plugins may be in a credential.
pub(super) fn check_credential(plugins: &Value) -> Result<(), String> {
    let names = plugins.as_object().into_iter().flatten().map(|(name, _)| name);
    for name in names {
        let kind = contract::plugin(name).and_then(|plugin| plugin.get("type"));
        if kind.and_then(Value::as_str) != Some("auth") {
            return Err("only supports auth type plugins in consumer credential".to_owned());
        }
    }
    Ok(())
}
