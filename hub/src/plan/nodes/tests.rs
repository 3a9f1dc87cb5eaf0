use hubline::model::*;

use super::*;
use crate::path::{Allowed, Gateway, GatewayScheme, Mapping};
use crate::plan::routing::Diverted;

fn endpoint(address: &str, state: EndpointState) -> Endpoint {
    Endpoint {
        address: address.into(),
        port: Port::new(80).unwrap(),
        state,
        place: None,
    }
}

/// Endpoints, and the hosts of the nodes they become.
type Row = (&'static [(&'static str, EndpointState)], &'static [&'static str]);

fn service() -> Service {
    Service {
        port: ServicePort {
            number: Port::new(80).ok(),
            name: None,
            protocol: Protocol::Tcp,
            app_protocol: None,
        },
        endpoints: Key::new(
            ResourceKind::EndpointSet,
            &GroupKind::new("", "Service"),
            "shop",
            "web",
            "80",
        ),
        external_name: None,
        outside: None,
        node_port: Port::new(30080).ok(),
        external_traffic_policy: TrafficPolicy::Cluster,
        load_balancer_addresses: vec!["198.51.100.1".to_owned()],
        settings: BackendSettings::default(),
        unresolved: None,
    }
}

fn nodes(service: &Service, set: &EndpointSet, nodes: &[(&str, Node)], routing: &Routing) -> Nodes {
    nodes_with(service, set, nodes, routing, Lowered::default())
}

fn nodes_with(
    service: &Service,
    set: &EndpointSet,
    nodes: &[(&str, Node)],
    routing: &Routing,
    lowered: Lowered<'_>,
) -> Nodes {
    Backends {
        service,
        set,
        nodes: nodes.iter().map(|(name, node)| (*name, node)).collect(),
        seed: "web".to_owned(),
        lowered,
    }
    .over(routing)
}

fn hosts_of(nodes: &[Value]) -> Vec<String> {
    let host = |node: &Value| node["host"].as_str().unwrap().to_owned();
    nodes.iter().map(host).collect()
}

