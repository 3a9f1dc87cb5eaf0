//! Nodes of upstreams: which addresses take a service's traffic, over which paths.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use hubline::model::{Endpoint, EndpointSet, EndpointState, Node, Service, TrafficPolicy};
use serde_json::{Value, json};

use super::manner::Manner;
use super::routing::Routing;
use crate::path::allow::literal;
use crate::path::{HostPort, NodePorts, Path, Reach};

/// How far cluster tiers lie apart in APISIX's priority: ranks of paths are below.
const TIER: i32 = 256;

/// APISIX's `priority` (upward, 0 is its default) of a cluster's tier and a path's rank (downward, 0 is best).
#[must_use]
pub(super) fn priority(tier: u8, rank: u8) -> i32 {
    -(i32::from(tier) * TIER + i32::from(rank))
}

/// How far nodes that are demoted stand below those of the same path: below all other paths of the cluster, and above
/// all other clusters.
const DEMOTED: u8 = 128;

/// At which position in the order of a cluster's paths a node stands by its priority, demoted or not.
#[must_use]
pub fn position(priority: i64) -> usize {
    let rank = priority.unsigned_abs() % u64::from(TIER.unsigned_abs());
    usize::try_from(rank % u64::from(DEMOTED)).unwrap_or(usize::MAX)
}

/// What of a service's nodes is demoted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lowered<'a> {
    /// All nodes over this path.
    pub(super) path: Option<&'a str>,
    /// These nodes.
    pub(super) endpoints: Option<&'a BTreeSet<SocketAddr>>,
}

impl Lowered<'_> {
    fn concerns(&self, path: &Path, (host, port): &Address) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let address = bare.parse().ok().map(|address| SocketAddr::new(address, *port));
        let fails = self
            .endpoints
            .zip(address)
            .is_some_and(|(those, it)| those.contains(&it));
        fails || self.path == Some(path.name.as_str())
    }
}

/// A service and what of its cluster its nodes follow from.
#[derive(Debug)]
pub(super) struct Backends<'a> {
    /// The service.
    pub(super) service: &'a Service,
    /// Its endpoints.
    pub(super) set: &'a EndpointSet,
    /// The cluster's nodes by name.
    pub(super) nodes: Vec<(&'a str, &'a Node)>,
    /// What tells the service from others, so that services spread over nodes.
    pub(super) seed: String,
    /// What stands lower.
    pub(super) lowered: Lowered<'a>,
}

/// The nodes of an upstream.
#[derive(Debug)]
pub(super) struct Nodes {
    /// How they are spoken to.
    pub(super) manner: Manner,
    /// Sorted.
    pub(super) nodes: Vec<Value>,
    /// Addresses that APISIX cannot take.
    pub(super) unusable: BTreeSet<String>,
    /// Addresses that the operator does not allow the cluster.
    pub(super) not_allowed: BTreeSet<String>,
}

type Address = (String, u16);

