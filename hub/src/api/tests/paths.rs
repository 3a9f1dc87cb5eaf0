//! Paths and orders over the API.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use hubline::model::{ClusterId, GlobalKey, GroupKind, Key, ResourceKind};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::fixture::{Served, view};
use crate::path::demotion::Demoted;
use crate::view::Carrier;

impl Served {
    /// Orders something; gives status and answer.
    async fn order(&self, body: &Value) -> (StatusCode, Value) {
        self.send(Method::POST, "/v1/orders", body.to_string()).await
    }

    async fn release(&self, id: &Value) -> (StatusCode, Value) {
        self.send(Method::DELETE, &format!("/v1/orders/{id}"), String::new())
            .await
    }

    async fn send(&self, method: Method, path: &str, body: String) -> (StatusCode, Value) {
        let mut request = self.client.request(method, self.url(path));
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).expect(&text))
    }
}

fn pin(path: &str) -> Value {
    json!({"order": {"kind": "pin", "cluster": "a", "path": path}, "why": "maintenance", "lasts": "30m"})
}

/// A value at its dotted place replaced; null takes it out.
fn with(mut body: Value, place: &str, value: Value) -> Value {
    *body.pointer_mut(place).unwrap() = value;
    body
}

#[tokio::test]
async fn paths_are_shown_with_verdicts_and_what_carries_them() {
    let served = Served::over_unix().await;
    let (status, body) = served.json("/v1/paths").await;
    assert_eq!(
        (status, &body["version"], &body["suspected"]),
        (200, &json!(42), &json!(false))
    );
    assert_eq!(
        (&body["items"][0]["cluster"], &body["items"][0]["active"]),
        (&json!("a"), &json!("line"))
    );
    assert_eq!(body["items"][1]["carrier"], Value::Null);
    served.paths.cut("a", "line").await;
    let mut moved = view();
    let diversion = Carrier::Diversion { percent: 100 };
    moved
        .carriers
        .insert(hubline::model::ClusterId::new("a").unwrap(), diversion);
    served.view.store(Arc::new(moved));
    let (status, body) = served.json("/v1/paths/a").await;
    assert_eq!((status, &body["active"]), (200, &json!("public")));
    assert_eq!(body["reason"], json!({"switched": "down"}));
    assert_eq!(body["carrier"], json!({"by": "diversion", "percent": 100}));
    let line = &body["paths"][0];
    assert_eq!(
        (&line["name"], &line["verdict"], &line["cause"]),
        (&json!("line"), &json!("down"), &json!("fell"))
    );
    assert_eq!(line["lastFailure"]["failure"], "no answer in time");
    let (status, body) = served.json("/v1/paths/c").await;
    assert_eq!((status, &body["error"]), (404, &json!("UnknownCluster")));
    assert_eq!(body["allowed"], json!(["a", "b"]));
}

#[tokio::test]
async fn what_is_demoted_is_shown_with_the_cluster_that_it_is_of() {
    let served = Served::over_unix().await;
    let mut demoted = view();
    let key = |kind| GlobalKey {
        cluster: ClusterId::new("a").unwrap(),
        key: Key::new(kind, &GroupKind::new("", "Service"), "shop", "web", "80"),
    };
    let dead = ["10.0.0.1:80".parse().unwrap()].into();
    demoted
        .demotions
        .insert(key(ResourceKind::Service), Demoted::Path("line".into()));
    demoted
        .demotions
        .insert(key(ResourceKind::EndpointSet), Demoted::Endpoints(dead));
    served.view.store(Arc::new(demoted));
    let (_, body) = served.json("/v1/paths/a").await;
    let of = |kind: &str| json!({"kind": kind, "namespace": "shop", "name": "web", "section": "80"});
    let (mut service, mut set) = (of("Service"), of("EndpointSet"));
    service["path"] = json!("line");
    set["endpoints"] = json!(["10.0.0.1:80"]);
    assert_eq!(body["demotions"], json!([service, set]));
    let (_, other) = served.json("/v1/paths/b").await;
    assert_eq!(other.get("demotions"), None);
}

