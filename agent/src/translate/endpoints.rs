//! EndpointSlices → endpoints: all slices of a service, merged.
//!
//! Ports are matched by name, as Kubernetes does: a slice's port carries the name of the service's port, and the number
//! to which a numbered or named `targetPort` led on those pods.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hubline::model::{Endpoint, EndpointSet, EndpointState, HostName, Place, Port};

use super::rendered::{Fault, Rendered};
use super::service::ResolvedPort;
use crate::few::Few;
use crate::index::Index;
use crate::source::object::{EndpointSlice, SliceEndpoint, SlicePort};
use crate::source::{Kind, Name};

/// Endpoints by address and port.
type Merged = BTreeMap<(String, Port), Endpoint>;

/// All addresses of a service's port.
pub(super) fn of_port(rendered: &mut Rendered, index: &Index, service: &Name, port: &ResolvedPort) -> EndpointSet {
    let mut merged = Merged::new();
    let slices = index.slices_of.get(service).into_iter().flat_map(Few::keys);
    for (name, slice) in slices.filter_map(|name| index.slices.get_key_value(name)) {
        for (at, slice_port) in slice.ports.iter().enumerate() {
            if belongs(slice_port, port) {
                add_slice(rendered, &mut merged, name, slice, at);
            }
        }
    }
    EndpointSet {
        endpoints: merged.into_values().collect(),
    }
}

fn belongs(slice_port: &SlicePort, port: &ResolvedPort) -> bool {
    *slice_port.name == *port.name && *slice_port.protocol == *port.protocol
}

/// A slice's port without a number stands for all ports, which is no port that could be spoken to.
fn add_slice(rendered: &mut Rendered, merged: &mut Merged, name: &Name, slice: &EndpointSlice, at: usize) {
    let Some(number) = slice.ports.get(at).and_then(|port| port.number) else {
        return;
    };
    let port = match Port::new(number) {
        Ok(port) => port,
        Err(error) => {
            let fault = Fault::error("UnsupportedValue", error.to_string());
            return rendered.report(Kind::EndpointSlice, name, format!("ports[{at}].port"), fault);
        }
    };
    for (at, endpoint) in slice.endpoints.iter().enumerate() {
        for address in &endpoint.addresses {
            match checked_address(&slice.address_type, address) {
                Ok(address) => merge(merged, address, port, endpoint),
                Err(message) => {
                    let fault = Fault::error("UnsupportedValue", message);
                    rendered.report(Kind::EndpointSlice, name, format!("endpoints[{at}].addresses"), fault);
                }
            }
        }
    }
}

/// The same address may stand in two slices for a moment: the fitter state counts.
fn merge(merged: &mut Merged, address: String, port: Port, endpoint: &SliceEndpoint) {
    let new = Endpoint {
        address: address.as_str().into(),
        port,
        state: endpoint.state,
        place: endpoint.place.clone(),
    };
    let known = merged.entry((address, port)).or_insert_with(|| new.clone());
    // `Ready` comes before the other states: the smaller one is the fitter.
    if fitness(&new) < fitness(known) {
        *known = new;
    }
}

fn fitness(endpoint: &Endpoint) -> (EndpointState, &Option<Arc<Place>>) {
    (endpoint.state, &endpoint.place)
}

fn checked_address(address_type: &str, address: &str) -> Result<String, String> {
    let wrong = |allowed: &str| format!("address {address:?} is no {allowed}, as addressType {address_type:?} says");
    match address_type {
        "IPv4" => address
            .parse()
            .map(|ip: Ipv4Addr| ip.to_string())
            .map_err(|_| wrong("IPv4 address")),
        "IPv6" => address
            .parse()
            .map(|ip: Ipv6Addr| ip.to_string())
            .map_err(|_| wrong("IPv6 address")),
        "FQDN" => match HostName::new(address) {
            Ok(host) if !host.is_wildcard() => Ok(host.as_str().to_owned()),
            Ok(_) | Err(_) => Err(wrong("DNS name")),
        },
        _ => Err(format!("addressType {address_type:?} is not one of IPv4, IPv6, FQDN")),
    }
}
