//! What a diversion is made of, to the letter of `reference/apisix.md`.

use hubline::model::{Resource, ResourceKind};
use serde_json::{Value, json};

use super::routings::{any, diverted, gateway, over, pods};
use super::schema::Schemas;
use super::world::*;
use crate::object::{ObjectId, ObjectKind};
use crate::path::GatewayScheme;
use crate::plan::Routing;

/// Clusters with a route to one service each, and one of cluster a to two services.
fn world(clusters: &[&str]) -> World {
    let mut world = World::new();
    for name in clusters {
        let host = format!("{name}.example.com");
        let changes = [
            put(&key(ResourceKind::Service, "web"), service("web", None)),
            put(&key(ResourceKind::EndpointSet, "web"), endpoints(1)),
            put(
                &key(ResourceKind::Route, "web"),
                Resource::from(route(&host, &[prefix("/")], &["web"])),
            ),
        ];
        world.apply(&cluster(name), &changes);
    }
    let two = [
        put(&key(ResourceKind::Service, "new"), service("new", None)),
        put(
            &key(ResourceKind::Route, "two"),
            Resource::from(route("two.example.com", &[prefix("/")], &["web", "new"])),
        ),
    ];
    world.apply(&cluster(clusters[0]), &two);
    world
}

fn https() -> Routing {
    over(vec![pods(0), gateway(1, "203.0.113.7:443", GatewayScheme::Https, true)])
}

fn body(world: &World, id: &ObjectId) -> Value {
    serde_json::from_str(world.objects[id].body.expose()).unwrap()
}

fn rule(world: &World) -> Option<Value> {
    let mut rules = world.objects.keys().filter(|id| id.kind == ObjectKind::GlobalRule);
    let rule = rules.next().map(|id| body(world, id));
    assert_eq!(rules.next(), None, "one owner, one rule");
    rule
}

fn splits(world: &World) -> Vec<Value> {
    let rules = rule(world).unwrap()["plugins"]["traffic-split"]["rules"].clone();
    rules.as_array().unwrap().clone()
}

#[test]
fn a_cluster_is_diverted_by_one_write_and_one_for_each_split() {
    let mut world = world(&["a", "b"]);
    for name in ["a", "b"] {
        // The gateway's upstreams come with the path, long before anything names them.
        let made = world.reach(&cluster(name), https()).objects;
        let gateways = made.iter().filter(|(id, _)| id.id.starts_with("hl-paths-u-")).count();
        assert_eq!(gateways, if name == "a" { 2 } else { 0 }, "shared by both clusters");
    }
    assert_eq!(rule(&world), None);
    let written = world.reach(&cluster("a"), diverted(https(), 1, 100)).objects;
    let kinds: Vec<_> = written.iter().map(|(id, _)| id.kind).collect();
    assert_eq!(kinds, [ObjectKind::Route, ObjectKind::GlobalRule]);
    assert!(written[0].0.id.contains("-o-"), "{}", written[0].0);
    let moved = body(&world, &written[0].0);
    assert!(moved.get("plugins").is_none() && moved["upstream_id"].as_str().unwrap().starts_with("hl-paths-u-"));
    let references = &written[1].1.as_ref().unwrap().references;
    assert_eq!(references.len(), 2, "what it names goes before it");
    let back = world.reach(&cluster("a"), https()).objects;
    assert!(
        back.iter()
            .any(|(id, object)| id.kind == ObjectKind::GlobalRule && object.is_none())
    );
    assert_eq!(rule(&world), None, "no rule while nothing is diverted");
}

#[test]
fn clusters_behind_one_gateway_are_one_rule() {
    let mut world = world(&["a", "b"]);
    for name in ["b", "a"] {
        world.reach(&cluster(name), diverted(https(), 1, 100));
    }
    let [grpc, http] = splits(&world).try_into().unwrap();
    let pattern = json!(["route_id", "~~", "^(hl-17762fddd9-r-|hl-10e5cf3d3c-r-)"]);
    let vars = http["match"][0]["vars"].clone();
    assert_eq!(vars, json!([pattern]));
    let content = json!(["http_content_type", "~~", "^application/grpc"]);
    assert_eq!(grpc["match"][0]["vars"], json!([pattern, content]));
    let scheme = |split: &Value| {
        let id = ObjectId {
            kind: ObjectKind::Upstream,
            id: split["weighted_upstreams"][0]["upstream_id"].as_str().unwrap().into(),
        };
        body(&world, &id)["scheme"].clone()
    };
    assert_eq!((scheme(&grpc), scheme(&http)), (json!("grpcs"), json!("https")));
}

#[test]
fn a_gateway_without_grpc_gets_none() {
    let mut world = world(&["a"]);
    let http = over(vec![pods(0), gateway(1, "203.0.113.7:80", GatewayScheme::Http, false)]);
    world.reach(&cluster("a"), diverted(http, 1, 100));
    let [only] = splits(&world).try_into().unwrap();
    let vars = &only["match"][0]["vars"];
    assert_eq!(vars[1], json!(["http_content_type", "!", "~~", "^application/grpc"]));
}

