//! ApisixRoutes: requests through the stand-in, and the peers' case.

use std::collections::BTreeMap;

use hubline_hub::object::ObjectKind;
use hubline_sandbox::apisix::{StandIn, StandInOptions};
use serde_json::{Value, json};

use super::{body, planned, reference};

const BACKENDS: &str = "
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: canary, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}
";

/// A backend that says who it is and what it was asked.
async fn backend(name: &'static str) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = move |request: axum::extract::Request| async move {
        format!("{name} {}", request.uri().path_and_query().unwrap())
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    port
}

/// Objects of one ApisixRoute's rules at a stand-in. Nodes become backends here, by the name of what they are made of:
/// a hub lets no cluster name loopback.
async fn served(rules: &Value, others: &str) -> StandIn {
    let route = json!({
        "apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "metadata": {"name": "r", "namespace": "shop"},
        "spec": {"ingressClassName": "apisix", "http": rules},
    });
    let planned = planned(&format!("{route}\n---\n{others}{BACKENDS}"), false);
    assert_eq!(planned.problems, Vec::<String>::new());
    let mut ports = BTreeMap::new();
    for name in ["web", "canary", "outside"] {
        ports.insert(name, backend(name).await);
    }
    let stand_in = StandIn::start(StandInOptions::default()).await.unwrap();
    let admin = stand_in.admin().unwrap();
    for object in planned.objects {
        let mut body = body(&object);
        if object.id.kind == ObjectKind::Upstream {
            let port = ports[body["labels"]["name"].as_str().unwrap()];
            body["nodes"] = json!([{"host": "127.0.0.1", "port": port, "weight": 1}]);
        }
        let answer = admin.put(&object.id.to_string(), &body).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    stand_in
}

async fn ask(stand_in: &StandIn, target: &str, headers: &[(&str, &str)]) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.get(format!("http://{}{target}", stand_in.gateway_addr()));
    request = request.header("host", "a.example.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    match response.status().as_u16() {
        200 => response.text().await.unwrap(),
        status => status.to_string(),
    }
}

#[tokio::test]
async fn rules_match_as_they_say() {
    let web = json!([{"serviceName": "web", "servicePort": 80}]);
    let canary = json!([{"serviceName": "canary", "servicePort": "http"}]);
    let rules = json!([
        {"name": "all", "match": {"hosts": ["a.example.com"], "paths": ["/*"]}, "backends": web},
        {"name": "header", "priority": 1, "backends": canary, "match": {"hosts": ["a.example.com"], "paths": ["/*"],
            "exprs": [{"subject": {"scope": "Header", "name": "X-Canary"}, "op": "Equal", "value": "yes"}]}},
        {"name": "query", "priority": 2, "backends": canary, "match": {"hosts": ["a.example.com"], "paths": ["/q"],
            "exprs": [{"subject": {"scope": "Query", "name": "id"}, "op": "RegexNotMatch", "value": "^[0-9]+$"}]}},
        {"name": "elsewhere", "priority": 3, "backends": canary,
            "match": {"hosts": ["a.example.com"], "paths": ["/away"], "remoteAddrs": ["192.0.2.0/24"]}},
        {"name": "here", "priority": 3, "backends": canary,
            "match": {"hosts": ["a.example.com"], "paths": ["/near"], "remoteAddrs": ["127.0.0.0/8"]}},
        {"name": "wrong", "priority": 9, "backends": canary,
            "match": {"hosts": ["a.example.com"], "paths": ["/f"], "filter_func": "function(vars) return true end"}},
        {"name": "closed", "priority": 9, "backends": canary, "match": {"hosts": ["a.example.com"], "paths": ["/closed"]},
            "authentication": {"enable": true, "type": "password"}},
    ]);
    let stand_in = served(&rules, "").await;
    for (target, headers, wanted) in [
        ("/x", &[][..], "web /x"),
        ("/x", &[("x-canary", "yes")][..], "canary /x"),
        ("/x", &[("x-canary", "no")][..], "web /x"),
        ("/q?id=7", &[][..], "web /q?id=7"),
        ("/q?id=a", &[][..], "canary /q?id=a"),
        ("/away", &[][..], "web /away"),
        ("/near", &[][..], "canary /near"),
        ("/f", &[][..], "web /f"),
        ("/closed", &[][..], "503"),
    ] {
        assert_eq!(ask(&stand_in, target, headers).await, wanted, "{target} {headers:?}");
    }
    stand_in.shutdown().await;
}

