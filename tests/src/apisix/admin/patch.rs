//! How PATCH changes a value: merged as a whole, or set at a path inside it. Pure.

use serde_json::{Map, Value};

/// Merges `change` into `value`: objects field by field, null removes, all else replaces.
pub(super) fn merge(value: &mut Value, change: Value) {
    let Value::Object(change) = change else {
        return;
    };
    let Value::Object(fields) = value else {
        return;
    };
    for (name, new) in change {
        match (fields.get_mut(&name), new) {
            (_, Value::Null) => {
                fields.remove(&name);
            }
            (Some(old @ Value::Object(_)), new @ Value::Object(_)) => merge(old, new),
            (_, new) => {
                fields.insert(name, new);
            }
        }
    }
}

/// Sets what is at `path` inside `value`; the error is the real one's message.
pub(super) fn set(value: &mut Value, path: &str, new: Value) -> Result<(), String> {
    let segments: Vec<&str> = path.split('/').collect();
    let (last, parents) = segments.split_last().unwrap_or((&"", &[]));
    let mut place = value;
    for (depth, segment) in parents.iter().enumerate() {
        place = child(place, segment).ok_or_else(|| format!("invalid sub-path: /{}", segments[..=depth].join("/")))?;
    }
    match child(place, last) {
        Some(found) => *found = new,
        None => return Err(format!("invalid sub-path: /{path}")),
    }
    Ok(())
}

/// The field or item of that name, made where it is missing; none inside a scalar. Items count
/// from 1 in APISIX.
fn child<'a>(place: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    if place.is_null() {
        *place = Value::Object(Map::new());
    }
    match place {
        Value::Object(fields) => Some(fields.entry(name).or_insert(Value::Null)),
        Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?.checked_sub(1)?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merging_removes_nulls_and_replaces_arrays() {
        let mut value = json!({"a": {"x": 1, "y": 2}, "b": [1, 2], "c": 3});
        merge(&mut value, json!({"a": {"y": null, "z": 4}, "b": [5], "c": {"d": 6}}));
        assert_eq!(value, json!({"a": {"x": 1, "z": 4}, "b": [5], "c": {"d": 6}}));
    }

    #[test]
    fn paths_are_set() {
        let mut value = json!({"nodes": {"a": 1}, "n": 1});
        set(&mut value, "nodes", json!([2])).unwrap();
        set(&mut value, "x/y", json!(3)).unwrap();
        assert_eq!(value, json!({"nodes": [2], "n": 1, "x": {"y": 3}}));
        assert_eq!(set(&mut value, "n/m", json!(1)).unwrap_err(), "invalid sub-path: /n/m");
    }
}
