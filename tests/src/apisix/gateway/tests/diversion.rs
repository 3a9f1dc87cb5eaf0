//! Global rules that send requests elsewhere, and what gets in their way.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{ask, backend, get, stand_in, websocket_backend};
use crate::apisix::{AdminClient, Kind, StandIn};

async fn put(admin: &AdminClient, path: &str, value: Value) {
    let answer = admin.put(path, &value).await.unwrap();
    assert!(matches!(answer.status, 200 | 201), "{path}: {answer:?}");
}

/// Two pods' routes of a cluster, one of another, and the upstream of a gateway.
async fn two_clusters() -> (StandIn, AdminClient) {
    let (stand_in, admin) = stand_in().await;
    for (id, name) in [("pods", "pods"), ("gateway", "gateway"), ("canary", "canary")] {
        let nodes = json!({ backend(name).await.to_string(): 1 });
        put(&admin, &format!("upstreams/{id}"), json!({ "nodes": nodes })).await;
    }
    for id in ["p-c1-a", "p-c1-b", "p-c2-a"] {
        let route = json!({"uri": format!("/{id}"), "upstream_id": "pods"});
        put(&admin, &format!("routes/{id}"), route).await;
    }
    (stand_in, admin)
}

fn rule(pattern: &str, weighted: &Value) -> Value {
    json!({"match": [{"vars": [["route_id", "~~", pattern]]}], "weighted_upstreams": weighted})
}

fn split(rules: &[Value]) -> Value {
    json!({"plugins": {"traffic-split": {"rules": rules}}})
}

fn to_gateway() -> Value {
    json!([{"upstream_id": "gateway"}])
}

/// Who answers, or the status of what is no 200.
async fn who(stand_in: &StandIn, path: &str) -> String {
    let (status, body) = get(stand_in, path).await;
    match status {
        200 => body.split(' ').next().unwrap().to_owned(),
        _ => status.to_string(),
    }
}

async fn check(stand_in: &StandIn, wanted: &[(&str, &str)]) {
    for (path, wanted) in wanted {
        assert_eq!(who(stand_in, path).await, *wanted, "{path}");
    }
}

#[tokio::test]
async fn one_write_moves_all_routes_of_a_cluster_and_no_other() {
    let (stand_in, admin) = two_clusters().await;
    put(&admin, "global_rules/g", split(&[rule("^p-c1-", &to_gateway())])).await;
    let moved = [
        ("/p-c1-a", "gateway"),
        ("/p-c1-b", "gateway"),
        ("/p-c2-a", "pods"),
        ("/none", "404"),
    ];
    check(&stand_in, &moved).await;
    admin
        .call(reqwest::Method::DELETE, "global_rules/g", None)
        .await
        .unwrap();
    check(&stand_in, &[("/p-c1-a", "pods"), ("/p-c2-a", "pods")]).await;
}

#[tokio::test]
async fn a_ramp_is_exact_per_request() {
    let (stand_in, admin) = two_clusters().await;
    let weighted = json!([{"upstream_id": "gateway", "weight": 3}, {"weight": 1}]);
    put(&admin, "global_rules/g", split(&[rule("^p-c1-", &weighted)])).await;
    let mut seen = Vec::new();
    for _ in 0..8 {
        seen.push(who(&stand_in, "/p-c1-a").await);
    }
    let own = seen.iter().filter(|name| *name == "pods").count();
    assert_eq!((own, seen.len()), (2, 8), "{seen:?}");
}

/// Found by the Admin API only when the upstream is deleted, never when the rule is written.
#[tokio::test]
async fn a_missing_upstream_breaks_every_request() {
    let (stand_in, admin) = two_clusters().await;
    let nowhere = json!([{"upstream_id": "nowhere"}, {"weight": 1}]);
    put(&admin, "global_rules/g", split(&[rule("^p-c1-", &nowhere)])).await;
    check(&stand_in, &[("/p-c1-a", "500"), ("/p-c2-a", "500"), ("/none", "500")]).await;
    let (_, body) = get(&stand_in, "/none").await;
    assert_eq!(body, "failed to fetch upstream info by upstream id: nowhere");
    // The moment it is there, all is well.
    put(&admin, "upstreams/nowhere", json!({"nodes": {}})).await;
    check(&stand_in, &[("/p-c2-a", "pods"), ("/none", "404")]).await;
    let refused = admin
        .call(reqwest::Method::DELETE, "upstreams/nowhere", None)
        .await
        .unwrap();
    assert_eq!(refused.status, 400);
    assert!(stand_in.remove_straight(Kind::Upstream, "nowhere"));
    check(&stand_in, &[("/p-c2-a", "500")]).await;
}

