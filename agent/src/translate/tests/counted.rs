//! What a change of one object costs among many that have nothing to do with it: what depends on it and nothing else.

use super::fixture::*;
use super::policies::cost;

/// One of everything that leads to a Service, under one name.
const SET: &str = "
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: NAME-a, namespace: shop, labels: {kubernetes.io/service-name: NAME}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.0.1]}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: NAME, namespace: shop, annotations: {k8s.apisix.apache.org/plugin-config-name: NAME}}
spec:
  ingressClassName: apisix
  rules: [{host: NAME.example.com, http: {paths: [{path: /, pathType: Exact, backend: {service: {name: NAME, port: {number: 80}}}}]}}]
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: NAME, namespace: shop}
spec:
  ingressClassName: apisix
  http:
  - name: rule
    match: {paths: [/NAME]}
    backends: [{serviceName: NAME, servicePort: 80}]
    upstreams: [{name: NAME-outside}]
    plugins: [{name: csrf, config: {expires: 60}, secretRef: NAME-route}]
    plugin_config_name: NAME
---
apiVersion: apisix.apache.org/v2
kind: ApisixUpstream
metadata: {name: NAME, namespace: shop}
spec: {ingressClassName: apisix, retries: 1}
---
apiVersion: apisix.apache.org/v2
kind: ApisixUpstream
metadata: {name: NAME-outside, namespace: shop}
spec: {ingressClassName: apisix, externalNodes: [{type: Domain, name: NAME.example.net, port: 443}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixPluginConfig
metadata: {name: NAME, namespace: shop}
spec:
  ingressClassName: apisix
  plugins: [{name: csrf, enable: true, config: {expires: 60}, secretRef: NAME-set}]
---
apiVersion: apisix.apache.org/v1alpha1
kind: PluginConfig
metadata: {name: NAME, namespace: shop}
spec: {plugins: [{name: csrf, config: {expires: 60}}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixGlobalRule
metadata: {name: NAME, namespace: shop}
spec: {ingressClassName: apisix, plugins: [{name: csrf, enable: true, config: {expires: 60}, secretRef: NAME-rule}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: NAME, namespace: shop}
spec: {ingressClassName: apisix, authParameter: {keyAuth: {secretRef: {name: NAME-key}}}}
---
apiVersion: v1
kind: Secret
metadata: {name: NAME-route, namespace: shop}
stringData: {key: one}
---
apiVersion: v1
kind: Secret
metadata: {name: NAME-set, namespace: shop}
stringData: {key: one}
---
apiVersion: v1
kind: Secret
metadata: {name: NAME-rule, namespace: shop}
stringData: {key: one}
---
apiVersion: v1
kind: Secret
metadata: {name: NAME-key, namespace: shop}
stringData: {key: NAME}
---
apiVersion: v1
kind: Secret
metadata: {name: NAME-of-nobody, namespace: shop}
stringData: {key: one}
---
apiVersion: apisix.apache.org/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: NAME, namespace: shop}
spec: {targetRefs: [{group: '', kind: Service, name: NAME}], retries: 2}
---
apiVersion: apisix.apache.org/v1alpha1
kind: HTTPRoutePolicy
metadata: {name: NAME, namespace: shop}
spec: {targetRefs: [{group: networking.k8s.io, kind: Ingress, name: NAME}], vars: [[OR, [arg_a, '==', 1], [arg_b, '==', x]]]}
";

/// The document of a set with a kind and a name, and something in it replaced.
fn changed(kind: &str, name: &str, from: &str, to: &str) -> String {
    let documents = SET.replace("NAME", "one");
    let wanted = |document: &&str| {
        document.contains(&format!("kind: {kind}\n")) && document.contains(&format!("metadata: {{name: {name},"))
    };
    let document = documents.split("\n---\n").find(wanted).unwrap();
    assert!(document.contains(from), "{document}");
    document.replace(from, to)
}

#[test]
fn only_what_depends_on_a_change_is_translated_again() {
    // Far more than any change may touch.
    let names = (0..40).map(|number| format!("other-{number}"));
    let sets: Vec<String> = names
        .chain(["one".to_owned()])
        .map(|name| SET.replace("NAME", &name))
        .collect();
    let (mut translator, _) = started(&objects(&sets.join("\n---\n")));
    assert_eq!(translator.diagnostics(), []);
    let (route, ingress) = ("+Route one#rule", "+Route one#one.example.com|Exact|/");
    let (set, none) = ("+PluginSet one#", [""; 0]);
    let table = [
        (("Secret", "one-route", "key: one", "key: two"), &[route][..], 1),
        (("Secret", "one-set", "key: one", "key: two"), &[set], 1),
        (("Secret", "one-rule", "key: one", "key: two"), &["+GlobalRule one#"], 1),
        (("Secret", "one-key", "key: one", "key: two"), &["+Consumer one#"], 1),
        (("Secret", "one-of-nobody", "key: one", "key: two"), &none, 0),
        (("ApisixPluginConfig", "one", "expires: 60", "expires: 61"), &[set], 1),
        (("PluginConfig", "one", "expires: 60", "expires: 61"), &[set], 1),
        (
            ("ApisixGlobalRule", "one", "expires: 60", "expires: 61"),
            &["+GlobalRule one#"],
            1,
        ),
        (
            ("ApisixUpstream", "one", "retries: 1", "retries: 3"),
            &["+Service one#80|apisix"],
            2,
        ),
        (
            ("ApisixUpstream", "one-outside", "443", "444"),
            &["+Service one-outside#"],
            1,
        ),
        (("ApisixRoute", "one", "paths: [/one]", "paths: [/new]"), &[route], 1),
        (
            ("Ingress", "one", "path: /,", "path: /new,"),
            &[
                "+Route one#one.example.com|Exact|/new",
                "-Route one#one.example.com|Exact|/",
            ],
            1,
        ),
        (
            ("Ingress", "one", "path: /,", "path: /,"),
            &[ingress, "-Route one#one.example.com|Exact|/new"],
            1,
        ),
        (
            ("BackendTrafficPolicy", "one", "retries: 2", "retries: 3"),
            &["+Service one#80"],
            2,
        ),
        (("HTTPRoutePolicy", "one", "'==', 1]", "'==', 2]"), &[ingress], 2),
        (("HTTPRoutePolicy", "one", "[OR,", "['!OR',"), &[ingress], 2),
        (("HTTPRoutePolicy", "one", "[OR,", "['!or',"), &none, 1),
        (
            ("EndpointSlice", "one-a", "10.0.0.1", "10.0.0.2"),
            &["+EndpointSet one#80"],
            1,
        ),
    ];
    for ((kind, name, from, to), published, units) in table {
        let event = apply(&changed(kind, name, from, to));
        let expected: Vec<String> = published.iter().map(|&text| text.to_owned()).collect();
        assert_eq!(cost(&mut translator, event), (expected, units), "{kind} {name}: {to}");
    }
}
