//! Custom resources with odd values in every field: whatever is written, what comes out fits APISIX.

use serde_json::{Value, json};

/// Values for fields that are texts.
const TEXTS: [&str; 20] = [
    "",
    " ",
    "a b",
    "0",
    "-1",
    "1.5s",
    "9999999h",
    "https",
    "chash",
    "rewrite",
    "tcp",
    "cookie",
    "10.0.0.0/33",
    "::1",
    "*.example.com",
    "Ä.example.com",
    "/(",
    "(?=a)b",
    "x\ny",
    "$remote_addr",
];

/// Values for fields that are numbers.
const NUMBERS: [i64; 10] = [-1, 0, 1, 99, 255, 600, 65_535, 65_536, 4_294_967_296, i64::MAX];

/// What an ApisixUpstream and a BackendTrafficPolicy say of how nodes are spoken to.
fn settings() -> Value {
    json!({
        "scheme": "https",
        "retries": 2,
        "timeout": {"connect": "1s", "send": "2s", "read": "3s"},
        "loadbalancer": {"type": "chash", "hashOn": "header", "key": "X-User"},
        "passHost": "rewrite",
        "upstreamHost": "inner.example.com",
        "healthCheck": {
            "active": {
                "type": "http", "timeout": "2s", "concurrency": 3, "host": "h.example.com", "port": 8081,
                "httpPath": "/h", "requestHeaders": ["A: b"],
                "healthy": {"interval": "2s", "httpCodes": [200], "successes": 2},
                "unhealthy": {"interval": "1s", "httpCodes": [500], "httpFailures": 3, "tcpFailures": 4, "timeouts": 5},
            },
            "passive": {
                "type": "http",
                "healthy": {"httpCodes": [200], "successes": 1},
                "unhealthy": {"httpCodes": [500], "httpFailures": 2, "tcpFailures": 2, "timeouts": 2},
            },
        },
    })
}

/// A rule of an ApisixRoute that says everything but plugins: which there are is known to the target alone.
fn rule() -> Value {
    json!({
        "name": "rule",
        "priority": 3,
        "timeout": {"connect": "1s", "send": "2s", "read": "3s"},
        "match": {
            "hosts": ["UNIQUE.example.com"], "paths": ["/a/*"], "methods": ["GET"], "remoteAddrs": ["10.0.0.0/8"],
            "exprs": [
                {"subject": {"scope": "Header", "name": "X-A"}, "op": "RegexMatch", "value": "^a"},
                {"subject": {"scope": "Query", "name": "b"}, "op": "In", "set": ["c"]},
            ],
        },
        "backends": [{"serviceName": "web", "servicePort": 80, "weight": 1}],
        "authentication": {"enable": true, "type": "jwtAuth", "jwtAuth": {"header": "H", "query": "q", "cookie": "c"}},
    })
}

/// Objects that say everything, by kind.
fn templates() -> Vec<(&'static str, Value)> {
    let key = json!({"key": "UNIQUE"});
    let token = json!({"key": "UNIQUE", "secret": "s", "algorithm": "HS256", "exp": 60, "lifetime_grace_period": 3});
    let signature = json!({"key_id": "UNIQUE", "secret_key": "s", "clock_skew": 3, "max_req_body": 7});
    let user = json!({"username": "UNIQUE", "password": "p"});
    let outside = json!({
        "scheme": "http",
        "externalNodes": [{"type": "Domain", "name": "out.example.net", "port": 80, "weight": 2}],
    });
    let registry = json!({"discovery": {"type": "consul", "serviceName": "web", "args": {"a": "b"}}});
    let stream = json!({"name": "s", "protocol": "TCP", "match": {"ingressPort": 9100, "host": "UNIQUE.example.com"},
        "backend": {"serviceName": "web", "servicePort": 80}});
    let of = |auth: &str, value: &Value| json!({"authParameter": {auth: {"value": value}}});
    vec![
        ("ApisixUpstream", settings()),
        ("ApisixUpstream", outside),
        ("ApisixUpstream", registry),
        ("BackendTrafficPolicy", settings()),
        ("ApisixRoute", json!({"http": [rule()]})),
        ("ApisixRoute", json!({"stream": [stream]})),
        (
            "HTTPRoutePolicy",
            json!({"priority": 2, "vars": [["http_a", "~~", "^a"], ["remote_addr", "ipmatch", ["10.0.0.0/8"]]]}),
        ),
        ("ApisixConsumer", of("keyAuth", &key)),
        ("ApisixConsumer", of("basicAuth", &user)),
        ("ApisixConsumer", of("jwtAuth", &token)),
        ("ApisixConsumer", of("hmacAuth", &signature)),
        ("ApisixConsumer", of("ldapAuth", &json!({"user_dn": "cn=UNIQUE"}))),
        (
            "Consumer",
            json!({"credentials": [{"type": "key-auth", "name": "a", "config": key}]}),
        ),
    ]
}

