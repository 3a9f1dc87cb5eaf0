mod events;
mod fixture;
mod paths;
mod watched;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::fixture::{SECRET, Served, objects_with_secrets, view};
use super::*;
use crate::config::ApiAddress;
use crate::view::TargetSummary;

#[tokio::test]
async fn clusters_are_shown_with_what_is_known_of_them() {
    let served = Served::over_unix().await;
    let (status, body) = served.json("/v1/clusters").await;
    assert_eq!((status, &body["version"]), (200, &json!(42)));
    let names: Vec<_> = body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].clone())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(body["items"][1]["phase"], "Stale");
    assert_eq!(
        body["items"][0]["resources"],
        json!({"EndpointSet": 1, "Route": 1, "Service": 1})
    );
    assert_eq!(
        body["items"][0]["unknown"][0],
        json!({"kind": "Certificate", "source": "Secret", "reason": "secrets: 403"})
    );
    assert_eq!(
        (&body["items"][0]["problems"], &body["items"][1]["problems"]),
        (&json!(1), &json!(2))
    );
    let (status, body) = served.json("/v1/clusters/b").await;
    assert_eq!((status, &body["uid"]), (200, &json!("uid-b")));
    assert_eq!(body["details"][0]["reason"], "HostClaimed");
    let (status, body) = served.json("/v1/clusters/c").await;
    assert_eq!(
        (status, &body["error"], &body["allowed"]),
        (404, &json!("UnknownCluster"), &json!(["a", "b"]))
    );
}

#[tokio::test]
async fn routes_and_services_are_filtered() {
    let served = Served::over_tcp().await;
    let count = async |path: &str| served.json(path).await.1["items"].as_array().unwrap().len();
    assert_eq!(count("/v1/routes").await, 2);
    assert_eq!(count("/v1/routes?cluster=a").await, 1);
    assert_eq!(count("/v1/routes?namespace=other").await, 0);
    assert_eq!(count("/v1/routes?host=B.example.com").await, 2);
    assert_eq!(count("/v1/routes?host=c.example.com&cluster=a&namespace=shop").await, 1);
    assert_eq!(count("/v1/routes?host=example.com").await, 0);
    let (_, body) = served.json("/v1/routes?cluster=a").await;
    let route = &body["items"][0];
    assert_eq!(route["paths"], json!([{"type": "Prefix", "value": "/"}]));
    assert_eq!(route["backends"], json!([{"service": "shop/web#80", "weight": 1}]));
    assert_eq!(
        (&route["plugins"], &route["created"]),
        (&json!(["key-auth"]), &json!("2023-11-14T22:13:20Z"))
    );
    assert_eq!(
        (&route["state"], &route["objects"]),
        (&json!("Refused"), &json!(["routes/r1"]))
    );
    let (_, body) = served.json("/v1/services?cluster=a&name=web").await;
    let service = &body["items"][0];
    assert_eq!(
        (&service["ready"], &service["notReady"], &service["state"]),
        (&json!(1), &json!(1), &json!("Programmed"))
    );
    assert!(service.get("endpoints").is_none());
    let (_, body) = served.json("/v1/services?cluster=b&endpoints=true").await;
    assert_eq!(body["items"][0]["endpoints"][0]["address"], "10.0.0.1");
    assert_eq!(body["items"][0]["state"], "NotPlanned");
}

