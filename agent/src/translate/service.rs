//! Service ports that routes refer to, and only those.
//!
//! Each gives a [`Service`] and the [`EndpointSet`] of the same key. A service or port that is not there gives both as
//! well: the service says why it is empty, so that its neighbours are not hidden and the route has somewhere to point.
//!
//! An Ingress may want a port spoken to in a way of its own ([`ServiceDemand`]): that is one more service, of the same
//! endpoints.
//!
//! `appProtocol` chooses the scheme: `https` and `kubernetes.io/wss` → https, `grpc` and `kubernetes.io/h2c` → grpc
//! (the only way in which APISIX speaks HTTP/2 without TLS), `grpcs` → grpcs, anything else → http.

use hubline::model::{
    BackendSettings, EndpointSet, HostName, Key, Port, Protocol, Resource, ResourceKind, Scheme, Service, ServicePort,
    TrafficPolicy, Unresolved,
};

use super::apisix::v1alpha1::backend_traffic_policy;
use super::apisix::{Made, upstream};
use super::rendered::{Fault, Rendered};
use super::{TranslateOptions, endpoints};
use crate::index::{Index, Purpose, ServiceDemand};
use crate::source::object::{self, PortReference};
use crate::source::{Kind, Name, ObjectId};

/// A service's port that a reference led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResolvedPort {
    pub(super) number: Port,
    /// Empty when it has none.
    pub(super) name: Box<str>,
    /// `TCP`, `UDP` or `SCTP`.
    pub(super) protocol: Box<str>,
    node_port: Option<Port>,
    app_protocol: Option<Box<str>>,
}

impl ResolvedPort {
    /// Whether its application protocol is websocket.
    pub(super) fn is_websocket(&self) -> bool {
        matches!(
            self.app_protocol.as_deref(),
            Some("kubernetes.io/ws" | "kubernetes.io/wss")
        )
    }

    fn section(&self) -> String {
        match &*self.protocol {
            "TCP" => self.number.to_string(),
            other => format!("{}/{other}", self.number),
        }
    }
}

/// Finds the port that is meant; the protocol that is wanted is preferred where two share a number.
pub(super) fn resolve(service: &object::Service, demand: &ServiceDemand) -> Option<ResolvedPort> {
    let reference = &demand.port;
    let wanted = word(demand.purpose.protocol());
    let mut candidates: Vec<ResolvedPort> = service
        .ports
        .iter()
        .filter(|port| match reference {
            PortReference::Number(number) => port.number == *number,
            PortReference::Name(name) => port.name == *name,
            PortReference::Missing => false,
        })
        .filter_map(resolved)
        .collect();
    candidates.sort_by_key(|port| *port.protocol != *wanted);
    candidates
        .into_iter()
        .next()
        .or_else(|| external_port(service, reference))
}

fn resolved(port: &object::ServicePort) -> Option<ResolvedPort> {
    Some(ResolvedPort {
        number: Port::new(port.number).ok()?,
        name: port.name.clone(),
        protocol: port.protocol.clone(),
        node_port: port.node_port.and_then(|port| Port::new(port).ok()),
        app_protocol: port.app_protocol.clone(),
    })
}

/// A service of type `ExternalName` need not list its ports: any number is one.
fn external_port(service: &object::Service, reference: &PortReference) -> Option<ResolvedPort> {
    let (Some(_), PortReference::Number(number)) = (&service.external_name, reference) else {
        return None;
    };
    Some(ResolvedPort {
        number: Port::new(*number).ok()?,
        name: "".into(),
        protocol: "TCP".into(),
        node_port: None,
        app_protocol: None,
    })
}

/// The key of a referred port spoken to in some way: its number, or the reference itself where it leads nowhere, and
/// what is said of the way.
pub(super) fn key(name: &Name, resolved: Option<&ResolvedPort>, demand: &ServiceDemand) -> Key {
    let section = port_section(resolved, &demand.port) + &demand.section();
    resource_key(ResourceKind::Service, name, &section)
}

/// The endpoints of a port are the same in whatever way it is spoken to.
fn endpoints_key(name: &Name, resolved: Option<&ResolvedPort>, reference: &PortReference) -> Key {
    resource_key(ResourceKind::EndpointSet, name, &port_section(resolved, reference))
}

fn resource_key(kind: ResourceKind, name: &Name, section: &str) -> Key {
    Key::new(kind, &Kind::Service.group_kind(), &name.namespace, &name.name, section)
}

/// What is said of the way begins with one `|`: a reference that has one itself, which no port's name can, has two.
fn port_section(resolved: Option<&ResolvedPort>, reference: &PortReference) -> String {
    resolved.map_or_else(|| reference.to_string().replace('|', "||"), ResolvedPort::section)
}

