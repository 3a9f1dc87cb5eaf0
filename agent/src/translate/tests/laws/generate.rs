//! Random objects and histories, from few names, so that what refers to each other meets often.

use proptest::prelude::*;

use super::super::fixture::{object, secret_of};
use super::super::unknown::needed;
use super::custom::{any_custom, other_secrets};
use super::world::{Answer, Step};
use crate::source::object::{
    Annotations, EndpointSlice, Ingress, IngressBackend, IngressClass, IngressPath, IngressRule, IngressTls, Name,
    PortReference, Secret, Service, ServicePort, SliceEndpoint, SlicePort,
};
use crate::source::{Kind, Object, ObjectId};
use hubline::model::{EndpointState, Node, NodeAddress, NodeAddressKind, Place, UnixSeconds};

fn pick(words: &'static [&'static str]) -> impl Strategy<Value = Box<str>> {
    prop::sample::select(words).prop_map(Into::into)
}

fn maybe<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::of(strategy)
}

pub(super) fn names() -> impl Strategy<Value = Name> {
    named(&["one", "two", "three"])
}

pub(super) fn service_names() -> impl Strategy<Value = Name> {
    named(&["web", "web", "web", "api"])
}

fn named(names: &'static [&'static str]) -> impl Strategy<Value = Name> {
    let namespaces = pick(&["shop", "shop", "shop", "shop", "shop", "blog"]);
    (namespaces, pick(names)).prop_map(|(namespace, name)| Name::new(&namespace, &name))
}

fn numbers() -> impl Strategy<Value = i32> {
    prop::sample::select(&[80, 80, 80, 81, 81, 53, 0, 70000][..])
}

fn ports() -> impl Strategy<Value = PortReference> {
    prop_oneof![
        6 => Just(PortReference::Number(80)),
        6 => Just(PortReference::Name("http".into())),
        2 => numbers().prop_map(PortReference::Number),
        2 => pick(&["dns", "", "80"]).prop_map(PortReference::Name),
        1 => Just(PortReference::Missing),
    ]
}

fn backends() -> impl Strategy<Value = IngressBackend> {
    prop_oneof![
        8 => (pick(&["web", "web", "web", "api", "nobody"]), ports()).prop_map(|(service, port)| IngressBackend::Service { service, port }),
        1 => Just(IngressBackend::Resource("Bucket assets".into())),
        1 => Just(IngressBackend::Missing),
    ]
}

fn paths() -> impl Strategy<Value = IngressPath> {
    let path = pick(&[
        "", "/", "/", "/", "/a", "/a", "/a", "/a/", "/a|b", "relative", "/*", "//",
    ]);
    let path_type = pick(&["Prefix", "Prefix", "Prefix", "Exact", "ImplementationSpecific", "Other"]);
    (path, path_type, backends()).prop_map(|(path, path_type, backend)| IngressPath {
        path,
        path_type,
        backend,
    })
}

fn hosts() -> impl Strategy<Value = Box<str>> {
    prop_oneof![
        7 => pick(&["a.example.com", "a.example.com", "B.example.com", "*.c.example.com"]),
        1 => pick(&["no host", "|"]),
    ]
}

fn rules() -> impl Strategy<Value = IngressRule> {
    (
        maybe(hosts()),
        prop::option::weighted(0.8, prop::collection::vec(paths(), 0..3)),
    )
        .prop_map(|(host, paths)| IngressRule { host, paths })
}

fn tls() -> impl Strategy<Value = IngressTls> {
    (
        prop::collection::vec(hosts(), 0..3),
        prop::option::weighted(0.9, pick(&["pair", "old", "none"])),
    )
        .prop_map(|(hosts, secret)| IngressTls { hosts, secret })
}

/// Good and bad values of those that have their own ways through translation; the others are all alike to it.
fn annotations() -> impl Strategy<Value = Annotations> {
    let entry = prop_oneof![
        2 => Just(("upstream-scheme", "https")),
        2 => Just(("upstream-retries", "2")),
        1 => Just(("upstream-read-timeout", "5s")),
        1 => Just(("use-regex", "true")),
        2 => Just(("svc-namespace", "blog")),
        1 => Just(("plugin-config-name", "limits")),
        1 => Just(("auth-type", "keyAuth")),
        1 => Just(("auth-type", "none")),
        1 => Just(("allowlist-source-range", "10.0.0.0/33")),
        1 => Just(("enable-websocket", "yes")),
        1 => Just(("unknown", "")),
    ];
    let few = prop::collection::vec(entry, 0..3);
    prop_oneof![
        3 => Just(Vec::new()),
        1 => few,
    ]
    .prop_map(|entries| Annotations::new(entries.into_iter().map(|(name, value)| (name.into(), value.into()))))
}

