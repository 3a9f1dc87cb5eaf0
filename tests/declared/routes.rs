//! ApisixRoutes: requests through the stand-in.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::planned;
use super::served::Served;

const BACKENDS: &str = "
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: canary, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}
";

/// Objects of one ApisixRoute's rules at a stand-in.
async fn served(rules: &Value, others: &str) -> Served {
    let route = json!({
        "apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "metadata": {"name": "r", "namespace": "shop"},
        "spec": {"ingressClassName": "apisix", "http": rules},
    });
    let planned = planned(&format!("{route}\n---\n{others}{BACKENDS}"), false);
    assert_eq!(planned.problems, Vec::<String>::new());
    Served::planned(&planned).await
}

async fn ask(served: &Served, target: &str, headers: &[(&str, &str)]) -> String {
    served.ask("a.example.com", target, headers).await
}

#[tokio::test]
async fn rules_match_as_they_say() {
    let web = json!([{"serviceName": "web", "servicePort": 80}]);
    let canary = json!([{"serviceName": "canary", "servicePort": "http"}]);
    let rules = json!([
        {"name": "all", "match": {"hosts": ["a.example.com"], "paths": ["/*"]}, "backends": web},
        {"name": "header", "priority": 1, "backends": canary, "match": {"hosts": ["a.example.com"], "paths": ["/*"],
            "exprs": [{"subject": {"scope": "Header", "name": "X-Canary"}, "op": "Equal", "value": "yes"}]}},
        {"name": "query", "priority": 2, "backends": canary, "match": {"hosts": ["a.example.com"], "paths": ["/q"],
            "exprs": [{"subject": {"scope": "Query", "name": "id"}, "op": "RegexNotMatch", "value": "^[0-9]+$"}]}},
        {"name": "elsewhere", "priority": 3, "backends": canary,
            "match": {"hosts": ["a.example.com"], "paths": ["/away"], "remoteAddrs": ["192.0.2.0/24"]}},
        {"name": "here", "priority": 3, "backends": canary,
            "match": {"hosts": ["a.example.com"], "paths": ["/near"], "remoteAddrs": ["127.0.0.0/8"]}},
        {"name": "wrong", "priority": 9, "backends": canary,
            "match": {"hosts": ["a.example.com"], "paths": ["/f"], "filter_func": "function(vars) return true end"}},
        {"name": "closed", "priority": 9, "backends": canary, "match": {"hosts": ["a.example.com"], "paths": ["/closed"]},
            "authentication": {"enable": true, "type": "password"}},
    ]);
    let served = served(&rules, "").await;
    for (target, headers, wanted) in [
        ("/x", &[][..], "web /x"),
        ("/x", &[("x-canary", "yes")][..], "canary /x"),
        ("/x", &[("x-canary", "no")][..], "web /x"),
        ("/q?id=7", &[][..], "web /q?id=7"),
        ("/q?id=a", &[][..], "canary /q?id=a"),
        ("/away", &[][..], "web /away"),
        ("/near", &[][..], "canary /near"),
        ("/f", &[][..], "web /f"),
        ("/closed", &[][..], "503"),
    ] {
        assert_eq!(ask(&served, target, headers).await, wanted, "{target} {headers:?}");
    }
    served.end().await;
}

#[tokio::test]
async fn backends_share_by_weight() {
    let rules = json!([{
        "name": "split", "match": {"paths": ["/*"]},
        "backends": [
            {"serviceName": "web", "servicePort": 80, "weight": 70},
            {"serviceName": "canary", "servicePort": 80, "weight": 20},
        ],
        "upstreams": [{"name": "outside", "weight": 10}],
    }]);
    let outside = "{apiVersion: apisix.apache.org/v2, kind: ApisixUpstream, metadata: {name: outside, namespace: shop}, \
        spec: {ingressClassName: apisix, externalNodes: [{type: Domain, name: out.example.net}]}}\n---\n";
    let served = served(&rules, outside).await;
    let mut shares: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..100 {
        *shares.entry(ask(&served, "/", &[]).await).or_default() += 1;
    }
    let wanted = [("canary /", 20), ("out.example.net /", 10), ("web /", 70)];
    let wanted: BTreeMap<String, u32> = wanted.map(|(name, share)| (name.to_owned(), share)).into();
    assert_eq!(shares, wanted);
    served.end().await;
}

#[tokio::test]
async fn plugins_of_a_rule_stand_over_those_of_its_config() {
    let web = json!([{"serviceName": "web", "servicePort": 80}]);
    let rules = json!([
        {"name": "config", "match": {"paths": ["/config"]}, "backends": web, "plugin_config_name": "rewrite"},
        {"name": "own", "match": {"paths": ["/own"]}, "backends": web, "plugin_config_name": "rewrite",
            "plugins": [{"name": "proxy-rewrite", "enable": true, "config": {"uri": "/of-the-rule"}}]},
        {"name": "off", "match": {"paths": ["/off"]}, "backends": web,
            "plugins": [{"name": "proxy-rewrite", "enable": false, "config": {"uri": "/never"}}]},
        {"name": "missing", "match": {"paths": ["/missing"]}, "backends": web, "plugin_config_name": "nobody"},
    ]);
    let config = "{apiVersion: apisix.apache.org/v2, kind: ApisixPluginConfig, metadata: {name: rewrite, namespace: shop}, \
        spec: {ingressClassName: apisix, plugins: [{name: proxy-rewrite, config: {uri: /of-the-config}}]}}\n---\n";
    let served = served(&rules, config).await;
    for (target, wanted) in [
        ("/config", "web /of-the-config"),
        ("/own", "web /of-the-rule"),
        ("/off", "web /off"),
        ("/missing", "503"),
    ] {
        assert_eq!(ask(&served, target, &[]).await, wanted, "{target}");
    }
    served.end().await;
}

/// Of weight 0 nothing gets a request, be it a backend or a node outside of the cluster.
#[tokio::test]
async fn no_weight_is_no_request() {
    let rules = json!([
        {"name": "backend", "match": {"paths": ["/backend"]}, "backends": [
            {"serviceName": "web", "servicePort": 80, "weight": 0},
            {"serviceName": "canary", "servicePort": 80, "weight": 1},
        ]},
        {"name": "node", "match": {"paths": ["/node"]}, "upstreams": [{"name": "outside"}]},
    ]);
    let outside = "{apiVersion: apisix.apache.org/v2, kind: ApisixUpstream, metadata: {name: outside, namespace: shop}, \
        spec: {ingressClassName: apisix, externalNodes: [{type: Domain, name: out.example.net, weight: 1}, \
        {type: Domain, name: off.example.net, weight: 0}]}}\n---\n";
    let served = served(&rules, outside).await;
    for _ in 0..10 {
        assert_eq!(ask(&served, "/backend", &[]).await, "canary /backend");
        assert_eq!(ask(&served, "/node", &[]).await, "out.example.net /node");
    }
    served.end().await;
}
