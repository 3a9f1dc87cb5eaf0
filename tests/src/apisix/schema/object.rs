//! Properties: types, required ones, defaults, dependencies, unknown ones.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{check as check_value, is_object, limit, matches_pattern};

static NO_FIELDS: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

pub(super) fn check(schema: &Map<String, Value>, value: &mut Value) -> Result<(), String> {
    if !is_object(value) {
        return Ok(());
    }
    let mut nothing = Map::new();
    let fields = value.as_object_mut().unwrap_or(&mut nothing);
    check_properties(schema, fields)?;
    check_required(schema, fields)?;
    check_dependencies(schema, fields)?;
    check_others(schema, fields)?;
    check_count(schema, fields.len())
}

fn section<'a>(schema: &'a Map<String, Value>, keyword: &str) -> &'a Map<String, Value> {
    schema
        .get(keyword)
        .and_then(Value::as_object)
        .unwrap_or_else(|| &NO_FIELDS)
}

fn check_properties(schema: &Map<String, Value>, fields: &mut Map<String, Value>) -> Result<(), String> {
    for (name, property) in section(schema, "properties") {
        if let Some(field) = fields.get_mut(name) {
            check_value(property, field).map_err(|error| format!("property \"{name}\" validation failed: {error}"))?;
        } else if is_required(schema, name) {
            return Err(format!("property \"{name}\" is required"));
        } else if let Some(default) = property.get("default") {
            fields.insert(name.clone(), default.clone());
        }
    }
    Ok(())
}

fn is_required(schema: &Map<String, Value>, name: &str) -> bool {
    required(schema).any(|required| required == name)
}

fn required(schema: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str)
}

fn check_required(schema: &Map<String, Value>, fields: &Map<String, Value>) -> Result<(), String> {
    match required(schema).find(|name| !fields.contains_key(*name)) {
        Some(name) => Err(format!("property \"{name}\" is required")),
        None => Ok(()),
    }
}

fn check_dependencies(schema: &Map<String, Value>, fields: &mut Map<String, Value>) -> Result<(), String> {
    for (name, wanted) in section(schema, "dependencies") {
        if !fields.contains_key(name) {
            continue;
        }
        if let Some(names) = wanted.as_array() {
            let mut names = names.iter().filter_map(Value::as_str);
            if let Some(missing) = names.find(|other| !fields.contains_key(*other)) {
                return Err(format!("property \"{missing}\" is required when \"{name}\" is set"));
            }
            continue;
        }
        let mut whole = Value::Object(fields.clone());
        check_value(wanted, &mut whole)
            .map_err(|error| format!("failed to validate dependent schema for \"{name}\": {error}"))?;
    }
    Ok(())
}

/// `patternProperties` and `additionalProperties`.
fn check_others(schema: &Map<String, Value>, fields: &mut Map<String, Value>) -> Result<(), String> {
    let known = section(schema, "properties");
    for (name, field) in fields.iter_mut() {
        let mut matched = known.contains_key(name);
        for (pattern, property) in section(schema, "patternProperties") {
            if matches_pattern(pattern, name) {
                matched = true;
                check_value(property, field)
                    .map_err(|error| format!("failed to validate {name} (matching \"{pattern}\"): {error}"))?;
            }
        }
        if !matched && let Some(additional) = schema.get("additionalProperties") {
            check_additional(additional, name, field)?;
        }
    }
    Ok(())
}

fn check_additional(additional: &Value, name: &str, field: &mut Value) -> Result<(), String> {
    if additional == &Value::Bool(false) {
        return Err(format!("additional properties forbidden, found {name}"));
    }
    check_value(additional, field).map_err(|error| format!("failed to validate additional property {name}: {error}"))
}

fn check_count(schema: &Map<String, Value>, count: usize) -> Result<(), String> {
    if let Some(least) = limit(schema, "minProperties").filter(|least| count < *least) {
        return Err(format!("expect object to have at least {least} properties"));
    }
    match limit(schema, "maxProperties").filter(|most| count > *most) {
        Some(most) => Err(format!("expect object to have at most {most} properties")),
        None => Ok(()),
    }
}
