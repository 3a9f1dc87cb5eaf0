//! The sink `admin` and its driver against the stand-in APISIX.

#![expect(
    clippy::unwrap_used,
    reason = "a test may panic; outside of #[test] clippy can't see that"
)]

use std::sync::Arc;
use std::time::Duration;

use hubline::model::SecretText;
use hubline_hub::desired::{self, DesiredWriter};
use hubline_hub::object::{Object, ObjectId, ObjectKind, canonical};
use hubline_hub::sink::admin::{AdminOptions, AdminSink, ApiKey};
use hubline_hub::sink::audit::Writes;
use hubline_hub::sink::driver::{Driver, DriverOptions, OUTCOMES_CAPACITY, Outcomes, Reports};
use hubline_hub::sink::metrics::SinkMetrics;
use hubline_hub::sink::{FenceToken, Operation, OperationResult, Ownership, Presence, Sink, TargetId};
use hubline_hub::view::{Outcome, TargetSummary};
use hubline_sandbox::apisix::{Fault, Kind, Part, StandIn, StandInOptions};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

mod driven;

/// Long enough for a busy machine; nothing waits as long where all is well.
const LIMIT: Duration = Duration::from_secs(20);

fn ownership() -> Ownership {
    Ownership {
        prefix: "hl".to_owned(),
        hub: "main hub".to_owned(),
    }
}

fn id(kind: ObjectKind, id: &str) -> ObjectId {
    ObjectId { kind, id: id.into() }
}

fn object(kind: ObjectKind, name: &str, mut body: Value, references: &[&ObjectId]) -> Arc<Object> {
    body["id"] = json!(name);
    body["labels"] = json!({"managed-by": "hubline", "hub": "main_hub"});
    let (body, hash) = canonical(&body);
    Arc::new(Object {
        id: id(kind, name),
        body,
        hash,
        references: references.iter().map(|id| (*id).clone()).collect(),
        causes: Box::default(),
    })
}

fn upstream(name: &str, port: u16) -> Arc<Object> {
    let nodes = json!([{"host": "127.0.0.1", "port": port, "weight": 1}]);
    object(
        ObjectKind::Upstream,
        name,
        json!({"type": "roundrobin", "nodes": nodes, "timeout": {"connect": 6.0, "send": 6, "read": 0.5}}),
        &[],
    )
}

fn route(name: &str, upstream: &str, plugins: &Value) -> Arc<Object> {
    let target = id(ObjectKind::Upstream, upstream);
    let body = json!({"uri": format!("/{name}"), "upstream_id": upstream, "plugins": plugins});
    object(ObjectKind::Route, name, body, &[&target])
}

fn sink_at(addresses: Vec<String>, key: &str) -> AdminSink {
    let key = ApiKey::Value(SecretText::new(key.to_owned()));
    AdminSink::new(
        AdminOptions::standard(TargetId("test".into()), addresses, key),
        ownership(),
    )
    .unwrap()
}

async fn stand_in() -> (StandIn, AdminSink) {
    let stand_in = StandIn::start(StandInOptions::default()).await.unwrap();
    let sink = sink_at(vec![stand_in.admin_url()], stand_in.admin_key());
    (stand_in, sink)
}

async fn put(sink: &AdminSink, object: &Arc<Object>) -> OperationResult {
    let operation = Operation::Put { object: object.clone() };
    sink.apply(FenceToken(1), &[operation]).await.pop().unwrap()
}

async fn delete(sink: &AdminSink, id: ObjectId) -> OperationResult {
    sink.apply(FenceToken(1), &[Operation::Delete { id, was: None }])
        .await
        .pop()
        .unwrap()
}

fn reason(result: &OperationResult) -> &'static str {
    result.result.as_ref().unwrap_err().reason()
}

