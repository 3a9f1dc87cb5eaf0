//! Nodes that no EndpointSlice of the cluster names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Port;

/// What takes a service's traffic instead of endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outside {
    /// These; sorted.
    Nodes(Vec<OutsideNode>),
    /// Whatever a registry says that APISIX asks by itself.
    Discovery(Discovery),
}

/// One node outside the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutsideNode {
    /// IP without brackets, or DNS name.
    pub address: String,
    /// Port.
    pub port: Port,
    /// Relative share.
    pub weight: u32,
}

/// A service in a registry of APISIX's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Discovery {
    /// Which registry, as `nacos`, `consul` or `dns`.
    pub provider: String,
    /// Name of the service there.
    pub service: String,
    /// What else the registry wants to know, as `namespace_id`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, String>,
}