/// Whether a service is not known and may yet exist: then the hub keeps what it has of it and of the routes to it.
pub(super) fn is_unread(index: &Index, name: &Name) -> bool {
    !index.services.contains_key(name) && index.unread.affects(Kind::Service)
}

pub(super) fn render(index: &Index, options: &TranslateOptions, name: &Name) -> Rendered {
    let mut rendered = Rendered::default();
    if !index.listings.is_listed(Kind::Service) {
        return rendered;
    }
    for (user, usage) in index.service_users.of(name).into_iter().flatten() {
        for (demand, field) in usage {
            let reference = Reference { user, field, demand };
            port(&mut rendered, index, options, name, &reference);
        }
    }
    if !is_unread(index, name) {
        backend_traffic_policy::tell(index, &mut rendered, name, index.services.get(name));
    }
    rendered
}

/// Where a port is named, and how.
struct Reference<'a> {
    user: &'a ObjectId,
    field: &'a str,
    demand: &'a ServiceDemand,
}

/// One reference's service and endpoints; several references may lead to the same.
fn port(rendered: &mut Rendered, index: &Index, options: &TranslateOptions, name: &Name, reference: &Reference<'_>) {
    let service = index.services.get(name);
    let demand = reference.demand;
    let port = service.and_then(|service| resolve(service, demand));
    let problem = problem(name, service, port.as_ref(), demand);
    let (user, field) = (reference.user, reference.field);
    let unresolved = problem.as_ref().map(|problem| {
        Box::new(Unresolved {
            reason: problem.reason.to_owned(),
            message: format!("{}; {} names it in {field}", problem.message, user.reference()),
        })
    });
    if let Some(problem) = problem {
        rendered.report(user.kind, &user.name, field, problem);
    }
    let key = key(name, port.as_ref(), demand);
    if rendered.entries.contains_key(&key) || is_unread(index, name) {
        return;
    }
    let endpoints = match (&port, &unresolved) {
        (Some(port), None) => endpoints::of_port(rendered, index, name, port),
        _ => EndpointSet::default(),
    };
    let endpoints_key = endpoints_key(name, port.as_ref(), &demand.port);
    let settings = settings(index, options, name, port.as_ref(), demand);
    let model = model(service, port.as_ref(), demand, unresolved, endpoints_key.clone());
    // What has no slice here may have one that could not be read: the hub keeps the addresses that it has.
    let looked_up = model.unresolved.is_none() && model.external_name.is_none();
    if !looked_up {
        // The same port may be asked for in another way, which leads somewhere.
        let none = Resource::EndpointSet(endpoints);
        rendered.entries.entry(endpoints_key).or_insert(none);
    } else if !(endpoints.endpoints.is_empty() && index.unread.affects(Kind::EndpointSlice)) {
        rendered.entries.insert(endpoints_key, Resource::EndpointSet(endpoints));
    }
    spoken_to(rendered, key, model, settings, || match demand.purpose.is_apisix() {
        true => format!("ApisixUpstream {name} is wrong and says so in its status"),
        false => format!("the BackendTrafficPolicy for Service {name} is wrong and says so in its status"),
    });
}

/// Adds how the service is spoken to; where that is wrong, it leads nowhere.
fn spoken_to(
    rendered: &mut Rendered,
    key: Key,
    model: Service,
    settings: Made<BackendSettings>,
    why: impl Fn() -> String,
) {
    let service = match settings {
        Made::Good(settings) => Service { settings, ..model },
        Made::Unknown => {
            rendered.held_keys.insert(key);
            return;
        }
        Made::Refused => {
            let wrong = || Unresolved {
                reason: "UnsupportedValue".to_owned(),
                message: why(),
            };
            let unresolved = model.unresolved.clone().unwrap_or_else(|| Box::new(wrong()));
            Service {
                unresolved: Some(unresolved),
                ..model
            }
        }
    };
    rendered.entries.insert(key, service.into());
}

/// How the port is spoken to: as its `appProtocol` says, and over that whatever else has a say.
fn settings(
    index: &Index,
    options: &TranslateOptions,
    name: &Name,
    port: Option<&ResolvedPort>,
    demand: &ServiceDemand,
) -> Made<BackendSettings> {
    let mut settings = BackendSettings {
        scheme: scheme(port.and_then(|port| port.app_protocol.as_deref()), &demand.purpose),
        ..BackendSettings::default()
    };
    if !demand.purpose.is_apisix() {
        let name_of_port = port.map(|port| &*port.name).unwrap_or_default();
        settings = match backend_traffic_policy::over_service(index, name, name_of_port, settings) {
            Made::Good(settings) => settings,
            other => return other,
        };
    }
    demand.settings.apply(&mut settings);
    if demand.purpose.is_apisix() {
        return upstream::over_service(index, options, name, port.map(|port| port.number), settings);
    }
    Made::Good(settings)
}

