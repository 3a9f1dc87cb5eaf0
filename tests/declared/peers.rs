//! Case 03 of the peers' cases: what two lines of apisix-ingress-controller push for the same manifests.
//!
//! What requests see is compared, not how it is written.

use serde_json::{Value, json};

use super::{Planned, body, planned, reference};

/// Ours, and the final objects of the newer line.
fn case() -> Option<(Planned, Value)> {
    let backends = reference("peer-cases/00-backends.yaml")?;
    let manifests = reference("peer-cases/case03-ingress-annotations.yaml")?;
    let theirs = reference("peer-cases/out-2.x/case03-ingress-annotations.json")?;
    let theirs: Value = serde_json::from_str(&theirs).unwrap();
    let ours = planned(&format!("{backends}\n---\n{manifests}"), false);
    Some((ours, theirs["final_state"].clone()))
}

fn ours(planned: &Planned, host: &str) -> (Value, Value) {
    let bodies: Vec<_> = planned.objects.iter().map(|object| body(object)).collect();
    let route = bodies.iter().find(|body| body["hosts"] == json!([host])).unwrap();
    let upstream = bodies.iter().find(|body| body["id"] == route["upstream_id"]).unwrap();
    (route.clone(), upstream.clone())
}

fn theirs(state: &Value, host: &str) -> (Value, Value) {
    let find = |kind: &str, fits: &dyn Fn(&Value) -> bool| {
        let mut all = state[kind].as_array().unwrap().iter();
        all.find(|object| fits(object)).unwrap().clone()
    };
    let service = find("services", &|service| service["hosts"] == json!([host]));
    let route = find("routes", &|route| route["service_id"] == service["id"]);
    let upstream = find("upstreams", &|upstream| upstream["id"] == service["upstream_id"]);
    (route, upstream)
}

#[test]
fn ours_behaves_as_the_newer_line_does() {
    let Some((planned, state)) = case() else { return };
    for name in ["a", "b", "c"] {
        let host = format!("case03{name}.example.com");
        let ((route, upstream), (their_route, their_upstream)) = (ours(&planned, &host), theirs(&state, &host));
        let mut plugins = route["plugins"].clone();
        // Theirs lets consumers of every cluster in; ours only those of its own.
        let confined = plugins.as_object_mut().unwrap().remove("consumer-restriction");
        assert_eq!(confined.is_some(), plugins.get("key-auth").is_some(), "{host}");
        assert_eq!(plugins, their_route["plugins"], "{host}");
        assert_eq!(route.get("vars"), their_route.get("vars"), "{host}");
        assert_eq!(route["uris"], their_route["uris"], "{host}");
        let websocket = their_route["enable_websocket"] == json!(true);
        assert_eq!(route["enable_websocket"], json!(websocket), "{host}");
        let scheme = their_upstream.get("scheme").cloned().unwrap_or(json!("http"));
        assert_eq!(upstream["scheme"], scheme, "{host}");
        assert_eq!(upstream.get("retries"), their_upstream.get("retries"), "{host}");
        assert_eq!(upstream.get("timeout"), their_upstream.get("timeout"), "{host}");
        let addresses = |upstream: &Value| {
            let nodes = upstream["nodes"].as_array().unwrap().iter();
            nodes.map(|node| node["host"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(addresses(&upstream), addresses(&their_upstream), "{host}");
    }
}

/// The older line gives the settings of the first Ingress to the upstream of all: ours must not.
#[test]
fn settings_of_one_ingress_are_not_those_of_another() {
    let Some((planned, _)) = case() else { return };
    let (_, upstream) = ours(&planned, "case03b.example.com");
    let (_, first) = ours(&planned, "case03a.example.com");
    assert_ne!(upstream["id"], first["id"]);
    assert_eq!((&upstream["scheme"], upstream.get("retries")), (&json!("http"), None));
    assert_eq!(upstream.get("timeout"), None);
}
