use serde_json::{Value, json};

use super::*;

/// Conditions as APISIX takes them, of an expression that is right.
fn taken(value: &Value) -> Vec<Value> {
    let conditions = conditions(value, &lenient).unwrap_or_else(|faults| panic!("{value}: {faults:?}"));
    conditions.iter().map(|it| value_of(it).unwrap()).collect()
}

#[test]
fn expressions_have_one_form() {
    let (a, b) = (json!(["a", "==", "1"]), json!(["b", "!", "~~", "^x"]));
    let table = [
        (json!(["a", "==", "1"]), vec![a.clone()]),
        (json!([["a", "==", "1"]]), vec![a.clone()]),
        // What all must hold is taken apart, sorted and said once.
        (json!([b, a, a]), vec![a.clone(), b.clone()]),
        (json!(["and", b, ["AND", a, [[a]]]]), vec![a.clone(), b.clone()]),
        // What is joined in another way stays together, sorted.
        (json!(["or", b, a]), vec![json!(["OR", a, b])]),
        (json!(["!And", b, [a]]), vec![json!(["!AND", a, b])]),
        (json!(["!OR", ["OR", b, a], a]), vec![json!(["!OR", ["OR", a, b], a])]),
        (json!(["OR", [a, b], a]), vec![json!(["OR", ["AND", a, b], a])]),
        (json!(["AND", ["OR", b, a], a]), vec![a.clone(), json!(["OR", a, b])]),
        // Numbers, truths, lists.
        (json!(["a", ">", 18.0]), vec![json!(["a", ">", 18])]),
        (json!(["a", ">", 1.5e1]), vec![json!(["a", ">", 15])]),
        (json!(["a", "<=", -0.25]), vec![json!(["a", "<=", -0.25])]),
        (json!(["a", "==", 1e20]), vec![json!(["a", "==", 1e20])]),
        (json!(["a", "==", true]), vec![json!(["a", "==", true])]),
        (json!(["a", ">", "18"]), vec![json!(["a", ">", "18"])]),
        (
            json!(["a", "IN", ["x", 1.0, false]]),
            vec![json!(["a", "in", ["x", 1, false]])],
        ),
        (json!(["a", "!", "in", []]), vec![json!(["a", "!", "in", []])]),
        (json!(["a", "Has", "x"]), vec![json!(["a", "has", "x"])]),
        (
            json!(["a", "ipmatch", "10.0.0.1"]),
            vec![json!(["a", "ipmatch", ["10.0.0.1"]])],
        ),
        (
            json!([
                "a",
                "ipmatch",
                ["10.0.0.0/8", "2001:db8::/32", "::ffff:1.2.3.4", "0.0.0.0/0"]
            ]),
            vec![json!([
                "a",
                "ipmatch",
                ["10.0.0.0/8", "2001:db8::/32", "::ffff:1.2.3.4", "0.0.0.0/0"]
            ])],
        ),
        // Whether it is there.
        (json!(["a", "==", null]), vec![json!(["a", "!", "~~", "^"])]),
        (json!(["a", "~=", null]), vec![json!(["a", "~~", "^"])]),
        (json!(["a", "!", "==", null]), vec![json!(["a", "~~", "^"])]),
        (json!(["a", "!", "~=", null]), vec![json!(["a", "!", "~~", "^"])]),
    ];
    for (value, expected) in table {
        assert_eq!(taken(&value), expected, "{value}");
        assert_eq!(taken(&json!(expected)), expected, "{value}: the one form is its own");
    }
}

#[test]
fn comparisons_with_texts_are_what_they_were_and_the_rest_are_expressions() {
    let table = [
        (json!(["a", "==", "1"]), true),
        (json!(["a", "!", "in", ["1", "2"]]), true),
        (json!(["a", "in", []]), true),
        (json!(["a", "==", null]), true),
        (json!(["a", "==", 1]), false),
        (json!(["a", "in", ["1", 2]]), false),
        (json!(["OR", ["a", "==", "1"], ["b", "==", "1"]]), false),
        (
            json!(["OR", ["a", "==", "1"], ["b", "==", "1"], ["c", "==", "1"]]),
            false,
        ),
    ];
    for (value, plain) in table {
        let conditions = conditions(&value, &lenient).unwrap();
        let is_plain = |it: &Condition| matches!(it, Condition::Comparison(_));
        assert_eq!(
            (conditions.len(), conditions.iter().all(is_plain)),
            (1, plain),
            "{value}"
        );
    }
}

/// The place of the one fault of each, and words of it.
fn refused(table: &[(Value, &str, &str)]) {
    for (value, at, message) in table {
        let faults = conditions(value, &lenient).unwrap_err();
        let [fault] = faults.as_slice() else {
            panic!("{value}: {faults:?}");
        };
        assert!(fault.at == *at && fault.message.contains(message), "{value}: {fault:?}");
    }
}

