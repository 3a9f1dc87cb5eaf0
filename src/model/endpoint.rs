//! The addresses behind a service port.

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

/// One address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// IPv4, IPv6 without brackets, or a DNS name.
    pub address: String,
    /// The pod's port.
    pub port: Port,
    /// Whether it may take requests.
    pub state: EndpointState,
    /// The node it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Arc<str>>,
    /// Its zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Arc<str>>,
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