#[tokio::test]
async fn two_global_rules_with_a_split_are_none() {
    let (stand_in, admin) = two_clusters().await;
    put(&admin, "global_rules/g", split(&[rule("^p-c1-", &to_gateway())])).await;
    let mut second = split(&[rule("^p-c2-", &to_gateway())]);
    let refused = admin
        .call(reqwest::Method::PUT, "global_rules/h", Some(&second))
        .await
        .unwrap();
    assert_eq!(refused.status, 400);
    check(&stand_in, &[("/p-c1-a", "gateway"), ("/p-c2-a", "pods")]).await;
    // Straight into the store nobody refuses, but without its id the rule is not there.
    stand_in.write_straight(Kind::GlobalRule, "h", second.clone());
    check(&stand_in, &[("/p-c1-a", "gateway"), ("/p-c2-a", "pods")]).await;
    second["id"] = json!("h");
    stand_in.write_straight(Kind::GlobalRule, "h", second);
    check(&stand_in, &[("/p-c1-a", "pods"), ("/p-c2-a", "pods")]).await;
    assert!(stand_in.remove_straight(Kind::GlobalRule, "h"));
    check(&stand_in, &[("/p-c1-a", "gateway")]).await;
}

/// With other plugins in them, several global rules go together.
#[tokio::test]
async fn other_global_rules_do_not_matter() {
    let (stand_in, admin) = two_clusters().await;
    put(&admin, "global_rules/g", split(&[rule("^p-c1-", &to_gateway())])).await;
    put(&admin, "global_rules/h", json!({"plugins": {"prometheus": {}}})).await;
    check(&stand_in, &[("/p-c1-a", "gateway")]).await;
    let mut disabled = split(&[rule("^p-c1-", &to_gateway())]);
    disabled["plugins"]["traffic-split"]["_meta"] = json!({"disable": true});
    put(&admin, "global_rules/g", disabled).await;
    check(&stand_in, &[("/p-c1-a", "pods")]).await;
}

/// The split of a route, its plugin config or its service wins where one of its rules matches.
#[tokio::test]
async fn a_split_of_its_own_wins() {
    let (stand_in, admin) = two_clusters().await;
    put(&admin, "global_rules/g", split(&[rule(".", &to_gateway())])).await;
    let canary = |path: &str| {
        let own = json!([{"upstream_id": "canary"}]);
        json!({"match": [{"vars": [["uri", "==", path]]}], "weighted_upstreams": own})
    };
    let with_split = |id: &str, rules: &[Value]| {
        let mut route = split(rules);
        route["uris"] = json!([format!("/{id}"), format!("/{id}/other")]);
        route["upstream_id"] = json!("pods");
        route
    };
    put(&admin, "routes/own", with_split("own", &[canary("/own")])).await;
    let empty = json!({"weighted_upstreams": [{"weight": 1}]});
    put(&admin, "routes/empty", with_split("empty", &[empty])).await;
    put(&admin, "plugin_configs/c", split(&[canary("/config")])).await;
    let by_config = json!({"uri": "/config", "upstream_id": "pods", "plugin_config_id": "c"});
    put(&admin, "routes/config", by_config).await;
    let mut service = split(&[canary("/service")]);
    service["upstream_id"] = json!("pods");
    put(&admin, "services/s", service).await;
    put(&admin, "routes/service", json!({"uri": "/service", "service_id": "s"})).await;
    let wanted = [
        ("/own", "canary"),
        ("/own/other", "gateway"),
        ("/empty", "pods"),
        ("/config", "canary"),
        ("/service", "canary"),
        ("/p-c1-a", "gateway"),
    ];
    check(&stand_in, &wanted).await;
}

