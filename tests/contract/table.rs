//! Goes through `admin.yaml`.

use std::collections::BTreeMap;

use hubline_sandbox::apisix::{StandIn, StandInOptions};
use serde::Deserialize;
use serde_json::Value;

use super::{Request, send, start};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    scenario: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    call: String,
    #[serde(default)]
    key: Key,
    body: Option<Value>,
    text: Option<String>,
    status: u16,
    error: Option<String>,
    #[serde(default)]
    has: BTreeMap<String, Value>,
    #[serde(default)]
    lacks: Vec<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Key {
    #[default]
    Admin,
    Viewer,
    Wrong,
    None,
    InQuery,
}

const VIEWER: &str = "viewer-of-the-table";

fn request(stand_in: &StandIn, row: &Row) -> Request {
    let (method, path) = row.call.split_once(' ').unwrap();
    let admin = stand_in.admin_key();
    let header = match row.key {
        Key::Admin => Some(admin),
        Key::Viewer => Some(VIEWER),
        Key::Wrong => Some("wrong"),
        Key::None | Key::InQuery => None,
    };
    let in_query = matches!(row.key, Key::InQuery);
    let query = if in_query {
        format!("?api_key={admin}")
    } else {
        String::new()
    };
    Request {
        method: method.to_owned(),
        path: format!("/apisix/admin/{path}{query}"),
        headers: header
            .map(|key| ("X-API-KEY".to_owned(), key.to_owned()))
            .into_iter()
            .collect(),
        body: row.text.clone().or_else(|| row.body.as_ref().map(Value::to_string)),
    }
}

/// What of a row doesn't hold.
async fn broken(http: &reqwest::Client, stand_in: &StandIn, row: &Row) -> Vec<String> {
    let answer = send(http, stand_in, &request(stand_in, row)).await.unwrap();
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let mut broken = Vec::new();
    if answer.status != row.status {
        broken.push(format!("status {}, not {}", answer.status, row.status));
    }
    let error = row
        .error
        .as_ref()
        .map(|error| ("/error_msg", Value::from(error.as_str())));
    let has = row.has.iter().map(|(pointer, value)| (pointer.as_str(), value.clone()));
    for (pointer, wanted) in error.into_iter().chain(has) {
        if body.pointer(pointer) != Some(&wanted) {
            broken.push(format!("{pointer} is not {wanted}"));
        }
    }
    for pointer in row.lacks.iter().filter(|pointer| body.pointer(pointer).is_some()) {
        broken.push(format!("{pointer} is there"));
    }
    if !broken.is_empty() {
        broken.push(answer.body);
    }
    broken
}

#[tokio::test]
async fn every_row_holds() {
    let text = include_str!("admin.yaml");
    let scenarios: Vec<Scenario> = serde_saphyr::from_str(text).unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut differences = Vec::new();
    for scenario in &scenarios {
        let viewer_key = VIEWER.to_owned();
        let stand_in = start(StandInOptions {
            viewer_key,
            ..StandInOptions::default()
        })
        .await;
        for row in &scenario.rows {
            let broken = broken(&http, &stand_in, row).await;
            if !broken.is_empty() {
                let (scenario, call) = (&scenario.scenario, &row.call);
                differences.push(format!("{scenario}: {call}: {}", broken.join("; ")));
            }
        }
        stand_in.shutdown().await;
    }
    let rows: usize = scenarios.iter().map(|scenario| scenario.rows.len()).sum();
    assert!(rows >= 100, "only {rows} rows");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