#[test]
fn a_ramp_splits_by_weight_and_shares_no_rule_with_a_whole() {
    let mut world = world(&["a", "b"]);
    world.reach(&cluster("a"), diverted(https(), 1, 30));
    world.reach(&cluster("b"), diverted(https(), 1, 100));
    let splits = splits(&world);
    assert_eq!(splits.len(), 4);
    let weights: Vec<_> = splits
        .iter()
        .map(|split| {
            let upstreams = split["weighted_upstreams"].as_array().unwrap();
            upstreams
                .iter()
                .map(|upstream| upstream["weight"].as_u64().unwrap())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(weights, [vec![30, 70], vec![30, 70], vec![1], vec![1]]);
    let own = &splits[0]["weighted_upstreams"][1];
    assert_eq!(own.as_object().unwrap().len(), 1, "no upstream means the route's own");
}

#[test]
fn routes_of_a_cluster_of_gateways_share_an_upstream() {
    let mut world = world(&["a"]);
    let http = |rank, address| gateway(rank, address, GatewayScheme::Http, false);
    let routing = over(vec![http(0, "203.0.113.7:80"), http(1, "203.0.113.8:80")]);
    world.reach(&cluster("a"), routing.clone());
    let upstreams: Vec<_> = world
        .objects
        .keys()
        .filter(|id| id.kind == ObjectKind::Upstream)
        .collect();
    assert_eq!(upstreams.len(), 1);
    let before = body(&world, upstreams[0]);
    assert_eq!(before["nodes"][1]["priority"], -1);
    let endpoints = put(&key(ResourceKind::EndpointSet, "web"), endpoints(7));
    assert!(
        world.apply(&cluster("a"), &[endpoints]).objects.is_empty(),
        "endpoints cost nothing"
    );
    let switched = Routing {
        order: vec![1, 0],
        ..routing
    };
    assert_eq!(world.reach(&cluster("a"), switched).objects.len(), 1);
}

#[test]
fn objects_of_paths_are_valid() {
    let Some(schemas) = Schemas::load() else { return };
    for variant in 0..super::routings::VARIANTS {
        let mut world = world(&["a", "b"]);
        world.reach(&cluster("a"), any(variant));
        for object in world.objects.values() {
            assert_eq!(schemas.errors(object), Vec::<String>::new(), "{variant}");
        }
    }
}

fn info(echo: &[&str], network: &str) -> Resource {
    Resource::from(hubline::model::ClusterInfo {
        echo: echo.iter().map(|&address| address.to_owned()).collect(),
        pod_networks: vec![network.to_owned()],
        ..hubline::model::ClusterInfo::default()
    })
}

#[test]
fn each_path_with_an_echo_has_a_probe_route_that_no_diversion_moves() {
    let mut world = world(&["a"]);
    let far = crate::path::Path {
        echo: vec!["203.0.113.7:7444".parse().unwrap()],
        ..gateway(1, "203.0.113.7:443", GatewayScheme::Https, true)
    };
    world.reach(&cluster("a"), over(vec![pods(0), far]));
    let key = key(ResourceKind::ClusterInfo, "a");
    let made = world.apply(&cluster("a"), &[put(&key, info(&["10.0.0.9:7444"], "10.0.0.0/16"))]);
    let kinds: Vec<_> = made.objects.iter().map(|(id, _)| id.kind).collect();
    assert_eq!(
        kinds,
        [
            ObjectKind::Upstream,
            ObjectKind::Upstream,
            ObjectKind::Route,
            ObjectKind::Route
        ]
    );
    let uris: Vec<_> = made.objects[2..]
        .iter()
        .map(|(id, _)| body(&world, id)["uris"][0].clone())
        .collect();
    assert!(uris.contains(&json!("/hubline/echo/a/line-0/*")), "{uris:?}");
    assert!(made.objects[2..].iter().all(|(id, _)| !id.id.contains("-r-")));
    world.reach(&cluster("a"), Routing::direct());
    assert!(
        world.objects.keys().all(|id| !id.id.contains("-e-")),
        "one path is nothing to tell apart"
    );
}

#[test]
fn pod_networks_that_overlap_are_reported_in_both_clusters() {
    let mut world = world(&["a", "b"]);
    let key = key(ResourceKind::ClusterInfo, "info");
    for name in ["a", "b"] {
        world.apply(&cluster(name), &[put(&key, info(&[], "10.0.0.0/16"))]);
    }
    let reported: Vec<_> = world
        .problems
        .iter()
        .filter(|(key, _)| key.key.kind == ResourceKind::ClusterInfo)
        .collect();
    assert_eq!(reported.len(), 2);
    assert!(
        reported
            .iter()
            .all(|(_, problems)| problems[0].reason == "OverlappingPodNetworks")
    );
    let mapped = crate::path::Path {
        mapping: vec![crate::path::Mapping {
            from: "10.0.0.0/8".parse().unwrap(),
            to: "100.0.0.0/8".parse().unwrap(),
        }],
        ..crate::path::Path::direct()
    };
    world.reach(&cluster("b"), over(vec![mapped]));
    assert!(
        world
            .problems
            .keys()
            .all(|key| key.key.kind != ResourceKind::ClusterInfo)
    );
}
