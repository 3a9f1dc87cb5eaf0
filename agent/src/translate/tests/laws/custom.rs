//! Random custom resources: well formed, with references that lead somewhere, nowhere and elsewhere.

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::generate::{names, secret_names, service_names};
use super::others::others;
use crate::source::Object;
use crate::source::object::{Custom, Name};
use hubline::model::UnixSeconds;

pub(super) fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

/// One of these, or nothing.
pub(super) fn perhaps(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop::option::of(word(words)).prop_map(|word| json!(word))
}

pub(super) fn list(of: impl Strategy<Value = Value>, most: usize) -> impl Strategy<Value = Value> {
    prop::collection::vec(of, 0..=most).prop_map(Value::Array)
}

pub(super) fn custom<S: DeserializeOwned>(created: Option<i64>, spec: Value) -> Custom<S> {
    Custom {
        created: created.map(UnixSeconds),
        spec: Box::new(serde_json::from_value(spec).unwrap()),
    }
}

pub(super) fn created() -> impl Strategy<Value = Option<i64>> {
    prop::option::of(0..9_i64)
}

pub(super) const CLASSES: &[&str] = &["apisix", "apisix", "ours", "nginx"];

fn ports() -> impl Strategy<Value = Value> {
    prop_oneof![4 => Just(json!(80)), 4 => Just(json!("http")), 1 => Just(json!(53)), 1 => Just(json!("none"))]
}

pub(super) fn plugins() -> impl Strategy<Value = Value> {
    let plugin = (
        word(&["limit-count", "cors", "key-auth"]),
        prop::option::of(any::<bool>()),
        perhaps(&["pair", "old", "none"]),
        prop_oneof![5 => Just(json!({"a": {"b": 1}})), 1 => Just(json!("text"))],
    );
    let plugin = plugin.prop_map(
        |(name, enable, secret, config)| json!({"name": name, "enable": enable, "secretRef": secret, "config": config}),
    );
    list(plugin, 2)
}

fn matches() -> impl Strategy<Value = Value> {
    let paths = prop::collection::vec(word(&["/", "/a", "/a/*", "/b*", "relative"]), 0..3);
    let hosts = prop::collection::vec(word(&["a.example.com", "*.c.example.com", "no host"]), 0..2);
    let operator = word(&["Equal", "In", "RegexNotMatch", "Like"]);
    let expression = (word(&["Header", "Path", "Query"]), operator).prop_map(
        |(scope, op)| json!({"subject": {"scope": scope, "name": "X-A"}, "op": op, "value": "1", "set": ["1", "2"]}),
    );
    (paths, hosts, list(expression, 1), perhaps(&["10.0.0.0/8", "?"])).prop_map(|(paths, hosts, exprs, address)| {
        let addresses: Vec<Value> = [address].into_iter().filter(Value::is_string).collect();
        json!({"paths": paths, "hosts": hosts, "exprs": exprs, "remoteAddrs": addresses})
    })
}

fn rules() -> impl Strategy<Value = Value> {
    let backend = (
        word(&["web", "web", "api", "nobody"]),
        ports(),
        prop_oneof![Just(json!(null)), Just(json!(0)), Just(json!(7)), Just(json!(-1))],
        prop_oneof![6 => Just(json!(null)), 1 => Just(json!("v1"))],
    );
    let backend = backend.prop_map(|(service, port, weight, subset)| {
        json!({"serviceName": service, "servicePort": port, "weight": weight, "subset": subset})
    });
    let upstream = word(&["one", "two", "web", "nowhere"]).prop_map(|name| json!({"name": name, "weight": 3}));
    let asked = prop_oneof![
        5 => Just(json!(null)),
        1 => Just(json!({"enable": true, "type": "keyAuth", "keyAuth": {"header": "X"}})),
        1 => Just(json!({"enable": true, "type": "other"})),
    ];
    (
        word(&["first", "second", ""]),
        matches(),
        list(backend, 2),
        list(upstream, 1),
        plugins(),
        (perhaps(&["limits", "one", "none"]), perhaps(&["shop", "blog"])),
        asked,
    )
        .prop_map(
            |(name, matches, backends, upstreams, plugins, (config, namespace), asked)| {
                json!({
                    "name": name, "match": matches, "backends": backends, "upstreams": upstreams, "plugins": plugins,
                    "plugin_config_name": config, "plugin_config_namespace": namespace, "authentication": asked,
                })
            },
        )
}