#[tokio::test]
async fn an_order_says_who_by_the_connection_alone() {
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    let table = [
        (Served::over_unix().await, format!("uid {own}")),
        (Served::over_tcp().await, "http 127.0.0.1".to_owned()),
    ];
    for (served, who) in table {
        let (status, order) = served.order(&pin("public")).await;
        assert_eq!(status, 201, "{order}");
        assert_eq!((&order["who"], &order["why"]), (&json!(who), &json!("maintenance")));
        assert_eq!(
            (&order["kind"], &order["cluster"], &order["path"]),
            (&json!("pin"), &json!("a"), &json!("public"))
        );
        let (_, orders) = served.json("/v1/orders").await;
        assert_eq!(orders["items"], json!([order]));
        let (_, paths) = served.json("/v1/paths/a").await;
        assert_eq!(
            (&paths["active"], &paths["orders"]),
            (&json!("public"), &json!([order]))
        );
        let mut claimed = pin("line");
        claimed["who"] = json!("root");
        let (status, refused) = served.order(&claimed).await;
        assert_eq!((status.as_u16(), &refused["error"]), (400, &json!("UnknownField")));
    }
}

#[tokio::test]
async fn an_order_ends_by_its_id() {
    let served = Served::over_unix().await;
    let (_, order) = served.order(&pin("public")).await;
    let (status, refused) = served.release(&json!(1)).await;
    assert_eq!((status.as_u16(), &refused["error"]), (404, &json!("unknown-order")));
    assert_eq!(refused["allowed"], json!([order["id"].to_string()]));
    assert_eq!(served.release(&order["id"]).await, (StatusCode::OK, order));
    assert_eq!(served.json("/v1/orders").await.1["items"], json!([]));
    let (status, refused) = served.release(&json!("x")).await;
    assert_eq!((status.as_u16(), &refused["error"]), (400, &json!("InvalidValue")));
}

/// What is wrong, the status, the word, and one thing that is allowed.
type Wrong = (Value, u16, &'static str, &'static str);

#[tokio::test]
async fn wrong_orders_name_the_field_and_what_is_allowed() {
    let good = || pin("public");
    let table: [Wrong; 13] = [
        (json!([]), 400, "InvalidValue", "an object"),
        (
            json!({"why": "w", "lasts": "1m"}),
            400,
            "MissingField",
            "{\"kind\": \"pin\", \"cluster\": NAME, \"path\": NAME}",
        ),
        (with(good(), "/lasts", Value::Null), 400, "MissingField", "30m"),
        (with(good(), "/lasts", json!(30)), 400, "InvalidValue", "a text"),
        (with(good(), "/lasts", json!("30")), 400, "InvalidValue", "30m"),
        (
            with(good(), "/lasts", json!("169h")),
            400,
            "time-limit",
            "a time of at most 168h (7 days), as 30m",
        ),
        (
            with(good(), "/why", json!("a\u{1b}[31m")),
            400,
            "InvalidValue",
            "one line of at most 500 letters",
        ),
        (
            with(good(), "/order/kind", json!("prefer")),
            400,
            "InvalidValue",
            "drain",
        ),
        (with(good(), "/order/cluster", json!("c")), 404, "unknown-cluster", "b"),
        (with(good(), "/order/path", json!("sea")), 404, "unknown-path", "line"),
        (with(good(), "/order/path", Value::Null), 400, "MissingField", "a name"),
        (
            with(good(), "/order/kind", json!("freeze")),
            400,
            "UnknownField",
            "cluster",
        ),
        (json!({"hwy": "w"}), 400, "UnknownField", "why"),
    ];
    let served = Served::over_unix().await;
    for (body, status, error, allowed) in table {
        let (answered, refused) = served.order(&body).await;
        assert_eq!(
            (answered.as_u16(), &refused["error"]),
            (status, &json!(error)),
            "{body}: {refused}"
        );
        let said = refused["allowed"].as_array().unwrap();
        assert!(said.contains(&json!(allowed)), "{body}: {refused}");
    }
    let (status, refused) = served.order(&with(good(), "/why", json!(" "))).await;
    assert_eq!((status.as_u16(), &refused["error"]), (400, &json!("no-reason")));
    assert_eq!(
        served.json("/v1/orders").await.1["items"],
        json!([]),
        "a refused order acts"
    );
}

/// The last usable path or cluster is refused without `force`.
#[tokio::test]
async fn the_last_usable_path_is_drained_by_force_alone() {
    let served = Served::over_unix().await;
    served.paths.cut("a", "public").await;
    let drain = |force: bool| {
        let order = json!({"kind": "drain", "cluster": "a", "path": "line"});
        json!({"order": order, "why": "w", "lasts": "1h", "force": force})
    };
    let (status, refused) = served.order(&drain(false)).await;
    assert_eq!((status.as_u16(), &refused["error"]), (409, &json!("last-usable-path")));
    assert_eq!(refused["canBeForced"], json!(true));
    let (status, refused) = served.order(&pin("public")).await;
    assert_eq!((status.as_u16(), &refused["error"]), (409, &json!("path-down")));
    let (status, order) = served.order(&drain(true)).await;
    assert_eq!((status.as_u16(), &order["force"]), (201, &json!(true)));
    let (status, refused) = served.order(&pin("sea")).await;
    assert_eq!((status.as_u16(), &refused["canBeForced"]), (404, &json!(false)));
}

