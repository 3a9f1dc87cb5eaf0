//! What acts on everybody's traffic: ApisixGlobalRules and GatewayProxies of clusters that are granted it, and of others.

use serde_json::json;

use super::served::Served;
use super::{Planned, body, merged};

const RULE: &str = r#"
apiVersion: apisix.apache.org/v2
kind: ApisixGlobalRule
metadata: {name: once, namespace: ops}
spec:
  ingressClassName: apisix
  plugins:
  - {name: limit-count, enable: true, config: {count: 1, time_window: 86400, rejected_code: 429, key: remote_addr}}
  - {name: key-auth, enable: false, config: {}}
"#;

const PROXY: &str = r#"
apiVersion: apisix.apache.org/v1alpha1
kind: GatewayProxy
metadata: {name: apisix, namespace: ops}
spec:
  provider: {type: ControlPlane}
  plugins:
  - {name: limit-count, enabled: true, config: {count: 1, time_window: 86400, rejected_code: 429, key: remote_addr}}
  - {name: key-auth, config: {}}
"#;

/// A route of another cluster than that which sets the rule.
const WEB: &str = r#"
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: apisix
  rules:
  - host: web.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
"#;

async fn answers(planned: &Planned) -> [String; 2] {
    let served = Served::planned(planned).await;
    let first = served.ask("web.example.com", "/", &[]).await;
    let second = served.ask("web.example.com", "/", &[]).await;
    served.end().await;
    [first, second]
}

#[tokio::test]
async fn a_rule_on_everybody_is_taken_from_who_is_granted_it() {
    for rule in [RULE, PROXY] {
        let clusters = [("east", rule), ("west", WEB)];
        let granted = merged(&clusters, false, &["east"]);
        assert_eq!(granted.problems, Vec::<String>::new());
        assert_eq!(answers(&granted).await, ["web /", "429"], "{rule}");
        for grants in [&[][..], &["west"][..]] {
            let refused = merged(&clusters, false, grants);
            assert_eq!(answers(&refused).await, ["web /", "web /"], "{rule}");
            let [problem] = refused.problems.as_slice() else {
                panic!("{:?}", refused.problems);
            };
            assert!(
                problem.starts_with("NotGranted: ") && problem.contains("of cluster east"),
                "{problem}"
            );
        }
    }
}

/// APISIX runs a plugin that two global rules have in neither of them: there is one for each, of the older one.
#[test]
fn of_two_rules_for_one_plugin_the_older_counts() {
    let at = |day: u8, count: u8| {
        let made = format!("name: once, creationTimestamp: \"2026-01-0{day}T00:00:00Z\"");
        let rule = RULE.replace("name: once", &made);
        rule.replace("count: 1", &format!("count: {count}"))
    };
    let (older, newer) = (at(1, 7), at(2, 9));
    for clusters in [
        [("east", &*older), ("west", &newer)],
        [("east", &newer), ("west", &older)],
    ] {
        let planned = merged(&clusters, false, &["east", "west"]);
        let bodies: Vec<_> = planned.objects.iter().map(|object| body(object)).collect();
        let counts: Vec<_> = bodies
            .iter()
            .map(|body| &body["plugins"]["limit-count"]["count"])
            .collect();
        assert_eq!(counts, [&json!(7)]);
        assert_eq!(planned.problems.len(), 1, "{:?}", planned.problems);
    }
}