/// Pointers to all texts and numbers in a value.
fn leaves(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| leaves(value, &format!("{at}/{name}"), all)),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(number, value)| leaves(value, &format!("{at}/{number}"), all));
        }
        Value::String(_) | Value::Number(_) => all.push(at.to_owned()),
        Value::Null | Value::Bool(_) => {}
    }
}

/// The manifests: of each template one object for each odd value in each of its fields, with all that it needs.
pub(super) fn manifests() -> String {
    let mut all = vec![service("web")];
    for (kind, template) in templates() {
        let mut pointers = Vec::new();
        leaves(&template, "", &mut pointers);
        for pointer in pointers {
            let is_text = template.pointer(&pointer).is_some_and(Value::is_string);
            let texts = TEXTS.iter().filter(|_| is_text).map(|text| json!(text));
            let numbers = NUMBERS.iter().filter(|_| !is_text).map(|number| json!(number));
            for value in texts.chain(numbers) {
                let mut spec = template.clone();
                *spec.pointer_mut(&pointer).unwrap() = value;
                with_all_it_needs(kind, &format!("n{}", all.len()), spec, &mut all);
            }
        }
    }
    // What two objects may not have alike is called after the object.
    let named = |object: &Value| {
        object
            .to_string()
            .replace("UNIQUE", object["metadata"]["name"].as_str().unwrap())
    };
    all.iter().map(|object| named(object) + "\n---\n").collect()
}

fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"ports": [{"name": "http", "port": 80}]}})
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    let version = if kind.starts_with("Apisix") { "v2" } else { "v1alpha1" };
    json!({"apiVersion": format!("apisix.apache.org/{version}"), "kind": kind,
        "metadata": {"name": name, "namespace": "shop"}, "spec": spec})
}

fn with_all_it_needs(kind: &str, name: &str, mut spec: Value, all: &mut Vec<Value>) {
    let target = |group: &str, kind: &str| json!([{"group": group, "kind": kind, "name": name}]);
    match kind {
        "ApisixUpstream" => {
            let outside = spec.get("externalNodes").or(spec.get("discovery")).is_some();
            let backends = json!([{"serviceName": name, "servicePort": 80}]);
            let upstreams = if outside { json!([{"name": name}]) } else { json!([]) };
            let rule = json!({"name": "r", "match": {"paths": [format!("/{name}")]},
                "backends": if outside { json!([]) } else { backends }, "upstreams": upstreams});
            all.extend([service(name), object("ApisixRoute", name, &json!({"http": [rule]}))]);
        }
        "BackendTrafficPolicy" => {
            spec["targetRefs"] = target("", "Service");
            all.extend([service(name), ingress(name, name)]);
        }
        "HTTPRoutePolicy" => {
            spec["targetRefs"] = target("networking.k8s.io", "Ingress");
            all.push(ingress(name, "web"));
        }
        _ => {}
    }
    all.push(object(kind, name, &spec));
}

fn ingress(name: &str, service: &str) -> Value {
    let backend = json!({"service": {"name": service, "port": {"number": 80}}});
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"ingressClassName": "apisix", "rules": [{"host": format!("{name}.example.com"),
            "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}})
}
