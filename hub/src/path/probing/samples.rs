//! A few addresses of a cluster as a path reaches them, on as many nodes as there are. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hubline::model::{ClusterId, EndpointState, Key, Node, Protocol, Resource, ResourceKind, Service};

use crate::change::of_kind;
use crate::path::probe::Sample;
use crate::path::{Path, Reach};
use crate::view::View;

/// Addresses that are kept: sixteen rounds of four before one is asked again.
const MOST: usize = 64;

/// Addresses of one node: that one pod is dead must not say anything about its node.
const MOST_OF_A_NODE: usize = 4;

/// Resources that are looked at for it, so that a look at a cluster costs the same whatever its size.
const MOST_LOOKS: usize = 2_048;

/// Samples of a cluster on a path, sorted.
pub(super) fn of(view: &View, cluster: &ClusterId, path: &Path) -> Vec<Sample> {
    match path.reach {
        Reach::Pods => pods(view, cluster, path),
        Reach::NodePorts => node_ports(view, cluster, path),
        Reach::LoadBalancer => load_balancers(view, cluster, path),
        // Its addresses are fixed, and may be names: they are targets.
        Reach::Gateway => Vec::new(),
    }
}

fn looked_at<'a>(
    view: &'a View,
    cluster: &'a ClusterId,
    kind: ResourceKind,
) -> impl Iterator<Item = (&'a Key, &'a Resource)> {
    let some = of_kind(&view.resources, cluster, kind).take(MOST_LOOKS);
    some.map(|(key, stored)| (&key.key, stored.resource.as_ref()))
}

fn pods(view: &View, cluster: &ClusterId, path: &Path) -> Vec<Sample> {
    let mut few = Few::default();
    for (_, resource) in looked_at(view, cluster, ResourceKind::EndpointSet) {
        let Resource::EndpointSet(set) = resource else { continue };
        for endpoint in set.endpoints.iter().filter(|it| it.state == EndpointState::Ready) {
            few.add(
                path,
                &endpoint.address.to_string(),
                endpoint.port.get(),
                endpoint.node().cloned(),
            );
        }
    }
    few.sorted()
}

fn services<'a>(view: &'a View, cluster: &'a ClusterId) -> impl Iterator<Item = &'a Service> {
    let all = looked_at(view, cluster, ResourceKind::Service);
    let services = all.filter_map(|(_, resource)| match resource {
        Resource::Service(service) => Some(service.as_ref()),
        _ => None,
    });
    services.filter(|service| service.port.protocol == Protocol::Tcp)
}

fn node_ports(view: &View, cluster: &ClusterId, path: &Path) -> Vec<Sample> {
    let wanted = path.node_ports.unwrap_or_default().addresses;
    let mut ports = services(view, cluster).filter_map(|service| service.node_port);
    let Some(port) = ports.next() else { return Vec::new() };
    let mut few = Few::default();
    for (key, resource) in looked_at(view, cluster, ResourceKind::Node) {
        let Resource::Node(node) = resource else { continue };
        if let Some(address) = fit(node).and_then(|node| node.addresses.iter().find(|it| it.kind == wanted)) {
            few.add(path, &address.address, port.get(), Some(key.name.as_str().into()));
        }
    }
    few.sorted()
}

fn fit(node: &Node) -> Option<&Node> {
    (node.ready && node.eligible).then_some(node)
}

fn load_balancers(view: &View, cluster: &ClusterId, path: &Path) -> Vec<Sample> {
    let mut few = Few::default();
    for service in services(view, cluster) {
        let Some(port) = service.port.number else { continue };
        for address in &service.load_balancer_addresses {
            few.add(path, address, port.get(), None);
        }
    }
    few.sorted()
}

/// Some of many, by node.
#[derive(Debug, Default)]
struct Few {
    of_node: BTreeMap<Arc<str>, Vec<Sample>>,
    count: usize,
}

impl Few {
    /// Names are left out: what they resolve to is APISIX's to know.
    fn add(&mut self, path: &Path, address: &str, port: u16, node: Option<Arc<str>>) {
        let Ok(address) = address.parse::<IpAddr>() else { return };
        let name = node.clone().unwrap_or_else(|| address.to_string().into());
        if self.count >= MOST && !self.make_room(&name) {
            return;
        }
        let of_node = self.of_node.entry(name).or_default();
        let address = SocketAddr::new(path.mapped(address), port);
        if of_node.len() < MOST_OF_A_NODE && of_node.iter().all(|known| known.address != address) {
            of_node.push(Sample { address, node });
            self.count += 1;
        }
    }

    /// A node that is not there yet is worth more than the second address of another.
    fn make_room(&mut self, new: &Arc<str>) -> bool {
        if self.of_node.contains_key(new) {
            return false;
        }
        let most = self.of_node.values_mut().max_by_key(|samples| samples.len());
        let Some(most) = most.filter(|samples| samples.len() > 1) else {
            return false;
        };
        most.pop();
        self.count -= 1;
        true
    }

    fn sorted(self) -> Vec<Sample> {
        let mut samples: Vec<Sample> = self.of_node.into_values().flatten().collect();
        samples.sort_unstable();
        samples
    }
}
