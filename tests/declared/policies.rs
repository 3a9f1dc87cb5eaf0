//! HTTPRoutePolicy: which requests the routes of an Ingress are for, and which of two routes is asked first.

use super::planned;
use super::served::Served;

const SERVICES: &str = r#"
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: canary, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: beta, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}
"#;

/// An Ingress for one host, in which all of them are, and its Service of the same name.
fn ingress(name: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, namespace: shop}}
spec:
  ingressClassName: apisix
  rules:
  - host: a.example.com
    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: {name}, port: {{number: 80}}}}}}}}]}}
"
    )
}

fn policy(ingress: &str, priority: i32, vars: &str) -> String {
    format!(
        "---
apiVersion: apisix.apache.org/v1alpha1
kind: HTTPRoutePolicy
metadata: {{name: {ingress}, namespace: shop}}
spec:
  targetRefs: [{{group: networking.k8s.io, kind: Ingress, name: {ingress}}}]
  priority: {priority}
  vars: {vars}
"
    )
}

async fn served(priority_of_canary: i32, priority_of_beta: i32) -> Served {
    let ingresses = ["web", "canary", "beta"].map(ingress).concat();
    let canary = r#"[[http_x_canary, "==", "yes"], [arg_id, "~~", "^[0-9]+$"]]"#;
    let policies =
        policy("canary", priority_of_canary, canary) + &policy("beta", priority_of_beta, r#"[[arg_beta, "==", "1"]]"#);
    let planned = planned(&format!("{SERVICES}{ingresses}{policies}"), false);
    assert_eq!(planned.diagnostics, Vec::<String>::new());
    assert_eq!(planned.problems, Vec::<String>::new());
    Served::planned(&planned).await
}

#[tokio::test]
async fn conditions_narrow_the_routes_of_an_ingress() {
    let served = served(10, 5).await;
    let yes = &[("x-canary", "yes")][..];
    for (target, headers, wanted) in [
        ("/", &[][..], "web /"),
        ("/?id=7", yes, "canary /?id=7"),
        // All of them must hold.
        ("/", yes, "web /"),
        ("/?id=a", yes, "web /?id=a"),
        ("/?id=7", &[("x-canary", "no")][..], "web /?id=7"),
        ("/?beta=1", &[][..], "beta /?beta=1"),
    ] {
        assert_eq!(
            served.ask("a.example.com", target, headers).await,
            wanted,
            "{target} {headers:?}"
        );
    }
    served.end().await;
}

#[tokio::test]
async fn the_route_of_the_greater_priority_is_asked_first() {
    for (of_canary, of_beta, wanted) in [(10, 5, "canary"), (5, 10, "beta")] {
        let served = served(of_canary, of_beta).await;
        let answer = served
            .ask("a.example.com", "/?id=7&beta=1", &[("x-canary", "yes")])
            .await;
        assert_eq!(answer, format!("{wanted} /?id=7&beta=1"));
        served.end().await;
    }
}
