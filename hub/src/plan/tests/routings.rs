//! Ways to reach a cluster, for tables and laws.

use crate::path::{Allowed, Gateway, GatewayScheme, NodePorts, Path, PathKind, Reach};
use crate::plan::Routing;
use crate::plan::routing::{Checks, Diverted};

/// A path to pods.
pub(super) fn pods(rank: u8) -> Path {
    Path {
        name: format!("line-{rank}"),
        rank,
        ..Path::direct()
    }
}

/// A path of another reach.
pub(super) fn other(rank: u8, reach: Reach) -> Path {
    Path {
        name: format!("other-{rank}"),
        kind: PathKind::PublicNetwork,
        reach,
        ..pods(rank)
    }
}

/// A path that ends at a gateway.
pub(super) fn gateway(rank: u8, address: &str, scheme: GatewayScheme, grpc: bool) -> Path {
    Path {
        gateway: Some(Gateway {
            addresses: vec![address.parse().unwrap()],
            scheme,
            grpc,
            host: None,
            client_certificate: None,
            client_key: None,
            identity: None,
        }),
        ..other(rank, Reach::Gateway)
    }
}

/// By rank, the first carrying traffic.
pub(super) fn over(paths: Vec<Path>) -> Routing {
    Routing::new(paths, Allowed::default())
}

/// Diverted to the path at this position.
pub(super) fn diverted(routing: Routing, path: usize, percent: u8) -> Routing {
    Routing {
        diverted: Some(Diverted { path, percent }),
        ..routing
    }
}

/// How many kinds of routing [`any`] knows.
pub(super) const VARIANTS: u8 = 11;

/// One of many ways to reach a cluster.
pub(super) fn any(variant: u8) -> Routing {
    let http = |rank| gateway(rank, "203.0.113.7:80", GatewayScheme::Http, false);
    let https = |rank| gateway(rank, "203.0.113.7:443", GatewayScheme::Https, true);
    let mixed = || over(vec![pods(0), https(1)]);
    match variant % VARIANTS {
        0 => Routing::direct(),
        1 => over(vec![pods(0), http(1)]),
        2 => Routing {
            order: vec![1, 0],
            ..over(vec![pods(0), http(1)])
        },
        3 => diverted(mixed(), 1, 100),
        4 => diverted(mixed(), 1, 30),
        5 => over(vec![http(0), gateway(1, "203.0.113.8:80", GatewayScheme::Http, false)]),
        6 => over(vec![https(0)]),
        7 => {
            let ports = NodePorts {
                nodes: 1,
                ..NodePorts::default()
            };
            let ports = Path {
                node_ports: Some(ports),
                ..other(0, Reach::NodePorts)
            };
            over(vec![ports, pods(1)])
        }
        8 => over(vec![other(0, Reach::LoadBalancer), pods(1)]),
        9 => Routing {
            allowed: Allowed::new(&["10.0.0.0/31".parse().unwrap()]),
            ..Routing::direct()
        },
        _ => Routing {
            checks: Some(Checks {
                interval: std::time::Duration::from_secs(1),
                failures: 2,
                successes: 2,
            }),
            ..mixed()
        },
    }
}
