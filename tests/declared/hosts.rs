//! The `Host` that backends get: ApisixUpstreams behind ApisixRoutes, BackendTrafficPolicies behind Ingresses.

use super::planned;
use super::served::Served;

const SERVICES: &str = r#"
{apiVersion: v1, kind: Service, metadata: {name: plain, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: passed, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: node, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}
---
apiVersion: v1
kind: Service
metadata: {name: rewritten, namespace: shop}
spec: {ports: [{name: http, port: 80}, {name: admin, port: 81}]}
"#;

const UPSTREAMS: &str = r#"
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: all, namespace: shop}
spec:
  ingressClassName: apisix
  http:
  - {name: plain, match: {paths: ["/plain"]}, backends: [{serviceName: plain, servicePort: 80}]}
  - {name: passed, match: {paths: ["/passed"]}, backends: [{serviceName: passed, servicePort: 80}]}
  - {name: node, match: {paths: ["/node"]}, backends: [{serviceName: node, servicePort: 80}]}
  - {name: rewritten, match: {paths: ["/rewritten"]}, backends: [{serviceName: rewritten, servicePort: 80}]}
  - {name: admin, match: {paths: ["/admin"]}, backends: [{serviceName: rewritten, servicePort: admin}]}
  - {name: outside, match: {paths: ["/outside"]}, upstreams: [{name: outside}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixUpstream
metadata: {name: passed, namespace: shop}
spec: {ingressClassName: apisix, passHost: pass}
---
apiVersion: apisix.apache.org/v2
kind: ApisixUpstream
metadata: {name: node, namespace: shop}
spec: {ingressClassName: apisix, passHost: node}
---
apiVersion: apisix.apache.org/v2
kind: ApisixUpstream
metadata: {name: rewritten, namespace: shop}
spec:
  ingressClassName: apisix
  passHost: rewrite
  upstreamHost: inner.example.com
  portLevelSettings: [{port: 81, passHost: rewrite, upstreamHost: admin.example.com}]
---
apiVersion: apisix.apache.org/v2
kind: ApisixUpstream
metadata: {name: outside, namespace: shop}
spec:
  ingressClassName: apisix
  passHost: rewrite
  upstreamHost: out.example.net
  externalNodes: [{type: Domain, name: out.example.net}]
"#;

const POLICIES: &str = r#"
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: all, namespace: shop}
spec:
  ingressClassName: apisix
  rules:
  - http:
      paths:
      - {path: /plain, pathType: Prefix, backend: {service: {name: plain, port: {number: 80}}}}
      - {path: /passed, pathType: Prefix, backend: {service: {name: passed, port: {number: 80}}}}
      - {path: /node, pathType: Prefix, backend: {service: {name: node, port: {number: 80}}}}
      - {path: /rewritten, pathType: Prefix, backend: {service: {name: rewritten, port: {number: 80}}}}
      - {path: /admin, pathType: Prefix, backend: {service: {name: rewritten, port: {name: admin}}}}
---
apiVersion: apisix.apache.org/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: passed, namespace: shop}
spec: {targetRefs: [{group: "", kind: Service, name: passed}], passHost: pass}
---
apiVersion: apisix.apache.org/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: node, namespace: shop}
spec: {targetRefs: [{group: "", kind: Service, name: node}], passHost: node}
---
apiVersion: apisix.apache.org/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: rewritten, namespace: shop}
spec:
  targetRefs: [{group: "", kind: Service, name: rewritten}]
  passHost: rewrite
  upstreamHost: inner.example.com
---
apiVersion: apisix.apache.org/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: admin, namespace: shop}
spec:
  targetRefs: [{group: "", kind: Service, name: rewritten, sectionName: admin}]
  passHost: rewrite
  upstreamHost: admin.example.com
"#;

async fn check(manifests: &str, others: &[(&str, &str)]) {
    let planned = planned(&format!("{SERVICES}{manifests}"), false);
    assert_eq!(planned.diagnostics, Vec::<String>::new());
    assert_eq!(planned.problems, Vec::<String>::new());
    let served = Served::planned(&planned).await;
    let of_node = served.address("node");
    let same = [
        ("/plain", "a.example.com"),
        ("/passed", "a.example.com"),
        ("/node", &of_node),
        ("/rewritten", "inner.example.com"),
        ("/admin", "admin.example.com"),
    ];
    for (target, wanted) in same.iter().chain(others) {
        assert_eq!(
            served.seen("host", "a.example.com", target, &[]).await,
            *wanted,
            "{target}"
        );
    }
    served.end().await;
}

#[tokio::test]
async fn an_apisix_upstream_says_what_host_backends_get() {
    check(UPSTREAMS, &[("/outside", "out.example.net")]).await;
}

#[tokio::test]
async fn a_backend_traffic_policy_says_what_host_backends_get() {
    check(POLICIES, &[]).await;
}