#[tokio::test]
async fn what_was_written_reads_back_as_the_same() {
    let (stand_in, sink) = stand_in().await;
    let certificate = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
    let pem =
        json!({"cert": certificate.cert.pem(), "key": certificate.signing_key.serialize_pem(), "snis": ["a.example"]});
    let objects = [
        upstream("hl-a", 1),
        object(ObjectKind::Ssl, "hl-s", pem, &[]),
        object(ObjectKind::PluginConfig, "hl-p", json!({"plugins": {"cors": {}}}), &[]),
        route("hl-r", "hl-a", &json!({"redirect": {"uri": "/x", "ret_code": 302}})),
        ownership().marker(),
    ];
    for object in &objects {
        let result = put(&sink, object).await;
        assert!(result.result.is_ok(), "{} {:?}", object.id, result.result);
    }
    let observed = sink.observe().await.unwrap();
    for object in &objects {
        assert!(
            observed.objects[&object.id].is(object),
            "{} looks like drift",
            object.id
        );
    }
    assert_eq!(observed.objects.len(), objects.len());
    assert_eq!(observed.objects[&objects[3].id].references(), [objects[0].id.clone()]);
    drop(stand_in);
}

#[tokio::test]
async fn foreign_objects_are_counted_and_not_ours() {
    let (stand_in, sink) = stand_in().await;
    let admin = stand_in.admin().unwrap();
    let nodes = json!({"nodes": {"127.0.0.1:1": 1}});
    admin.put("upstreams/someone", &nodes).await.unwrap();
    admin.put("upstreams/hl-taken", &nodes).await.unwrap();
    put(&sink, &upstream("hl-a", 1)).await.result.unwrap();
    let observed = sink.observe().await.unwrap();
    assert_eq!(observed.foreign[&ObjectKind::Upstream], 2);
    assert!(observed.occupied.contains(&id(ObjectKind::Upstream, "hl-taken")));
    assert_eq!(
        observed.objects.keys().collect::<Vec<_>>(),
        [&id(ObjectKind::Upstream, "hl-a")]
    );
}

#[tokio::test]
async fn what_the_target_would_not_take_is_never_sent() {
    let (stand_in, sink) = stand_in().await;
    sink.observe().await.unwrap();
    put(&sink, &upstream("hl-a", 1)).await.result.unwrap();
    stand_in.clear_calls();
    let bad_node = json!({"nodes": [{"host": "127.0.0.1", "port": "no number", "weight": 1}], "type": "roundrobin"});
    let large = json!({"nodes": [], "type": "roundrobin", "desc": "x".repeat(2 << 20)});
    let table = [
        (object(ObjectKind::Upstream, "hl-b", bad_node, &[]), "schema"),
        (object(ObjectKind::Upstream, "hl-b", large, &[]), "too-large"),
        (route("hl-r", "hl-a", &json!({"no-such-auth": {}})), "unknown-plugin"),
        (
            object(
                ObjectKind::Route,
                "hl-r",
                json!({"uri": "/a", "upstream_id": "hl-a", "bogus": 1}),
                &[],
            ),
            "schema",
        ),
    ];
    for (object, expected) in table {
        assert_eq!(reason(&put(&sink, &object).await), expected, "{}", object.id);
    }
    assert!(stand_in.calls().is_empty());
}

#[tokio::test]
async fn secrets_stay_secret_in_errors_of_the_schema() {
    let (_stand_in, sink) = stand_in().await;
    sink.observe().await.unwrap();
    let body = json!({"cert": 5, "key": "the-private-key-the-private-key", "snis": ["a"], "bogus": "the-private-key"});
    let result = put(&sink, &object(ObjectKind::Ssl, "hl-s", body, &[])).await;
    let error = result.result.unwrap_err();
    assert_eq!(error.reason(), "schema");
    assert!(!format!("{error} {error:?}").contains("private-key"), "{error}");
    let sink = format!("{:?}", sink_at(vec!["http://127.0.0.1:1".to_owned()], "the-api-key"));
    assert!(!sink.contains("the-api-key"), "{sink}");
}

