//! Who may call: consumers against routes that ask, and consumers of another cluster.

use super::served::Served;
use super::{Planned, merged};

/// Two kinds of consumers, and routes that ask: rules of an ApisixRoute and Ingresses with an annotation.
const EAST: &str = r#"
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Secret, metadata: {name: jack, namespace: shop}, stringData: {key: key-of-jack}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: jack, namespace: shop}
spec: {ingressClassName: apisix, authParameter: {keyAuth: {secretRef: {name: jack}}}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: rose, namespace: shop}
spec: {ingressClassName: apisix, authParameter: {basicAuth: {value: {username: rose, password: pw}}}}
---
apiVersion: apisix.apache.org/v1alpha1
kind: Consumer
metadata: {name: ann, namespace: shop}
spec:
  gatewayRef: {name: apisix}
  credentials:
  - {type: key-auth, name: first, config: {key: key-of-ann}}
  - {type: key-auth, name: second, config: {key: other-key-of-ann}}
  - {type: basic-auth, name: login, config: {username: ann, password: pw}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: asking, namespace: shop}
spec:
  ingressClassName: apisix
  http:
  - name: key
    match: {hosts: [rule.example.com], paths: ["/key"]}
    backends: [{serviceName: web, servicePort: 80}]
    authentication: {enable: true, type: keyAuth, keyAuth: {header: X-Key}}
  - name: basic
    match: {hosts: [rule.example.com], paths: ["/basic"]}
    backends: [{serviceName: web, servicePort: 80}]
    authentication: {enable: true, type: basicAuth}
  - name: open
    match: {hosts: [rule.example.com], paths: ["/open"]}
    backends: [{serviceName: web, servicePort: 80}]
    authentication: {enable: false, type: keyAuth}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: key, namespace: shop, annotations: {k8s.apisix.apache.org/auth-type: keyAuth}}
spec:
  ingressClassName: apisix
  rules:
  - host: key.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: basic, namespace: shop, annotations: {k8s.apisix.apache.org/auth-type: basicAuth}}
spec:
  ingressClassName: apisix
  rules:
  - host: basic.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
"#;

/// Consumers that nobody in the east knows, of the same names, and a route of their own.
const WEST: &str = r#"
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: jack, namespace: shop}
spec: {ingressClassName: apisix, authParameter: {keyAuth: {value: {key: key-of-the-west}}}}
---
apiVersion: apisix.apache.org/v1alpha1
kind: Consumer
metadata: {name: ann, namespace: shop}
spec: {credentials: [{type: basic-auth, config: {username: ann-of-the-west, password: pw}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: key, namespace: shop, annotations: {k8s.apisix.apache.org/auth-type: keyAuth}}
spec:
  ingressClassName: apisix
  rules:
  - host: west.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
"#;

const ROSE: &str = "Basic cm9zZTpwdw==";
const ROSE_WRONG: &str = "Basic cm9zZTp3cm9uZw==";
const ANN: &str = "Basic YW5uOnB3";
const ANN_OF_THE_WEST: &str = "Basic YW5uLW9mLXRoZS13ZXN0OnB3";

fn both() -> Planned {
    let planned = merged(&[("east", EAST), ("west", WEST)], false, &[]);
    assert_eq!(planned.diagnostics, Vec::<String>::new());
    assert_eq!(planned.problems, Vec::<String>::new());
    planned
}

#[tokio::test]
async fn who_has_a_credential_may_call() {
    let served = Served::planned(&both()).await;
    let key = |key| vec![("apikey", key)];
    let user = |user| vec![("authorization", user)];
    for (host, target, headers, wanted) in [
        ("rule.example.com", "/key", vec![("x-key", "key-of-jack")], "web /key"),
        ("rule.example.com", "/key", vec![("x-key", "key-of-ann")], "web /key"),
        (
            "rule.example.com",
            "/key",
            vec![("x-key", "other-key-of-ann")],
            "web /key",
        ),
        ("rule.example.com", "/key", vec![("x-key", "wrong")], "401"),
        ("rule.example.com", "/key", key("key-of-jack"), "401"),
        ("rule.example.com", "/key", user(ROSE), "401"),
        ("rule.example.com", "/key", vec![], "401"),
        ("rule.example.com", "/basic", user(ROSE), "web /basic"),
        ("rule.example.com", "/basic", user(ANN), "web /basic"),
        ("rule.example.com", "/basic", user(ROSE_WRONG), "401"),
        ("rule.example.com", "/basic", key("key-of-jack"), "401"),
        ("rule.example.com", "/basic", vec![], "401"),
        ("rule.example.com", "/open", vec![], "web /open"),
        ("key.example.com", "/", key("key-of-jack"), "web /"),
        ("key.example.com", "/", key("wrong"), "401"),
        ("key.example.com", "/", vec![], "401"),
        ("basic.example.com", "/", user(ANN), "web /"),
        ("basic.example.com", "/", user(ROSE_WRONG), "401"),
        ("basic.example.com", "/", vec![], "401"),
    ] {
        assert_eq!(
            served.ask(host, target, &headers).await,
            wanted,
            "{host}{target} {headers:?}"
        );
    }
    served.end().await;
}

/// APISIX looks for a credential among all consumers: it knows who calls, and that this is nobody of here.
#[tokio::test]
async fn consumers_of_another_cluster_are_refused() {
    let served = Served::planned(&both()).await;
    let key = |key| vec![("apikey", key)];
    let user = |user| vec![("authorization", user)];
    for (host, target, headers, wanted) in [
        ("rule.example.com", "/key", vec![("x-key", "key-of-the-west")], "403"),
        ("rule.example.com", "/basic", user(ANN_OF_THE_WEST), "403"),
        ("key.example.com", "/", key("key-of-the-west"), "403"),
        ("basic.example.com", "/", user(ANN_OF_THE_WEST), "403"),
        ("west.example.com", "/", key("key-of-the-west"), "web /"),
        ("west.example.com", "/", key("key-of-jack"), "403"),
        ("west.example.com", "/", key("other-key-of-ann"), "403"),
    ] {
        assert_eq!(
            served.ask(host, target, &headers).await,
            wanted,
            "{host}{target} {headers:?}"
        );
    }
    served.end().await;
}

/// Backends read the name that people gave, whatever the hub calls the consumer.
#[tokio::test]
async fn backends_are_told_who_calls() {
    let served = Served::planned(&both()).await;
    for (host, headers, wanted) in [
        ("key.example.com", ("apikey", "key-of-jack"), "shop_jack"),
        ("key.example.com", ("apikey", "other-key-of-ann"), "shop_ann"),
        ("basic.example.com", ("authorization", ROSE), "shop_rose"),
        ("west.example.com", ("apikey", "key-of-the-west"), "shop_jack"),
    ] {
        assert_eq!(served.seen("consumer", host, "/", &[headers]).await, wanted, "{host}");
    }
    served.end().await;
}