#[test]
fn what_is_too_much_is_told_with_its_place() {
    let deep = (0..MAX_DEPTH).fold(json!(["a", "==", "1"]), |inner, _| json!([inner]));
    let long = json!(["OR", ["a", "==", "x".repeat(MAX_BYTES)], ["b", "==", 1]]);
    refused(&[
        (
            json!(["a", "==", 123_456_789_012_345_i64]),
            "",
            "has more digits than the 14",
        ),
        (json!(["a", "==", u64::MAX]), "", "has more digits than the 14"),
        (
            json!(["a", "==", 0.123_456_789_012_345]),
            "",
            "has more digits than the 14",
        ),
        (
            deep,
            "[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]",
            "is a list within 16 others",
        ),
        (long, "", "at most 65536 are allowed"),
    ]);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let ok = json!(["a", "==", "1"]);
    let table = [
        (
            json!("text"),
            "",
            "found \"text\"; allowed is [variable, operator, value]",
        ),
        (json!({"a": 1}), "", "found {\"a\":1}; allowed is"),
        (json!([]), "", "is empty"),
        (json!([[]]), "[0]", "is empty"),
        (json!([ok, "a"]), "[1]", "found \"a\""),
        (json!([null]), "", "found [null]"),
        (json!(["a"]), "", "found [\"a\"]"),
        // Its value would be compared with in lower case.
        (json!(["a", "X"]), "", "found [\"a\",\"X\"]"),
        (json!(["a", "==", "1", "2"]), "", "found"),
        (json!(["a", "?", "==", "1"]), "", "found"),
        (json!(["a", "!", "==", "1", "2"]), "", "found"),
        (json!([1, "==", "1"]), "", "found [1,"),
        (json!(["", "==", "1"]), "", "names no variable"),
        (json!(["OR"]), "", "OR joins 0 here; at least two"),
        (json!(["!AND", ok]), "", "!AND joins 1 here; at least two"),
        (
            json!(["OR", ok, ["AND", ok, ["a", "like", "x"]]]),
            "[2][2]",
            "operator \"like\" is none of == ~= >",
        ),
        (
            json!(["a", "==", ["x"]]),
            "",
            "== with [\"x\"]: allowed is a text, a number, true or false, null",
        ),
        (json!(["a", "has", null]), "", "has with null: allowed is a text"),
        (json!(["a", ">", true]), "", "> with true: allowed is a number"),
        (json!(["a", ">", null]), "", "> with null: allowed is a number"),
        (json!(["a", "~~", 5]), "", "~~ with 5: allowed is a regular expression"),
        (json!(["a", "in", "x"]), "", "in with \"x\": allowed is a list"),
        (json!(["a", "in", ["x", null]]), "", "in with null in its list"),
        (
            json!(["a", "ipmatch", []]),
            "",
            "ipmatch with []: allowed is a list of at least one",
        ),
        (
            json!(["a", "ipmatch", ["10.0.0.0/33"]]),
            "",
            "ipmatch with [\"10.0.0.0/33\"]",
        ),
        (json!(["a", "ipmatch", ["10.0.0.0/+8"]]), "", "ipmatch with"),
        (json!(["a", "ipmatch", ["10.0.0.0/"]]), "", "ipmatch with"),
        (json!(["a", "ipmatch", ["2001:db8::/129"]]), "", "ipmatch with"),
        (json!(["a", "ipmatch", [1]]), "", "ipmatch with [1]"),
    ];
    refused(&table);
    let several = json!([ok, ["a", "like", "x"], ["OR", ["b", "==", "1"], ["", "==", "1"]]]);
    let at: Vec<String> = conditions(&several, &lenient)
        .unwrap_err()
        .into_iter()
        .map(|it| it.at)
        .collect();
    assert_eq!(at, ["[1]", "[2][2]"], "all that is wrong is told at once");
}

#[test]
fn only_what_is_no_plain_condition_is_read_as_an_expression() {
    let text = r#"["or",["b","==","x"],["a",">",1.0]]"#;
    let read = Expression::parse(text).unwrap();
    assert_eq!(read.text(), r#"["OR",["a",">",1],["b","==","x"]]"#);
    assert_eq!(Expression::parse(read.text()), Ok(read.clone()));
    assert_eq!(serde_json::from_value(json!(text)).ok(), Some(read));
    let table = [
        (r#"["a","==","x"]"#, "is made of plain conditions"),
        (r#"[["a",">",1],["b",">",1]]"#, "is made of plain conditions"),
        ("", "is no JSON"),
        ("[", "is no JSON"),
        (r#"["OR",["a",">",1]]"#, "OR joins 1"),
        (&"[".repeat(MAX_BYTES + 1), "has 65537 bytes"),
        (&"[".repeat(200), "is no JSON"),
    ];
    for (text, fault) in table {
        let error = Expression::parse(text).unwrap_err();
        assert!(error.contains(fault), "{error}");
    }
}

#[test]
fn a_comparison_that_apisix_does_not_compile_is_refused() {
    let comparison = |operator: &str, values: &[&str]| {
        Condition::from(Comparison {
            variable: "a".to_owned(),
            operator: operator.to_owned(),
            negated: true,
            values: values.iter().map(|&it| it.to_owned()).collect(),
        })
    };
    let table = [
        (comparison("==", &["x"]), Some(json!(["a", "!", "==", "x"]))),
        (comparison("in", &["x"]), Some(json!(["a", "!", "in", ["x"]]))),
        (comparison("in", &[]), Some(json!(["a", "!", "in", []]))),
        (
            comparison("ipmatch", &["::1"]),
            Some(json!(["a", "!", "ipmatch", ["::1"]])),
        ),
        (comparison("ipmatch", &[]), None),
        (comparison("ipmatch", &["x"]), None),
        (comparison("==", &[]), None),
        (comparison("==", &["x", "y"]), None),
        (comparison("", &[]), None),
        (comparison("like", &["x"]), None),
    ];
    for (condition, expected) in table {
        assert_eq!(value_of(&condition).ok(), expected, "{condition:?}");
    }
}
