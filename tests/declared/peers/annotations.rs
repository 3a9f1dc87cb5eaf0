//! Case 03: annotations.

use serde_json::{Value, json};

use super::{Case, addresses, case, list, with_id};

fn ours(case: &Case, host: &str) -> (Value, Value) {
    let bodies = case.bodies();
    let route = bodies.iter().find(|body| body["hosts"] == json!([host])).unwrap();
    (route.clone(), with_id(&bodies, &route["upstream_id"]).clone())
}

/// Of the newer line.
fn theirs(case: &Case, host: &str) -> (Value, Value) {
    let (_, state) = &case.theirs[1];
    let find = |kind: &str, fits: &dyn Fn(&Value) -> bool| {
        let found = list(state, kind).iter().find(|object| fits(object));
        found.unwrap().clone()
    };
    let service = find("services", &|service| service["hosts"] == json!([host]));
    let route = find("routes", &|route| route["service_id"] == service["id"]);
    let upstream = find("upstreams", &|upstream| upstream["id"] == service["upstream_id"]);
    (route, upstream)
}

#[test]
fn ours_behaves_as_the_newer_line_does() {
    let Some(case) = case("case03-ingress-annotations") else {
        return;
    };
    for name in ["a", "b", "c"] {
        let host = format!("case03{name}.example.com");
        let ((route, upstream), (their_route, their_upstream)) = (ours(&case, &host), theirs(&case, &host));
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
        assert_eq!(addresses(&upstream), addresses(&their_upstream), "{host}");
    }
}

/// The older line gives the settings of the first Ingress to the upstream of all: ours must not.
#[test]
fn settings_of_one_ingress_are_not_those_of_another() {
    let Some(case) = case("case03-ingress-annotations") else {
        return;
    };
    let (_, upstream) = ours(&case, "case03b.example.com");
    let (_, first) = ours(&case, "case03a.example.com");
    assert_ne!(upstream["id"], first["id"]);
    assert_eq!((&upstream["scheme"], upstream.get("retries")), (&json!("http"), None));
    assert_eq!(upstream.get("timeout"), None);
}
