//! Holds the stand-in's gateway to `gateway.yaml`, and where there is a recording, to what a real
//! one answered to requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use hubline_sandbox::apisix::{Kind, StandIn, StandInOptions};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};

use super::recording::{recorded, without_noise};
use super::start;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    scenario: String,
    #[serde(default)]
    objects: Vec<BTreeMap<String, Value>>,
    #[serde(default)]
    straight: Vec<BTreeMap<String, Value>>,
    requests: Vec<Asked>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    get: String,
    content_type: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    method: Option<String>,
    /// one request each, in any order: the backend that answers, or a status that is not 200
    answers: String,
}

/// A backend that says its name, what it was asked and for which host.
async fn backend(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move |request: axum::extract::Request| async move {
        let host = request
            .headers()
            .get("host")
            .map(|host| host.to_str().unwrap().to_owned());
        let host = host.or_else(|| request.uri().authority().map(ToString::to_string));
        let target = request.uri().path_and_query().unwrap().as_str();
        format!("{name} uri={target} host={}\n", host.unwrap_or_default())
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    address
}

/// Bound, but not listening: refuses as long as it is kept.
fn dead() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Status and body.
async fn get(stand_in: &StandIn, path: &str, headers: &BTreeMap<String, String>) -> (u16, String) {
    ask(stand_in, "GET", path, headers).await
}

async fn ask(stand_in: &StandIn, method: &str, path: &str, headers: &BTreeMap<String, String>) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}{path}", stand_in.gateway_addr());
    let method = method.parse().unwrap();
    // The host that the recording's client sent.
    let mut request = client.request(method, url).header("host", "127.0.0.1:22080");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn kind(collection: &str) -> Kind {
    match collection {
        "routes" => Kind::Route,
        "services" => Kind::Service,
        "upstreams" => Kind::Upstream,
        "plugin_configs" => Kind::PluginConfig,
        "global_rules" => Kind::GlobalRule,
        "consumer_groups" => Kind::ConsumerGroup,
        "consumers" => Kind::Consumer,
        other => panic!("{other} is of no use here"),
    }
}

async fn written(scenario: &Scenario) -> StandIn {
    let stand_in = start(StandInOptions::default()).await;
    let admin = stand_in.admin().unwrap();
    for (path, value) in scenario.objects.iter().flatten() {
        admin.put(path, value).await.unwrap();
    }
    for (path, value) in scenario.straight.iter().flatten() {
        let (collection, id) = path.split_once('/').unwrap();
        stand_in.write_straight(kind(collection), id, value.clone());
    }
    stand_in
}

async fn answers(stand_in: &StandIn, asked: &Asked) -> String {
    let mut answers = Vec::new();
    for _ in asked.answers.split(' ') {
        let mut headers = asked.headers.clone();
        headers.extend(
            asked
                .content_type
                .iter()
                .map(|it| ("content-type".to_owned(), it.clone())),
        );
        let method = asked.method.as_deref().unwrap_or("GET");
        let (status, body) = ask(stand_in, method, &asked.get, &headers).await;
        answers.push(match status {
            200 => body.split(' ').next().unwrap().to_owned(),
            _ => status.to_string(),
        });
    }
    answers.sort();
    answers.join(" ")
}

#[tokio::test]
async fn every_request_of_the_table_is_answered_so() {
    let (_kept, nobody) = dead();
    let mut text = include_str!("gateway.yaml").to_owned();
    let backends = [
        ("A", backend("A").await),
        ("B", backend("B").await),
        ("C", backend("C").await),
    ];
    for (name, address) in backends.into_iter().chain([("NOBODY", nobody)]) {
        text = text.replace(&format!("${name}_PORT"), &address.port().to_string());
        text = text.replace(&format!("${name}"), &address.to_string());
    }
    let scenarios: Vec<Scenario> = serde_saphyr::from_str(&text).unwrap();
    let (mut rows, mut differences) = (0, Vec::new());
    for scenario in &scenarios {
        let stand_in = written(scenario).await;
        for asked in &scenario.requests {
            let answers = answers(&stand_in, asked).await;
            if answers != asked.answers {
                let (scenario, get, wanted) = (&scenario.scenario, &asked.get, &asked.answers);
                differences.push(format!("{scenario}: {get}: {answers}, not {wanted}"));
            }
            rows += 1;
        }
        stand_in.shutdown().await;
    }
    assert!(rows >= 40, "only {rows} rows");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The configurations of the recording that replace everything, and so can be written straight.
const WHOLE: [&str; 7] = [
    "PUT first, no conf_version",
    "PUT routes only, no conf_version (partial)",
    "PUT {} wipes all",
    "dangling upstream_id accepted?",
    "dangling service_id",
    "route id int",
    "full config, all resource types",
];

/// What the stand-in doesn't run.
const NOT_RUN: [&str; 1] = ["stream route"];

fn text<'a>(exchange: &'a Value, pointer: &str) -> &'a str {
    exchange.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