#[tokio::test]
async fn a_target_without_schema_and_plugin_list_is_written_unchecked() {
    let (stand_in, sink) = stand_in().await;
    let hidden = |head: &hubline_sandbox::apisix::CallHead| {
        head.path.contains("/schema/") || head.path.ends_with("/plugins/list")
    };
    let _guard = stand_in.fail_while_held(Fault::Answer(404, "{}".to_owned()), hidden);
    sink.observe().await.unwrap();
    put(&sink, &upstream("hl-a", 1)).await.result.unwrap();
    let result = put(&sink, &route("hl-r", "hl-a", &json!({"no-such-auth": {}}))).await;
    assert_eq!(
        (reason(&result), result.status),
        ("refused", Some(400)),
        "the target checks for itself"
    );
}

#[tokio::test]
async fn a_kind_that_the_target_does_not_serve_is_named() {
    let (stand_in, sink) = stand_in().await;
    let body = r#"{"error_msg":"stream mode is disabled, can not add stream routes"}"#.to_owned();
    let _guard = stand_in.fail_while_held(Fault::Answer(400, body), |head| {
        head.path.ends_with("/admin/stream_routes")
    });
    let observed = sink.observe().await.unwrap();
    assert!(observed.unsupported.contains_key(&ObjectKind::StreamRoute));
    assert_eq!(observed.unsupported.len(), 1);
}

#[tokio::test]
async fn an_error_is_not_an_empty_list() {
    let (stand_in, sink) = stand_in().await;
    put(&sink, &upstream("hl-a", 1)).await.result.unwrap();
    let faults = [
        Fault::unavailable(),
        Fault::Dropped,
        Fault::Answer(404, "<html>not found</html>".to_owned()),
        Fault::Answer(200, "{}".to_owned()),
        Fault::Answer(200, r#"{"total":1,"list":[{"#.to_owned()),
    ];
    for fault in faults {
        let _guard = stand_in.fail_while_held(fault.clone(), |head| head.path.ends_with("/admin/upstreams"));
        assert!(sink.observe().await.is_err(), "{fault:?}");
    }
    assert!(sink.observe().await.is_ok());
}

#[tokio::test]
async fn answers_become_the_right_errors() {
    let (stand_in, sink) = stand_in().await;
    put(&sink, &upstream("hl-a", 1)).await.result.unwrap();
    put(&sink, &route("hl-r", "hl-a", &json!({}))).await.result.unwrap();
    assert_eq!(
        reason(&put(&sink, &route("hl-x", "hl-none", &json!({}))).await),
        "missing-reference"
    );
    assert_eq!(reason(&delete(&sink, id(ObjectKind::Upstream, "hl-a")).await), "in-use");
    assert!(delete(&sink, id(ObjectKind::Upstream, "hl-never")).await.result.is_ok());
    stand_in.fail_next(1, Fault::unavailable());
    assert_eq!(reason(&put(&sink, &upstream("hl-a", 2)).await), "busy");
    stand_in.fail_next(1, Fault::Answer(429, "{}".to_owned()));
    assert_eq!(reason(&put(&sink, &upstream("hl-a", 2)).await), "busy");
    stand_in.fail_next(1, Fault::DoneButDropped);
    assert_eq!(reason(&put(&sink, &upstream("hl-a", 2)).await), "unreachable");
    let wrong = sink_at(vec![stand_in.admin_url()], "wrong");
    assert_eq!(reason(&put(&wrong, &upstream("hl-a", 3)).await), "unauthorized");
    assert_eq!(wrong.observe().await.unwrap_err().reason(), "unauthorized");
    let marker = ownership().marker();
    assert_eq!(sink.probe(&marker.id).await, Ok(Presence::Absent));
    put(&sink, &marker).await.result.unwrap();
    assert_eq!(sink.probe(&marker.id).await, Ok(Presence::Present));
    stand_in.take_down(Part::Admin).await;
    assert_eq!(sink.probe(&marker.id).await.unwrap_err().reason(), "unreachable");
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_cannot_be_reached() {
    let (stand_in, _) = stand_in().await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let sink = sink_at(
        vec![format!("http://{closed}"), stand_in.admin_url()],
        stand_in.admin_key(),
    );
    assert!(put(&sink, &upstream("hl-a", 1)).await.result.is_ok());
}
