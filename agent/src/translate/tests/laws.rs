//! Laws over random histories and random objects.

use proptest::prelude::*;

use super::fixture::*;
use super::*;
use crate::source::object::{
    EndpointSlice, Ingress, IngressBackend, IngressClass, IngressPath, IngressRule, IngressTls, PortReference, Service,
    ServicePort, SliceEndpoint, SlicePort,
};
use crate::source::{Object, ObjectId};
use hubline::model::{EndpointState, NodeAddress, NodeAddressKind, UnixSeconds};

fn pick(words: &'static [&'static str]) -> impl Strategy<Value = Box<str>> {
    prop::sample::select(words).prop_map(Into::into)
}

fn maybe<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::of(strategy)
}

fn names() -> impl Strategy<Value = Name> {
    (pick(&["shop", "blog"]), pick(&["web", "api", "dns"])).prop_map(|(namespace, name)| Name::new(&namespace, &name))
}

fn numbers() -> impl Strategy<Value = i32> {
    prop::sample::select(&[80, 81, 53, 0, -1, 70000][..])
}

fn ports() -> impl Strategy<Value = PortReference> {
    prop_oneof![
        numbers().prop_map(PortReference::Number),
        pick(&["http", "dns", "", "80"]).prop_map(PortReference::Name),
        Just(PortReference::Missing),
    ]
}

fn backends() -> impl Strategy<Value = IngressBackend> {
    prop_oneof![
        8 => (pick(&["web", "api", "nobody"]), ports()).prop_map(|(service, port)| IngressBackend::Service { service, port }),
        1 => Just(IngressBackend::Resource("Bucket assets".into())),
        1 => Just(IngressBackend::Missing),
    ]
}

fn paths() -> impl Strategy<Value = IngressPath> {
    let path = pick(&["", "/", "/a", "/a/", "/a|b", "relative", "/*", "//"]);
    let path_type = pick(&["Prefix", "Exact", "ImplementationSpecific", "Other"]);
    (path, path_type, backends()).prop_map(|(path, path_type, backend)| IngressPath {
        path,
        path_type,
        backend,
    })
}

fn hosts() -> impl Strategy<Value = Box<str>> {
    pick(&["a.example.com", "B.example.com", "*.c.example.com", "no host", "|"])
}

fn rules() -> impl Strategy<Value = IngressRule> {
    (maybe(hosts()), maybe(prop::collection::vec(paths(), 0..3))).prop_map(|(host, paths)| IngressRule { host, paths })
}

fn tls() -> impl Strategy<Value = IngressTls> {
    (prop::collection::vec(hosts(), 0..2), maybe(pick(&["pair", "none"])))
        .prop_map(|(hosts, secret)| IngressTls { hosts, secret })
}

fn ingresses() -> impl Strategy<Value = Ingress> {
    (
        maybe((0..9i64).prop_map(UnixSeconds)),
        maybe(pick(&["apisix", "nginx", "ours"])),
        maybe(backends()),
        prop::collection::vec(rules(), 0..3),
        prop::collection::vec(tls(), 0..2),
    )
        .prop_map(|(created, class, default_backend, rules, tls)| Ingress {
            created,
            class,
            default_backend,
            rules,
            tls,
        })
}

fn service_ports() -> impl Strategy<Value = ServicePort> {
    let protocol = pick(&["TCP", "TCP", "UDP", "SCTP"]);
    let app_protocol = maybe(pick(&["https", "grpc", "kubernetes.io/ws"]));
    (
        pick(&["http", "dns", ""]),
        numbers(),
        protocol,
        maybe(numbers()),
        app_protocol,
    )
        .prop_map(|(name, number, protocol, node_port, app_protocol)| ServicePort {
            name,
            number,
            protocol,
            node_port,
            app_protocol,
        })
}

fn services() -> impl Strategy<Value = Service> {
    let external_name = maybe(pick(&["api.example.net", "no name"]));
    (
        external_name,
        prop::collection::vec(service_ports(), 0..3),
        any::<bool>(),
    )
        .prop_map(|(external_name, ports, local_traffic_only)| Service {
            external_name,
            ports,
            local_traffic_only,
            load_balancer: Vec::new(),
        })
}

fn slices() -> impl Strategy<Value = EndpointSlice> {
    let states = prop::sample::select(&[EndpointState::Ready, EndpointState::Draining, EndpointState::NotReady][..]);
    let addresses = prop::collection::vec(pick(&["10.0.0.1", "10.0.0.2", "::1", "name.example.net", "?"]), 0..3);
    let endpoint = (addresses, states, maybe(pick(&["n1", "n2"]))).prop_map(|(addresses, state, node)| SliceEndpoint {
        addresses,
        state,
        node: node.map(Into::into),
        zone: None,
    });
    let port = (pick(&["http", "dns", ""]), maybe(numbers()), pick(&["TCP", "UDP"]))
        .prop_map(|(name, number, protocol)| SlicePort { name, number, protocol });
    (
        maybe(pick(&["web", "api"])),
        pick(&["IPv4", "IPv6", "FQDN", "Other"]),
        prop::collection::vec(port, 0..3),
        prop::collection::vec(endpoint, 0..3),
    )
        .prop_map(|(service, address_type, ports, endpoints)| EndpointSlice {
            service: service.map(Into::into),
            address_type,
            ports,
            endpoints,
        })
}

