//! Service and EndpointSlice.

use hubline::model::{EndpointState, Place};
use k8s_openapi::api::core::v1;
use k8s_openapi::api::discovery::v1 as discovery;

use super::{each, label, protocol};
use crate::source::object::{EndpointSlice, Service, ServicePort, SliceEndpoint, SlicePort};

const SERVICE_NAME: &str = "kubernetes.io/service-name";

pub(in crate::source) fn service(full: v1::Service) -> Service {
    let spec = full.spec.unwrap_or_default();
    let external = spec.type_.as_deref() == Some("ExternalName");
    Service {
        external_name: spec.external_name.filter(|_| external).map(Into::into),
        ports: each(spec.ports.unwrap_or_default(), service_port),
        local_traffic_only: spec.external_traffic_policy.as_deref() == Some("Local"),
        load_balancer: load_balancer(full.status.unwrap_or_default()),
    }
}

fn service_port(full: v1::ServicePort) -> ServicePort {
    ServicePort {
        name: full.name.unwrap_or_default().into(),
        number: full.port,
        protocol: protocol(full.protocol),
        node_port: full.node_port.filter(|port| *port != 0),
        app_protocol: full.app_protocol.map(Into::into),
    }
}

fn load_balancer(status: v1::ServiceStatus) -> Vec<Box<str>> {
    let ingress = status.load_balancer.and_then(|balancer| balancer.ingress);
    let mut addresses: Vec<Box<str>> = ingress
        .unwrap_or_default()
        .into_iter()
        .filter_map(|point| point.ip.or(point.hostname).map(Into::into))
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

pub(in crate::source) fn endpoint_slice(full: discovery::EndpointSlice) -> EndpointSlice {
    EndpointSlice {
        service: label(&full.metadata, SERVICE_NAME).map(Into::into),
        address_type: full.address_type.into(),
        ports: each(full.ports.unwrap_or_default(), slice_port),
        endpoints: each(full.endpoints.unwrap_or_default(), endpoint),
    }
}

fn slice_port(full: discovery::EndpointPort) -> SlicePort {
    SlicePort {
        name: full.name.unwrap_or_default().into(),
        number: full.port,
        protocol: protocol(full.protocol),
    }
}

fn endpoint(full: discovery::Endpoint) -> SliceEndpoint {
    SliceEndpoint {
        addresses: each(full.addresses, Into::into),
        state: state(&full.conditions.unwrap_or_default()),
        place: Place::new(full.node_name.map(Into::into), full.zone.map(Into::into)).map(Into::into),
    }
}

/// Kubernetes: an unknown `ready` counts as true, an unknown `serving` as `ready`.
fn state(conditions: &discovery::EndpointConditions) -> EndpointState {
    let ready = conditions.ready.unwrap_or(true);
    let terminating = conditions.terminating.unwrap_or(false);
    match (ready, terminating) {
        (true, _) => EndpointState::Ready,
        (false, true) if conditions.serving.unwrap_or(ready) => EndpointState::Draining,
        (false, _) => EndpointState::NotReady,
    }
}