fn ingresses() -> impl Strategy<Value = Ingress> {
    (
        maybe((0..9i64).prop_map(UnixSeconds)),
        prop::option::weighted(0.8, pick(&["apisix", "apisix", "apisix", "ours", "nginx"])),
        annotations(),
        prop::option::weighted(0.3, backends()),
        prop::collection::vec(rules(), 0..4),
        prop::collection::vec(tls(), 0..3),
    )
        .prop_map(|(created, class, annotations, default_backend, rules, tls)| Ingress {
            created,
            class,
            annotations,
            default_backend,
            rules,
            tls,
        })
}

/// A port's name, number and protocol: mostly those that are asked for.
fn named_numbers() -> impl Strategy<Value = (Box<str>, i32, Box<str>)> {
    let any = (
        pick(&["http", "dns", ""]),
        numbers(),
        pick(&["TCP", "TCP", "UDP", "SCTP"]),
    );
    prop_oneof![
        4 => Just(("http".into(), 80, "TCP".into())),
        1 => Just(("http".into(), 81, "TCP".into())),
        3 => any,
    ]
}

fn service_ports() -> impl Strategy<Value = ServicePort> {
    let app_protocol = maybe(pick(&["https", "grpc", "kubernetes.io/ws"]));
    (named_numbers(), maybe(numbers()), app_protocol).prop_map(|((name, number, protocol), node_port, app_protocol)| {
        ServicePort {
            name,
            number,
            protocol,
            node_port,
            app_protocol,
        }
    })
}

fn services() -> impl Strategy<Value = Service> {
    let external_name = prop::option::weighted(0.2, pick(&["api.example.net", "no name"]));
    let load_balancer = prop::collection::vec(pick(&["198.51.100.7", "lb.example.net"]), 0..2);
    (
        external_name,
        prop::collection::vec(service_ports(), 1..4),
        any::<bool>(),
        load_balancer,
    )
        .prop_map(|(external_name, ports, local_traffic_only, load_balancer)| Service {
            external_name,
            ports,
            local_traffic_only,
            load_balancer,
        })
}