fn streams() -> impl Strategy<Value = Value> {
    (word(&["first", "third"]), word(&["TCP", "UDP"]), ports(), 0..3_i64).prop_map(|(name, protocol, port, at)| {
        json!({
            "name": name, "protocol": protocol, "match": {"ingressPort": 9000 * at},
            "backend": {"serviceName": "web", "servicePort": port},
        })
    })
}

fn routes() -> impl Strategy<Value = Object> {
    let spec = (perhaps(CLASSES), list(rules(), 2), list(streams(), 1));
    (names(), created(), spec).prop_map(|(name, created, (class, http, stream))| {
        let spec = json!({"ingressClassName": class, "http": http, "stream": stream});
        Object::ApisixRoute(name, custom(created, spec))
    })
}

fn settings() -> impl Strategy<Value = Value> {
    (
        perhaps(&["https", "grpc", "odd"]),
        perhaps(&["pair", "old", "none"]),
        prop::option::of(0..3_i64),
        any::<bool>(),
    )
        .prop_map(|(scheme, secret, retries, checked)| {
            let secret = secret.as_str().map(|name| json!({"name": name, "namespace": "shop"}));
            let check = json!({"active": {"healthy": {"successes": 2, "interval": "1s"}}});
            json!({
                "scheme": scheme, "tlsSecret": secret, "retries": retries,
                "healthCheck": checked.then_some(check), "subsets": [],
            })
        })
}

fn upstreams() -> impl Strategy<Value = Object> {
    let node = (word(&["Domain", "Service"]), word(&["out.example.net", "web", "?"]))
        .prop_map(|(kind, name)| json!({"type": kind, "name": name, "weight": 1, "port": 443}));
    let registry = prop_oneof![6 => Just(json!(null)), 1 => Just(json!({"type": "nacos", "serviceName": "web"}))];
    let port = (prop_oneof![Just(80), Just(81)], settings()).prop_map(|(port, mut settings)| {
        settings["port"] = json!(port);
        settings
    });
    let name = prop_oneof![names(), service_names()];
    let spec = (perhaps(CLASSES), list(node, 2), registry, settings(), list(port, 1));
    (name, created(), spec).prop_map(|(name, created, (class, nodes, registry, mut spec, ports))| {
        spec["ingressClassName"] = class;
        spec["externalNodes"] = nodes;
        spec["discovery"] = registry;
        spec["portLevelSettings"] = ports;
        Object::ApisixUpstream(name, custom(created, spec))
    })
}

fn plugin_configs() -> impl Strategy<Value = Object> {
    let name = prop_oneof![
        names(),
        word(&["shop", "shop", "blog"]).prop_map(|namespace| Name::new(&namespace, "limits")),
    ];
    (name, created(), perhaps(CLASSES), plugins()).prop_map(|(name, created, class, plugins)| {
        let spec = json!({"ingressClassName": class, "plugins": plugins});
        Object::ApisixPluginConfig(name, custom(created, spec))
    })
}

/// A Secret that is no certificate, which plugins are completed from.
pub(super) fn other_secrets() -> impl Strategy<Value = Object> {
    (secret_names(), word(&["one", "two"])).prop_map(|(name, value)| {
        let Object::Secret(_, secret) = super::super::fixture::object(&format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: x}}, stringData: {{a.b: {value}, key: {value}}}}}"
        )) else {
            panic!("no Secret")
        };
        Object::Secret(name, secret)
    })
}

/// Any of the kinds that something is made of.
pub(super) fn any_custom() -> impl Strategy<Value = Object> {
    prop_oneof![4 => routes(), 3 => upstreams(), 3 => plugin_configs(), 6 => others()]
}