/// The first of two rules takes gRPC, which needs an upstream of its own.
#[tokio::test]
async fn two_rules_in_order_part_grpc_from_the_rest() {
    let (stand_in, admin) = two_clusters().await;
    let node = backend("grpc-gateway").await;
    let upstream = json!({"nodes": {node.to_string(): 1}, "scheme": "grpc"});
    put(&admin, "upstreams/grpc", upstream).await;
    let mut grpc = rule("^p-c1-", &json!([{"upstream_id": "grpc"}]));
    let conditions = json!([
        ["route_id", "~~", "^p-c1-"],
        ["http_content_type", "~~", "^application/grpc"]
    ]);
    grpc["match"][0]["vars"] = conditions;
    put(&admin, "global_rules/g", split(&[grpc, rule("^p-c1-", &to_gateway())])).await;
    for (content_type, wanted) in [
        ("application/grpc+proto", "grpc-gateway"),
        ("application/json", "gateway"),
    ] {
        let (status, body) = ask(&stand_in, "/p-c1-a", content_type).await;
        assert_eq!(status, 200, "{content_type}: {body}");
        assert!(body.starts_with(&format!("{wanted} ")), "{content_type}: {body}");
    }
    // One rule to the gRPC upstream alone breaks what is no gRPC.
    put(
        &admin,
        "global_rules/g",
        split(&[rule("^p-c1-", &json!([{"upstream_id": "grpc"}]))]),
    )
    .await;
    check(&stand_in, &[("/p-c1-a", "502"), ("/p-c2-a", "pods")]).await;
}

#[tokio::test]
async fn websockets_survive_a_diversion() {
    let (stand_in, admin) = two_clusters().await;
    let nodes = json!({websocket_backend().await.to_string(): 1});
    put(&admin, "upstreams/gateway", json!({ "nodes": nodes })).await;
    let route = json!({"uri": "/ws", "upstream_id": "pods", "enable_websocket": true});
    put(&admin, "routes/p-c1-ws", route).await;
    put(&admin, "global_rules/g", split(&[rule("^p-c1-", &to_gateway())])).await;
    let mut client = TcpStream::connect(stand_in.gateway_addr()).await.unwrap();
    super::upgrade(&mut client).await;
    // Once open, it stays where it is, whatever the rules say.
    admin
        .call(reqwest::Method::DELETE, "global_rules/g", None)
        .await
        .unwrap();
    client.write_all(b"ping").await.unwrap();
    let mut echoed = [0; 4];
    client.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"ping");
}

/// The route that a hub asks for to see whether an APISIX reaches a gateway.
#[tokio::test]
async fn the_path_and_host_of_a_request_are_rewritten() {
    let (stand_in, admin) = two_clusters().await;
    let rewrite = json!({"uri": "/healthz", "host": "h.example", "headers": {"set": {"X-Forwarded-For": "me"}}});
    let mut route = json!({"host": "a.example", "uri": "/probe", "upstream_id": "pods",
        "plugins": {"proxy-rewrite": rewrite}});
    put(&admin, "routes/probe", route.clone()).await;
    let (_, body) = get(&stand_in, "/probe?x=1").await;
    assert_eq!(body, "pods GET /healthz?x=1 host=h.example for=me body=0");
    route["plugins"]["proxy-rewrite"]["_meta"] = json!({"filter": [["arg_x", "==", "1"]]});
    put(&admin, "routes/probe", route).await;
    let (_, body) = get(&stand_in, "/probe?x=2").await;
    assert!(body.starts_with("pods GET /probe?x=2 host=a.example"), "{body}");
}

/// A plugin config that is not there.
#[tokio::test]
async fn a_missing_plugin_config_is_503() {
    let (stand_in, _) = two_clusters().await;
    let route = json!({"uri": "/x", "upstream_id": "pods", "plugin_config_id": "gone"});
    stand_in.write_straight(Kind::Route, "r", route);
    check(&stand_in, &[("/x", "503")]).await;
}
