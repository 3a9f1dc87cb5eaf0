//! Objects that belong to paths and to no resource: upstreams of gateways, and the diversion.
//!
//! A diversion is one global rule for all clusters that are diverted. `traffic-split` in it matches `route_id` by the
//! clusters' patterns and names the gateways' upstreams. What follows from APISIX's own behaviour
//! (`reference/apisix.md`): one missing upstream answers 500 to all traffic, so the rule refers to them, and the sink
//! proves each before it writes; a match is never empty; there is no rule while nothing is diverted; clusters that
//! go to the same gateway are one rule with an alternation; gRPC has a rule of its own before the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hubline::model::ClusterId;
use serde_json::{Map, Value, json};

use super::PlanOptions;
use super::id::{Class, hex};
use super::manner::Manner;
use super::nodes::{node, of_gateway, priority};
use super::routing::Routing;
use super::scope::{fields, label_value};
use super::upstream::{active, bounded};
use crate::object::{Object, ObjectId, ObjectKind, canonical};
use crate::path::{Gateway, Path};

/// The routings of all clusters.
pub(super) type Routings = BTreeMap<ClusterId, Arc<Routing>>;

/// Objects by id.
type Objects = BTreeMap<ObjectId, Arc<Object>>;

/// All of them as they shall be. Costs the number of clusters: it is asked for when a path is switched.
pub(super) fn objects(options: &PlanOptions, routings: &Routings) -> Objects {
    let mut objects = Objects::new();
    let mut keep = |object: Object| drop(objects.insert(object.id.clone(), Arc::new(object)));
    for (cluster, routing) in routings {
        if routing.is_gateway_only() {
            let shared = [false, true].into_iter();
            shared
                .filter_map(|grpc| shared_upstream(options, cluster, routing, grpc))
                .for_each(&mut keep);
            continue;
        }
        for gateway in routing.paths.iter().filter_map(|path| path.gateway.as_ref()) {
            let own = [false, true].into_iter();
            own.filter_map(|grpc| gateway_upstream(options, gateway, grpc))
                .for_each(&mut keep);
        }
    }
    rule(options, routings).into_iter().for_each(keep);
    objects
}

/// The upstream that all routes of a cluster share whose paths all end at gateways.
pub(super) fn shared_id(options: &PlanOptions, cluster: &ClusterId, grpc: bool) -> ObjectId {
    upstream_id(options, &format!("cluster {cluster} {grpc}"))
}

/// Whether any gateway of a cluster takes gRPC.
pub(super) fn takes_grpc(routing: &Routing) -> bool {
    let mut gateways = routing.paths.iter().filter_map(|path| path.gateway.as_ref());
    gateways.any(|gateway| gateway.grpc)
}

/// The upstreams of a diversion over this path: for gRPC, where the gateway takes it, and for all else.
#[must_use]
pub fn diversion_ids(options: &PlanOptions, path: &Path) -> Vec<ObjectId> {
    let gateway = path.gateway.iter();
    let ids = gateway.flat_map(|gateway| [true, false].map(|grpc| gateway_id(options, gateway, grpc)));
    ids.flatten().collect()
}

/// The id of the one rule.
#[must_use]
pub fn rule_id(options: &PlanOptions) -> ObjectId {
    let hub = hex(blake3::hash(options.hub.as_bytes()), 5);
    ObjectId {
        kind: ObjectKind::GlobalRule,
        id: format!("{}{}-{hub}", options.prefix.paths_prefix(), Class::GlobalRule.letter()).into(),
    }
}

fn upstream_id(options: &PlanOptions, identity: &str) -> ObjectId {
    let rest = hex(blake3::hash(identity.as_bytes()), 16);
    ObjectId {
        kind: ObjectKind::Upstream,
        id: format!("{}{}-{rest}", options.prefix.paths_prefix(), Class::Upstream.letter()).into(),
    }
}

/// From what the gateway is, so that clusters behind one gateway share its upstream. One that changes is another one,
/// which is proved before anything names it.
pub(super) fn gateway_id(options: &PlanOptions, gateway: &Gateway, grpc: bool) -> Option<ObjectId> {
    Manner::of_gateway(gateway, grpc)?;
    let addresses: BTreeSet<_> = gateway.addresses.iter().map(ToString::to_string).collect();
    let identity = gateway
        .identity
        .as_ref()
        .map(|identity| blake3::hash(identity.chain.as_bytes()));
    let parts = (addresses, gateway.scheme, &gateway.host, grpc, identity);
    Some(upstream_id(options, &format!("gateway {parts:?}")))
}

fn gateway_upstream(options: &PlanOptions, gateway: &Gateway, grpc: bool) -> Option<Object> {
    let id = gateway_id(options, gateway, grpc)?;
    let nodes: BTreeSet<_> = of_gateway(&gateway.addresses).collect();
    let nodes = nodes.into_iter().map(|(host, port)| node(&host, port, 0)).collect();
    let first = gateway.addresses.first().map(ToString::to_string).unwrap_or_default();
    let body = body(&Manner::of_gateway(gateway, grpc)?, nodes);
    Some(finish(options, id, body, &format!("gateway {first}")))
}

