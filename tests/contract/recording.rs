//! Replays the recorded exchanges in order and compares every answer.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use hubline_sandbox::apisix::{Kind, StandIn, StandInOptions};
use serde_json::{Value, json};

use super::{Request, Response, send, start};

/// One recorded exchange.
struct Exchange {
    name: String,
    request: Request,
    response: Response,
}

/// The folder of recordings: `HUBLINE_REFERENCE`, or beside the workspace.
fn folder() -> PathBuf {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/reference"));
    std::env::var_os("HUBLINE_REFERENCE").map_or_else(beside, PathBuf::from)
}

fn is_required() -> bool {
    let set_to = |name: &str, wanted: &str| std::env::var(name).is_ok_and(|value| value == wanted);
    set_to("CI", "true") || set_to("HUBLINE_REQUIRE_REFERENCE", "1")
}

/// The text of a file of the reference; none where there is none and none is required.
pub(super) fn recorded(name: &str) -> Option<String> {
    let file = folder().join(name);
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(error) if is_required() => {
            panic!("the recording {} is required: {error}", file.display())
        }
        Err(error) => {
            // Written past the harness, which would swallow the output of a test that passes.
            let line = format!("SKIPPED: no recording at {}: {error}\n", file.display());
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            None
        }
    }
}

fn exchanges() -> Option<Vec<Exchange>> {
    Some(recorded("admin-etcd.jsonl")?.lines().map(parse).collect())
}

fn parse(line: &str) -> Exchange {
    let recorded: Value = serde_json::from_str(line).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (request, response) = (&recorded["request"], &recorded["response"]);
    let headers = request["headers"].as_object().unwrap().iter();
    Exchange {
        name: text(&recorded["name"]).unwrap(),
        request: Request {
            method: text(&request["method"]).unwrap(),
            path: text(&request["path"]).unwrap(),
            headers: headers
                .map(|(name, value)| (name.clone(), text(value).unwrap()))
                .collect(),
            body: text(&request["body"]),
        },
        response: Response {
            status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
            content_type: text(&response["headers"]["Content-Type"]),
            version: text(&response["headers"]["X-API-VERSION"]),
            body: text(&response["body"]).unwrap(),
        },
    }
}

/// The keys that the recorded APISIX had, taken from where they were used.
fn keys(exchanges: &[Exchange]) -> (String, String) {
    let named = |name: &str| exchanges.iter().find(|exchange| exchange.name == name).unwrap();
    let (_, admin) = named("api key in query arg")
        .request
        .path
        .split_once("api_key=")
        .unwrap();
    let (_, viewer) = &named("viewer key GET").request.headers[0];
    (admin.to_owned(), viewer.clone())
}

/// The recording begins with these two objects, last written at revision 16.
async fn seed(stand_in: &StandIn) {
    let admin = stand_in.admin().unwrap();
    admin
        .put("upstreams/u1", &json!({"nodes": {"127.0.0.1:24001": 1}}))
        .await
        .unwrap();
    admin
        .put("routes/r1", &json!({"uri": "/*", "upstream_id": "u1"}))
        .await
        .unwrap();
}

#[tokio::test]
async fn answers_are_those_of_the_recording() {
    let Some(exchanges) = exchanges() else { return };
    let (admin_key, viewer_key) = keys(&exchanges);
    let options = StandInOptions {
        admin_key,
        viewer_key,
        first_revision: 14,
        ..StandInOptions::default()
    };
    let stand_in = start(options).await;
    seed(&stand_in).await;
    // The recorded 2 s may be over too early here, where the machine is busy.
    stand_in.hold_expiry(true);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut differences = Vec::new();
    for (index, exchange) in exchanges.iter().enumerate() {
        if exchange.name == "upstream ttl expired" {
            stand_in.hold_expiry(false);
            let gone = |stand_in: &StandIn| stand_in.object(Kind::Upstream, "ttl").is_none();
            stand_in
                .wait_until("end of ttl", Duration::from_secs(20), gone)
                .await
                .unwrap();
        }
        let answer = send(&http, &stand_in, &exchange.request).await.unwrap();
        differences.extend(difference(index + 1, exchange, &answer));
    }
    assert!(exchanges.len() > 100, "only {} exchanges", exchanges.len());
    assert!(
        differences.is_empty(),
        "{}\n{} differ",
        differences.join("\n"),
        differences.len()
    );
    stand_in.shutdown().await;
}

fn difference(number: usize, exchange: &Exchange, answer: &Response) -> Option<String> {
    let (wanted, got) = (comparable(&exchange.response), comparable(answer));
    let head = |response: &Response| (response.status, response.version.clone());
    let same_type = exchange.response.content_type.is_none() || exchange.response.content_type == answer.content_type;
    if head(&exchange.response) == head(answer) && wanted == got && same_type {
        return None;
    }
    let Exchange {
        name,
        request,
        response,
    } = exchange;
    let (request, recorded) = (format!("{} {}", request.method, request.path), head(response));
    Some(
        format!(
            "{number} {name}: {request}\n recorded {recorded:?} {:?} {}\n answered {:?} {:?} {}",
            response.content_type,
            shown(&wanted),
            head(answer),
            answer.content_type,
            shown(&got),
        ) + &place(&wanted, &got, ""),
    )
}

fn shown(body: &Value) -> String {
    let text = body.to_string();
    if text.len() > 1000 { "(long)".to_owned() } else { text }
}

/// Where two values begin to differ.
fn place(wanted: &Value, got: &Value, path: &str) -> String {
    let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
    if wanted.is_object() && got.is_object() {
        let (wanted, got) = (fields(wanted), fields(got));
        let names = wanted.keys().chain(got.keys());
        let name = names.into_iter().find(|name| wanted.get(*name) != got.get(*name));
        return name.map_or_else(String::new, |name| {
            let part = |fields: &serde_json::Map<String, Value>| fields.get(name).cloned().unwrap_or_default();
            place(&part(&wanted), &part(&got), &format!("{path}/{name}"))
        });
    }
    format!("\n at {path}: recorded {wanted}, answered {got}")
}

/// A body without what differs by nature: times, descriptions in schemas, Lua source positions.
fn comparable(response: &Response) -> Value {
    let Ok(mut body) = serde_json::from_str::<Value>(&response.body) else {
        return Value::String(response.body.clone());
    };
    assert!(response.body.ends_with('\n'), "JSON bodies end with a newline");
    strip(&mut body, false);
    body
}

/// A value without descriptions and comments.
pub(super) fn without_noise(mut value: Value) -> Value {
    strip(&mut value, false);
    value
}

fn strip(value: &mut Value, names: bool) {
    match value {
        Value::Object(fields) => {
            let noise = |name: &str| matches!(name, "description" | "title" | "$comment");
            fields.retain(|name, field| names || !noise(name) || !field.is_string());
            for (name, field) in fields.iter_mut() {
                if name.ends_with("_time") && field.is_number() && !names {
                    *field = json!(0);
                }
                let is_names = matches!(name.as_str(), "properties" | "patternProperties");
                strip(field, is_names && !names);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strip(item, false)),
        Value::String(text) => {
            if let Some((start, rest)) = text.split_once(": ")
                && let Some((_, rest)) = rest.split_once(": filename for ")
            {
                *text = format!("{start}: filename for {rest}");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
