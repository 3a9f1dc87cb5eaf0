use serde_json::{Value, json};

use super::check;
use crate::apisix::contract;

fn message(schema: &Value, mut value: Value) -> String {
    check(schema, &mut value).err().unwrap_or_default()
}

#[test]
fn messages_are_those_of_the_real_validator() {
    let table = [
        (
            json!({"type": "string"}),
            json!(1),
            "wrong type: expected string, got number",
        ),
        (
            json!({"type": "integer"}),
            json!(1.5),
            "wrong type: expected integer, got number",
        ),
        (json!({"type": "object"}), json!([]), ""),
        (
            json!({"type": "array", "minItems": 1}),
            json!({}),
            "expect array to have at least 1 items",
        ),
        (
            json!({"minLength": 10}),
            json!("not lua"),
            "string too short, expected at least 10, got 7",
        ),
        (
            json!({"pattern": r"^[a-z\-]+$"}),
            json!("a b"),
            r#"failed to match pattern "^[a-z\\-]+$" with "a b""#,
        ),
        (json!({"minimum": 1}), json!(0), "expected 0 to be greater than 1"),
        (json!({"enum": ["a"]}), json!("b"), "matches none of the enum values"),
        (
            json!({"uniqueItems": true}),
            json!([1, 2, 1]),
            "expected unique items but items 1 and 3 are equal",
        ),
        (
            json!({"dependencies": {"a": ["b"]}}),
            json!({"a": 1}),
            "property \"b\" is required when \"a\" is set",
        ),
        (
            json!({"not": {"required": ["a"]}}),
            json!({"a": 1}),
            "value wasn't supposed to match schema",
        ),
        (
            json!({"if": {"required": ["a"]}, "then": {"required": ["b"]}}),
            json!({"a": 1}),
            "then clause did not match",
        ),
    ];
    for (schema, value, wanted) in table {
        assert_eq!(message(&schema, value.clone()), wanted, "{schema} {value}");
    }
}

/// Without the default for `policy`, the rules for redis would be asked for.
#[test]
fn defaults_are_filled_in_before_conditions_are_looked_at() {
    let schema = contract::plugin("limit-count").unwrap()["schema"].clone();
    let mut value = json!({"count": 2, "time_window": 60});
    check(&schema, &mut value).unwrap();
    assert_eq!(value["policy"], "local");
    assert_ne!(
        message(&schema, json!({"count": 2, "time_window": 60, "policy": "redis"})),
        ""
    );
}
