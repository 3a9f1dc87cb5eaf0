//! The peers' cases: what two lines of apisix-ingress-controller push for the same manifests.
//!
//! What requests and clients see is compared, not how it is written. Cases 09 and 11 are of Gateway API.

mod annotations;
mod consumers;
mod ingress;
mod routes;
mod tls;

use serde_json::{Value, json};

use super::served::Served;
use super::{Planned, body, planned, reference};

/// Both lines.
const LINES: [&str; 2] = ["1.8", "2.x"];

/// Kinds of APISIX, referred ones first.
const KINDS: [&str; 4] = ["upstreams", "services", "consumers", "routes"];

/// One case.
struct Case {
    ours: Planned,
    /// The final objects of each line, by kind.
    theirs: [(&'static str, Value); 2],
}

/// None where the reference is not at hand.
fn case(name: &str) -> Option<Case> {
    let backends = reference("peer-cases/00-backends.yaml")?;
    let manifests = reference(&format!("peer-cases/{name}.yaml"))?;
    let ours = planned(&format!("{backends}\n---\n{manifests}"), false);
    let theirs = LINES.map(|line| {
        let text = reference(&format!("peer-cases/out-{line}/{name}.json")).unwrap();
        let whole: Value = serde_json::from_str(&text).unwrap();
        (line, whole["final_state"].clone())
    });
    Some(Case { ours, theirs })
}

impl Case {
    fn bodies(&self) -> Vec<Value> {
        self.ours.objects.iter().map(|object| body(object)).collect()
    }

    /// Gateways: ours, and that of each line.
    async fn served(&self) -> [(&'static str, Served); 3] {
        let [(one, first), (other, second)] = &self.theirs;
        [
            ("ours", Served::planned(&self.ours).await),
            (*one, Served::objects(writable(first)).await),
            (*other, Served::objects(writable(second)).await),
        ]
    }
}

/// Their objects as they were written, without what APISIX adds. Certificates are left out: their keys are encrypted.
fn writable(state: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for kind in KINDS {
        for object in state[kind].as_array().into_iter().flatten() {
            let mut object = object.clone();
            for added in ["create_time", "update_time"] {
                object.as_object_mut().unwrap().remove(added);
            }
            let id = object.get("id").unwrap_or(&object["username"]).as_str().unwrap();
            all.push((format!("{kind}/{id}"), object));
        }
    }
    all
}

/// The Service of the cases whose endpoint answers; anything else as it is.
fn service(answer: &str) -> String {
    const SERVICES: [(&str, &str); 5] = [
        ("10.9.1.1", "web"),
        ("10.9.1.2", "web"),
        ("10.9.2.1", "api"),
        ("10.9.2.2", "api"),
        ("10.9.3.1", "canary"),
    ];
    let (node, target) = answer.split_once(' ').unwrap_or((answer, ""));
    let known = SERVICES.iter().find(|(address, _)| *address == node);
    known.map_or_else(|| answer.to_owned(), |(_, name)| format!("{name} {target}"))
}

/// Where the nodes of an upstream are, in order.
fn addresses(upstream: &Value) -> Vec<String> {
    let nodes = upstream["nodes"].as_array().unwrap().iter();
    let mut all: Vec<_> = nodes
        .map(|node| format!("{}:{}", node["host"].as_str().unwrap(), node["port"]))
        .collect();
    all.sort();
    all
}

/// The object of a list that has this id.
fn with_id<'a>(all: &'a [Value], id: &Value) -> &'a Value {
    all.iter().find(|object| object["id"] == *id).unwrap()
}

/// A list in order, anything else as it is.
fn sorted(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(list) = value.as_array_mut() {
        list.sort_by_key(Value::to_string);
    }
    value
}

/// The objects of a kind in a state, none where it has none.
fn list<'a>(state: &'a Value, kind: &str) -> &'a [Value] {
    state[kind].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A route's hosts, which one line writes singly and the other at the service.
fn hosts(state: &Value, route: &Value) -> Value {
    let service = list(state, "services")
        .iter()
        .find(|it| it["id"] == route["service_id"]);
    let written = route.get("hosts").or_else(|| service?.get("hosts"));
    written.map_or_else(|| route.get("host").map_or(Value::Null, |host| json!([host])), sorted)
}
