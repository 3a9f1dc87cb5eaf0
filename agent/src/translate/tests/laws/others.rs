//! Random custom resources of which certificates, consumers, global rules and policies are made.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::custom::{CLASSES, created, custom, list, perhaps, plugins, word};
use super::generate::names;
use crate::source::Object;
use crate::source::object::Name;

/// Few, so that the same object changes.
fn few_names() -> impl Strategy<Value = Name> {
    word(&["one", "two"]).prop_map(|name| Name::new("shop", &name))
}

fn secret() -> impl Strategy<Value = Value> {
    let name = word(&["pair", "old", "none"]);
    (name, word(&["shop", "shop", "blog"])).prop_map(|(name, namespace)| json!({"name": name, "namespace": namespace}))
}

fn certificates() -> impl Strategy<Value = Object> {
    let client = (prop::option::of(secret()), 0..3_i64)
        .prop_map(|(secret, depth)| json!({"caSecret": secret, "depth": depth, "skip_mtls_uri_regex": ["/open", "("]}));
    let client = prop_oneof![1 => Just(json!(null)), 1 => client];
    let host = word(&["a.example.com", "t.example.com", "no host"]).prop_map(|host| json!(host));
    let spec = (perhaps(CLASSES), list(host, 2), secret(), client);
    (names(), created(), spec).prop_map(|(name, created, (class, hosts, secret, client))| {
        let spec = json!({"ingressClassName": class, "hosts": hosts, "secret": secret, "client": client});
        Object::ApisixTls(name, custom(created, spec))
    })
}

fn consumers() -> impl Strategy<Value = Object> {
    let named = word(&["pair", "old", "none"]).prop_map(|name| json!({"secretRef": {"name": name}}));
    let written = word(&["", "key"]).prop_map(|key| json!({"value": {"key": key}}));
    let key = prop_oneof![named, written, Just(json!(null))];
    (names(), created(), perhaps(CLASSES), key, plugins()).prop_map(|(name, created, class, key, plugins)| {
        let spec = json!({"ingressClassName": class, "authParameter": {"keyAuth": key}, "plugins": plugins});
        Object::ApisixConsumer(name, custom(created, spec))
    })
}

fn consumers_of_gateways() -> impl Strategy<Value = Object> {
    let method = word(&["key-auth", "key-auth", "basic-auth", "other"]);
    let credential = (method, perhaps(&["first", "second"]), prop::option::of(secret())).prop_map(
        |(method, name, secret)| json!({"type": method, "name": name, "secretRef": secret, "config": {"key": "k"}}),
    );
    (names(), created(), list(credential, 3), named_plugins()).prop_map(|(name, created, credentials, plugins)| {
        let spec = json!({"credentials": credentials, "plugins": plugins});
        Object::Consumer(name, custom(created, spec))
    })
}

fn named_plugins() -> impl Strategy<Value = Value> {
    let config = prop_oneof![4 => Just(json!({"a": 1})), 1 => Just(json!("text"))];
    let plugin = (word(&["cors", "limit-count"]), config, any::<bool>());
    list(
        plugin.prop_map(|(name, config, enabled)| json!({"name": name, "config": config, "enabled": enabled})),
        2,
    )
}

fn rules() -> impl Strategy<Value = Object> {
    let of_apisix =
        (few_names(), created(), perhaps(CLASSES), plugins()).prop_map(|(name, created, class, plugins)| {
            let spec = json!({"ingressClassName": class, "plugins": plugins});
            Object::ApisixGlobalRule(name, custom(created, spec))
        });
    let of_gateways = (few_names(), created(), named_plugins()).prop_map(|(name, created, plugins)| {
        let spec = json!({"provider": {"type": "ControlPlane"}, "plugins": plugins, "pluginMetadata": {"cors": {}}});
        Object::GatewayProxy(name, custom(created, spec))
    });
    let sets = (few_names(), created(), named_plugins()).prop_map(|(name, created, plugins)| {
        let spec = json!({"plugins": plugins});
        Object::PluginConfig(name, custom(created, spec))
    });
    prop_oneof![of_apisix, of_gateways, sets]
}

fn targets(group: &'static str, kind: &'static str, names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let target = (word(names), perhaps(&["http", "none"]), prop::bool::weighted(0.9));
    let target = target.prop_map(move |(name, section, right)| {
        let kind = if right { kind } else { "HTTPRoute" };
        json!({"group": group, "kind": kind, "name": name, "sectionName": section})
    });
    list(target, 2)
}

fn backend_policies() -> impl Strategy<Value = Object> {
    let spec = (
        targets("", "Service", &["web", "web", "api", "nobody"]),
        perhaps(&["https", "grpc", "odd"]),
        prop::option::of(0..3_i64),
    );
    (names(), created(), spec).prop_map(|(name, created, (targets, scheme, retries))| {
        let spec = json!({"targetRefs": targets, "scheme": scheme, "retries": retries});
        Object::BackendTrafficPolicy(name, custom(created, spec))
    })
}

/// Expressions of `vars`, one in some of them wrong.
fn vars() -> impl Strategy<Value = Value> {
    let operator = word(&["==", "==", "~~", ">", "in", "ipmatch", "odd"]);
    let operand = prop_oneof![
        6 => word(&["1", "2"]).prop_map(|text| json!(text)),
        2 => Just(json!(18)),
        2 => Just(json!(["1", 2, true])),
        1 => Just(json!(["10.0.0.0/8"])),
        1 => Just(json!(null)),
    ];
    let comparison = (word(&["arg_a", "http_b"]), prop::bool::ANY, operator, operand);
    let comparison = comparison.prop_map(|(name, negated, operator, value)| match negated {
        true => json!([name, "!", operator, value]),
        false => json!([name, operator, value]),
    });
    comparison.prop_recursive(2, 6, 3, |inner| {
        let parts = prop::collection::vec(inner, 1..=3);
        (prop::option::of(word(&["AND", "or", "!AND", "!OR"])), parts).prop_map(|(word, mut parts)| {
            if let Some(word) = word {
                parts.insert(0, json!(word));
            }
            Value::Array(parts)
        })
    })
}

fn route_policies() -> impl Strategy<Value = Object> {
    let spec = (
        targets("networking.k8s.io", "Ingress", &["one", "one", "two", "nobody"]),
        prop::option::of(0..2_i64),
        list(vars(), 2),
    );
    (names(), created(), spec).prop_map(|(name, created, (targets, priority, vars))| {
        let spec = json!({"targetRefs": targets, "priority": priority, "vars": vars});
        Object::HttpRoutePolicy(name, custom(created, spec))
    })
}

/// Any of them.
pub(super) fn others() -> impl Strategy<Value = Object> {
    prop_oneof![
        2 => certificates(),
        2 => consumers(),
        2 => consumers_of_gateways(),
        4 => rules(),
        3 => backend_policies(),
        3 => route_policies(),
    ]
}
