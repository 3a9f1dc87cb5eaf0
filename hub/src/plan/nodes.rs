//! Nodes of upstreams: which endpoints take traffic, over which paths.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use hubline::model::{EndpointSet, EndpointState};
use serde_json::{Value, json};

use crate::path::{Path, Reach};

/// How far cluster tiers lie apart in APISIX's priority: ranks of paths are below.
const TIER: i32 = 256;

/// APISIX's `priority` (upward, 0 is its default) of a cluster's tier and a path's rank (downward, 0 is best).
#[must_use]
pub(super) fn priority(tier: u8, rank: u8) -> i32 {
    -(i32::from(tier) * TIER + i32::from(rank))
}

/// Nodes for a set over a cluster's paths, sorted, and addresses that APISIX cannot take.
///
/// Ready endpoints, or those that drain when none is ready. All weights are 1: endpoints of one service share equally.
/// APISIX keys nodes by `host:port`, so the same address over two paths stands on the better one only.
pub(super) fn nodes(set: &EndpointSet, paths: &[Path]) -> (Vec<Value>, Vec<String>) {
    let mut nodes = BTreeMap::<(String, u16), i32>::new();
    let mut refused = Vec::new();
    for endpoint in serving(set) {
        let Some(host) = host(&endpoint.address) else {
            refused.push(endpoint.address.clone());
            continue;
        };
        for path in paths {
            let priority = priority(0, path.rank);
            let address = match path.reach {
                Reach::Pods => (host.clone(), endpoint.port.get()),
            };
            let best = nodes.entry(address).or_insert(priority);
            *best = priority.max(*best);
        }
    }
    let nodes = nodes
        .iter()
        .map(|((host, port), priority)| node(host, *port, *priority));
    (nodes.collect(), refused)
}

/// One node with all its fields.
pub(super) fn node(host: &str, port: u16, priority: i32) -> Value {
    json!({"host": host, "port": port, "weight": 1, "priority": priority})
}

fn serving(set: &EndpointSet) -> impl Iterator<Item = &hubline::model::Endpoint> {
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
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    if let Ok(v6) = bare.parse::<Ipv6Addr>() {
        return Some(format!("[{v6}]"));
    }
    let dns = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (!address.is_empty() && address.bytes().all(dns)).then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use hubline::model::{Endpoint, Port};

    use super::*;

    fn endpoint(address: &str, state: EndpointState) -> Endpoint {
        Endpoint {
            address: address.to_owned(),
            port: Port::new(80).unwrap(),
            state,
            node: None,
            zone: None,
        }
    }

    /// Endpoints, and the hosts of the nodes they become.
    type Row = (&'static [(&'static str, EndpointState)], &'static [&'static str]);

    fn hosts(endpoints: Vec<Endpoint>) -> Vec<String> {
        let (nodes, _) = nodes(&EndpointSet { endpoints }, &[Path::direct()]);
        nodes
            .iter()
            .map(|node| node["host"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn ready_ones_or_else_draining_ones() {
        use EndpointState::{Draining, NotReady, Ready};
        let table: [Row; 5] = [
            (
                &[("10.0.0.2", Ready), ("10.0.0.1", Ready), ("10.0.0.3", Draining)],
                &["10.0.0.1", "10.0.0.2"],
            ),
            (&[("10.0.0.3", Draining), ("10.0.0.4", NotReady)], &["10.0.0.3"]),
            (&[("10.0.0.4", NotReady)], &[]),
            (&[], &[]),
            (
                &[("10.0.0.1", Ready), ("10.0.0.1", Ready), ("fd00::1", Ready)],
                &["10.0.0.1", "[fd00::1]"],
            ),
        ];
        for (given, wanted) in table {
            let endpoints = given.iter().map(|(address, state)| endpoint(address, *state)).collect();
            assert_eq!(hosts(endpoints), wanted, "{given:?}");
        }
    }

    #[test]
    fn addresses_as_apisix_wants_them() {
        assert_eq!(host("fd00:0::1").as_deref(), Some("[fd00::1]"));
        assert_eq!(host("[fd00::1]").as_deref(), Some("[fd00::1]"));
        assert_eq!(host("a.example.com").as_deref(), Some("a.example.com"));
        for bad in ["", "fe80::1%eth0", "a b", "ä"] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_same_address_stands_on_its_best_path() {
        let worse = Path {
            rank: 1,
            ..Path::direct()
        };
        let set = EndpointSet {
            endpoints: vec![endpoint("10.0.0.1", EndpointState::Ready)],
        };
        let (nodes, _) = nodes(&set, &[worse, Path::direct()]);
        assert_eq!(nodes, [node("10.0.0.1", 80, 0)]);
    }

    #[test]
    fn ranks_count_down_and_tiers_outweigh_them() {
        assert_eq!(priority(0, 0), 0);
        assert!(priority(0, 1) < priority(0, 0));
        assert!(priority(1, 0) < priority(0, u8::MAX));
    }
}
