//! The addresses behind a service port.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Port;

/// All addresses of one service port, over all its slices; sorted, without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointSet {
    /// Sorted by address and port.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
}

/// One address. Of nothing else does a hub keep as many, so that it is small: see the test of its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Fields", into = "Fields")]
pub struct Endpoint {
    /// Where it listens.
    pub address: Address,
    /// The pod's port.
    pub port: Port,
    /// Whether it may take requests.
    pub state: EndpointState,
    /// Where it runs, if that is known.
    pub place: Option<Arc<Place>>,
}

impl Endpoint {
    /// The node it runs on.
    #[must_use]
    pub fn node(&self) -> Option<&Arc<str>> {
        self.place.as_ref()?.node.as_ref()
    }

    /// Its zone.
    #[must_use]
    pub fn zone(&self) -> Option<&Arc<str>> {
        self.place.as_ref()?.zone.as_ref()
    }
}

/// IPv4, IPv6 without brackets, or a DNS name: the text that it was made of, of which nothing is checked here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// IPv4, which nearly all are.
    V4(Ipv4Addr),
    /// Any other.
    Text(Arc<str>),
}

impl From<&str> for Address {
    /// Only one text of an IPv4 address is read as such: the one that it prints as.
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Text(text.into()), Self::V4)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(out),
            Self::Text(text) => out.write_str(text),
        }
    }
}

/// Where an endpoint runs. Endpoints of the same node share it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The node.
    pub node: Option<Arc<str>>,
    /// The zone.
    pub zone: Option<Arc<str>>,
}

impl Place {
    /// A place, if anything is known of it.
    #[must_use]
    pub fn new(node: Option<Arc<str>>, zone: Option<Arc<str>>) -> Option<Self> {
        (node.is_some() || zone.is_some()).then_some(Self { node, zone })
    }
}

/// An endpoint as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fields {
    address: String,
    port: Port,
    state: EndpointState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<Arc<str>>,
}

impl From<Fields> for Endpoint {
    fn from(fields: Fields) -> Self {
        Self {
            address: fields.address.as_str().into(),
            port: fields.port,
            state: fields.state,
            place: Place::new(fields.node, fields.zone).map(Arc::new),
        }
    }
}

impl From<Endpoint> for Fields {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            address: endpoint.address.to_string(),
            port: endpoint.port,
            state: endpoint.state,
            node: endpoint.node().cloned(),
            zone: endpoint.zone().cloned(),
        }
    }
}

/// Kubernetes' three endpoint conditions as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EndpointState {
    /// Takes requests.
    Ready,
    /// Terminating but still serving: used only when no endpoint is ready (Kubernetes' KEP-1669).
    Draining,
    /// Takes none.
    NotReady,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_text_it_was_made_of() {
        for text in [
            "10.0.0.1",
            "010.0.0.1",
            "10.0.0.256",
            "fd00::1",
            "FD00:0::1",
            "db.example.com",
            "",
        ] {
            assert_eq!(Address::from(text).to_string(), text);
        }
        assert_eq!(Address::from("10.0.0.1"), Address::V4(Ipv4Addr::new(10, 0, 0, 1)));
    }

    /// A hub of 100,000 routes has a million: each byte more is a megabyte.
    #[test]
    fn an_endpoint_is_small() {
        assert_eq!(size_of::<Endpoint>(), 32);
    }
}
