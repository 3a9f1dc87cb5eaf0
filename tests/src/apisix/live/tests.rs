use http::HeaderMap;
use serde_json::{Value, json};

use super::facts::Facts;
use crate::apisix::kind::Kind;
use crate::apisix::state::State;

fn state(routes: &[(&str, Value)]) -> State {
    let mut state = State::new(0);
    for (id, route) in routes {
        let mut route = route.clone();
        route["upstream_id"] = json!("u");
        state.put(Kind::Route, id, route, None);
    }
    state.put(Kind::Upstream, "u", json!({"nodes": {"127.0.0.1:1": 1}}), None);
    state
}

/// The id of the route that a request like `GET http://a.example/x` takes, or the reason.
fn taken(state: &State, request: &str) -> String {
    let (method, url) = request.split_once(" http://").unwrap();
    let (host, target) = url.split_at(url.find('/').unwrap());
    let headers = HeaderMap::new();
    let remote = "10.1.2.3".parse().unwrap();
    let facts = Facts::new(host, target, method, &headers, remote, "http");
    match state.live.decide(&facts) {
        Ok(decision) => decision.route_id,
        Err(reason) => format!("{reason:?}"),
    }
}

fn check(routes: &[(&str, Value)], requests: &[(&str, &str)]) {
    let state = state(routes);
    for (request, wanted) in requests {
        assert_eq!(taken(&state, request), *wanted, "{request}");
    }
}

#[test]
fn paths_exact_first_then_the_longest_prefix() {
    check(
        &[
            ("exact", json!({"uri": "/foo"})),
            ("below", json!({"uri": "/foo/*", "priority": 1})),
            ("deeper", json!({"uri": "/foo/bar/*"})),
            ("glued", json!({"uri": "/fo*", "priority": 9})),
            ("all", json!({"uri": "/*", "priority": 99})),
            ("several", json!({"uris": ["/one", "/two/*"]})),
            ("middle", json!({"uri": "/m/*/end"})),
        ],
        &[
            ("GET http://h/foo", "exact"),
            ("GET http://h/foo/", "below"),
            ("GET http://h/foo/x", "below"),
            ("GET http://h/foo/bar", "below"),
            ("GET http://h/foo/bar/x?y=1", "deeper"),
            ("GET http://h/food", "glued"),
            ("GET http://h/f", "all"),
            ("GET http://h/", "all"),
            ("GET http://h/one", "several"),
            ("GET http://h/two/x", "several"),
            ("GET http://h/one/x", "all"),
            ("GET http://h/m/x/y/end", "middle"),
            ("GET http://h/m/x/y", "all"),
            ("GET http://h//foo/./bar/../x", "below"),
        ],
    );
}

#[test]
fn hosts_go_before_paths_and_fall_back() {
    check(
        &[
            ("exact", json!({"host": "a.B.example", "uri": "/x"})),
            ("wild", json!({"hosts": ["*.b.example"], "uri": "/y"})),
            ("wider", json!({"hosts": ["*.example"], "uri": "/*"})),
            ("any", json!({"uri": "/z/exact"})),
            ("rest", json!({"uri": "/*"})),
        ],
        &[
            ("GET http://a.b.example/x", "exact"),
            ("GET http://A.b.example:8080/x", "exact"),
            ("GET http://a.b.example/y", "wild"),
            ("GET http://q.a.b.example/y", "wild"),
            ("GET http://a.b.example/z/exact", "wider"),
            ("GET http://b.example/y", "wider"),
            ("GET http://example/y", "rest"),
            ("GET http://other/z/exact", "any"),
        ],
    );
}

#[test]
fn priority_and_conditions_decide_at_one_path() {
    check(
        &[
            ("low", json!({"uri": "/p"})),
            (
                "high",
                json!({"uri": "/p", "priority": 5, "vars": [["arg_v", "==", "1"]]}),
            ),
            ("post", json!({"uri": "/p", "priority": 9, "methods": ["POST"]})),
            ("inside", json!({"uri": "/r", "remote_addr": "10.0.0.0/8"})),
            ("outside", json!({"uri": "/s", "remote_addrs": ["192.168.0.0/16"]})),
            ("off", json!({"uri": "/off", "status": 0})),
            ("first", json!({"uri": "/same"})),
            ("second", json!({"uri": "/same"})),
        ],
        &[
            ("GET http://h/p", "low"),
            ("GET http://h/p?v=1", "high"),
            ("POST http://h/p?v=1", "post"),
            ("GET http://h/r", "inside"),
            ("GET http://h/s", "NoRoute"),
            ("GET http://h/off", "NoRoute"),
            ("GET http://h/same", "first"),
        ],
    );
}

#[test]
fn routes_follow_their_service() {
    let mut state = state(&[]);
    let put = |state: &mut State, kind, id: &str, value| state.put(kind, id, value, None);
    put(
        &mut state,
        Kind::Service,
        "s",
        json!({"hosts": ["s.example"], "upstream_id": "u"}),
    );
    put(&mut state, Kind::Route, "r", json!({"uri": "/*", "service_id": "s"}));
    assert_eq!(taken(&state, "GET http://s.example/x"), "r");
    assert_eq!(taken(&state, "GET http://t.example/x"), "NoRoute");
    put(&mut state, Kind::Service, "s", json!({"hosts": ["t.example"]}));
    assert_eq!(taken(&state, "GET http://s.example/x"), "NoRoute");
    assert_eq!(taken(&state, "GET http://t.example/x"), "NothingConfigured");
    state.remove(Kind::Service, "s");
    assert_eq!(taken(&state, "GET http://t.example/x"), "NoService");
    put(
        &mut state,
        Kind::Route,
        "r",
        json!({"uri": "/*", "upstream_id": "gone"}),
    );
    assert_eq!(taken(&state, "GET http://t.example/x"), "NoUpstream");
}

/// Whatever the order of writes and removals, the router must be as if built from the rest.
#[test]
fn removed_routes_leave_nothing_behind() {
    let mut state = state(&[
        ("a", json!({"hosts": ["h", "*.h"], "uris": ["/x", "/x/*"]})),
        ("b", json!({"hosts": ["h"], "uri": "/x"})),
    ]);
    state.remove(Kind::Route, "a");
    assert_eq!(taken(&state, "GET http://h/x"), "b");
    assert_eq!(taken(&state, "GET http://q.h/x"), "NoRoute");
    state.put(
        Kind::Route,
        "b",
        json!({"host": "k", "uri": "/x", "upstream_id": "u"}),
        None,
    );
    assert_eq!(taken(&state, "GET http://h/x"), "NoRoute");
    assert_eq!(taken(&state, "GET http://k/x"), "b");
}