#[tokio::test]
async fn problems_come_from_hub_and_agents() {
    let served = Served::over_unix().await;
    let (_, body) = served.json("/v1/problems").await;
    let kinds: Vec<_> = body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["kind"].clone())
        .collect();
    assert_eq!(kinds, ["Diagnostic", "Conflict", "Diagnostic"]);
    assert_eq!(body["items"][0]["field"], "spec.rules[0]");
    let (_, body) = served.json("/v1/problems?cluster=a").await;
    assert_eq!(body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn writes_name_their_causes() {
    let served = Served::over_unix().await;
    let (_, body) = served.json("/v1/writes?limit=2").await;
    assert_eq!(body["items"].as_array().unwrap().len(), 2);
    let write = &body["items"][0];
    assert_eq!(
        (&write["object"], &write["status"]),
        (&json!("upstreams/u1"), &json!(400))
    );
    assert_eq!(
        (&write["causes"][0]["cluster"], &write["causes"][0]["name"]),
        (&json!("a"), &json!("web"))
    );
}

/// Promise 12.
#[tokio::test]
async fn secrets_stay_secret() {
    let served = Served::over_unix().await;
    for path in PATHS {
        let asked = path.replace("{name}", "a").replace("events", "events?follow=false");
        let (_, text) = served.text(&asked).await;
        assert!(!text.contains(SECRET), "{path}: {text}");
    }
    let (_, body) = served.json("/v1/desired").await;
    assert_eq!(body["items"].as_array().unwrap().len(), objects_with_secrets().len());
    let text = body.to_string();
    for public in [
        "PUBLIC",
        "remote_addr",
        "\"openid-connect\":\"redacted:",
        "\"username\":\"u\"",
        "\"uri\":\"/*\"",
    ] {
        assert!(text.contains(public), "{public} was hidden: {text}");
    }
}

#[tokio::test]
async fn desired_objects_show_state_and_causes() {
    let served = Served::over_unix().await;
    let (_, body) = served.json("/v1/desired?kind=routes").await;
    let items = body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(
        (&items[0]["state"], &items[0]["message"]),
        (&json!("Refused"), &json!("SchemaViolation: property uri is wrong"))
    );
    assert_eq!(
        (&items[0]["causes"][0]["kind"], &items[0]["causes"][0]["cluster"]),
        (&json!("Route"), &json!("a"))
    );
    let (_, body) = served.json("/v1/desired?cluster=b").await;
    assert_eq!(body["items"], json!([]));
}

/// Method, path, status, error, and one thing that is allowed.
type Wrong = (Method, &'static str, u16, &'static str, &'static str);

#[tokio::test]
async fn wrong_requests_say_what_is_allowed() {
    let table: [Wrong; 13] = [
        (Method::GET, "/v2", 404, "UnknownPath", "/v1/clusters"),
        (Method::GET, "/", 404, "UnknownPath", "/readyz"),
        (Method::POST, "/v1/routes", 405, "UnknownMethod", "GET"),
        (Method::DELETE, "/v1/clusters/a", 405, "UnknownMethod", "GET"),
        (Method::PUT, "/v1/orders", 405, "UnknownMethod", "POST"),
        (Method::GET, "/v1/orders/1", 405, "UnknownMethod", "DELETE"),
        (Method::GET, "/v1/routes?hots=x", 400, "UnknownParameter", "host"),
        (Method::GET, "/v1/routes?host=x&host=y", 400, "UnknownParameter", "host"),
        (
            Method::GET,
            "/v1/routes?cluster=A_B",
            400,
            "InvalidValue",
            "a DNS-1123 label",
        ),
        (
            Method::GET,
            "/v1/desired?kind=gateways",
            400,
            "InvalidValue",
            "upstreams",
        ),
        (Method::GET, "/v1/services?endpoints=yes", 400, "InvalidValue", "true"),
        (
            Method::GET,
            "/v1/writes?limit=0",
            400,
            "InvalidValue",
            "a number from 1 to 10000",
        ),
        (Method::GET, "/v1/clusters/A_B", 400, "InvalidValue", "a DNS-1123 label"),
    ];
    let served = Served::over_tcp().await;
    for (method, path, status, error, allowed) in table {
        let answer = served
            .client
            .request(method.clone(), served.url(path))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(body["error"], error, "{method} {path}");
        assert!(!body["reason"].as_str().unwrap().is_empty());
        assert!(body["allowed"].as_array().unwrap().contains(&json!(allowed)), "{body}");
    }
    let with_body = served
        .client
        .get(served.url("/v1/routes"))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(with_body.status().as_u16(), 400);
    assert!(with_body.text().await.unwrap().contains("UnexpectedBody"));
}

#[tokio::test]
async fn ready_once_restored_and_the_target_observed() {
    let served = Served::over_unix().await;
    assert_eq!(served.json("/livez").await, (200, json!({"status": "ok"})));
    let (status, body) = served.json("/readyz").await;
    assert_eq!((status, &body["ready"]), (200, &json!(true)));
    assert_eq!(body["target"]["foreign"], json!([{"collection": "routes", "count": 2}]));
    served.restored.send_replace(false);
    let mut lost = view();
    lost.target = Arc::new(TargetSummary {
        error: Some("connection refused".to_owned()),
        id: "apisix".to_owned(),
        ..TargetSummary::default()
    });
    served.view.store(Arc::new(lost));
    let (status, body) = served.json("/readyz").await;
    assert_eq!((status, &body["ready"]), (503, &json!(false)));
    let reasons: BTreeSet<_> = body["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["reason"].to_string())
        .collect();
    assert_eq!(
        reasons,
        ["\"NotRestored\"", "\"TargetNotObserved\""].map(str::to_owned).into()
    );
    assert!(body.to_string().contains("connection refused"));
}

#[tokio::test]
async fn an_answer_names_its_version_and_the_metrics_are_text() {
    let served = Served::over_tcp().await;
    let answer = served.client.get(served.url("/v1/routes")).send().await.unwrap();
    assert_eq!(answer.headers()[VERSION_HEADER], "42");
    let (status, text) = served.text("/metrics").await;
    assert_eq!((status, text.as_str()), (200, "# EOF\n"));
}

#[tokio::test]
async fn a_foreign_name_that_leads_here_is_refused() {
    let served = Served::over_tcp().await;
    let ask = async |host: &str| {
        let request = served.client.get(served.url("/v1/desired")).header("host", host);
        request.send().await.unwrap().status().as_u16()
    };
    for host in ["localhost", "127.0.0.1:9000", "[::1]:1", "[::1]"] {
        assert_eq!(ask(host).await, 200, "{host}");
    }
    for host in ["evil.example.com", "127.0.0.1.evil.example.com:80", "localhost.evil:1"] {
        assert_eq!(ask(host).await, 421, "{host}");
    }
}

#[tokio::test]
async fn the_socket_is_for_owner_and_group_and_goes_with_the_hub() {
    let served = Served::over_unix().await;
    let ApiAddress::Unix(path) = served.address.clone() else {
        panic!("no unix socket");
    };
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let error = bind(&served.address).await.unwrap_err();
    assert!(matches!(error, ApiError::Taken { .. }), "{error}");
    served.cancel.cancel();
    served.task.await.unwrap().unwrap();
    assert!(!path.try_exists().unwrap());
}

#[tokio::test]
async fn a_dead_hubs_socket_is_replaced_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("hub.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    bind(&ApiAddress::Unix(path)).await.unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let error = bind(&ApiAddress::Unix(file.clone())).await.unwrap_err();
    assert!(matches!(error, ApiError::Occupied { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let error = bind(&ApiAddress::Unix(Path::new("/nowhere/hub.sock").into()))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("cannot listen at unix:/nowhere/hub.sock"),
        "{error}"
    );
}

#[tokio::test]
async fn nothing_wider_than_loopback_is_bound() {
    let error = bind(&ApiAddress::Loopback("0.0.0.0:0".parse().unwrap()))
        .await
        .unwrap_err();
    assert!(matches!(error, ApiError::Wide(_)), "{error}");
}

/// The command line asks for what the API has, and finds its columns in what the API gives.
#[tokio::test]
async fn the_command_line_shows_what_the_api_gives() {
    let served = Served::over_unix().await;
    let address = served.address.to_string();
    let show = async |arguments: &[&str]| {
        let arguments = [&["hubline"], arguments, &["--hub", &address, "-o", "wide"]].concat();
        hubline::cli::output_of(arguments.iter().map(OsString::from))
            .await
            .unwrap()
    };
    let table: [(&[&str], &[&str]); 7] = [
        (&["clusters"], &["Stale", "uid-b", "agent-1", "Secret"]),
        (&["clusters", "--cluster", "a"], &["uid-a"]),
        (
            &["routes", "--host", "b.example.com", "--cluster", "b"],
            &["shop/web#80", "NotPlanned", "cluster a claims"],
        ),
        (&["services", "-n", "shop"], &["1/2", "Programmed", "upstreams/u1"]),
        (
            &["desired", "--kind", "routes"],
            &["r1", "Refused", "SchemaViolation", "a:Ingress shop/web"],
        ),
        (
            &["problems"],
            &["Ingress shop/old", "spec.rules[0]", "Warning", "HostClaimed"],
        ),
        (&["writes", "--limit", "1"], &["upstreams/u1", "400", "refused"]),
    ];
    for (arguments, parts) in table {
        let shown = show(arguments).await;
        for part in parts {
            assert!(shown.contains(part), "{arguments:?} lacks {part}: {shown}");
        }
        assert!(!shown.contains(SECRET), "{shown}");
    }
}