fn hosts(endpoints: Vec<Endpoint>) -> Vec<String> {
    let routing = Routing::new(vec![Path::direct()], Allowed::default());
    hosts_of(&nodes(&service(), &EndpointSet { endpoints }, &[], &routing).nodes)
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

fn one() -> EndpointSet {
    EndpointSet {
        endpoints: vec![endpoint("10.0.0.1", EndpointState::Ready)],
    }
}

#[test]
fn the_same_address_stands_on_its_best_path() {
    let worse = Path {
        rank: 1,
        ..Path::direct()
    };
    let routing = Routing::new(vec![Path::direct(), worse], Allowed::default());
    assert_eq!(
        nodes(&service(), &one(), &[], &routing).nodes,
        [node("10.0.0.1", 80, 0)]
    );
}

fn to_gateway(scheme: GatewayScheme) -> Path {
    Path {
        reach: Reach::Gateway,
        gateway: Some(Gateway {
            addresses: vec!["203.0.113.7:8080".parse().unwrap()],
            scheme,
            grpc: false,
            host: None,
            client_certificate: None,
            client_key: None,
            identity: None,
        }),
        ..Path::direct()
    }
}

#[test]
fn a_standby_of_the_same_manner_stands_lower() {
    let paths = |scheme| vec![Path::direct(), to_gateway(scheme)];
    let alike = Routing::new(paths(GatewayScheme::Http), Allowed::default());
    let wanted = [node("10.0.0.1", 80, 0), node("203.0.113.7", 8080, -1)];
    assert_eq!(nodes(&service(), &one(), &[], &alike).nodes, wanted);
    let other = Routing::new(paths(GatewayScheme::Https), Allowed::default());
    assert_eq!(nodes(&service(), &one(), &[], &other).nodes, [node("10.0.0.1", 80, 0)]);
    let switched = Routing {
        order: vec![1, 0],
        ..other.clone()
    };
    let found = nodes(&service(), &one(), &[], &switched);
    assert_eq!(found.nodes, [node("203.0.113.7", 8080, 0)]);
    let mut body = serde_json::Map::new();
    found.manner.write(&mut body);
    assert_eq!(body["scheme"], "https");
    // Diverted, the upstreams stay as they are by rank.
    let diverted = Routing {
        diverted: Some(Diverted { path: 1, percent: 100 }),
        ..switched
    };
    assert_eq!(
        nodes(&service(), &one(), &[], &diverted).nodes,
        [node("10.0.0.1", 80, 0)]
    );
}

#[test]
fn a_service_scaled_to_zero_has_no_nodes_anywhere() {
    let routing = Routing::new(
        vec![Path::direct(), to_gateway(GatewayScheme::Http)],
        Allowed::default(),
    );
    assert!(
        nodes(&service(), &EndpointSet::default(), &[], &routing)
            .nodes
            .is_empty()
    );
}

#[test]
fn addresses_are_mapped_and_then_judged() {
    let mapped = Path {
        mapping: vec![Mapping {
            from: "10.0.0.0/16".parse().unwrap(),
            to: "172.20.0.0/16".parse().unwrap(),
        }],
        ..Path::direct()
    };
    let allowed = |network: &str| Allowed::new(&[network.parse().unwrap()]);
    let routing = |network| Routing::new(vec![mapped.clone()], allowed(network));
    let found = nodes(&service(), &one(), &[], &routing("172.20.0.0/16"));
    assert_eq!(found.nodes, [node("172.20.0.1", 80, 0)]);
    let found = nodes(&service(), &one(), &[], &routing("10.0.0.0/16"));
    assert!(found.nodes.is_empty());
    assert_eq!(found.not_allowed, ["172.20.0.1".to_owned()].into());
}

fn worker(number: u8) -> Node {
    let address = |kind, network: &str| NodeAddress {
        kind,
        address: format!("{network}.{number}"),
    };
    Node {
        addresses: vec![
            address(NodeAddressKind::Internal, "10.9.0"),
            address(NodeAddressKind::External, "198.51.100"),
        ],
        ready: true,
        eligible: true,
        ..Node::default()
    }
}

fn ports(addresses: NodeAddressKind) -> Routing {
    let path = Path {
        reach: Reach::NodePorts,
        node_ports: Some(NodePorts { addresses, nodes: 2 }),
        ..Path::direct()
    };
    Routing::new(vec![path], Allowed::default())
}

#[test]
fn a_few_fit_nodes_stand_for_a_service() {
    let names = ["n0", "n1", "n2", "n3"];
    let mut workers: Vec<_> = (0_u8..)
        .zip(names)
        .map(|(number, name)| (name, worker(number)))
        .collect();
    let internal = ports(NodeAddressKind::Internal);
    let all = nodes(&service(), &one(), &workers, &internal).nodes;
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|node| node["port"] == 30080), "{all:?}");
    // One of those that were chosen is cordoned: the other one stays.
    let chosen = hosts_of(&all);
    let at = names
        .iter()
        .position(|name| chosen[0].ends_with(name.trim_start_matches('n')))
        .unwrap();
    workers[at].1.eligible = false;
    let after = hosts_of(&nodes(&service(), &one(), &workers, &internal).nodes);
    assert!(
        !after.contains(&chosen[0]) && after.contains(&chosen[1]),
        "{chosen:?} {after:?}"
    );
    // One that was not chosen is not ready: nothing changes.
    let idle = names
        .iter()
        .position(|name| !after.iter().any(|host| host.ends_with(name.trim_start_matches('n'))) && *name != names[at]);
    workers[idle.unwrap()].1.ready = false;
    assert_eq!(hosts_of(&nodes(&service(), &one(), &workers, &internal).nodes), after);
    let external = nodes(&service(), &one(), &workers, &ports(NodeAddressKind::External));
    assert!(
        hosts_of(&external.nodes)
            .iter()
            .all(|host| host.starts_with("198.51.100."))
    );
}

