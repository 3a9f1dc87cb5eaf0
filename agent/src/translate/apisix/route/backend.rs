//! Where a rule's requests go: Services, and ApisixUpstreams.

use hubline::model::{Backend, Key};

use super::super::{Draft, upstream};
use crate::index::{Purpose, ServiceDemand};
use crate::source::Name;
use crate::source::crd::IntegerOrText;
use crate::source::crd::v2::{HttpBackend, HttpRule, UpstreamReference};
use crate::source::object::PortReference;
use crate::translate::service;

/// Share of a backend that names none (apisix-ingress-controller: `DefaultWeight`).
const WEIGHT: i64 = 100;

/// See the module.
#[derive(Default)]
pub(super) struct Backends {
    pub(super) all: Vec<Backend>,
    /// Whether one of the ports speaks websocket.
    pub(super) websocket: bool,
}

/// Something that is not read yet may be a Service of these: what was made of the object stays.
pub(super) fn read(draft: &mut Draft<'_>, field: &str, rule: &HttpRule) -> Result<Backends, ()> {
    let mut backends = Backends::default();
    for (at, backend) in rule.backends.iter().enumerate() {
        let field = format!("{field}.backends[{at}]");
        let Some(weight) = weight(draft, &field, backend.weight) else {
            continue;
        };
        let (service, websocket) = of_service(draft, &field, backend)?;
        backends.websocket |= websocket;
        backends.all.push(Backend { service, weight });
    }
    for (at, reference) in rule.upstreams.iter().enumerate() {
        let field = format!("{field}.upstreams[{at}]");
        let Some(weight) = weight(draft, &field, reference.weight) else {
            continue;
        };
        if let Some(service) = of_upstream(draft, &field, reference) {
            backends.all.push(Backend { service, weight });
        }
    }
    Ok(backends)
}

fn weight(draft: &mut Draft<'_>, field: &str, weight: Option<i64>) -> Option<u32> {
    let weight = weight.unwrap_or(WEIGHT);
    let read = u32::try_from(weight).ok();
    if read.is_none() {
        let message = format!("{weight} is no share of requests: 0 and above is allowed; the backend is left out");
        draft.wrong(format!("{field}.weight"), message);
    }
    read
}

fn of_service(draft: &mut Draft<'_>, field: &str, backend: &HttpBackend) -> Result<(Key, bool), ()> {
    granularity(draft, field, backend.resolve_granularity.as_deref());
    let purpose = Purpose::Apisix {
        subset: subset(backend.subset.as_deref()),
    };
    let port = port(backend.service_port.as_ref());
    let found = service(draft, field, &backend.service_name, port, purpose)?;
    Ok((found.key, found.websocket))
}

/// Cluster addresses lead nowhere outside of the cluster, where APISIX is.
pub(super) fn granularity(draft: &mut Draft<'_>, field: &str, granularity: Option<&str>) {
    let field = format!("{field}.resolveGranularity");
    match granularity {
        None | Some("" | "endpoint" | "endpoints") => {}
        Some("service") => {
            let message =
                "APISIX stands outside of the cluster, where its cluster IP leads nowhere; the endpoints are used";
            draft.warn(field, message);
        }
        Some(other) => draft.warn(
            field,
            format!("{other:?} is neither endpoint nor service; the endpoints are used"),
        ),
    }
}

pub(super) fn subset(name: Option<&str>) -> Option<Box<str>> {
    name.filter(|name| !name.is_empty()).map(Into::into)
}

pub(super) fn port(port: Option<&IntegerOrText>) -> PortReference {
    match port {
        None => PortReference::Missing,
        Some(IntegerOrText::Integer(number)) => PortReference::Number(i32::try_from(*number).unwrap_or(-1)),
        Some(IntegerOrText::Text(name)) => PortReference::Name(name.as_str().into()),
    }
}

/// A Service's port that is asked for.
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) websocket: bool,
}

/// Whether service and port exist is the service's affair.
pub(super) fn service(
    draft: &mut Draft<'_>,
    field: &str,
    name: &str,
    port: PortReference,
    purpose: Purpose,
) -> Result<Found, ()> {
    let name: Name = draft.name.sibling(name);
    let demand = ServiceDemand {
        port,
        purpose,
        ..ServiceDemand::default()
    };
    let ports = draft.demand.services.entry(name.clone()).or_default();
    if !ports.contains_key(&demand) {
        ports.insert(demand.clone(), format!("{field}.serviceName"));
    }
    if service::is_unread(draft.index, &name) {
        draft.rendered.held = true;
        return Err(());
    }
    let service = draft.index.services.get(&name);
    let resolved = service.and_then(|service| service::resolve(service, &demand));
    Ok(Found {
        key: service::key(&name, resolved.as_ref(), &demand),
        websocket: resolved.as_ref().is_some_and(service::ResolvedPort::is_websocket),
    })
}

fn of_upstream(draft: &mut Draft<'_>, field: &str, reference: &UpstreamReference) -> Option<Key> {
    let field = format!("{field}.name");
    let Some(name) = reference.name.as_deref().filter(|name| !name.is_empty()) else {
        draft.wrong(field, "names no ApisixUpstream; it is left out");
        return None;
    };
    let name = draft.name.sibling(name);
    draft.demand.upstreams.entry(name.clone()).or_insert(field);
    Some(upstream::key(&name))
}