/// Mostly addresses of the slice's own type.
fn addresses() -> impl Strategy<Value = (Box<str>, Vec<Vec<Box<str>>>)> {
    let of = |family: &'static str, words: &'static [&'static str]| {
        let endpoint = prop::collection::vec(pick(words), 0..3);
        (Just(family.into()), prop::collection::vec(endpoint, 0..4))
    };
    prop_oneof![
        6 => of("IPv4", &["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        4 => of("IPv6", &["::1", "::2"]),
        1 => of("FQDN", &["name.example.net", "*.example.net"]),
        1 => of("IPv4", &["::1", "?"]),
        1 => of("Other", &["10.0.0.1"]),
    ]
}

fn states() -> impl Strategy<Value = (EndpointState, Option<Box<str>>)> {
    use EndpointState::{Draining, NotReady, Ready};
    (
        prop::sample::select(&[Ready, Draining, Draining, NotReady][..]),
        maybe(pick(&["n1", "n2"])),
    )
}

fn slices() -> impl Strategy<Value = EndpointSlice> {
    let port =
        (named_numbers(), prop::bool::weighted(0.9)).prop_map(|((name, number, protocol), numbered)| SlicePort {
            name,
            number: numbered.then_some(number),
            protocol,
        });
    (
        prop::option::weighted(0.9, pick(&["web", "web", "api"])),
        addresses(),
        prop::collection::vec(port, 0..3),
        prop::collection::vec(states(), 4),
    )
        .prop_map(|(service, (address_type, addresses), ports, states)| {
            let endpoint = |(addresses, (state, node)): (_, (_, Option<Box<str>>))| SliceEndpoint {
                addresses,
                state,
                place: Place::new(node.map(Into::into), None).map(Into::into),
            };
            EndpointSlice {
                service: service.map(Into::into),
                address_type,
                ports,
                endpoints: addresses.into_iter().zip(states).map(endpoint).collect(),
            }
        })
}

fn nodes() -> impl Strategy<Value = Node> {
    (any::<bool>(), pick(&["10.0.0.0/24", "10.0.1.0/24"])).prop_map(|(ready, network)| Node {
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

/// Two good pairs, one whose key belongs to the other, one without a key.
fn pairs() -> impl Strategy<Value = Secret> {
    static PAIRS: std::sync::LazyLock<Vec<Secret>> = std::sync::LazyLock::new(|| {
        let pair = |host: &str| rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
        let (one, other) = (pair("a.example.com"), pair("*.c.example.com"));
        let secret = |chain: &str, key: &str| match object(&secret_of(chain, key)) {
            Object::Secret(_, secret) => secret,
            other => panic!("{other:?}"),
        };
        let (chain, key) = (one.cert.pem(), one.signing_key.serialize_pem());
        let mut bare = secret(&chain, &key);
        bare.private_key = None;
        let mixed = secret(&chain, &other.signing_key.serialize_pem());
        let other = secret(&other.cert.pem(), &other.signing_key.serialize_pem());
        vec![secret(&chain, &key), other, mixed, bare]
    });
    prop_oneof![
        2 => prop::sample::select(&PAIRS[..2]),
        1 => prop::sample::select(&PAIRS[2..]),
    ]
}

pub(super) fn secret_names() -> impl Strategy<Value = Name> {
    named(&["pair", "old"])
}

pub(super) fn any_object() -> impl Strategy<Value = Object> {
    let classes = (
        pick(&["ours", "nginx", "apisix"]),
        pick(&["hubline.dev/ingress-controller", "k8s.io/ingress-nginx"]),
    );
    prop_oneof![
        5 => (names(), ingresses()).prop_map(|(name, ingress)| Object::Ingress(name, ingress)),
        2 => (classes, any::<bool>()).prop_map(|((name, controller), is_default)| {
            Object::IngressClass(Name::new("", &name), IngressClass { controller, is_default })
        }),
        3 => (service_names(), services()).prop_map(|(name, service)| Object::Service(name, service)),
        4 => (names(), slices()).prop_map(|(name, slice)| Object::EndpointSlice(name, slice)),
        2 => (secret_names(), pairs()).prop_map(|(name, secret)| Object::Secret(name, secret)),
        4 => any_custom(),
        1 => other_secrets(),
        2 => (pick(&["n1", "n2"]), nodes()).prop_map(|(name, node)| Object::Node(Name::new("", &name), node)),
    ]
}

fn ids() -> impl Strategy<Value = ObjectId> {
    any_object().prop_map(|object| object.id())
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(needed())
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        3 => pairs().prop_map(Answer::Found),
        1 => Just(Answer::NotFound),
        2 => Just(Answer::Failed),
    ]
}

/// One thing that happens to an agent.
pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => any_object().prop_map(Step::Apply),
        2 => ids().prop_map(Step::Delete),
        6 => any::<u8>().prop_map(Step::DeleteOne),
        2 => any::<u8>().prop_map(Step::ApplyAgain),
        2 => ids().prop_map(Step::Break),
        2 => any::<u8>().prop_map(Step::BreakOne),
        4 => any_object().prop_map(Step::Mend),
        3 => any_object().prop_map(Step::Unseen),
        3 => any::<u8>().prop_map(Step::UnseenDelete),
        3 => ids().prop_map(Step::UnseenBreak),
        6 => kinds().prop_map(Step::List),
        2 => kinds().prop_map(Step::CutListing),
        2 => kinds().prop_map(Step::Fail),
        9 => (0..3_usize, answers()).prop_map(|(which, answer)| Step::Answer(which, answer)),
        1 => prop::collection::btree_set(kinds(), 0..2).prop_map(Step::Unread),
        1 => (0..3_u8).prop_map(Step::Problems),
        1 => (0..3_u8).prop_map(Step::Version),
        1 => Just(Step::StopWaiting),
        10 => Just(Step::Drain),
    ]
}

/// How an agent starts.
#[derive(Debug, Clone)]
pub(super) struct Start {
    /// Whether the first listings are over before the history begins.
    pub(super) listed: bool,
    /// Whether all Secrets are listed, or a selection.
    pub(super) all_secrets: bool,
    /// Whether only one namespace is watched.
    pub(super) one_namespace: bool,
}

pub(super) fn history() -> impl Strategy<Value = (Start, Vec<Step>)> {
    let weighted = prop::bool::weighted;
    let start = (weighted(0.6), weighted(0.3), weighted(0.1));
    let start = start.prop_map(|(listed, all_secrets, one_namespace)| Start {
        listed,
        all_secrets,
        one_namespace,
    });
    (start, prop::collection::vec(step(), 0..100))
}
