//! Case 04: an ApisixRoute.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{addresses, case, hosts, list, sorted, with_id};

/// Ours splits in another way, and that is compared by itself.
fn plugins(route: &Value) -> Map<String, Value> {
    let mut plugins = route["plugins"].as_object().unwrap().clone();
    plugins.remove("traffic-split");
    plugins
}

#[test]
fn a_rule_becomes_what_the_peers_make_of_it() {
    let Some(case) = case("case04-apisixroute") else { return };
    let bodies = case.bodies();
    // The exact path and the prefix are a route each, of which the exact one is asked first.
    let find = |uri: &str| bodies.iter().find(|body| body["uris"] == json!([uri])).unwrap();
    let (ours, exact) = (find("/v1/*"), find("/v2"));
    assert!(exact["priority"].as_i64() > ours["priority"].as_i64());
    for (line, state) in &case.theirs {
        let paths = json!(["/v1/*", "/v2"]);
        let their = list(state, "routes")
            .iter()
            .find(|route| route["uris"] == paths)
            .unwrap();
        for ours in [ours, exact] {
            for field in ["methods", "timeout", "enable_websocket"] {
                assert_eq!(sorted(&ours[field]), sorted(&their[field]), "{line}: {field}");
            }
            assert_eq!(ours["hosts"], hosts(state, their), "{line}");
            assert_eq!(conditions(ours), conditions(their), "{line}");
            assert_eq!(plugins(ours), plugins(their), "{line}");
            assert_eq!(shares(&bodies, ours), shares_of_theirs(state, their), "{line}");
        }
    }
}

/// A cluster address (`resolveGranularity: service`), where theirs leads, cannot be reached from outside of the cluster:
/// endpoints stand there.
#[test]
fn what_only_the_cluster_reaches_is_replaced_by_endpoints() {
    let Some(case) = case("case04-apisixroute") else { return };
    let bodies = case.bodies();
    let route = bodies.iter().find(|body| body["uris"] == json!(["/svc/*"])).unwrap();
    let upstream = with_id(&bodies, &route["upstream_id"]);
    assert_eq!(addresses(upstream), ["10.9.2.1:8081", "10.9.2.2:8081"]);
    let told = case
        .ours
        .diagnostics
        .iter()
        .any(|said| said.contains("resolveGranularity"));
    assert!(told, "{:?}", case.ours.diagnostics);
}

/// All that a request must satisfy, `remote_addrs` as an expression.
fn conditions(route: &Value) -> Vec<String> {
    let written = route["vars"].as_array().into_iter().flatten();
    let mut all: Vec<String> = written.map(Value::to_string).collect();
    if route["remote_addrs"].is_array() {
        all.push(json!(["remote_addr", "ipmatch", route["remote_addrs"]]).to_string());
    }
    all.sort();
    all
}

/// The share of requests by the nodes that get them.
type Shares = BTreeMap<Vec<String>, u64>;

fn split(plugins: &Value) -> &[Value] {
    let rules = plugins["traffic-split"]["rules"].as_array().unwrap();
    let [rule] = rules.as_slice() else {
        panic!("{} rules", rules.len());
    };
    rule["weighted_upstreams"].as_array().unwrap()
}

fn shares(bodies: &[Value], route: &Value) -> Shares {
    let weighted = split(&route["plugins"]).iter();
    let share = |one: &Value| {
        (
            addresses(with_id(bodies, &one["upstream_id"])),
            one["weight"].as_u64().unwrap(),
        )
    };
    weighted.map(share).collect()
}

/// What names no upstream is for that of the route or its service; the newer line splits at the service.
fn shares_of_theirs(state: &Value, route: &Value) -> Shares {
    let service = list(state, "services")
        .iter()
        .find(|it| it["id"] == route["service_id"]);
    let splits = |object: &&Value| object["plugins"].get("traffic-split").is_some();
    let splitting = Some(route).filter(splits).or(service).unwrap();
    let share = |one: &Value| {
        let id = one.get("upstream_id").unwrap_or(&splitting["upstream_id"]);
        (
            addresses(with_id(list(state, "upstreams"), id)),
            one["weight"].as_u64().unwrap(),
        )
    };
    split(&splitting["plugins"]).iter().map(share).collect()
}
