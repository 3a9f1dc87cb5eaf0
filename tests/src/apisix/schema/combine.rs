//! Keywords that combine schemas: `allOf`, `anyOf`, `oneOf`, `not`, `if`.

use serde_json::{Map, Value};

use super::check as check_value;

pub(super) fn check(schema: &Map<String, Value>, value: &mut Value) -> Result<(), String> {
    check_all_of(schema, value)?;
    check_any_of(schema, value)?;
    check_one_of(schema, value)?;
    check_not(schema, value)?;
    check_if(schema, value)
}

fn branches<'a>(schema: &'a Map<String, Value>, keyword: &str) -> Option<&'a Vec<Value>> {
    schema.get(keyword).and_then(Value::as_array)
}

fn check_all_of(schema: &Map<String, Value>, value: &mut Value) -> Result<(), String> {
    for (index, branch) in branches(schema, "allOf").into_iter().flatten().enumerate() {
        check_value(branch, value).map_err(|error| format!("allOf {} failed: {error}", index + 1))?;
    }
    Ok(())
}

fn check_any_of(schema: &Map<String, Value>, value: &mut Value) -> Result<(), String> {
    let Some(branches) = branches(schema, "anyOf") else {
        return Ok(());
    };
    if branches.iter().any(|branch| check_value(branch, value).is_ok()) {
        return Ok(());
    }
    let required: Vec<String> = branches.iter().filter_map(required_names).collect();
    Err(if required.is_empty() {
        "object matches none of the required".to_owned()
    } else {
        format!("object matches none of the required: {}", required.join(" or "))
    })
}

fn required_names(branch: &Value) -> Option<String> {
    branch.get("required").map(Value::to_string)
}

fn check_one_of(schema: &Map<String, Value>, value: &mut Value) -> Result<(), String> {
    let Some(branches) = branches(schema, "oneOf") else {
        return Ok(());
    };
    let mut matched = None;
    for (index, branch) in branches.iter().enumerate() {
        if check_value(branch, value).is_err() {
            continue;
        }
        if let Some(first) = matched {
            let second = index + 1;
            return Err(format!(
                "value should match only one schema, but matches both schemas {first} and {second}"
            ));
        }
        matched = Some(index + 1);
    }
    match matched {
        Some(_) => Ok(()),
        None => Err("value should match only one schema, but matches none".to_owned()),
    }
}

fn check_not(schema: &Map<String, Value>, value: &mut Value) -> Result<(), String> {
    match schema.get("not") {
        Some(unwanted) if check_value(unwanted, &mut value.clone()).is_ok() => {
            Err("value wasn't supposed to match schema".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_if(schema: &Map<String, Value>, value: &mut Value) -> Result<(), String> {
    let Some(condition) = schema.get("if") else {
        return Ok(());
    };
    let branch = if check_value(condition, value).is_ok() {
        "then"
    } else {
        "else"
    };
    match schema.get(branch) {
        Some(wanted) => check_value(wanted, value).map_err(|_| format!("{branch} clause did not match")),
        None => Ok(()),
    }
}
