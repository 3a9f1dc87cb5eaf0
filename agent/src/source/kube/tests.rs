use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::kube::client::Body;
use ::kube::core::DeserializeGuard;
use ::kube::runtime::watcher::{Error, Event};
use http::{Request, Response};
use k8s_openapi::api::core::v1::{Secret, Service};
use serde_json::{Value, json};

use super::watch::{Reaction, mapped, reaction};
use super::*;
use crate::source::{Coverage, Fetch, Object, ObjectId};

/// Answers by path; what is not there answers 403. Watches hang, as they do when nothing happens.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<HashMap<String, (u16, Value)>>>);

impl Server {
    fn answer(&self, path: &str, status: u16, body: Value) {
        self.0.lock().unwrap().insert(path.to_owned(), (status, body));
    }

    fn list(&self, path: &str, items: &Value) {
        self.answer(path, 200, json!({"metadata": {"resourceVersion": "7"}, "items": items}));
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                if request.uri().query().is_some_and(|query| query.contains("watch=true")) {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Infallible>(server.respond(request.uri().path()))
            }
        });
        Client::new(service, "default")
    }

    fn respond(&self, path: &str) -> Response<Body> {
        let forbidden = (
            403,
            json!({"status": "Failure", "message": "not allowed", "reason": "Forbidden", "code": 403}),
        );
        let (status, body) = self.0.lock().unwrap().get(path).cloned().unwrap_or(forbidden);
        Response::builder()
            .status(status)
            .body(Body::from(body.to_string().into_bytes()))
            .unwrap()
    }
}

struct Running {
    events: mpsc::Receiver<SourceEvent>,
    wanted: tokio::sync::watch::Sender<BTreeSet<Name>>,
    _cancel: tokio_util::sync::DropGuard,
}

fn start(server: &Server) -> Running {
    let (sender, events) = mpsc::channel(1);
    let (wanted, names) = tokio::sync::watch::channel(BTreeSet::new());
    let cancel = CancellationToken::new();
    tokio::spawn(run(server.client(), names, sender, cancel.clone()));
    Running {
        events,
        wanted,
        _cancel: cancel.drop_guard(),
    }
}

