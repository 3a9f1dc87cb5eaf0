//! Checks values against the contract's schemas, with the error messages of APISIX's validator.
//!
//! As there, defaults are filled in while checking, an empty table counts as object and as array,
//! and the first error ends the check. Only the keywords that the contract uses are known.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use regex::Regex;
use serde_json::{Map, Value};

mod combine;
mod object;

/// Checks `value` and fills in defaults; the error is the validator's message.
pub(crate) fn check(schema: &Value, value: &mut Value) -> Result<(), String> {
    let Value::Object(schema) = schema else {
        return if schema == &Value::Bool(false) {
            Err("expect false always".to_owned())
        } else {
            Ok(())
        };
    };
    check_type(schema, value)?;
    object::check(schema, value)?;
    check_array(schema, value)?;
    check_string(schema, value)?;
    check_number(schema, value)?;
    check_enum(schema, value)?;
    combine::check(schema, value)
}

fn is_object(value: &Value) -> bool {
    value.is_object() || value.as_array().is_some_and(Vec::is_empty)
}

fn is_array(value: &Value) -> bool {
    value.is_array() || value.as_object().is_some_and(Map::is_empty)
}

fn lua_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "userdata",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) | Value::Object(_) => "table",
    }
}

fn check_type(schema: &Map<String, Value>, value: &Value) -> Result<(), String> {
    let Some(wanted) = schema.get("type").and_then(Value::as_str) else {
        return Ok(());
    };
    let right = match wanted {
        "object" => is_object(value),
        "array" => is_array(value),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => lua_type(value) == other,
    };
    if right {
        Ok(())
    } else {
        Err(format!("wrong type: expected {wanted}, got {}", lua_type(value)))
    }
}

fn check_array(schema: &Map<String, Value>, value: &mut Value) -> Result<(), String> {
    if !is_array(value) {
        return Ok(());
    }
    let count = value.as_array().map_or(0, Vec::len);
    if let Some(least) = limit(schema, "minItems").filter(|least| count < *least) {
        return Err(format!("expect array to have at least {least} items"));
    }
    if let Some(most) = limit(schema, "maxItems").filter(|most| count > *most) {
        return Err(format!("expect array to have at most {most} items"));
    }
    let Some(items) = value.as_array_mut() else {
        return Ok(());
    };
    if let Some(item_schema) = schema.get("items") {
        for (index, item) in items.iter_mut().enumerate() {
            check(item_schema, item).map_err(|error| format!("failed to validate item {}: {error}", index + 1))?;
        }
    }
    if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
        check_unique(items)
    } else {
        Ok(())
    }
}

fn check_unique(items: &[Value]) -> Result<(), String> {
    for (second, item) in items.iter().enumerate() {
        if let Some(first) = items[..second].iter().position(|earlier| earlier == item) {
            let (first, second) = (first + 1, second + 1);
            return Err(format!(
                "expected unique items but items {first} and {second} are equal"
            ));
        }
    }
    Ok(())
}

fn limit(schema: &Map<String, Value>, keyword: &str) -> Option<usize> {
    schema
        .get(keyword)?
        .as_u64()
        .and_then(|limit| usize::try_from(limit).ok())
}

fn check_string(schema: &Map<String, Value>, value: &Value) -> Result<(), String> {
    let Some(text) = value.as_str() else {
        return Ok(());
    };
    let length = text.chars().count();
    if let Some(least) = limit(schema, "minLength").filter(|least| length < *least) {
        return Err(format!("string too short, expected at least {least}, got {length}"));
    }
    if let Some(most) = limit(schema, "maxLength").filter(|most| length > *most) {
        return Err(format!("string too long, expected at most {most}, got {length}"));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && !matches_pattern(pattern, text)
    {
        let (pattern, text) = (lua_quoted(pattern), lua_quoted(text));
        return Err(format!("failed to match pattern {pattern} with {text}"));
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("ipv4") if text.parse::<Ipv4Addr>().is_err() => Err(invalid_address("ipv4", text)),
        Some("ipv6") if text.parse::<Ipv6Addr>().is_err() => Err(invalid_address("ipv6", text)),
        _ => Ok(()),
    }
}

fn invalid_address(format: &str, text: &str) -> String {
    format!("expect valid {format} address but got: {text}")
}

/// Lua's `%q`.
fn lua_quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\\n");
    format!("\"{escaped}\"")
}

type Compiled = HashMap<String, Option<Arc<Regex>>>;

static PATTERNS: LazyLock<Mutex<Compiled>> = LazyLock::new(Mutex::default);

/// A pattern that this engine can't compile (PCRE knows more) is taken as matched.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut patterns = PATTERNS.lock().unwrap_or_else(PoisonError::into_inner);
    let compiled = patterns
        .entry(pattern.to_owned())
        .or_insert_with(|| Regex::new(pattern).ok().map(Arc::new))
        .clone();
    drop(patterns);
    compiled.is_none_or(|regex| regex.is_match(text))
}

fn check_number(schema: &Map<String, Value>, value: &Value) -> Result<(), String> {
    let Some(number) = value.as_f64() else {
        return Ok(());
    };
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    if let Some(least) = bound("minimum").filter(|least| number < *least) {
        return Err(format!("expected {number} to be greater than {least}"));
    }
    if let Some(least) = bound("exclusiveMinimum").filter(|least| number <= *least) {
        // The real validator's own spelling.
        return Err(format!("expected {number} to be sctrictly greater than {least}"));
    }
    if let Some(most) = bound("maximum").filter(|most| number > *most) {
        return Err(format!("expected {number} to be smaller than {most}"));
    }
    Ok(())
}

fn check_enum(schema: &Map<String, Value>, value: &Value) -> Result<(), String> {
    match schema.get("enum").and_then(Value::as_array) {
        Some(allowed) if !allowed.contains(value) => Err("matches none of the enum values".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