#[tokio::test]
async fn an_order_is_short_json_that_says_so() {
    let served = Served::over_tcp().await;
    let send = async |kind: &str, body: String| {
        let request = served.client.post(served.url("/v1/orders")).header(CONTENT_TYPE, kind);
        let answer = request.body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        (status, body["error"].as_str().unwrap_or_default().to_owned())
    };
    // What a page of anybody's can make a browser send.
    let (status, error) = send("text/plain", pin("public").to_string()).await;
    assert_eq!((status, error.as_str()), (415, "WrongContentType"));
    let (status, error) = send("application/json; charset=utf-8", "{".to_owned()).await;
    assert_eq!((status, error.as_str()), (400, "InvalidBody"));
    let long = with(pin("public"), "/why", json!("w".repeat(10_000)));
    let (status, error) = send("application/json", long.to_string()).await;
    assert_eq!((status, error.as_str()), (413, "BodyTooLarge"));
    let (status, _) = send("application/json; charset=utf-8", pin("public").to_string()).await;
    assert_eq!(status, 201);
}

#[tokio::test]
async fn a_hub_that_ends_says_so() {
    let served = Served::over_unix().await;
    served.paths_end.cancel();
    served.paths.handle.decisions().wait_for(|_| false).await.unwrap_err();
    for (method, path, body) in [
        (Method::GET, "/v1/paths", Value::Null),
        (Method::GET, "/v1/orders", Value::Null),
        (Method::POST, "/v1/orders", pin("public")),
    ] {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, refused) = served.send(method, path, body).await;
        assert_eq!((status.as_u16(), &refused["error"]), (503, &json!("Ending")), "{path}");
    }
}

/// The command line orders what the API takes, and finds its columns in what the API gives.
#[tokio::test]
async fn the_command_line_orders_and_follows() {
    let served = Served::over_unix().await;
    served.paths.cut("b", "line").await;
    let address = served.address.to_string();
    let run = async |arguments: &[&str]| {
        let arguments = [&["hubline"], arguments, &["--hub", &address]].concat();
        hubline::cli::output_of(arguments.iter().map(std::ffi::OsString::from)).await
    };
    let order = ["path", "pin", "a", "public", "--for", "1h", "--why", "maintenance"];
    let made = run(&order).await.unwrap();
    assert!(made.contains("is in force: pin a/public until 20"), "{made}");
    let id = made.split_whitespace().nth(1).unwrap();
    let orders = run(&["path", "orders"]).await.unwrap();
    assert!(orders.contains(id) && orders.contains("maintenance"), "{orders}");
    let paths = run(&["paths", "-o", "wide"]).await.unwrap();
    let held = format!("pin#{id}");
    let pinned = format!("pinned:{id}");
    for part in [
        "private-line",
        "up?",
        "down",
        "yes",
        "3/3",
        &held,
        "all-paths-down",
        "fell",
        &pinned,
        "no answer in time",
    ] {
        assert!(paths.contains(part), "{part} is not in\n{paths}");
    }
    let drained = run(&["path", "drain", "a", "line", "--for", "1h", "--why", "w"]).await;
    assert!(drained.is_ok(), "{drained:?}");
    let refused = run(&["path", "drain", "b", "line", "--for", "1h", "--why", "w"])
        .await
        .unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("last usable") && refused.contains("--force"),
        "{refused}"
    );
    let released = run(&["path", "release", id]).await.unwrap();
    assert!(released.contains("is released: pin a/public"), "{released}");
    let events = run(&["events"]).await.unwrap();
    for part in [
        "b  verdict-changed  line: up -> down, fell: no answer in time (line), 3 in a row, 3 of 3 lost",
        "b  held  stays on line: all-paths-down; no path works",
        "a  switched  line -> public: pinned",
        &format!("a  order-made  order {id}: pin a/public until"),
        &format!("a  order-ended  order {id} is released: pin a/public"),
    ] {
        assert!(events.contains(part), "{part} is not in\n{events}");
    }
}