/// Why a reference cannot be served.
fn problem(
    name: &Name,
    service: Option<&object::Service>,
    port: Option<&ResolvedPort>,
    demand: &ServiceDemand,
) -> Option<Fault> {
    let reference = &demand.port;
    let Some(service) = service else {
        return Some(Fault::error(
            "BackendNotFound",
            format!("Service {name} does not exist"),
        ));
    };
    let Some(port) = port else {
        return Some(Fault::error("BackendNotFound", no_port(name, service, reference)));
    };
    let wanted = word(demand.purpose.protocol());
    if *port.protocol != *wanted {
        let message = format!(
            "port {} of Service {name} is {}; {} needs {wanted}",
            port.number,
            port.protocol,
            if matches!(demand.purpose, Purpose::Stream { .. }) {
                "the rule"
            } else {
                "HTTP"
            },
        );
        return Some(Fault::error("UnsupportedValue", message));
    }
    if let Some(subset) = demand.purpose.subset() {
        let message = format!("subset {subset} of Service {name}: subsets are not supported");
        return Some(Fault::error("UnsupportedValue", message));
    }
    let external = service.external_name.as_deref()?;
    let error = HostName::new(external).err()?;
    let message = format!("externalName of Service {name}: {error}");
    Some(Fault::error("UnsupportedValue", message))
}

fn no_port(name: &Name, service: &object::Service, reference: &PortReference) -> String {
    let known: Vec<String> = service
        .ports
        .iter()
        .map(|port| match &*port.name {
            "" => port.number.to_string(),
            name => format!("{} ({name})", port.number),
        })
        .collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    match reference {
        PortReference::Missing => format!("no port of Service {name} is named; it has: {known}"),
        PortReference::Number(_) | PortReference::Name(_) => {
            format!("Service {name} has no port {reference}; it has: {known}")
        }
    }
}

fn model(
    service: Option<&object::Service>,
    port: Option<&ResolvedPort>,
    demand: &ServiceDemand,
    unresolved: Option<Box<Unresolved>>,
    endpoints: Key,
) -> Service {
    let external = service.and_then(|service| service.external_name.as_deref());
    let local = service.is_some_and(|service| service.local_traffic_only);
    let balancer = service
        .map(|service| service.load_balancer.as_slice())
        .unwrap_or_default();
    Service {
        port: port.map_or_else(|| unresolved_port(&demand.port), service_port),
        endpoints,
        external_name: external.and_then(|name| HostName::new(name).ok()),
        outside: None,
        node_port: port.and_then(|port| port.node_port),
        external_traffic_policy: if local {
            TrafficPolicy::Local
        } else {
            TrafficPolicy::Cluster
        },
        load_balancer_addresses: balancer.iter().map(|address| address.as_ref().to_owned()).collect(),
        settings: BackendSettings::default(),
        unresolved,
    }
}

fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
    }
}

fn service_port(port: &ResolvedPort) -> ServicePort {
    ServicePort {
        number: Some(port.number),
        name: (!port.name.is_empty()).then(|| port.name.as_ref().to_owned()),
        protocol: if *port.protocol == *"UDP" {
            Protocol::Udp
        } else {
            Protocol::Tcp
        },
        app_protocol: port.app_protocol.as_deref().map(str::to_owned),
    }
}

/// A function of what the key's section says, however it was written: two references of one section are one service.
fn unresolved_port(reference: &PortReference) -> ServicePort {
    let (number, name) = match reference {
        PortReference::Number(number) => (Port::new(*number).ok(), None),
        PortReference::Name(name) => match name.parse::<i32>() {
            Ok(number) => (Port::new(number).ok(), None),
            Err(_) if name.is_empty() => (None, None),
            Err(_) => (None, Some(name.as_ref().to_owned())),
        },
        PortReference::Missing => (None, None),
    };
    ServicePort {
        number,
        name,
        protocol: Protocol::Tcp,
        app_protocol: None,
    }
}

fn scheme(app_protocol: Option<&str>, purpose: &Purpose) -> Scheme {
    if let Purpose::Stream { protocol, .. } = purpose {
        return match protocol {
            Protocol::Tcp => Scheme::Tcp,
            Protocol::Udp => Scheme::Udp,
        };
    }
    match app_protocol.map(str::to_ascii_lowercase).as_deref() {
        Some("https" | "kubernetes.io/wss") => Scheme::Https,
        Some("grpc" | "kubernetes.io/h2c") => Scheme::Grpc,
        Some("grpcs") => Scheme::Grpcs,
        _ => Scheme::Http,
    }
}