#[test]
fn local_traffic_only_where_endpoints_are_ready() {
    let workers: Vec<_> = (0_u8..)
        .zip(["n0", "n1", "n2"])
        .map(|(number, name)| (name, worker(number)))
        .collect();
    let local = Service {
        external_traffic_policy: TrafficPolicy::Local,
        ..service()
    };
    let on = |name: &str| Endpoint {
        place: Place::new(Some(name.into()), None).map(Into::into),
        ..endpoint("10.0.0.1", EndpointState::Ready)
    };
    let set = EndpointSet {
        endpoints: vec![on("n1")],
    };
    let found = nodes(&local, &set, &workers, &ports(NodeAddressKind::Internal));
    assert_eq!(hosts_of(&found.nodes), ["10.9.0.1"]);
}

#[test]
fn the_service_s_own_load_balancer() {
    let path = Path {
        reach: Reach::LoadBalancer,
        ..Path::direct()
    };
    let routing = Routing::new(vec![path], Allowed::default());
    assert_eq!(
        nodes(&service(), &one(), &[], &routing).nodes,
        [node("198.51.100.1", 80, 0)]
    );
}

#[test]
fn ranks_count_down_and_tiers_outweigh_them() {
    assert_eq!(priority(0, 0), 0);
    assert!(priority(0, 1) < priority(0, 0));
    assert!(priority(1, 0) < priority(0, u8::MAX));
}

#[test]
fn what_is_demoted_stands_below_all_else_and_is_never_left_out() {
    let set = EndpointSet {
        endpoints: ["10.0.0.1", "10.0.0.2", "fd00::1"]
            .map(|address| endpoint(address, EndpointState::Ready))
            .into(),
    };
    let balancer = Path {
        name: "internet".to_owned(),
        reach: Reach::LoadBalancer,
        ..Path::direct()
    };
    let both = Routing::new(vec![Path::direct(), balancer], Allowed::default());
    let alone = Routing::direct();
    let priorities = |routing: &Routing, path: Option<&str>, endpoints: &[&str]| {
        let endpoints: BTreeSet<SocketAddr> = endpoints.iter().map(|it| it.parse().unwrap()).collect();
        let lowered = Lowered {
            path,
            endpoints: Some(&endpoints),
        };
        let found = nodes_with(&service(), &set, &[], routing, lowered).nodes;
        found
            .iter()
            .map(|node| node["priority"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    // Sorted: 10.0.0.1, 10.0.0.2, 198.51.100.1 (the load balancer), [fd00::1].
    for (path, endpoints, wanted) in [
        (None, &[][..], [0, 0, -1, 0]),
        (None, &["10.0.0.2:80"], [0, -128, -1, 0]),
        (None, &["[fd00::1]:80", "10.0.0.9:80", "10.0.0.1:81"], [0, 0, -1, -128]),
        (
            None,
            &["10.0.0.1:80", "10.0.0.2:80", "[fd00::1]:80"],
            [-128, -128, -1, -128],
        ),
        (Some("direct"), &[], [-128, -128, -1, -128]),
        (Some("internet"), &["10.0.0.2:80"], [0, -128, -129, 0]),
        (Some("elsewhere"), &[], [0, 0, -1, 0]),
    ] {
        let found = priorities(&both, path, endpoints);
        assert_eq!(found, wanted, "{path:?} {endpoints:?}");
        let positions: Vec<usize> = found.into_iter().map(position).collect();
        assert_eq!(positions, [0, 0, 1, 0], "and it is still known whose they are");
    }
    assert_eq!(priorities(&alone, Some("direct"), &[]), [0, 0, 0], "below nothing");
    assert_eq!(priorities(&alone, None, &["10.0.0.1:80"]), [-128, 0, 0]);
}