fn nodes() -> impl Strategy<Value = hubline::model::Node> {
    (any::<bool>(), pick(&["10.0.0.0/24", "10.0.1.0/24"])).prop_map(|(ready, network)| hubline::model::Node {
        addresses: vec![NodeAddress {
            kind: NodeAddressKind::Internal,
            address: "192.0.2.1".to_owned(),
        }],
        ready,
        eligible: true,
        zone: None,
        pod_networks: vec![network.into_string()],
    })
}

/// Secrets are good here: a broken one depends on history by design.
fn secrets() -> impl Strategy<Value = Object> {
    static PAIRS: std::sync::LazyLock<Vec<Object>> =
        std::sync::LazyLock::new(|| (0..2).map(|_| object(&secret())).collect());
    prop::sample::select(PAIRS.clone())
}

fn any_object() -> impl Strategy<Value = Object> {
    let classes = (
        pick(&["ours", "nginx", "apisix"]),
        pick(&["hubline.dev/ingress-controller", "k8s.io/ingress-nginx"]),
    );
    prop_oneof![
        4 => (names(), ingresses()).prop_map(|(name, ingress)| Object::Ingress(name, ingress)),
        1 => (classes, any::<bool>()).prop_map(|((name, controller), is_default)| {
            Object::IngressClass(Name::new("", &name), IngressClass { controller, is_default })
        }),
        3 => (names(), services()).prop_map(|(name, service)| Object::Service(name, service)),
        3 => (names(), slices()).prop_map(|(name, slice)| Object::EndpointSlice(name, slice)),
        1 => secrets(),
        1 => (pick(&["n1", "n2"]), nodes()).prop_map(|(name, node)| Object::Node(Name::new("", &name), node)),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Apply(Object),
    Delete(Object),
    /// These kinds may stand in files that nobody could read.
    Unread(BTreeSet<Kind>),
    Drain,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any_object().prop_map(Step::Apply),
        2 => any_object().prop_map(Step::Delete),
        1 => prop::collection::btree_set(prop::sample::select(Kind::ALL), 0..2).prop_map(Step::Unread),
        2 => Just(Step::Drain),
    ]
}

pub(super) fn unread(kinds: &BTreeSet<Kind>) -> SourceEvent {
    let reason = "file a.yaml cannot be read whole".to_owned();
    SourceEvent::Unread(kinds.iter().map(|kind| (*kind, reason.clone())).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Also shows that no well-formed object, however odd, makes translation panic.
    #[test]
    fn incremental_translation_equals_translation_from_nothing(steps in prop::collection::vec(steps(), 0..40)) {
        let (mut translator, first) = started(&[]);
        let mut held = Held::default();
        held.take(first);
        let mut objects: BTreeMap<ObjectId, Object> = BTreeMap::new();
        let mut kinds = BTreeSet::new();
        for step in steps {
            match step {
                Step::Apply(object) => {
                    objects.insert(object.id(), object.clone());
                    translator.apply(SourceEvent::Apply(Box::new(object)));
                }
                Step::Delete(object) => {
                    objects.remove(&object.id());
                    translator.apply(SourceEvent::Delete(object.id()));
                }
                Step::Unread(now) => {
                    translator.apply(unread(&now));
                    kinds = now;
                }
                Step::Drain => held.take(translator.drain()),
            }
        }
        let snapshot = translator.snapshot();
        held.take(translator.drain());
        prop_assert!(translator.drain().is_empty());

        let objects: Vec<Object> = objects.into_values().collect();
        let mut fresh = Translator::new(options());
        fresh.apply(unread(&kinds));
        listing(&objects, None).into_iter().for_each(|event| fresh.apply(event));
        let mut expected = Held::default();
        expected.take(fresh.drain());
        prop_assert_eq!(&held, &expected);
        prop_assert_eq!(entries(held.resources), snapshot.resources.clone());
        prop_assert_eq!(fresh.snapshot(), snapshot);
    }

    /// The order in which objects arrive does not matter.
    #[test]
    fn order_does_not_matter(objects in prop::collection::vec(any_object(), 0..20).prop_shuffle()) {
        let mut latest: BTreeMap<ObjectId, Object> = BTreeMap::new();
        for object in &objects {
            latest.entry(object.id()).or_insert_with(|| object.clone());
        }
        let forward: Vec<Object> = latest.values().cloned().collect();
        let backward: Vec<Object> = latest.into_values().rev().collect();
        let run = |objects: &[Object]| {
            let (mut translator, mut first) = (started(&[]).0, Held::default());
            for object in objects {
                translator.apply(SourceEvent::Apply(Box::new(object.clone())));
                first.take(translator.drain());
            }
            translator.snapshot()
        };
        prop_assert_eq!(run(&forward), run(&backward));
    }
}
