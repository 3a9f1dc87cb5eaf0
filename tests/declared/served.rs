//! A stand-in that serves what was planned, and backends that say who they are and what they were asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::http::HeaderMap;
use axum::response::IntoResponse;
use hubline_sandbox::apisix::{StandIn, StandInOptions};
use serde_json::{Value, json};

use super::{Planned, body};

/// Headers of a backend's answer: what it was sent as `Host`, and what it was told of the caller.
const SAYS: [(&str, &str); 2] = [("seen-host", "host"), ("seen-consumer", "x-consumer-custom-id")];

/// See the module.
pub(super) struct Served {
    pub(super) stand_in: StandIn,
    client: reqwest::Client,
    /// Backends by the node that they stand for.
    backends: BTreeMap<String, SocketAddr>,
}

impl Served {
    pub(super) async fn planned(planned: &Planned) -> Self {
        let objects = planned.objects.iter();
        let objects = objects.map(|object| (object.id.to_string(), body(object)));
        Self::objects(objects.collect()).await
    }

    /// Objects by the path to which they are written, in this order. Nodes become backends here, since a hub lets no
    /// cluster name loopback; where there are none, the Service or the ApisixUpstream becomes one.
    pub(super) async fn objects(objects: Vec<(String, Value)>) -> Self {
        let stand_in = StandIn::start(StandInOptions::default()).await.unwrap();
        let mut served = Self {
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            backends: BTreeMap::new(),
            stand_in,
        };
        let admin = served.stand_in.admin().unwrap();
        for (path, mut body) in objects {
            if path.starts_with("upstreams/") {
                body["nodes"] = served.nodes(&body).await;
            }
            let answer = admin.put(&path, &body).await.unwrap();
            assert_eq!(answer.status, 201, "{path}: {}", answer.body);
        }
        served
    }

    async fn nodes(&mut self, upstream: &Value) -> Value {
        let written = upstream["nodes"].as_array().into_iter().flatten();
        let mut named: Vec<_> = written
            .map(|node| (node["host"].as_str().unwrap().to_owned(), node["weight"].clone()))
            .collect();
        if named.is_empty() {
            named.push((upstream["labels"]["name"].as_str().unwrap().to_owned(), json!(1)));
        }
        let mut nodes = Vec::new();
        for (name, weight) in named {
            let address = self.backend(name).await;
            nodes.push(json!({"host": "127.0.0.1", "port": address.port(), "weight": weight}));
        }
        Value::Array(nodes)
    }

    async fn backend(&mut self, name: String) -> SocketAddr {
        if let Some(address) = self.backends.get(&name) {
            return *address;
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let own = name.clone();
        let answer = move |request: axum::extract::Request| async move {
            let mut said = HeaderMap::new();
            for (name, header) in SAYS {
                if let Some(value) = request.headers().get(header) {
                    said.insert(name, value.clone());
                }
            }
            (said, format!("{own} {}", request.uri().path_and_query().unwrap())).into_response()
        };
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
        self.backends.insert(name, address);
        address
    }

    /// The `HOST:PORT` of a backend.
    pub(super) fn address(&self, backend: &str) -> String {
        self.backends[backend].to_string()
    }

    pub(super) async fn send(&self, host: &str, target: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let url = format!("http://{}{target}", self.stand_in.gateway_addr());
        let mut request = self.client.get(url).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// What a backend says, or the status of who answered in its place.
    pub(super) async fn ask(&self, host: &str, target: &str, headers: &[(&str, &str)]) -> String {
        let response = self.send(host, target, headers).await;
        match response.status().as_u16() {
            200 => response.text().await.unwrap(),
            status => status.to_string(),
        }
    }

    /// What a backend was told; empty where it was not.
    pub(super) async fn seen(&self, what: &str, host: &str, target: &str, headers: &[(&str, &str)]) -> String {
        let response = self.send(host, target, headers).await;
        assert_eq!(response.status(), 200, "{host}{target}");
        let seen = response.headers().get(format!("seen-{what}"));
        seen.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    pub(super) async fn end(self) {
        self.stand_in.shutdown().await;
    }
}
