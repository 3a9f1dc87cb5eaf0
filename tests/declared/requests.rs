//! Requests through the stand-in, for the plugins that it runs.

use hubline_hub::object::ObjectKind;
use hubline_sandbox::apisix::{StandIn, StandInOptions};
use reqwest::Method;

use super::{body, manifests, planned};

/// A backend that says what it was asked.
async fn backend() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = |request: axum::extract::Request| async move {
        let target = request.uri().path_and_query().unwrap();
        format!("{} {target}", request.method())
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    port
}

/// Objects of these Ingresses at a stand-in. Their nodes become the backend: a hub lets no cluster name loopback.
async fn served(ingresses: &[(String, Vec<(&str, String)>)], path: &str, path_type: &str) -> StandIn {
    let node = serde_json::json!([{"host": "127.0.0.1", "port": backend().await, "weight": 1}]);
    let stand_in = StandIn::start(StandInOptions::default()).await.unwrap();
    let admin = stand_in.admin().unwrap();
    for object in planned(&manifests(ingresses, path, path_type), false).objects {
        let mut body = body(&object);
        if object.id.kind == ObjectKind::Upstream {
            body["nodes"] = node.clone();
        }
        let answer = admin.put(&object.id.to_string(), &body).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    stand_in
}

/// What is answered: the backend's words, or a status and the place that it names.
async fn ask(stand_in: &StandIn, method: &str, host: &str, target: &str) -> String {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let url = format!("http://{}{target}", stand_in.gateway_addr());
    let method: Method = method.parse().unwrap();
    let request = client
        .request(method, url)
        .header("host", format!("{host}.example.com"));
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let location = response
        .headers()
        .get("location")
        .map(|it| it.to_str().unwrap().to_owned());
    if status == 200 {
        return response.text().await.unwrap();
    }
    format!("{status} {}", location.unwrap_or_default()).trim().to_owned()
}

fn one(name: &str, annotations: &[(&'static str, &str)]) -> (String, Vec<(&'static str, String)>) {
    let annotations = annotations.iter().map(|(name, value)| (*name, (*value).to_owned()));
    (name.to_owned(), annotations.collect())
}

#[tokio::test]
async fn annotations_do_to_requests_what_they_say() {
    let ingresses = [
        one("plain", &[]),
        one("fixed", &[("rewrite-target", "/new")]),
        one(
            "regex",
            &[
                ("rewrite-target-regex", "^/app/(.*)"),
                ("rewrite-target-regex-template", "/backend/$1"),
            ],
        ),
        one("https", &[("http-to-https", "true")]),
        one(
            "moved",
            &[("http-redirect", "/anything$uri"), ("http-redirect-code", "308")],
        ),
        one("allow", &[("http-allow-methods", "GET,HEAD")]),
        one("block", &[("http-block-methods", "PUT")]),
        one("inside", &[("allowlist-source-range", "127.0.0.0/8")]),
        one("outside", &[("allowlist-source-range", "192.0.2.0/24")]),
        one("blocked", &[("blocklist-source-range", "127.0.0.1")]),
        one("typo", &[("allowlist-source-range", "192.0.2.0/33")]),
    ];
    let stand_in = served(&ingresses, "/app", "Prefix").await;
    let table = [
        ("GET", "plain", "/app/x?a=1", "GET /app/x?a=1"),
        ("GET", "fixed", "/app/x?a=1", "GET /new?a=1"),
        ("GET", "regex", "/app/x?a=1", "GET /backend/x?a=1"),
        ("GET", "https", "/app/x?a=1", "301 https://https.example.com/app/x?a=1"),
        ("POST", "https", "/app", "308 https://https.example.com/app"),
        ("GET", "moved", "/app", "308 /anything/app"),
        ("GET", "allow", "/app", "GET /app"),
        ("POST", "allow", "/app", "405"),
        ("GET", "block", "/app", "GET /app"),
        ("PUT", "block", "/app", "405"),
        ("GET", "inside", "/app", "GET /app"),
        ("GET", "outside", "/app", "403"),
        ("GET", "blocked", "/app", "403"),
        ("GET", "typo", "/app", "503"),
        ("GET", "typo", "/other", "404"),
    ];
    for (method, host, target, wanted) in table {
        assert_eq!(
            ask(&stand_in, method, host, target).await,
            wanted,
            "{method} {host}{target}"
        );
    }
    stand_in.shutdown().await;
}

#[tokio::test]
async fn paths_are_regular_expressions_where_that_is_said() {
    let ingresses = [one("regex", &[("use-regex", "true")]), one("plain", &[])];
    let stand_in = served(&ingresses, "/users/[0-9]+/.*", "ImplementationSpecific").await;
    for (host, target, wanted) in [
        ("regex", "/users/42/name", "GET /users/42/name"),
        ("regex", "/users/me/name", "404"),
        ("plain", "/users/42/name", "404"),
    ] {
        assert_eq!(ask(&stand_in, "GET", host, target).await, wanted, "{host}{target}");
    }
    stand_in.shutdown().await;
}
