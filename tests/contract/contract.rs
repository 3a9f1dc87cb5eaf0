//! Holds the stand-in to what a real APISIX 3.16.0 answered.
//!
//! `recording` replays a recording that lies beside the workspace, where there is one. `table`
//! goes through `admin.yaml`, our own distilled list, always. `gateway` does both for requests to
//! the gateway.

#![expect(
    clippy::unwrap_used,
    reason = "a test may panic; outside of #[test] clippy can't see that"
)]

use std::net::SocketAddr;

use anyhow::Context;
use hubline_sandbox::apisix::{StandIn, StandInOptions};
use reqwest::Method;

mod gateway;
mod recording;
mod table;

/// Sends one request as written: no key, no type, nothing added.
async fn send(http: &reqwest::Client, stand_in: &StandIn, request: &Request) -> anyhow::Result<Response> {
    let url = format!("{}{}", stand_in.admin_url(), request.path);
    let method: Method = request.method.parse().context("method")?;
    let mut sent = http.request(method, url);
    for (name, value) in &request.headers {
        sent = sent.header(name, value);
    }
    if let Some(body) = &request.body {
        sent = sent.body(body.clone());
    }
    let response = sent.send().await.context("no answer")?;
    let header = |name: &str| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    Ok(Response {
        status: response.status().as_u16(),
        content_type: header("content-type"),
        version: header("x-api-version"),
        body: response.text().await.context("body")?,
    })
}

#[derive(Debug, Default)]
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

#[derive(Debug, PartialEq)]
struct Response {
    status: u16,
    content_type: Option<String>,
    version: Option<String>,
    body: String,
}

async fn start(options: StandInOptions) -> StandIn {
    StandIn::start(options).await.unwrap()
}

/// Both of the sockets can be bound to an address of one's choice.
#[tokio::test]
async fn any_address_can_be_bound() {
    let admin: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let stand_in = start(StandInOptions {
        admin,
        ..StandInOptions::default()
    })
    .await;
    assert_eq!(stand_in.admin().unwrap().get("routes").await.unwrap().status, 200);
    stand_in.shutdown().await;
}

/// 1.5 MiB is the most that is taken.
#[tokio::test]
async fn bodies_over_the_limit_are_refused() {
    let stand_in = start(StandInOptions::default()).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (size, wanted) in [
        (
            1_572_864,
            "invalid request body: Expected value but found invalid token at character 1",
        ),
        (
            1_572_865,
            "invalid request body: request size 1572865 is greater than the maximum size 1572864 allowed",
        ),
    ] {
        let request = Request {
            method: "PUT".to_owned(),
            path: "/apisix/admin/upstreams/big".to_owned(),
            headers: vec![("X-API-KEY".to_owned(), stand_in.admin_key().to_owned())],
            body: Some("x".repeat(size)),
        };
        let answer = send(&http, &stand_in, &request).await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(
            (answer.status, body["error_msg"].as_str()),
            (400, Some(wanted)),
            "{size}"
        );
    }
}