impl Running {
    /// The next event that is wanted, within (virtual) seconds.
    async fn next(&mut self, wanted: impl Fn(&SourceEvent) -> bool) -> SourceEvent {
        let find = async {
            loop {
                let event = self.events.recv().await.unwrap();
                if wanted(&event) {
                    return event;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), find).await.unwrap()
    }
}

fn of(kind: Kind) -> impl Fn(&SourceEvent) -> bool {
    move |event| match event {
        SourceEvent::Begin(other) | SourceEvent::End { kind: other, .. } | SourceEvent::Failed { kind: other, .. } => {
            *other == kind
        }
        SourceEvent::Listed(object) => object.id().kind == kind,
        SourceEvent::Malformed { id, .. } => id.kind == kind,
        _ => false,
    }
}

const SERVICES: &str = "/api/v1/services";

#[tokio::test(start_paused = true)]
async fn a_forbidden_kind_is_picked_up_once_it_is_allowed() {
    let server = Server::default();
    let mut running = start(&server);
    for _ in 0..5 {
        assert_eq!(running.next(of(Kind::Service)).await, SourceEvent::Begin(Kind::Service));
        let (kind, reason) = (Kind::Service, "403 Forbidden: not allowed".to_owned());
        assert_eq!(
            running.next(of(Kind::Service)).await,
            SourceEvent::Failed { kind, reason }
        );
    }
    let metadata = |name: &str| json!({"name": name, "namespace": "shop"});
    let good = json!({"metadata": metadata("web"), "spec": {"ports": [{"port": 80}]}});
    let bad = json!({"metadata": metadata("bad"), "spec": {"ports": "none"}});
    server.list(SERVICES, &json!([good, bad]));
    assert_eq!(running.next(of(Kind::Service)).await, SourceEvent::Begin(Kind::Service));
    let SourceEvent::Listed(listed) = running.next(of(Kind::Service)).await else {
        panic!("not listed")
    };
    assert_eq!(listed.id().name, Name::new("shop", "web"));
    let SourceEvent::Malformed { id, reason } = running.next(of(Kind::Service)).await else {
        panic!("not malformed")
    };
    assert_eq!(id.name, Name::new("shop", "bad"));
    assert!(reason.contains("none"), "{reason}");
    let (kind, coverage) = (Kind::Service, Coverage::All);
    assert_eq!(
        running.next(of(Kind::Service)).await,
        SourceEvent::End { kind, coverage }
    );
}

#[tokio::test(start_paused = true)]
async fn secrets_are_fetched_by_name_and_again_later() {
    let server = Server::default();
    let path = "/api/v1/namespaces/shop/secrets/pair";
    let mut running = start(&server);
    let name = Name::new("shop", "pair");
    running.wanted.send_replace([name.clone()].into());
    let fetched = |event: &SourceEvent| matches!(event, SourceEvent::Fetched { .. });
    let outcome = |event| match event {
        SourceEvent::Fetched { outcome, .. } => outcome,
        other => panic!("{other:?}"),
    };
    let first = outcome(running.next(fetched).await);
    assert_eq!(first, Fetch::Failed("403 Forbidden: not allowed".to_owned()));
    server.answer(
        path,
        404,
        json!({"status": "Failure", "reason": "NotFound", "code": 404, "message": ""}),
    );
    assert_eq!(outcome(running.next(fetched).await), Fetch::NotFound);
    server.answer(
        path,
        200,
        json!({"metadata": {"name": "pair"}, "type": "Opaque", "data": {"tls.crt": "YQ=="}}),
    );
    tokio::time::advance(Duration::from_secs(60)).await;
    let Fetch::Found(secret) = outcome(running.next(fetched).await) else {
        panic!("not found")
    };
    assert_eq!(secret.chain.as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_is_named_by_the_uid_of_kube_system() {
    let server = Server::default();
    server.answer(
        "/version",
        200,
        json!({"major": "1", "minor": "36", "gitVersion": "v1.36.0", "gitCommit": "",
        "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}),
    );
    let client = server.client();
    let facts = tokio::spawn(async move { cluster_facts(&client).await });
    tokio::time::advance(Duration::from_secs(1)).await;
    server.answer(
        "/api/v1/namespaces/kube-system",
        200,
        json!({"metadata": {"name": "kube-system", "uid": "u-1"}}),
    );
    let facts = facts.await.unwrap();
    assert_eq!((&*facts.uid, &*facts.version), ("u-1", "v1.36.0"));
}

fn guard<K: Watched>(value: Value) -> DeserializeGuard<K> {
    serde_json::from_value(value).unwrap()
}

#[test]
fn events_of_the_watcher_become_events_of_the_source() {
    let web = || guard::<Service>(json!({"metadata": {"name": "web", "namespace": "shop"}}));
    let id = ObjectId {
        kind: Kind::Service,
        name: Name::new("shop", "web"),
    };
    let object = Box::new(Object::Service(id.name.clone(), Default::default()));
    assert_eq!(mapped(Event::Apply(web())), SourceEvent::Apply(object.clone()));
    assert_eq!(mapped(Event::InitApply(web())), SourceEvent::Listed(object));
    assert_eq!(mapped(Event::Delete(web())), SourceEvent::Delete(id.clone()));
    let bad = guard::<Service>(json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": 7}));
    assert_eq!(mapped(Event::Delete(bad)), SourceEvent::Delete(id));
    let coverage = Coverage::Selected;
    let kind = Kind::Secret;
    assert_eq!(mapped::<Secret>(Event::InitDone), SourceEvent::End { kind, coverage });
}

#[test]
fn a_malformed_secret_is_not_quoted() {
    let bad = guard::<Secret>(json!({"metadata": {"name": "s", "namespace": "shop"}, "data": "hunter2"}));
    let event = mapped(Event::Apply(bad));
    assert!(
        matches!(event, SourceEvent::Malformed { .. }) && !format!("{event:?}").contains("hunter2"),
        "{event:?}"
    );
}

#[test]
fn failures_that_last_are_told_and_listed_anew() {
    let status = |code: u16| {
        let value = json!({"status": "Failure", "reason": "R", "code": code, "message": "m"});
        Box::new(serde_json::from_value::<::kube::core::Status>(value).unwrap())
    };
    let api = |code| ::kube::Error::Api(status(code));
    let words = |code: u16| format!("{code} R: m");
    let table = [
        (Error::InitialListFailed(api(403)), Reaction::Report(words(403))),
        (Error::InitialListFailed(api(404)), Reaction::Report(words(404))),
        (Error::WatchStartFailed(api(403)), Reaction::ListAnew(words(403))),
        (Error::WatchError(status(410)), Reaction::GoOn),
        (Error::WatchError(status(500)), Reaction::ListAnew(words(500))),
        (Error::WatchFailed(api(500)), Reaction::GoOn),
    ];
    for (error, expected) in table {
        assert_eq!(reaction(&error), expected, "{error}");
    }
}

/// What the API server of Kubernetes 1.3x keeps of two writers of a status.
fn written(manager: &str, subresource: &str, fields: &Value) -> Value {
    json!({"manager": manager, "operation": "Update", "apiVersion": "networking.k8s.io/v1", "fieldsType": "FieldsV1",
        "fieldsV1": fields, "subresource": subresource})
}

#[test]
fn a_status_is_told_beside_its_object_with_who_wrote_it() {
    use k8s_openapi::api::networking::v1::Ingress;
    let told = |managed: &Value| {
        let metadata = json!({"name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "7", "generation": 3,
            "managedFields": managed});
        let entries = json!([{"ip": "192.0.2.1"}, {"hostname": "lb.example.com"}]);
        let ingress = json!({"metadata": metadata, "status": {"loadBalancer": {"ingress": entries}}});
        let ingress: Ingress = serde_json::from_value(ingress).unwrap();
        super::watch::reported(&Event::Apply(DeserializeGuard(Ok(ingress)))).unwrap()
    };
    let addresses = json!({"f:status": {"f:loadBalancer": {"f:ingress": {}}}});
    let (id, reported) = told(&json!([written("other", "status", &addresses)]));
    assert_eq!((id.kind, id.name.to_string()), (Kind::Ingress, "shop/web".to_owned()));
    assert_eq!(
        (&*reported.uid, &*reported.version, reported.generation),
        ("u-1", "7", 3)
    );
    let shown = crate::source::ReportedStatus::Addresses(vec!["192.0.2.1".into(), "lb.example.com".into()]);
    assert_eq!(reported.status, shown);
    let by_us = |manager: &str, subresource: &str, fields: &Value| {
        told(&json!([
            written("x", "", &json!({})),
            written(manager, subresource, fields)
        ]))
        .1
        .by_us
    };
    assert!(by_us("hubline-agent", "status", &addresses));
    assert!(!by_us("other", "status", &addresses));
    assert!(!by_us(
        "hubline-agent",
        "status",
        &json!({"f:status": {"f:conditions": {}}})
    ));
    assert!(!by_us("hubline-agent", "", &addresses));
    // Services have a status as well, which is nobody's business here.
    let service: Service = serde_json::from_value(json!({"metadata": {"name": "x"}})).unwrap();
    assert!(super::watch::reported(&Event::Apply(DeserializeGuard(Ok(service)))).is_none());
}
