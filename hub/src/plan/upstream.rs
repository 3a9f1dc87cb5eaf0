//! Upstreams: one for each service that a route in force refers to.

use std::collections::BTreeSet;
use std::time::Duration;

use hubline::model::{
    Discovery, EndpointSet, LoadBalancing, Outside, OutsideNode, Resource, Scheme, Service, Timeouts,
};
use serde_json::{Map, Value, json};

use super::checks;
use super::id::Class;
use super::manner::Manner;
use super::nodes::{Backends, Lowered, host, node, weighted};
use super::route::{seconds, timeout};
use super::routing::{Bounds, Checks, Routing};
use super::scope::{Rendered, Scope, fields};
use crate::object::ObjectKind;
use crate::path::demotion::Demoted;
use crate::view::{Problem, ProblemKind};

/// Renders a service's upstream. It is always there while a route refers to it: without usable endpoints its nodes are
/// empty, which APISIX answers with 503.
pub(super) fn render(scope: &Scope<'_>, service: &Service) -> Rendered {
    let mut rendered = Rendered::default();
    if let Some(identity) = &service.settings.identity
        && identity.private_key.is_redacted()
    {
        let message = format!("{}: the private key was left out of the file", scope.subject());
        return scope.withhold(ProblemKind::Refused, "Redacted", message);
    }
    let (manner, nodes) = all_nodes(scope, service, &mut rendered);
    let mut body = settings(scope, service, &manner, &mut rendered);
    bounded(scope.routing, &mut body);
    if let Some(checks) = &service.settings.checks {
        body.insert("checks".to_owned(), checks::checks(checks));
    } else if let Some(checks) = scope.routing.checks {
        body.insert("checks".to_owned(), active(checks));
    }
    match nodes {
        Backing::Nodes(nodes) => drop(body.insert("nodes".to_owned(), json!(nodes))),
        Backing::Registry(discovery) => registry(discovery, &mut body),
    }
    let id = scope.id(ObjectKind::Upstream, Class::Upstream, &scope.key.key, "");
    let mut object = scope.object(id, body, BTreeSet::new());
    let mut causes: Vec<_> = scope
        .cause_of(&service.endpoints)
        .into_iter()
        .chain(object.causes)
        .collect();
    causes.sort();
    object.causes = causes.into();
    rendered.objects = vec![object.into()];
    rendered
}

/// From where an upstream has its nodes.
enum Backing<'a> {
    Nodes(Vec<Value>),
    Registry(&'a Discovery),
}

fn registry(discovery: &Discovery, body: &mut Map<String, Value>) {
    body.insert("discovery_type".to_owned(), json!(discovery.provider));
    body.insert("service_name".to_owned(), json!(discovery.service));
    if !discovery.arguments.is_empty() {
        body.insert("discovery_args".to_owned(), json!(discovery.arguments));
    }
}

fn all_nodes<'a>(scope: &Scope<'_>, service: &'a Service, rendered: &mut Rendered) -> (Manner, Backing<'a>) {
    let own = || Manner::of_service(service);
    let none = || Backing::Nodes(Vec::new());
    if let Some(unresolved) = &service.unresolved {
        let message = unresolved.message.clone();
        let problem = scope.problem(ProblemKind::Unresolved, &unresolved.reason, message);
        rendered.problems.push(problem);
        return (own(), none());
    }
    match service.outside.as_deref() {
        Some(Outside::Nodes(nodes)) => return (own(), Backing::Nodes(outside(scope, nodes, rendered))),
        // Which addresses it leads to is not known here.
        Some(Outside::Discovery(discovery)) if !scope.routing.allowed.host(&discovery.service) => {
            rendered.problems.push(not_allowed(scope, &discovery.service));
            return (own(), none());
        }
        Some(Outside::Discovery(discovery)) => return (own(), Backing::Registry(discovery)),
        None => {}
    }
    if let Some(name) = &service.external_name {
        if !scope.routing.allowed.host(name.as_str()) {
            rendered.problems.push(not_allowed(scope, name.as_str()));
            return (own(), none());
        }
        return (own(), Backing::Nodes(external(name.as_str(), service)));
    }
    let none = EndpointSet::default();
    let set = match scope.find(&service.endpoints).map(|stored| stored.resource.as_ref()) {
        Some(Resource::EndpointSet(set)) => set,
        _ => &none,
    };
    let backends = Backends {
        service,
        set,
        nodes: scope.nodes(),
        seed: scope.key.key.to_string(),
        lowered: lowered(scope, service),
    };
    let found = backends.over(scope.routing);
    for address in found.unusable {
        let message = format!("endpoint {address:?} is neither an IP address nor a DNS name");
        rendered
            .problems
            .push(scope.problem(ProblemKind::Refused, "InvalidAddress", message));
    }
    let outside = found.not_allowed.iter().map(|address| not_allowed(scope, address));
    rendered.problems.extend(outside);
    (found.manner, Backing::Nodes(found.nodes))
}

/// Nodes as they are written. One of weight 0 is left out, since at APISIX it is not when it is alone in its priority
/// (`reference/apisix.md`); where all have it, all share, as APISIX does.
fn outside(scope: &Scope<'_>, nodes: &[OutsideNode], rendered: &mut Rendered) -> Vec<Value> {
    let any = nodes.iter().any(|it| it.weight > 0);
    let mut made = Vec::with_capacity(nodes.len());
    for it in nodes.iter().filter(|it| it.weight > 0 || !any) {
        match host(&it.address) {
            Some(address) if scope.routing.allowed.host(&address) => {
                made.push(weighted(&address, it.port.get(), 0, it.weight.max(1)));
            }
            Some(address) => rendered.problems.push(not_allowed(scope, &address)),
            None => {
                let message = format!("node {:?} is neither an IP address nor a DNS name", it.address);
                let problem = scope.problem(ProblemKind::Refused, "InvalidAddress", message);
                rendered.problems.push(problem);
            }
        }
    }
    made
}

