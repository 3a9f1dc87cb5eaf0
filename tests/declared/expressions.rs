//! Expressions of an ApisixRoute: every operator and every scope, by requests.

use serde_json::{Value, json};

use super::planned;
use super::served::Served;

/// A rule for `/NAME`, and for nothing else.
fn rule(name: &str, expression: &Value) -> Value {
    json!({
        "name": name,
        "match": {"hosts": ["a.example.com"], "paths": [format!("/{name}")], "exprs": [expression]},
        "backends": [{"serviceName": "web", "servicePort": 80}],
    })
}

async fn served(rules: &[Value]) -> Served {
    let route = json!({
        "apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "metadata": {"name": "r", "namespace": "shop"},
        "spec": {"ingressClassName": "apisix", "http": rules},
    });
    let service =
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {ports: [{port: 80}]}}";
    let planned = planned(&format!("{route}\n---\n{service}\n"), false);
    assert_eq!(planned.diagnostics, Vec::<String>::new());
    Served::planned(&planned).await
}

/// An operator, what it compares with, and values of `n` that it takes and does not take.
type Operator = (&'static str, &'static str, &'static str, &'static str);

const OPERATORS: [Operator; 12] = [
    ("Equal", "7", "7", "8"),
    ("NotEqual", "7", "8", "7"),
    ("GreaterThan", "7", "10", "7"),
    ("GreaterThanEqual", "7", "7", "6"),
    ("LessThan", "7", "6", "7"),
    ("LessThanEqual", "7", "7", "10"),
    ("In", "7,8", "8", "9"),
    ("NotIn", "7,8", "9", "7"),
    ("RegexMatch", "^a[0-9]$", "a1", "A1"),
    ("RegexNotMatch", "^a[0-9]$", "A1", "a1"),
    ("RegexMatchCaseInsensitive", "^a[0-9]$", "A1", "b1"),
    ("RegexNotMatchCaseInsensitive", "^a[0-9]$", "b1", "A1"),
];

#[tokio::test]
async fn every_operator_decides() {
    let rules = OPERATORS.map(|(operator, operand, ..)| {
        let field = if operator.ends_with("In") { "set" } else { "value" };
        let operand = if field == "set" {
            json!(operand.split(',').collect::<Vec<_>>())
        } else {
            json!(operand)
        };
        let mut expression = json!({"subject": {"scope": "Query", "name": "n"}, "op": operator});
        expression[field] = operand;
        rule(operator, &expression)
    });
    let served = served(&rules).await;
    for (operator, _, taken, not_taken) in OPERATORS {
        let target = format!("/{operator}?n={taken}");
        assert_eq!(served.ask("a.example.com", &target, &[]).await, format!("web {target}"));
        let target = format!("/{operator}?n={not_taken}");
        assert_eq!(served.ask("a.example.com", &target, &[]).await, "404", "{target}");
    }
    served.end().await;
}

/// The scope `Body` is not among them: the stand-in reads no forms.
#[tokio::test]
async fn every_scope_is_looked_into() {
    let of = |scope: &str, name: &str, value: &str| json!({"subject": {"scope": scope, "name": name}, "op": "Equal", "value": value});
    let served = served(&[
        rule("header", &of("Header", "X-Group-Id", "beta")),
        rule("query", &of("Query", "group_id", "beta")),
        rule("cookie", &of("Cookie", "group", "beta")),
        rule("path", &of("Path", "", "/path")),
        rule("other-path", &of("Path", "", "/elsewhere")),
        rule("variable", &of("Variable", "request_method", "GET")),
        rule("other-variable", &of("Variable", "request_method", "POST")),
    ])
    .await;
    for (target, headers, wanted) in [
        ("/header", &[("x-group-id", "beta")][..], "web /header"),
        ("/header", &[("x-group-id", "alpha")][..], "404"),
        ("/header?group_id=beta", &[("cookie", "group=beta")][..], "404"),
        ("/query?group_id=beta", &[][..], "web /query?group_id=beta"),
        ("/query", &[("x-group-id", "beta"), ("cookie", "group=beta")][..], "404"),
        ("/cookie", &[("cookie", "a=b; group=beta")][..], "web /cookie"),
        ("/cookie?group=beta", &[("group", "beta")][..], "404"),
        ("/path", &[][..], "web /path"),
        ("/other-path", &[][..], "404"),
        ("/variable", &[][..], "web /variable"),
        ("/other-variable", &[][..], "404"),
    ] {
        let answer = served.ask("a.example.com", target, headers).await;
        assert_eq!(answer, wanted, "{target} {headers:?}");
    }
    served.end().await;
}
