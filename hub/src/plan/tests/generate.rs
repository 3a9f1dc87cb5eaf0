//! Random resources of every kind of the model, from few names, hosts, paths and ages, so that they meet often.

use std::sync::LazyLock;

use hubline::expression::Expression;
use hubline::model::*;
use hubline::tls::{Authority, Issued};
use proptest::prelude::*;
use serde_json::json;

use super::world::*;

/// Every kind, each with what its resources are made from.
pub(super) const KINDS: [ResourceKind; 11] = [
    ResourceKind::Route,
    ResourceKind::StreamRoute,
    ResourceKind::Service,
    ResourceKind::EndpointSet,
    ResourceKind::Certificate,
    ResourceKind::Consumer,
    ResourceKind::PluginSet,
    ResourceKind::GlobalRule,
    ResourceKind::Node,
    ResourceKind::Export,
    ResourceKind::ClusterInfo,
];

const NAMES: [&str; 3] = ["one", "two", "three"];
const HOSTS: [&str; 3] = ["a.b", "c.d", "*.e.f"];

/// A key and what it is now; none when it is gone.
pub(super) type Step = (Key, Option<Resource>);

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&NAMES[..])
}

fn created() -> impl Strategy<Value = Option<UnixSeconds>> {
    prop::option::weighted(0.8, (0..3_i64).prop_map(UnixSeconds))
}

fn hosts(least: usize) -> impl Strategy<Value = Vec<HostName>> {
    let host = |text: &str| HostName::new(text).unwrap();
    prop::sample::subsequence(HOSTS.to_vec(), least..=2).prop_map(move |hosts| hosts.into_iter().map(host).collect())
}

fn plugins() -> impl Strategy<Value = Vec<Plugin>> {
    let plugin = prop::bool::ANY.prop_map(|secure| plugin(&format!("{{\"http_to_https\":{secure}}}")));
    prop::option::of(plugin).prop_map(|plugin| plugin.into_iter().collect())
}

/// Credentials that are few, so that several consumers have the same.
fn consumers() -> impl Strategy<Value = Resource> {
    let key = prop::option::of(prop::sample::select(&["k1", "k2"][..]));
    let user = prop::option::of(prop::sample::select(&["u1", "u2"][..]));
    (key, user, prop::option::of(1..3_u8), created()).prop_map(|(key, user, count, created)| {
        let key = key.map(|key| named("key-auth", &json!({"key": key})));
        let user = user.map(|user| named("basic-auth", &json!({"username": user, "password": "p"})));
        let limit = count.map(|count| named("limit-count", &json!({"count": count, "time_window": 60})));
        let plugins = user.into_iter().chain(key).chain(limit);
        Resource::from(Consumer {
            plugins: plugins.collect(),
            created,
        })
    })
}

/// Plugins of routes and sets that have to do with consumers: names that are there or not, what cannot be combined.
fn guards() -> impl Strategy<Value = Vec<Plugin>> {
    let configs = [
        ("key-auth", json!({})),
        ("key-auth", json!({"anonymous_consumer": "shop_one"})),
        ("basic-auth", json!({"anonymous_consumer": "shop_two"})),
        ("basic-auth", json!({"_meta": {"filter": [["uri", "==", "/x"]]}})),
        ("consumer-restriction", json!({"whitelist": ["shop_one", "shop_four"]})),
        ("consumer-restriction", json!({"blacklist": ["shop_two"]})),
        ("consumer-restriction", json!({"type": "route_id", "whitelist": ["x"]})),
        ("redirect", json!({"http_to_https": true})),
    ];
    let plugins: Vec<_> = configs.iter().map(|(name, config)| named(name, config)).collect();
    prop::sample::subsequence(plugins, 0..=2).prop_map(|mut plugins| {
        plugins.sort_by(|one, other| one.name.cmp(&other.name));
        plugins.dedup_by(|one, other| one.name == other.name);
        plugins
    })
}