fn lowered<'a>(scope: &Scope<'a>, service: &Service) -> Lowered<'a> {
    let path = match scope.demotions.get(scope.key) {
        Some(Demoted::Path(path)) => Some(path.as_ref()),
        _ => None,
    };
    let endpoints = match scope.demotions.get(&scope.sibling(&service.endpoints)) {
        Some(Demoted::Endpoints(endpoints)) => Some(endpoints),
        _ => None,
    };
    Lowered { path, endpoints }
}

fn not_allowed(scope: &Scope<'_>, address: &str) -> Problem {
    let message = format!(
        "address {address} is left out: the hub's operator does not allow it for cluster {} (clusters[].allow)",
        scope.key.cluster
    );
    scope.problem(ProblemKind::Refused, "AddressNotAllowed", message)
}

/// Where a path may fail, what a request may cost on it; what the service itself asks for stays.
pub(super) fn bounded(routing: &Routing, body: &mut Map<String, Value>) {
    if routing.paths.len() < 2 {
        return;
    }
    let Bounds {
        retries, retry_timeout, ..
    } = routing.bounds;
    // Of 0 APISIX's own defaults are made.
    let unsaid = Timeouts {
        connect_ms: 0,
        send_ms: 0,
        read_ms: 0,
    };
    body.entry("timeout")
        .or_insert_with(|| timeout(within(routing, unsaid)));
    body.entry("retries").or_insert(json!(retries));
    body.entry("retry_timeout")
        .or_insert_with(|| seconds(milliseconds(retry_timeout)));
}

/// Timeouts with the bound for a connection where they say nothing of that and a path may fail: who asks for a longer
/// read has not asked to wait longer for a path that is gone.
pub(super) fn within(routing: &Routing, timeouts: Timeouts) -> Timeouts {
    if timeouts.connect_ms > 0 || routing.paths.len() < 2 {
        return timeouts;
    }
    Timeouts {
        connect_ms: milliseconds(routing.bounds.connect),
        ..timeouts
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// By TCP: a node that answers is one that is reached, whatever it says; and checks with TLS would show no client
/// certificate (`reference/apisix.md`). Without `unhealthy` a node once down would never come back.
pub(super) fn active(checks: Checks) -> Value {
    let interval = checks.interval.as_secs().max(1);
    json!({"active": {
        "type": "tcp",
        "timeout": interval,
        "concurrency": 10,
        "healthy": {"interval": interval, "successes": checks.successes},
        "unhealthy": {"interval": interval, "tcp_failures": checks.failures, "timeouts": checks.failures},
    }})
}

/// An `ExternalName`: the name itself, resolved by APISIX. The Host stays the client's unless settings say otherwise,
/// as with every other service.
fn external(name: &str, service: &Service) -> Vec<Value> {
    let default = match service.settings.scheme {
        Scheme::Https | Scheme::Grpcs | Scheme::Tls => 443,
        Scheme::Http | Scheme::Grpc | Scheme::Tcp | Scheme::Udp => 80,
    };
    let port = service.port.number.map_or(default, hubline::model::Port::get);
    vec![node(name, port, 0)]
}

/// All fields but the nodes, those that APISIX would fill in by itself included, so that reading back shows no drift.
fn settings(scope: &Scope<'_>, service: &Service, manner: &Manner, rendered: &mut Rendered) -> Map<String, Value> {
    let settings = &service.settings;
    let mut body = fields(json!({"type": "roundrobin", "hash_on": "vars"}));
    let mut wrong = balancing(&settings.load_balancing, &mut body);
    wrong.extend(manner.write(&mut body));
    if let Some(timeouts) = settings.timeouts {
        body.insert("timeout".to_owned(), timeout(within(scope.routing, timeouts)));
    }
    if let Some(retries) = settings.retries {
        body.insert("retries".to_owned(), json!(retries));
    }
    let problem = |message| scope.problem(ProblemKind::Refused, "UnsupportedValue", message);
    rendered.problems.extend(wrong.into_iter().map(problem));
    body
}

/// Sets how requests are spread; says what of it APISIX does not know, which then stays round robin.
fn balancing(balancing: &LoadBalancing, body: &mut Map<String, Value>) -> Vec<String> {
    let kind = match balancing {
        LoadBalancing::RoundRobin => "roundrobin",
        LoadBalancing::Ewma => "ewma",
        LoadBalancing::LeastConnections => "least_conn",
        LoadBalancing::ConsistentHash { hash_on, key } => {
            const KNOWN: [&str; 5] = ["vars", "header", "cookie", "consumer", "vars_combinations"];
            if !KNOWN.contains(&hash_on.as_str()) {
                return vec![format!("a hash on {hash_on:?} is none of {}", KNOWN.join(", "))];
            }
            body.insert("hash_on".to_owned(), json!(hash_on));
            body.insert("key".to_owned(), json!(key));
            "chash"
        }
    };
    body.insert("type".to_owned(), json!(kind));
    Vec::new()
}
