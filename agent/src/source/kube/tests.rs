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
use crate::source::crd::Root;
use crate::source::crd::v2::ApisixConsumer;
use crate::source::{Coverage, Fetch, Object, ObjectId};

/// Answers by path; what is not there answers 403. Watches hang, as they do when nothing happens, unless they are told
/// what to say; so does a second page.
#[derive(Clone, Default)]
struct Server {
    answers: Arc<Mutex<HashMap<String, (u16, Value)>>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Wakes watches that hang.
    changed: Arc<tokio::sync::Notify>,
}

/// After the path of a watch, and of a second page.
const WATCH: &str = "?watch";
const SECOND_PAGE: &str = "?continue";

impl Server {
    fn answer(&self, path: &str, status: u16, body: Value) {
        self.answers.lock().unwrap().insert(path.to_owned(), (status, body));
        self.changed.notify_waiters();
    }

    /// How often a path was asked for, watches and further pages apart.
    fn asked(&self, path: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| *asked == path).count()
    }

    fn list(&self, path: &str, items: &Value) {
        self.answer(path, 200, json!({"metadata": {"resourceVersion": "7"}, "items": items}));
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let query = request.uri().query().unwrap_or_default();
                let mut path = request.uri().path().to_owned();
                if query.contains("watch=true") {
                    path.push_str(WATCH);
                    server.wait_for(&path).await;
                } else if query.contains("continue=") {
                    path.push_str(SECOND_PAGE);
                }
                server.asked.lock().unwrap().push(path.clone());
                Ok::<_, Infallible>(server.respond(&path))
            }
        });
        Client::new(service, "default")
    }

    async fn wait_for(&self, path: &str) {
        loop {
            let changed = self.changed.notified();
            if self.answers.lock().unwrap().contains_key(path) {
                return;
            }
            changed.await;
        }
    }

    fn respond(&self, path: &str) -> Response<Body> {
        let forbidden = (
            403,
            json!({"status": "Failure", "message": "not allowed", "reason": "Forbidden", "code": 403}),
        );
        let (status, body) = self.answers.lock().unwrap().get(path).cloned().unwrap_or(forbidden);
        let body = match body {
            Value::String(text) => text,
            json => json.to_string(),
        };
        Response::builder()
            .status(status)
            .body(Body::from(body.into_bytes()))
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
fn a_malformed_consumer_is_not_quoted_but_what_it_lacks_is_named() {
    let told = |basic: Value| {
        let consumer = json!({"metadata": {"name": "rose", "namespace": "shop"},
            "spec": {"authParameter": {"basicAuth": {"value": basic}}}});
        match mapped(Event::Apply(guard::<Root<ApisixConsumer>>(consumer))) {
            SourceEvent::Malformed { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    };
    let quoted = told(json!("hunter2"));
    assert!(quoted.contains("not shown") && !quoted.contains("hunter2"), "{quoted}");
    let lacking = told(json!({"password": "hunter2"}));
    assert!(
        lacking.contains("username") && !lacking.contains("hunter2"),
        "{lacking}"
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
    let garbage = || ::kube::Error::SerdeError(serde_json::from_str::<u8>("404 page not found").unwrap_err());
    let unreadable = || "the answer cannot be read as this kind".to_owned();
    let table = [
        (Error::InitialListFailed(api(403)), Reaction::Report(words(403))),
        (Error::InitialListFailed(api(404)), Reaction::Report(words(404))),
        (Error::WatchStartFailed(api(403)), Reaction::ListAnew(words(403))),
        (Error::WatchError(status(410)), Reaction::GoOn),
        (Error::WatchError(status(500)), Reaction::ListAnew(words(500))),
        (Error::WatchFailed(api(500)), Reaction::GoOn),
        (Error::WatchFailed(api(429)), Reaction::GoOn),
        (Error::WatchFailed(api(403)), Reaction::ListAnew(words(403))),
        (Error::WatchFailed(garbage()), Reaction::ListAnew(unreadable())),
    ];
    for (error, expected) in table {
        assert_eq!(reaction(Kind::Service, &error), expected, "{error}");
    }
    let custom = [
        (Error::InitialListFailed(api(404)), words(404)),
        (Error::WatchStartFailed(api(404)), words(404)),
        (Error::WatchFailed(api(404)), words(404)),
        (Error::WatchFailed(garbage()), unreadable()),
    ];
    for (error, words) in custom {
        let expected = Reaction::LookForDefinition(words);
        assert_eq!(reaction(Kind::ApisixRoute, &error), expected, "{error}");
    }
}

const ROUTES: &str = "/apis/apisix.apache.org/v2/apisixroutes";
const DEFINITION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/apisixroutes.apisix.apache.org";

/// An API server's word that something does not exist.
fn not_found(name: &str) -> Value {
    json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "not found",
        "details": {"name": name, "group": "apiextensions.k8s.io", "kind": "customresourcedefinitions"}})
}

/// What API servers and others answer for a path that they do not know.
fn no_such_path() -> Value {
    json!("404 page not found")
}

impl Server {
    fn routes_are_absent(&self) {
        self.answer(ROUTES, 404, no_such_path());
        self.answer(DEFINITION, 404, not_found("apisixroutes.apisix.apache.org"));
    }

    fn routes_are_installed(&self, items: &Value) {
        self.list(ROUTES, items);
        self.answer(
            DEFINITION,
            200,
            json!({"metadata": {"name": "apisixroutes.apisix.apache.org"}}),
        );
    }
}

impl Running {
    async fn next_of_routes(&mut self) -> SourceEvent {
        self.next(of(Kind::ApisixRoute)).await
    }

    /// The kind is told to be listed, with so many objects.
    async fn routes_are_listed(&mut self, objects: usize) {
        let kind = Kind::ApisixRoute;
        assert_eq!(self.next_of_routes().await, SourceEvent::Begin(kind));
        for _ in 0..objects {
            let event = self.next_of_routes().await;
            assert!(matches!(event, SourceEvent::Listed(_)), "{event:?}");
        }
        let coverage = Coverage::All;
        assert_eq!(self.next_of_routes().await, SourceEvent::End { kind, coverage });
    }
}

fn route(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop"}})
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_installed_has_no_objects_and_is_picked_up_once_it_is() {
    let server = Server::default();
    server.routes_are_absent();
    let mut running = start(&server);
    assert_eq!(running.next_of_routes().await, SourceEvent::Begin(Kind::ApisixRoute));
    running.routes_are_listed(0).await;
    server.routes_are_installed(&json!([route("web")]));
    running.routes_are_listed(1).await;
}

#[tokio::test(start_paused = true)]
async fn kinds_that_are_not_installed_cost_an_api_server_little() {
    let server = Server::default();
    server.routes_are_absent();
    let mut running = start(&server);
    running.next_of_routes().await;
    running.routes_are_listed(0).await;
    let more = async {
        while let Some(event) = running.events.recv().await {
            assert!(!of(Kind::ApisixRoute)(&event), "{event:?}");
        }
    };
    let minute = tokio::time::timeout(Duration::from_secs(60), more);
    minute.await.expect_err("the source goes on");
    let (looks, listings) = (server.asked(DEFINITION), server.asked(ROUTES));
    assert!((6..=13).contains(&looks), "{looks} looks in a minute");
    assert_eq!(listings, 1);
}

/// The promise: only the API server's word that the definition does not exist means that there are no objects.
#[tokio::test(start_paused = true)]
async fn an_error_is_not_an_empty_list() {
    let name = "apisixroutes.apisix.apache.org";
    let forbidden = json!({"status": "Failure", "reason": "Forbidden", "code": 403, "message": "no"});
    let installed = json!({"metadata": {"name": name}});
    let other = json!({"status": "Failure", "reason": "NotFound", "code": 404, "message": "no", "details": {}});
    let table = [
        ("installed and not served", ROUTES, 404, 200, installed),
        ("nobody may look", ROUTES, 404, 403, forbidden.clone()),
        ("the server fails", ROUTES, 404, 500, json!("no")),
        ("no API server's answer", ROUTES, 404, 404, no_such_path()),
        ("an answer that names nothing", ROUTES, 404, 404, other),
        (
            "another definition's answer",
            ROUTES,
            404,
            404,
            not_found("others.example.com"),
        ),
        ("forbidden and not installed", ROUTES, 403, 404, not_found(name)),
        ("no custom kind", SERVICES, 404, 404, not_found(name)),
    ];
    for (case, path, listed, status, body) in table {
        let kind = if path == SERVICES {
            Kind::Service
        } else {
            Kind::ApisixRoute
        };
        let server = Server::default();
        let answer = if listed == 404 {
            no_such_path()
        } else {
            forbidden.clone()
        };
        server.answer(path, listed, answer);
        server.answer(DEFINITION, status, body);
        let mut running = start(&server);
        for _ in 0..3 {
            assert_eq!(running.next(of(kind)).await, SourceEvent::Begin(kind), "{case}");
            let event = running.next(of(kind)).await;
            assert!(matches!(event, SourceEvent::Failed { .. }), "{case}: {event:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_removed_while_it_is_watched_is_absent() {
    let server = Server::default();
    server.routes_are_installed(&json!([route("web")]));
    let mut running = start(&server);
    running.routes_are_listed(1).await;
    server.routes_are_absent();
    server.answer(&format!("{ROUTES}{WATCH}"), 404, no_such_path());
    running.routes_are_listed(0).await;
}

/// Found by the test above: a watch that was refused was tried again for ever, and nobody was told.
#[tokio::test(start_paused = true)]
async fn a_kind_that_may_be_watched_no_longer_has_failed() {
    let server = Server::default();
    server.list(SERVICES, &json!([]));
    let mut running = start(&server);
    let (kind, coverage) = (Kind::Service, Coverage::All);
    assert_eq!(running.next(of(kind)).await, SourceEvent::Begin(kind));
    assert_eq!(running.next(of(kind)).await, SourceEvent::End { kind, coverage });
    let forbidden = json!({"status": "Failure", "reason": "Forbidden", "code": 403, "message": "not allowed"});
    server.answer(&format!("{SERVICES}{WATCH}"), 403, forbidden);
    let reason = "403 Forbidden: not allowed".to_owned();
    assert_eq!(running.next(of(kind)).await, SourceEvent::Failed { kind, reason });
}

/// What the first page showed was deleted with the definition before the second could be asked for.
#[tokio::test(start_paused = true)]
async fn a_kind_that_is_removed_while_it_is_listed_has_no_objects() {
    let server = Server::default();
    server.routes_are_absent();
    let first = json!({"metadata": {"resourceVersion": "7", "continue": "more"}, "items": [route("web")]});
    server.answer(ROUTES, 200, first);
    server.answer(&format!("{ROUTES}{SECOND_PAGE}"), 404, no_such_path());
    let mut running = start(&server);
    assert_eq!(running.next_of_routes().await, SourceEvent::Begin(Kind::ApisixRoute));
    let event = running.next_of_routes().await;
    assert!(matches!(event, SourceEvent::Listed(_)), "{event:?}");
    running.routes_are_listed(0).await;
}
