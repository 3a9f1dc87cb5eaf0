//! The control API, from a path to an answer: schemas, and what health checks have found.

use serde_json::{Map, Value, json};

use super::admin::Answer;
use super::contract;
use super::live::Live;
use super::live::upstream::Upstream;

/// Answers `GET` of a path; without one of its own, nginx's page for 404.
pub(crate) fn answer(live: &Live, method: &str, path: &str) -> Answer {
    if method != "GET" {
        return Answer::page(404);
    }
    match path {
        "/v1/schema" => Answer::json(200, contract::all_schemas()),
        "/v1/healthcheck" => Answer::json(200, all(live)),
        _ => match path.strip_prefix("/v1/healthcheck/").map(|below| below.split_once('/')) {
            Some(Some((collection, id))) => one(live, collection, id),
            _ => Answer::page(404),
        },
    }
}

/// Lua writes an empty list as an empty object.
fn list(items: Vec<Value>) -> Value {
    if items.is_empty() {
        json!({})
    } else {
        Value::Array(items)
    }
}

/// What checks have found, of all upstreams that have any.
pub(crate) fn all(live: &Live) -> Value {
    let checked = live.checked();
    list(checked.iter().map(|(key, upstream)| shown(key, upstream)).collect())
}

fn shown(key: &str, upstream: &Upstream) -> Value {
    let nodes = upstream.health().map(|health| health.shown()).unwrap_or_default();
    let kind = upstream.checks.as_ref().map(|checks| checks.kind.word());
    let fields = [
        ("name".to_owned(), json!(key)),
        ("type".to_owned(), json!(kind)),
        ("nodes".to_owned(), list(nodes)),
    ];
    Value::Object(Map::from_iter(fields))
}

fn one(live: &Live, collection: &str, id: &str) -> Answer {
    let key = format!("/apisix/{collection}/{id}");
    let checked = live.checked();
    match checked.iter().find(|(other, _)| *other == key) {
        Some((key, upstream)) => Answer::json(200, shown(key, upstream)),
        None if !matches!(collection, "routes" | "services" | "upstreams") => {
            Answer::error(400, &format!("invalid src type {collection}"))
        }
        None => Answer::error(404, &format!("{collection}[{id}] not found")),
    }
}
