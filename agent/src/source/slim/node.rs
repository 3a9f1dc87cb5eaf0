//! Nodes: addresses and fitness, without the heartbeats that change them every few seconds.

use hubline::model::{Node, NodeAddress, NodeAddressKind};
use k8s_openapi::api::core::v1;

use super::label;

const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
const ZONE: &str = "topology.kubernetes.io/zone";

pub(in crate::source) fn node(full: v1::Node) -> Node {
    let spec = full.spec.unwrap_or_default();
    let status = full.status.unwrap_or_default();
    let cordoned = spec.unschedulable == Some(true);
    Node {
        addresses: addresses(status.addresses.unwrap_or_default()),
        ready: is_ready(&status.conditions.unwrap_or_default()),
        eligible: !cordoned && label(&full.metadata, EXCLUDED).is_none(),
        zone: label(&full.metadata, ZONE).map(str::to_owned),
        pod_networks: pod_networks(spec.pod_cidrs, spec.pod_cidr),
    }
}

fn addresses(full: Vec<v1::NodeAddress>) -> Vec<NodeAddress> {
    let mut addresses: Vec<NodeAddress> = full.into_iter().filter_map(address).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

fn address(full: v1::NodeAddress) -> Option<NodeAddress> {
    let kind = match full.type_.as_str() {
        "InternalIP" => NodeAddressKind::Internal,
        "ExternalIP" => NodeAddressKind::External,
        _ => return None,
    };
    Some(NodeAddress {
        kind,
        address: full.address,
    })
}

fn is_ready(conditions: &[v1::NodeCondition]) -> bool {
    conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn pod_networks(several: Option<Vec<String>>, one: Option<String>) -> Vec<String> {
    let mut networks = several.unwrap_or_else(|| one.into_iter().collect());
    networks.sort();
    networks.dedup();
    networks
}