async fn apply(configuration: &str) -> StandIn {
    let stand_in = start(StandInOptions::default()).await;
    let all: BTreeMap<String, Value> = serde_json::from_str(configuration).unwrap();
    let used = [
        "routes",
        "services",
        "upstreams",
        "plugin_configs",
        "global_rules",
        "consumer_groups",
        "consumers",
    ];
    for (collection, items) in all.iter().filter(|(name, _)| used.contains(&name.as_str())) {
        for item in items.as_array().unwrap() {
            let name = item["id"].as_str().or(item["username"].as_str());
            let id = name.map_or_else(|| item["id"].to_string(), str::to_owned);
            let of_consumer = id.contains("/credentials/");
            let kind = if of_consumer {
                Kind::Credential
            } else {
                kind(collection)
            };
            stand_in.write_straight(kind, &id, item.clone());
        }
    }
    stand_in
}

#[tokio::test]
async fn requests_are_answered_as_recorded() {
    let Some(lines) = recorded("admin-standalone.jsonl") else {
        return;
    };
    let exchanges: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (a, b) = (backend("A").await.to_string(), backend("B").await.to_string());
    let (mut stand_in, mut compared) = (None, 0);
    for exchange in &exchanges {
        let name = text(exchange, "/name");
        let accepted = exchange["response"]["status"] == 202;
        if text(exchange, "/request/method") == "PUT" && accepted {
            let body = text(exchange, "/request/body");
            let body = body.replace("127.0.0.1:24001", &a).replace("127.0.0.1:24002", &b);
            stand_in = if WHOLE.contains(&name) {
                Some(apply(&body).await)
            } else {
                None
            };
        }
        let skipped = NOT_RUN.iter().any(|what| name.contains(what));
        let (Some(stand_in), true, false) = (&stand_in, name.starts_with(' '), skipped) else {
            continue;
        };
        let headers = serde_json::from_value(exchange["request"]["headers"].clone()).unwrap();
        let (status, mut body) = get(stand_in, text(exchange, "/request/path"), &headers).await;
        assert_eq!(exchange["response"]["status"], status, "{name}");
        let mut wanted = text(exchange, "/response/body").to_owned();
        if name.ends_with(" ts") {
            // Whose turn is first is chance at the real one.
            (body, wanted) = (body.split_off(1), wanted.split_off(1));
        }
        assert_eq!(body, wanted, "{name}");
        compared += 1;
    }
    assert_eq!(compared, 15);
}

#[tokio::test]
async fn the_control_api_tells_the_recorded_schemas() {
    let Some(text) = recorded("apisix-schema.json") else {
        return;
    };
    let stand_in = start(StandInOptions::default()).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v1/schema", stand_in.control_url());
    let told: Value = client.get(url).send().await.unwrap().json().await.unwrap();
    let wanted = comparable(serde_json::from_str(&text).unwrap());
    let told = comparable(told);
    let mut differences = Vec::new();
    for part in ["main", "plugins", "stream_plugins"] {
        let names = |schemas: &Value| schemas[part].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&told), names(&wanted), "{part}");
        let differs = |name: &String| told[part][name] != wanted[part][name];
        differences.extend(names(&wanted).into_iter().filter(differs));
    }
    assert!(differences.is_empty(), "{differences:?}");
}

/// A schema as it would be in etcd mode: the recorded one ran standalone, where items may have a
/// `modifiedIndex`. The order of a choice's values means nothing.
fn comparable(schemas: Value) -> Value {
    let mut schemas = without_noise(schemas);
    level(&mut schemas);
    schemas
}

fn level(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("modifiedIndex");
            if let Some(Value::Array(choices)) = fields.get_mut("enum") {
                choices.sort_by_key(Value::to_string);
            }
            fields.values_mut().for_each(level);
        }
        Value::Array(items) => items.iter_mut().for_each(level),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