fn global_rules() -> impl Strategy<Value = Resource> {
    let configs = [
        ("cors", json!({})),
        ("cors", json!({"allow_origins": "http://a.b"})),
        ("key-auth", json!({"anonymous_consumer": "shop_one"})),
        ("redirect", json!({"http_to_https": true})),
    ];
    let plugins: Vec<_> = configs.iter().map(|(name, config)| named(name, config)).collect();
    (
        prop::sample::subsequence(plugins, 0..=2),
        prop::bool::weighted(0.1),
        created(),
    )
        .prop_map(|(mut plugins, metadata, created)| {
            plugins.dedup_by(|one, other| one.name == other.name);
            let metadata = metadata.then(|| named("cors", &json!({})));
            Resource::from(GlobalRule {
                plugins,
                metadata: metadata.into_iter().collect(),
                created,
            })
        })
}

fn backends(counts: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<Backend>> {
    let backend = |name: &str| Backend {
        service: key(ResourceKind::Service, name),
        weight: 1,
    };
    prop::sample::subsequence(NAMES.to_vec(), counts).prop_map(move |names| names.into_iter().map(backend).collect())
}

fn paths() -> impl Strategy<Value = Vec<PathMatch>> {
    let all = vec![
        prefix("/"),
        prefix("/x"),
        PathMatch::Exact("/x".to_owned()),
        PathMatch::Exact("/a*".to_owned()),
        PathMatch::Pattern("/x".to_owned()),
        PathMatch::Pattern("/p*".to_owned()),
        PathMatch::Regex("^/r".to_owned()),
    ];
    prop::sample::subsequence(all, 1..=3)
}

fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    let comparison = Comparison {
        variable: "arg_a".to_owned(),
        operator: "==".to_owned(),
        negated: false,
        values: vec!["x".to_owned()],
    };
    let expression = |text| Condition::Expression(Expression::parse(text).unwrap());
    let all = vec![
        expression(r#"["!OR",["arg_a",">",1],["arg_b","==","y"]]"#),
        expression(r#"["OR",["arg_a",">",1],["arg_b","==","y"]]"#),
        expression(r#"["arg_a",">",1]"#),
        comparison.into(),
    ];
    let some = prop::sample::subsequence(all, 1..=2).prop_map(|mut some| {
        some.sort();
        some
    });
    prop::option::weighted(0.3, some).prop_map(Option::unwrap_or_default)
}

fn routes() -> impl Strategy<Value = Resource> {
    let sets = prop::sample::subsequence(NAMES.to_vec(), 0..=2);
    let methods = prop::sample::subsequence(vec!["GET", "POST"], 0..=1);
    let parts = (hosts(0), paths(), backends(0..=2), sets, guards());
    (parts, methods, conditions(), created(), prop::bool::ANY).prop_map(
        |((hosts, paths, backends, sets, plugins), methods, conditions, created, websocket)| {
            Resource::from(Route {
                hosts,
                paths,
                backends,
                plugins,
                methods: methods.into_iter().map(str::to_owned).collect(),
                conditions,
                plugin_sets: sets
                    .into_iter()
                    .map(|name| key(ResourceKind::PluginSet, name))
                    .collect(),
                websocket,
                created,
                ..route("a.b", &[], &[])
            })
        },
    )
}

fn stream_routes() -> impl Strategy<Value = Resource> {
    let port = prop::option::weighted(0.8, (9000..9002_i32).prop_map(|port| Port::new(port).unwrap()));
    (port, prop::option::of(hosts(1)), backends(1..=1), plugins(), created()).prop_map(
        |(port, host, backends, plugins, created)| {
            Resource::from(StreamRoute {
                port,
                host: host.and_then(|hosts| hosts.into_iter().next()),
                protocol: Protocol::Tcp,
                backends,
                plugins,
                created,
            })
        },
    )
}

fn services(name: &'static str) -> impl Strategy<Value = Resource> {
    let external = prop::option::weighted(0.15, Just(HostName::new("out.example.org").unwrap()));
    let unresolved = prop::option::weighted(0.15, Just("no such port".to_owned()));
    // Several services may share one set.
    let set = prop::option::weighted(0.2, self::name());
    let outside = prop::option::weighted(0.15, outside());
    let given = (prop::option::of(0..2_u32), external, outside, unresolved, set);
    given.prop_map(move |(retries, external, outside, unresolved, set)| {
        let Resource::Service(service) = service(name, retries) else {
            panic!("no service")
        };
        Resource::from(Service {
            external_name: external,
            outside: outside.map(Box::new),
            endpoints: key(ResourceKind::EndpointSet, set.unwrap_or(name)),
            unresolved: unresolved.map(|message| {
                Box::new(Unresolved {
                    reason: "BackendNotFound".to_owned(),
                    message,
                })
            }),
            ..*service
        })
    })
}

fn outside() -> impl Strategy<Value = Outside> {
    let addresses = prop::sample::subsequence(vec!["out.example.net", "198.51.100.7", "fd00::7"], 1..=3);
    let nodes = (addresses, prop::collection::vec(0..3_u32, 3)).prop_map(|(addresses, weights)| {
        let node = |(address, weight): (&str, u32)| OutsideNode {
            address: address.to_owned(),
            port: Port::new(443).unwrap(),
            weight,
        };
        Outside::Nodes(addresses.into_iter().zip(weights).map(node).collect())
    });
    let registry = Just(Outside::Discovery(Discovery {
        provider: "nacos".to_owned(),
        service: "web".to_owned(),
        arguments: [("group_name".to_owned(), "a".to_owned())].into(),
    }));
    prop_oneof![3 => nodes, 1 => registry]
}

fn endpoint_sets() -> impl Strategy<Value = Resource> {
    use EndpointState::{Draining, NotReady, Ready};
    let addresses = prop::sample::subsequence(vec!["10.0.0.1", "10.0.0.2", "fd00::1", "ä"], 0..=3);
    (
        addresses,
        prop::collection::vec(prop::sample::select(&[Ready, Draining, NotReady][..]), 3),
    )
        .prop_map(|(addresses, states)| {
            let endpoint = |(address, state): (&str, EndpointState)| Endpoint {
                address: address.into(),
                port: Port::new(8080).unwrap(),
                state,
                place: None,
            };
            let endpoints = addresses.into_iter().zip(states).map(endpoint).collect();
            Resource::EndpointSet(EndpointSet { endpoints })
        })
}

/// Real pairs: the hub checks them.
static PAIRS: LazyLock<Vec<Issued>> = LazyLock::new(|| {
    let authority = Authority::new("test").unwrap();
    (0..2).map(|_| authority.issue_hub(&["a.b"]).unwrap()).collect()
});

fn certificates() -> impl Strategy<Value = Resource> {
    let client = prop::option::weighted(0.3, 0..PAIRS.len());
    (hosts(1), 0..PAIRS.len(), created(), client).prop_map(|(hosts, pair, created, client)| {
        let client = client.map(|pair| ClientVerification {
            authorities: PAIRS[pair].chain.clone(),
            depth: 1,
            open_paths: Vec::new(),
        });
        let pair = &PAIRS[pair];
        Resource::from(Certificate {
            hosts,
            chain: pair.chain.clone(),
            private_key: pair.private_key.clone(),
            created,
            client: client.map(Box::new),
        })
    })
}

fn nodes() -> impl Strategy<Value = Resource> {
    prop::bool::ANY.prop_map(|ready| {
        Resource::from(Node {
            ready,
            ..Node::default()
        })
    })
}

/// A good resource of a kind.
fn good(kind: ResourceKind, name: &'static str) -> BoxedStrategy<Resource> {
    match kind {
        ResourceKind::Route => routes().boxed(),
        ResourceKind::StreamRoute => stream_routes().boxed(),
        ResourceKind::Service => services(name).boxed(),
        ResourceKind::EndpointSet => endpoint_sets().boxed(),
        ResourceKind::Certificate => certificates().boxed(),
        ResourceKind::Consumer => consumers().boxed(),
        ResourceKind::PluginSet => guards()
            .prop_map(|plugins| Resource::PluginSet(PluginSet { plugins }))
            .boxed(),
        ResourceKind::GlobalRule => global_rules().boxed(),
        ResourceKind::Node => nodes().boxed(),
        ResourceKind::Export => prop::option::of(0..2_u32)
            .prop_map(|weight| Resource::Export(Export { weight }))
            .boxed(),
        ResourceKind::ClusterInfo | ResourceKind::Other(_) => {
            let info = |(zone, echo): (Option<u8>, Option<u8>)| ClusterInfo {
                zone: zone.map(|zone| zone.to_string()),
                echo: echo.iter().map(|host| format!("10.0.0.{host}:7444")).collect(),
                ..ClusterInfo::default()
            };
            (prop::option::of(0..2_u8), prop::option::of(0..2_u8))
                .prop_map(move |facts| info(facts).into())
                .boxed()
        }
    }
}

/// A kind, by how much there is to say of it.
pub(super) fn kind() -> impl Strategy<Value = ResourceKind> {
    use ResourceKind::{Certificate, Consumer, EndpointSet, GlobalRule, PluginSet, Route, Service, StreamRoute};
    prop_oneof![
        5 => Just(Route),
        4 => Just(Service),
        5 => prop::sample::select(&[StreamRoute, EndpointSet, Certificate, Consumer, PluginSet, GlobalRule][..]),
        8 => prop::sample::select(&KINDS[..]),
    ]
}

/// A change to a good resource, or its removal.
pub(super) fn step() -> impl Strategy<Value = Step> {
    (kind(), name()).prop_flat_map(|(kind, name)| {
        let resource = prop::option::weighted(0.8, good(kind, name));
        resource.prop_map(move |resource| (key(kind, name), resource))
    })
}

/// A change to a resource that the hub refuses for its content alone.
pub(super) fn spoiled() -> impl Strategy<Value = (Key, Resource)> {
    let kinds = KINDS
        .map(|kind| (kind, faults(kind)))
        .into_iter()
        .filter(|(_, faults)| *faults > 0);
    let kinds: Vec<_> = kinds.collect();
    (prop::sample::select(kinds), name(), any::<prop::sample::Index>()).prop_flat_map(
        |((kind, faults), name, which)| {
            let which = which.index(faults);
            good(kind, name).prop_map(move |good| (key(kind, name), spoil(good, which)))
        },
    )
}

/// How many ways there are to spoil a resource of a kind.
fn faults(kind: ResourceKind) -> usize {
    match kind {
        ResourceKind::Route => 5,
        ResourceKind::StreamRoute => 2,
        ResourceKind::Service | ResourceKind::Certificate | ResourceKind::PluginSet => 1,
        ResourceKind::Consumer => 3,
        ResourceKind::GlobalRule => 2,
        _ => 0,
    }
}

fn spoil(good: Resource, which: usize) -> Resource {
    let broken = vec![plugin("not json")];
    match good {
        Resource::Route(route) => spoil_route(*route, which).into(),
        Resource::StreamRoute(route) if which == 0 => Resource::from(StreamRoute {
            backends: Vec::new(),
            ..*route
        }),
        Resource::StreamRoute(route) => Resource::from(StreamRoute {
            plugins: broken,
            ..*route
        }),
        Resource::Service(mut service) => {
            service.settings.host = HostHandling::Rewrite("a b".to_owned());
            Resource::Service(service)
        }
        Resource::Certificate(mut certificate) => {
            certificate.chain.truncate(100);
            Resource::Certificate(certificate)
        }
        Resource::Consumer(mut consumer) => {
            consumer.plugins = match which {
                0 => broken,
                1 => vec![named("key-auth", &json!({"key": "$env://KEY"}))],
                _ => vec![named("consumer-restriction", &json!({"blacklist": ["x"]}))],
            };
            Resource::Consumer(consumer)
        }
        Resource::PluginSet(_) => Resource::PluginSet(PluginSet { plugins: broken }),
        Resource::GlobalRule(mut rule) => {
            let split = vec![named("traffic-split", &json!({}))];
            rule.plugins = if which == 0 { broken } else { split };
            Resource::GlobalRule(rule)
        }
        other => other,
    }
}

/// A route with one of five faults of its own.
pub(super) fn spoil_route(mut route: Route, which: usize) -> Route {
    match which {
        0 => route.methods = vec!["FETCH".to_owned()],
        1 => route.plugins = vec![plugin("not json")],
        2 => route.paths = vec![PathMatch::Exact("/a*".to_owned())],
        3 => (route.backends, route.plugins, route.plugin_sets) = (Vec::new(), Vec::new(), Vec::new()),
        _ => {
            let comparison = Comparison {
                variable: "arg_a".to_owned(),
                operator: "==".to_owned(),
                negated: false,
                values: Vec::new(),
            };
            route.conditions = vec![comparison.into()];
        }
    }
    route
}