fn shared_upstream(options: &PlanOptions, cluster: &ClusterId, routing: &Routing, grpc: bool) -> Option<Object> {
    let gateways = || routing.in_order().filter_map(|path| path.gateway.as_ref());
    let manner = gateways().find_map(|gateway| Manner::of_gateway(gateway, grpc))?;
    let alike = gateways().filter(|gateway| Manner::of_gateway(gateway, grpc).as_ref() == Some(&manner));
    let mut nodes = BTreeMap::new();
    for (position, gateway) in (0_u8..).zip(alike) {
        for address in of_gateway(&gateway.addresses) {
            nodes.entry(address).or_insert(priority(0, position));
        }
    }
    let nodes = nodes.iter().map(|((host, port), at)| node(host, *port, *at)).collect();
    let mut body = body(&manner, nodes);
    bounded(routing, &mut body);
    if let Some(checks) = routing.checks {
        body.insert("checks".to_owned(), active(checks));
    }
    let id = shared_id(options, cluster, grpc);
    Some(finish(options, id, body, &format!("gateways of {cluster}")))
}

fn body(manner: &Manner, nodes: Vec<Value>) -> Map<String, Value> {
    let mut body = fields(json!({"type": "roundrobin", "hash_on": "vars"}));
    // A host that is none was refused with the configuration.
    manner.write(&mut body);
    body.insert("nodes".to_owned(), nodes.into());
    body
}

fn finish(options: &PlanOptions, id: ObjectId, mut body: Map<String, Value>, name: &str) -> Object {
    body.insert("id".to_owned(), json!(*id.id));
    let name: String = name.chars().take(100).collect();
    body.insert("name".to_owned(), name.into());
    let labels = json!({"managed-by": "hubline", "hub": label_value(&options.hub)});
    body.insert("labels".to_owned(), labels);
    made(id, body, Box::default())
}

fn made(id: ObjectId, body: Map<String, Value>, references: Box<[ObjectId]>) -> Object {
    let (body, hash) = canonical(&Value::Object(body));
    Object {
        id,
        body,
        hash,
        references,
        causes: Box::default(),
    }
}

/// A gateway's upstreams, and the share that it takes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    grpc: Option<ObjectId>,
    http: ObjectId,
    percent: u8,
}

fn rule(options: &PlanOptions, routings: &Routings) -> Option<Object> {
    let mut ways = BTreeMap::<Way, Vec<String>>::new();
    for (cluster, routing) in routings {
        let Some((path, percent)) = routing.diversion() else {
            continue;
        };
        let Some(gateway) = &path.gateway else { continue };
        let Some(http) = gateway_id(options, gateway, false) else {
            continue;
        };
        let grpc = gateway_id(options, gateway, true);
        let pattern = options.prefix.route_pattern(cluster);
        let pattern = pattern.trim_start_matches('^').to_owned();
        ways.entry(Way { grpc, http, percent }).or_default().push(pattern);
    }
    if ways.is_empty() {
        return None;
    }
    let id = rule_id(options);
    let rules: Vec<_> = ways.iter().flat_map(|(way, patterns)| rules(way, patterns)).collect();
    let body = json!({"id": *id.id, "plugins": {"traffic-split": {"rules": rules}}});
    let references = ways.keys().flat_map(|way| way.grpc.iter().chain([&way.http]));
    let references: BTreeSet<_> = references.cloned().collect();
    Some(made(id, fields(body), references.into_iter().collect()))
}

/// For gRPC first; a gateway that takes none gets none: requests would be answered by an http upstream with a 200 that
/// is no gRPC answer.
fn rules(way: &Way, patterns: &[String]) -> Vec<Value> {
    let routes = json!(["route_id", "~~", format!("^({})", patterns.join("|"))]);
    let is_grpc = json!(["http_content_type", "~~", "^application/grpc"]);
    let no_grpc = json!(["http_content_type", "!", "~~", "^application/grpc"]);
    match &way.grpc {
        Some(grpc) => vec![
            split(&[&routes, &is_grpc], grpc, way.percent),
            split(&[&routes], &way.http, way.percent),
        ],
        None => vec![split(&[&routes, &no_grpc], &way.http, way.percent)],
    }
}

/// The entry without an upstream means that of the route.
fn split(vars: &[&Value], upstream: &ObjectId, percent: u8) -> Value {
    let weighted = if percent >= 100 {
        json!([{"upstream_id": *upstream.id, "weight": 1}])
    } else {
        json!([{"upstream_id": *upstream.id, "weight": percent}, {"weight": 100_u8.saturating_sub(percent)}])
    };
    json!({"match": [{"vars": vars}], "weighted_upstreams": weighted})
}
