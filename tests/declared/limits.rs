//! How often may be called: `limit-count` of a rule, of a set of plugins, and of a consumer. Windows are so long that
//! none ends here.

use super::planned;
use super::served::Served;

const LIMITED: &str = r#"
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixPluginConfig
metadata: {name: two, namespace: shop}
spec:
  ingressClassName: apisix
  plugins:
  - {name: limit-count, enable: true, config: {count: 2, time_window: 86400, rejected_code: 429, key: remote_addr}}
  - {name: ip-restriction, enable: false, config: {whitelist: [192.0.2.1]}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: jack, namespace: shop}
spec:
  ingressClassName: apisix
  authParameter: {keyAuth: {value: {key: key-of-jack}}}
  plugins: [{name: limit-count, config: {count: 1, time_window: 86400, rejected_code: 429, key: remote_addr}}]
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: rose, namespace: shop}
spec: {ingressClassName: apisix, authParameter: {keyAuth: {value: {key: key-of-rose}}}}
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: limited, namespace: shop}
spec:
  ingressClassName: apisix
  http:
  - name: config
    match: {hosts: [rule.example.com], paths: ["/config"]}
    backends: [{serviceName: web, servicePort: 80}]
    plugin_config_name: two
  - name: same-config
    match: {hosts: [rule.example.com], paths: ["/same-config"]}
    backends: [{serviceName: web, servicePort: 80}]
    plugin_config_name: two
  - name: own
    match: {hosts: [rule.example.com], paths: ["/own"]}
    backends: [{serviceName: web, servicePort: 80}]
    plugin_config_name: two
    plugins: [{name: limit-count, config: {count: 1, time_window: 86400, rejected_code: 503, key: remote_addr}}]
  - name: asking
    match: {hosts: [rule.example.com], paths: ["/asking"]}
    backends: [{serviceName: web, servicePort: 80}]
    plugin_config_name: two
    authentication: {enable: true, type: keyAuth}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: limited, namespace: shop, annotations: {k8s.apisix.apache.org/plugin-config-name: two}}
spec:
  ingressClassName: apisix
  rules:
  - host: ingress.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
"#;

#[tokio::test]
async fn calls_are_counted_where_that_is_said() {
    let planned = planned(LIMITED, false);
    assert_eq!((planned.diagnostics.len(), planned.problems.len()), (0, 0));
    let served = Served::planned(&planned).await;
    let by = |key| vec![("apikey", key)];
    for (host, target, headers, wanted) in [
        ("rule.example.com", "/config", vec![], ["200", "200", "429"]),
        // Each route counts for itself.
        ("rule.example.com", "/same-config", vec![], ["200", "200", "429"]),
        ("rule.example.com", "/own", vec![], ["200", "503", "503"]),
        ("ingress.example.com", "/", vec![], ["200", "200", "429"]),
        // What a consumer has goes over what the route has.
        ("rule.example.com", "/asking", by("key-of-jack"), ["200", "429", "429"]),
        ("rule.example.com", "/asking", by("key-of-rose"), ["200", "200", "429"]),
    ] {
        for (at, wanted) in wanted.iter().enumerate() {
            let response = served.send(host, target, &headers).await;
            assert_eq!(response.status().as_str(), *wanted, "{host}{target}, call {at}");
        }
    }
    served.end().await;
}
