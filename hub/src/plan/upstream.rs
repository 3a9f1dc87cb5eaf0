//! Upstreams: one for each service that a route in force refers to.

use std::collections::BTreeSet;

use hubline::model::{BackendSettings, EndpointSet, HostHandling, LoadBalancing, Protocol, Resource, Scheme, Service};
use serde_json::{Map, Value, json};

use super::id::Class;
use super::nodes::{self, node};
use super::route::timeout;
use super::scope::{Rendered, Scope, fields};
use crate::object::ObjectKind;
use crate::path::Path;
use crate::view::ProblemKind;

/// Renders a service's upstream. It is always there while a route refers to it: without usable endpoints its nodes are
/// empty, which APISIX answers with 503.
pub(super) fn render(scope: &Scope<'_>, service: &Service, paths: &[Path]) -> Rendered {
    let mut rendered = Rendered::default();
    let mut body = settings(scope, service, &mut rendered);
    body.insert("nodes".to_owned(), all_nodes(scope, service, paths, &mut rendered));
    let id = scope.id(ObjectKind::Upstream, Class::Upstream, &scope.key.key, "");
    let mut object = scope.object(id, body, BTreeSet::new());
    object.causes.extend(scope.cause_of(&service.endpoints));
    object.causes.sort();
    rendered.objects.push(object.into());
    rendered
}

fn all_nodes(scope: &Scope<'_>, service: &Service, paths: &[Path], rendered: &mut Rendered) -> Value {
    if let Some(unresolved) = &service.unresolved {
        let message = unresolved.message.clone();
        let problem = scope.problem(ProblemKind::Unresolved, &unresolved.reason, message);
        rendered.problems.push(problem);
        return json!([]);
    }
    if let Some(name) = &service.external_name {
        return json!(external(name.as_str(), service));
    }
    let none = EndpointSet::default();
    let set = match scope.find(&service.endpoints).map(|stored| stored.resource.as_ref()) {
        Some(Resource::EndpointSet(set)) => set,
        _ => &none,
    };
    let (nodes, refused) = nodes::nodes(set, paths);
    for address in refused {
        let message = format!("endpoint {address:?} is neither an IP address nor a DNS name");
        rendered
            .problems
            .push(scope.problem(ProblemKind::Refused, "InvalidAddress", message));
    }
    json!(nodes)
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
fn settings(scope: &Scope<'_>, service: &Service, rendered: &mut Rendered) -> Map<String, Value> {
    let settings = &service.settings;
    let mut body = fields(json!({
        "type": "roundrobin",
        "scheme": scheme(settings.scheme, service.port.protocol),
        "hash_on": "vars",
        "pass_host": "pass",
    }));
    let mut wrong = balancing(&settings.load_balancing, &mut body);
    wrong.extend(host(settings, &mut body));
    if let Some(timeouts) = settings.timeouts {
        body.insert("timeout".to_owned(), timeout(timeouts));
    }
    if let Some(retries) = settings.retries {
        body.insert("retries".to_owned(), json!(retries));
    }
    let problem = |message| scope.problem(ProblemKind::Refused, "UnsupportedValue", message);
    rendered.problems.extend(wrong.into_iter().map(problem));
    body
}

fn scheme(scheme: Scheme, protocol: Protocol) -> &'static str {
    match (scheme, protocol) {
        (Scheme::Http, Protocol::Udp) | (Scheme::Udp, _) => "udp",
        (Scheme::Http, Protocol::Tcp) => "http",
        (Scheme::Https, _) => "https",
        (Scheme::Grpc, _) => "grpc",
        (Scheme::Grpcs, _) => "grpcs",
        (Scheme::Tcp, _) => "tcp",
        (Scheme::Tls, _) => "tls",
    }
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

/// Sets which Host is sent; says when it is none, and leaves the client's then.
fn host(settings: &BackendSettings, body: &mut Map<String, Value>) -> Vec<String> {
    let mode = match &settings.host {
        HostHandling::Pass => "pass",
        HostHandling::Node => "node",
        HostHandling::Rewrite(host) => {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
            if host.is_empty() || !host.bytes().all(known) {
                return vec![format!(
                    "host {host:?} is not a DNS name or IP address with or without a port"
                )];
            }
            body.insert("upstream_host".to_owned(), json!(host));
            "rewrite"
        }
    };
    body.insert("pass_host".to_owned(), json!(mode));
    Vec::new()
}