#[tokio::test]
async fn backends_share_by_weight() {
    let rules = json!([{
        "name": "split", "match": {"paths": ["/*"]},
        "backends": [
            {"serviceName": "web", "servicePort": 80, "weight": 70},
            {"serviceName": "canary", "servicePort": 80, "weight": 20},
        ],
        "upstreams": [{"name": "outside", "weight": 10}],
    }]);
    let outside = "{apiVersion: apisix.apache.org/v2, kind: ApisixUpstream, metadata: {name: outside, namespace: shop}, \
        spec: {ingressClassName: apisix, externalNodes: [{type: Domain, name: out.example.net}]}}\n---\n";
    let stand_in = served(&rules, outside).await;
    let mut shares: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..100 {
        *shares.entry(ask(&stand_in, "/", &[]).await).or_default() += 1;
    }
    let wanted = [("canary /", 20), ("outside /", 10), ("web /", 70)];
    let wanted: BTreeMap<String, u32> = wanted.map(|(name, share)| (name.to_owned(), share)).into();
    assert_eq!(shares, wanted);
    stand_in.shutdown().await;
}

#[tokio::test]
async fn plugins_of_a_rule_stand_over_those_of_its_config() {
    let web = json!([{"serviceName": "web", "servicePort": 80}]);
    let rules = json!([
        {"name": "config", "match": {"paths": ["/config"]}, "backends": web, "plugin_config_name": "rewrite"},
        {"name": "own", "match": {"paths": ["/own"]}, "backends": web, "plugin_config_name": "rewrite",
            "plugins": [{"name": "proxy-rewrite", "enable": true, "config": {"uri": "/of-the-rule"}}]},
        {"name": "off", "match": {"paths": ["/off"]}, "backends": web,
            "plugins": [{"name": "proxy-rewrite", "enable": false, "config": {"uri": "/never"}}]},
        {"name": "missing", "match": {"paths": ["/missing"]}, "backends": web, "plugin_config_name": "nobody"},
    ]);
    let config = "{apiVersion: apisix.apache.org/v2, kind: ApisixPluginConfig, metadata: {name: rewrite, namespace: shop}, \
        spec: {ingressClassName: apisix, plugins: [{name: proxy-rewrite, config: {uri: /of-the-config}}]}}\n---\n";
    let stand_in = served(&rules, config).await;
    for (target, wanted) in [
        ("/config", "web /of-the-config"),
        ("/own", "web /of-the-rule"),
        ("/off", "web /off"),
        ("/missing", "503"),
    ] {
        assert_eq!(ask(&stand_in, target, &[]).await, wanted, "{target}");
    }
    stand_in.shutdown().await;
}

/// Case 04 of the peers' cases: what both lines of apisix-ingress-controller push for the same manifests. Ours differs
/// where a cluster address (`resolveGranularity: service`) cannot be reached from outside: endpoints stand there.
#[test]
fn an_apisix_route_becomes_what_the_peers_make_of_it() {
    let Some(backends) = reference("peer-cases/00-backends.yaml") else {
        return;
    };
    let manifests = reference("peer-cases/case04-apisixroute.yaml").unwrap();
    let backends = backends.replace("namespace: case01", "namespace: case04");
    let planned = planned(&format!("{backends}\n---\n{manifests}"), false);
    let bodies: Vec<Value> = planned.objects.iter().map(|object| body(object)).collect();
    // The exact path and the prefix are a route each, of which the exact one is asked first.
    let find = |uri: &str| bodies.iter().find(|body| body["uris"] == json!([uri])).unwrap();
    let (ours, exact) = (find("/v1/*"), find("/v2"));
    assert!(exact["priority"].as_i64() > ours["priority"].as_i64());
    for line in ["1.8", "2.x"] {
        let theirs = reference(&format!("peer-cases/out-{line}/case04-apisixroute.json")).unwrap();
        let theirs: Value = serde_json::from_str(&theirs).unwrap();
        let state = &theirs["final_state"];
        let routes = state["routes"].as_array().unwrap();
        let their = routes
            .iter()
            .find(|route| route["uris"] == json!(["/v1/*", "/v2"]))
            .unwrap();
        for field in ["methods", "timeout", "enable_websocket"] {
            assert_eq!(sorted(&ours[field]), sorted(&their[field]), "{line}: {field}");
        }
        assert_eq!(conditions(ours), conditions(their), "{line}");
        for plugin in ["limit-count", "proxy-rewrite", "cors"] {
            let given = |plugin: &Value| {
                plugin
                    .as_object()
                    .map(|config| config.keys().cloned().collect::<Vec<_>>())
            };
            let (ours, their) = (&ours["plugins"][plugin], &their["plugins"][plugin]);
            assert_eq!(given(ours), given(their), "{line}: {plugin}");
        }
    }
}

fn sorted(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(list) = value.as_array_mut() {
        list.sort_by_key(Value::to_string);
    }
    value
}

/// All that a request must satisfy, `remote_addrs` as an expression.
fn conditions(route: &Value) -> Vec<String> {
    let mut all: Vec<String> = route["vars"]
        .as_array()
        .into_iter()
        .flatten()
        .map(Value::to_string)
        .collect();
    if route["remote_addrs"].is_array() {
        all.push(json!(["remote_addr", "ipmatch", route["remote_addrs"]]).to_string());
    }
    all.sort();
    all
}
