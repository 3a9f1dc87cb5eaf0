//! Health checks that APISIX makes itself, as a service asks for them.

use hubline::model::{ActiveChecks, CheckProtocol, HealthChecks, Healthy, PassiveChecks, Unhealthy};
use serde_json::{Map, Value, json};

use super::route::seconds;

/// Interval, in seconds, where none is given.
const INTERVAL: u32 = 1;

/// The `checks` of an upstream. What is not said is left to APISIX's schema, but the intervals: of an active check
/// without them a node that is down never comes back (`reference/apisix.md`).
pub(super) fn checks(checks: &HealthChecks) -> Value {
    let mut body = Map::new();
    body.insert("active".to_owned(), active(&checks.active));
    if let Some(checks) = &checks.passive {
        body.insert("passive".to_owned(), passive(checks));
    }
    Value::Object(body)
}

fn active(checks: &ActiveChecks) -> Value {
    let mut body = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    set("type", Some(protocol(checks.protocol)));
    set("timeout", checks.timeout_ms.map(seconds));
    set("concurrency", checks.concurrency.map(|it| json!(it)));
    set("host", checks.host.as_ref().map(|it| json!(it)));
    set("port", checks.port.map(|it| json!(it)));
    set("http_path", checks.path.as_ref().map(|it| json!(it)));
    set("req_headers", some(&checks.headers));
    set("https_verify_certificate", checks.insecure.then_some(json!(false)));
    let mut healthy = healthy(&checks.healthy);
    healthy.entry("interval").or_insert(json!(INTERVAL));
    let mut unhealthy = unhealthy(&checks.unhealthy);
    unhealthy.entry("interval").or_insert(json!(INTERVAL));
    set("healthy", Some(Value::Object(healthy)));
    set("unhealthy", Some(Value::Object(unhealthy)));
    Value::Object(body)
}

fn passive(checks: &PassiveChecks) -> Value {
    json!({
        "type": protocol(checks.protocol),
        "healthy": healthy(&checks.healthy),
        "unhealthy": unhealthy(&checks.unhealthy),
    })
}

fn protocol(protocol: CheckProtocol) -> Value {
    json!(match protocol {
        CheckProtocol::Http => "http",
        CheckProtocol::Https => "https",
        CheckProtocol::Tcp => "tcp",
    })
}

fn healthy(rule: &Healthy) -> Map<String, Value> {
    let fields = [
        ("interval", rule.interval_seconds.map(|it| json!(it))),
        ("http_statuses", some(&rule.statuses)),
        ("successes", rule.successes.map(|it| json!(it))),
    ];
    given(fields)
}

fn unhealthy(rule: &Unhealthy) -> Map<String, Value> {
    let fields = [
        ("interval", rule.interval_seconds.map(|it| json!(it))),
        ("http_statuses", some(&rule.statuses)),
        ("http_failures", rule.http_failures.map(|it| json!(it))),
        ("tcp_failures", rule.tcp_failures.map(|it| json!(it))),
        ("timeouts", rule.timeouts.map(|it| json!(it))),
    ];
    given(fields)
}

fn some<T: serde::Serialize>(list: &[T]) -> Option<Value> {
    (!list.is_empty()).then(|| json!(list))
}

fn given<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let given = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    given.collect()
}