impl Backends<'_> {
    /// The nodes over a cluster's paths: those of the first path that has any, and of each later one that is spoken to
    /// in the same manner, at a lower priority.
    ///
    /// Ready endpoints, or those that drain when none is ready. All weights are 1: endpoints of one service share
    /// equally. APISIX keys nodes by `host:port`, so the same address over two paths stands on the better one only.
    /// What is demoted stands below all else, unless that is all there is.
    pub(super) fn over(&self, routing: &Routing) -> Nodes {
        let mut found = Nodes {
            manner: Manner::of_service(self.service),
            nodes: Vec::new(),
            unusable: BTreeSet::new(),
            not_allowed: BTreeSet::new(),
        };
        let mut nodes = BTreeMap::<Address, (u8, bool)>::new();
        // A service that is scaled to zero has nothing behind any gateway either.
        let paths = routing.in_order().filter(|_| serving(self.set).next().is_some());
        for (position, path) in (0_u8..).zip(paths) {
            let Some(manner) = Manner::on(path, self.service) else {
                continue;
            };
            let addresses = self.allowed(path, routing, &mut found);
            if nodes.is_empty() && !addresses.is_empty() {
                found.manner = manner;
            } else if found.manner != manner {
                continue;
            }
            for address in addresses {
                let lowered = self.lowered.concerns(path, &address);
                nodes.entry(address).or_insert((position.min(DEMOTED - 1), lowered));
            }
        }
        let all = nodes.values().all(|(_, lowered)| *lowered);
        let rank = |(position, lowered): &(u8, bool)| {
            if *lowered && !all {
                position + DEMOTED
            } else {
                *position
            }
        };
        let nodes = nodes.iter();
        found.nodes = nodes
            .map(|((host, port), at)| node(host, *port, priority(0, rank(at))))
            .collect();
        found
    }

    fn allowed(&self, path: &Path, routing: &Routing, found: &mut Nodes) -> Vec<Address> {
        let mut usable = Vec::new();
        for (address, port) in self.addresses(path) {
            match host(&address).map(|host| mapped(path, host)) {
                None => drop(found.unusable.insert(address)),
                Some(host) if !routing.allowed.host(&host) => drop(found.not_allowed.insert(host)),
                Some(host) => usable.push((host, port)),
            }
        }
        usable
    }

    fn addresses(&self, path: &Path) -> Vec<Address> {
        match path.reach {
            Reach::Pods => serving(self.set)
                .map(|endpoint| (endpoint.address.to_string(), endpoint.port.get()))
                .collect(),
            Reach::NodePorts => self.node_ports(path.node_ports.unwrap_or_default()),
            Reach::LoadBalancer => self.load_balancer(),
            Reach::Gateway => path
                .gateway
                .iter()
                .flat_map(|gateway| of_gateway(&gateway.addresses))
                .collect(),
        }
    }

    fn load_balancer(&self) -> Vec<Address> {
        let Some(port) = self.service.port.number else {
            return Vec::new();
        };
        let addresses = self.service.load_balancer_addresses.iter();
        addresses.map(|address| (address.clone(), port.get())).collect()
    }

    /// A few nodes by rendezvous hash: when a node comes or goes, only the services that it stands for change.
    fn node_ports(&self, options: NodePorts) -> Vec<Address> {
        let Some(port) = self.service.node_port else {
            return Vec::new();
        };
        let local: Option<BTreeSet<&str>> = (self.service.external_traffic_policy == TrafficPolicy::Local).then(|| {
            serving(self.set)
                .filter_map(|endpoint| endpoint.node().map(AsRef::as_ref))
                .collect()
        });
        let fit = |(name, node): &&(&str, &Node)| {
            node.ready && node.eligible && local.as_ref().is_none_or(|nodes| nodes.contains(name))
        };
        let address = |node: &Node| {
            let found = node.addresses.iter().find(|address| address.kind == options.addresses);
            found.map(|found| found.address.clone())
        };
        let fit = self.nodes.iter().filter(fit);
        let fit = fit.filter_map(|(name, node)| address(node).map(|address| (self.score(name), address)));
        let mut ranked: Vec<_> = fit.collect();
        ranked.sort_unstable();
        let chosen = ranked.into_iter().take(usize::from(options.nodes));
        chosen.map(|(_, address)| (address, port.get())).collect()
    }

    fn score(&self, node: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        // The blank keeps ("ab", "c") and ("a", "bc") apart: names of nodes hold none.
        hasher.update(self.seed.as_bytes()).update(b" ").update(node.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

fn mapped(path: &Path, host: String) -> String {
    match literal(&host).map(|address| path.mapped(address)) {
        Some(IpAddr::V6(address)) => format!("[{address}]"),
        Some(IpAddr::V4(address)) => address.to_string(),
        None => host,
    }
}

/// The addresses of a gateway.
pub(super) fn of_gateway(addresses: &[HostPort]) -> impl Iterator<Item = Address> {
    addresses
        .iter()
        .map(|address| (address.host().to_owned(), address.port()))
}

/// One node with all its fields.
pub(super) fn node(host: &str, port: u16, priority: i32) -> Value {
    weighted(host, port, priority, 1)
}

/// As [`node`], with a share of its own.
pub(super) fn weighted(host: &str, port: u16, priority: i32, weight: u32) -> Value {
    json!({"host": host, "port": port, "weight": weight, "priority": priority})
}

fn serving(set: &EndpointSet) -> impl Iterator<Item = &Endpoint> {
    let any_ready = set
        .endpoints
        .iter()
        .any(|endpoint| endpoint.state == EndpointState::Ready);
    let wanted = if any_ready {
        EndpointState::Ready
    } else {
        EndpointState::Draining
    };
    set.endpoints.iter().filter(move |endpoint| endpoint.state == wanted)
}

/// An address as APISIX wants it; none for what its schema does not take.
///
/// IPv6 goes in brackets: APISIX joins host and port by a colon and parses that again, and only its Admin API adds the
/// brackets itself (apache/apisix pull requests 7594 and 13666), so that without them other sinks would break
/// and reading back would look like drift.
pub(super) fn host(address: &str) -> Option<String> {
    if let Some(IpAddr::V6(v6)) = literal(address) {
        return Some(format!("[{v6}]"));
    }
    let dns = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (!address.is_empty() && address.bytes().all(dns)).then(|| address.to_owned())
}

#[cfg(test)]
mod tests;
