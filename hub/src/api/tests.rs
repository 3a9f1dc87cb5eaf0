use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use hubline::model::{
    Backend, BackendSettings, ClusterId, Completeness, Diagnostic, Endpoint, EndpointSet, EndpointState, GlobalKey,
    Group, GroupKind, GroupState, HostName, Key, ObjectRef, PathMatch, Plugin, Port, Resource, ResourceKind, Route,
    SecretText, Service, ServicePort, Severity, TrafficPolicy, UnixSeconds,
};
use hubline::wire::{ContentHash, Epoch};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::change::Stored;
use crate::config::ApiAddress;
use crate::object::{Cause, Object, ObjectId, ObjectKind, canonical};
use crate::view::{ClusterSummary, Outcome, Phase, Problem, ProblemKind, TargetSummary};

/// Must never come out.
const SECRET: &str = "hunter2";

fn cluster(name: &str) -> ClusterId {
    ClusterId::new(name).unwrap()
}

fn key(kind: ResourceKind, name: &str, section: &str) -> Key {
    Key::new(
        kind,
        &GroupKind::new("networking.k8s.io", "Ingress"),
        "shop",
        name,
        section,
    )
}

fn global(cluster_name: &str, key: Key) -> GlobalKey {
    GlobalKey {
        cluster: cluster(cluster_name),
        key,
    }
}

fn route(host: &str) -> Resource {
    Resource::Route(Route {
        hosts: vec![HostName::new(host).unwrap()],
        paths: vec![PathMatch::Prefix("/".to_owned())],
        methods: Vec::new(),
        conditions: Vec::new(),
        priority: 0,
        backends: vec![Backend {
            service: key(ResourceKind::Service, "web", "80"),
            weight: 1,
        }],
        plugins: vec![Plugin {
            name: "key-auth".to_owned(),
            config: SecretText::new(format!("{{\"key\":\"{SECRET}\"}}")),
        }],
        plugin_sets: Vec::new(),
        timeouts: None,
        websocket: false,
        created: Some(UnixSeconds(1_700_000_000)),
    })
}

fn service() -> Resource {
    Resource::Service(Service {
        port: ServicePort {
            number: Some(Port::new(80).unwrap()),
            name: None,
            protocol: hubline::model::Protocol::Tcp,
            app_protocol: None,
        },
        endpoints: key(ResourceKind::EndpointSet, "web", "80"),
        external_name: None,
        node_port: None,
        external_traffic_policy: TrafficPolicy::Cluster,
        load_balancer_addresses: Vec::new(),
        settings: BackendSettings::default(),
        unresolved: None,
    })
}

fn endpoints() -> Resource {
    let endpoint = |address: &str, state| Endpoint {
        address: address.to_owned(),
        port: Port::new(8080).unwrap(),
        state,
        node: None,
        zone: None,
    };
    Resource::EndpointSet(EndpointSet {
        endpoints: vec![
            endpoint("10.0.0.1", EndpointState::Ready),
            endpoint("10.0.0.2", EndpointState::NotReady),
        ],
    })
}

fn object(kind: ObjectKind, id: &str, body: &Value, cause: GlobalKey) -> Object {
    let (body, hash) = canonical(body);
    Object {
        id: ObjectId { kind, id: id.into() },
        body,
        hash,
        references: Vec::new(),
        causes: vec![Cause {
            key: cause,
            content_hash: ContentHash(7),
        }],
    }
}

fn summary(name: &str, phase: Phase) -> ClusterSummary {
    ClusterSummary {
        id: cluster(name),
        configured: true,
        uid: Some(format!("uid-{name}")),
        phase,
        instance: Some("agent-1".to_owned()),
        epoch: Epoch { counter: 1, random: 2 },
        revision: 3,
        last_seen: Some(jiff::Timestamp::UNIX_EPOCH),
        groups: vec![GroupState {
            group: Group {
                kind: ResourceKind::Certificate,
                source: GroupKind::new("", "Secret"),
            },
            completeness: Completeness::Unknown {
                reason: "secrets: 403".to_owned(),
            },
        }],
        diagnostics: Arc::new(vec![Diagnostic {
            object: ObjectRef {
                source: GroupKind::new("networking.k8s.io", "Ingress"),
                namespace: "shop".to_owned(),
                name: "old".to_owned(),
            },
            field: "spec.rules[0]".to_owned(),
            severity: Severity::Warning,
            reason: "BackendNotFound".to_owned(),
            message: "service shop/none is not there".to_owned(),
        }]),
        diagnostics_omitted: 0,
    }
}

/// Secrets in every place where an object may carry one.
fn objects_with_secrets() -> Vec<Object> {
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n");
    let config = json!({"key-auth": {"key": SECRET}, "openid-connect": {"x": {"y": [SECRET]}}});
    let web = || global("a", key(ResourceKind::Route, "web", "x"));
    let service = || global("a", key(ResourceKind::Service, "web", "80"));
    vec![
        object(
            ObjectKind::Route,
            "r1",
            &json!({"uri": "/*", "plugins": config, "upstream": {"tls": {"client_key": pem}}}),
            web(),
        ),
        object(
            ObjectKind::Upstream,
            "u1",
            &json!({"key": "remote_addr", "tls": {"client_cert": "PUBLIC", "client_key": pem}}),
            service(),
        ),
        object(
            ObjectKind::Ssl,
            "s1",
            &json!({"cert": "PUBLIC", "key": pem, "keys": [pem], "client": {"ca": "PUBLIC"}}),
            web(),
        ),
        object(ObjectKind::PluginConfig, "p1", &json!({"plugins": config}), web()),
        object(
            ObjectKind::Service,
            "v1",
            &json!({"plugins": config, "labels": {"password": SECRET}}),
            web(),
        ),
        object(
            ObjectKind::Consumer,
            "c1",
            &json!({"username": "u", "plugins": config, "auth_conf": {"api_token": SECRET}}),
            web(),
        ),
        object(
            ObjectKind::StreamRoute,
            "t1",
            &json!({"plugins": [SECRET], "odd": [[{"userSecretKey": SECRET}]]}),
            web(),
        ),
        object(
            ObjectKind::GlobalRule,
            "g1",
            &json!({"plugins": config, "note": pem}),
            web(),
        ),
        object(ObjectKind::GlobalRule, "g2", &json!([SECRET]), web()),
    ]
}

fn stored(resource: Resource) -> Stored {
    Stored {
        hash: ContentHash(7),
        resource: Arc::new(resource),
    }
}

fn view() -> View {
    let mut view = View {
        version: 42,
        ..View::default()
    };
    for (name, host) in [("b", "b.example.com"), ("a", "*.example.com")] {
        let state = if name == "a" { Phase::Live } else { Phase::Stale };
        view.clusters.insert(cluster(name), Arc::new(summary(name, state)));
        let route_key = global(name, key(ResourceKind::Route, "web", "x"));
        view.resources.insert(route_key, stored(route(host)));
        view.resources
            .insert(global(name, key(ResourceKind::Service, "web", "80")), stored(service()));
        view.resources.insert(
            global(name, key(ResourceKind::EndpointSet, "web", "80")),
            stored(endpoints()),
        );
    }
    let problem = Problem {
        kind: ProblemKind::Conflict,
        reason: "HostClaimed".to_owned(),
        message: "cluster a claims b.example.com / since 2023".to_owned(),
        content_hash: ContentHash(9),
    };
    let lost = global("b", key(ResourceKind::Route, "web", "x"));
    view.problems.insert(lost, Arc::new(vec![problem]));
    for object in objects_with_secrets() {
        let outcome = match object.id.kind {
            ObjectKind::Upstream => Outcome::Programmed(object.hash),
            ObjectKind::Route => Outcome::Refused {
                hash: object.hash,
                reason: "SchemaViolation".to_owned(),
                message: "property uri is wrong".to_owned(),
            },
            _ => Outcome::Pending,
        };
        view.outcomes.insert(object.id.clone(), outcome);
        view.desired.insert(object.id.clone(), Arc::new(object));
    }
    view.target = Arc::new(TargetSummary {
        id: "apisix".to_owned(),
        observed: true,
        foreign: vec![("routes".to_owned(), 2)],
        error: None,
    });
    view
}

/// A served API.
struct Served {
    view: Arc<ArcSwap<View>>,
    restored: watch::Sender<bool>,
    address: ApiAddress,
    client: Client,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), ApiError>>,
    _directory: TempDir,
}

fn log() -> WriteLog {
    let object = ObjectId {
        kind: ObjectKind::Upstream,
        id: "u1".into(),
    };
    Arc::new(move |limit| {
        let cause = Cause {
            key: global("a", key(ResourceKind::EndpointSet, "web", "80")),
            content_hash: ContentHash(1),
        };
        let write = |_| {
            let write = WriteBody::new(
                jiff::Timestamp::UNIX_EPOCH,
                "put",
                &object,
                std::slice::from_ref(&cause),
            );
            write.answered(Some(400), Duration::from_millis(5)).failed("refused")
        };
        (0..limit.min(3)).map(write).collect()
    })
}

impl Served {
    async fn over_unix() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("hub.sock");
        let client = Client::builder().unix_socket(path.clone()).no_proxy().build().unwrap();
        Self::start(ApiAddress::Unix(path), client, directory).await
    }

    async fn over_tcp() -> Self {
        let address = ApiAddress::Loopback("127.0.0.1:0".parse().unwrap());
        let client = Client::builder().no_proxy().build().unwrap();
        Self::start(address, client, TempDir::new().unwrap()).await
    }

    async fn start(address: ApiAddress, client: Client, directory: TempDir) -> Self {
        hubline::tls::install_provider();
        let view = Arc::new(ArcSwap::from_pointee(view()));
        let restored = watch::Sender::new(true);
        let state = ApiState::new(Arc::clone(&view), restored.subscribe(), Metrics::default(), log());
        let listener = bind(&address).await.unwrap();
        let address = listener.address().unwrap();
        let cancel = CancellationToken::new();
        let task = tokio::spawn(serve(listener, router(state), cancel.clone()));
        Self {
            view,
            restored,
            address,
            client,
            cancel,
            task,
            _directory: directory,
        }
    }

    fn url(&self, path: &str) -> String {
        match &self.address {
            ApiAddress::Unix(_) => format!("http://localhost{path}"),
            ApiAddress::Loopback(address) => format!("http://{address}{path}"),
        }
    }

    async fn text(&self, path: &str) -> (u16, String) {
        let answer = self.client.get(self.url(path)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.text(path).await;
        (status, serde_json::from_str(&text).unwrap())
    }
}

#[tokio::test]
async fn clusters_are_shown_with_what_is_known_of_them() {
    let served = Served::over_unix().await;
    let (status, body) = served.json("/v1/clusters").await;
    assert_eq!((status, &body["version"]), (200, &json!(42)));
    let names: Vec<_> = body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].clone())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(body["items"][1]["phase"], "Stale");
    assert_eq!(
        body["items"][0]["resources"],
        json!({"EndpointSet": 1, "Route": 1, "Service": 1})
    );
    assert_eq!(
        body["items"][0]["unknown"][0],
        json!({"kind": "Certificate", "source": "Secret", "reason": "secrets: 403"})
    );
    assert_eq!(
        (&body["items"][0]["problems"], &body["items"][1]["problems"]),
        (&json!(1), &json!(2))
    );
    let (status, body) = served.json("/v1/clusters/b").await;
    assert_eq!((status, &body["uid"]), (200, &json!("uid-b")));
    assert_eq!(body["details"][0]["reason"], "HostClaimed");
    let (status, body) = served.json("/v1/clusters/c").await;
    assert_eq!(
        (status, &body["error"], &body["allowed"]),
        (404, &json!("UnknownCluster"), &json!(["a", "b"]))
    );
}

#[tokio::test]
async fn routes_and_services_are_filtered() {
    let served = Served::over_tcp().await;
    let count = async |path: &str| served.json(path).await.1["items"].as_array().unwrap().len();
    assert_eq!(count("/v1/routes").await, 2);
    assert_eq!(count("/v1/routes?cluster=a").await, 1);
    assert_eq!(count("/v1/routes?namespace=other").await, 0);
    assert_eq!(count("/v1/routes?host=B.example.com").await, 2);
    assert_eq!(count("/v1/routes?host=c.example.com&cluster=a&namespace=shop").await, 1);
    assert_eq!(count("/v1/routes?host=example.com").await, 0);
    let (_, body) = served.json("/v1/routes?cluster=a").await;
    let route = &body["items"][0];
    assert_eq!(route["paths"], json!([{"type": "Prefix", "value": "/"}]));
    assert_eq!(route["backends"], json!([{"service": "shop/web#80", "weight": 1}]));
    assert_eq!(
        (&route["plugins"], &route["created"]),
        (&json!(["key-auth"]), &json!("2023-11-14T22:13:20Z"))
    );
    assert_eq!(
        (&route["state"], &route["objects"]),
        (&json!("Refused"), &json!(["routes/r1"]))
    );
    let (_, body) = served.json("/v1/services?cluster=a&name=web").await;
    let service = &body["items"][0];
    assert_eq!(
        (&service["ready"], &service["notReady"], &service["state"]),
        (&json!(1), &json!(1), &json!("Programmed"))
    );
    assert!(service.get("endpoints").is_none());
    let (_, body) = served.json("/v1/services?cluster=b&endpoints=true").await;
    assert_eq!(body["items"][0]["endpoints"][0]["address"], "10.0.0.1");
    assert_eq!(body["items"][0]["state"], "NotPlanned");
}

#[tokio::test]
async fn problems_come_from_hub_and_agents() {
    let served = Served::over_unix().await;
    let (_, body) = served.json("/v1/problems").await;
    let kinds: Vec<_> = body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["kind"].clone())
        .collect();
    assert_eq!(kinds, ["Diagnostic", "Conflict", "Diagnostic"]);
    assert_eq!(body["items"][0]["field"], "spec.rules[0]");
    let (_, body) = served.json("/v1/problems?cluster=a").await;
    assert_eq!(body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn writes_name_their_causes() {
    let served = Served::over_unix().await;
    let (_, body) = served.json("/v1/writes?limit=2").await;
    assert_eq!(body["items"].as_array().unwrap().len(), 2);
    let write = &body["items"][0];
    assert_eq!(
        (&write["object"], &write["status"]),
        (&json!("upstreams/u1"), &json!(400))
    );
    assert_eq!(
        (&write["causes"][0]["cluster"], &write["causes"][0]["name"]),
        (&json!("a"), &json!("web"))
    );
}

/// Promise 12.
#[tokio::test]
async fn secrets_stay_secret() {
    let served = Served::over_unix().await;
    for path in PATHS {
        let (_, text) = served.text(&path.replace("{name}", "a")).await;
        assert!(!text.contains(SECRET), "{path}: {text}");
    }
    let (_, body) = served.json("/v1/desired").await;
    assert_eq!(body["items"].as_array().unwrap().len(), objects_with_secrets().len());
    let text = body.to_string();
    for public in [
        "PUBLIC",
        "remote_addr",
        "\"openid-connect\":\"redacted:",
        "\"username\":\"u\"",
        "\"uri\":\"/*\"",
    ] {
        assert!(text.contains(public), "{public} was hidden: {text}");
    }
}

#[tokio::test]
async fn desired_objects_show_state_and_causes() {
    let served = Served::over_unix().await;
    let (_, body) = served.json("/v1/desired?kind=routes").await;
    let items = body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(
        (&items[0]["state"], &items[0]["message"]),
        (&json!("Refused"), &json!("SchemaViolation: property uri is wrong"))
    );
    assert_eq!(
        (&items[0]["causes"][0]["kind"], &items[0]["causes"][0]["cluster"]),
        (&json!("Route"), &json!("a"))
    );
    let (_, body) = served.json("/v1/desired?cluster=b").await;
    assert_eq!(body["items"], json!([]));
}

/// Method, path, status, error, and one thing that is allowed.
type Wrong = (Method, &'static str, u16, &'static str, &'static str);

#[tokio::test]
async fn wrong_requests_say_what_is_allowed() {
    let table: [Wrong; 11] = [
        (Method::GET, "/v2", 404, "UnknownPath", "/v1/clusters"),
        (Method::GET, "/", 404, "UnknownPath", "/readyz"),
        (Method::POST, "/v1/routes", 405, "UnknownMethod", "GET"),
        (Method::DELETE, "/v1/clusters/a", 405, "UnknownMethod", "GET"),
        (Method::GET, "/v1/routes?hots=x", 400, "UnknownParameter", "host"),
        (Method::GET, "/v1/routes?host=x&host=y", 400, "UnknownParameter", "host"),
        (
            Method::GET,
            "/v1/routes?cluster=A_B",
            400,
            "InvalidValue",
            "a DNS-1123 label",
        ),
        (
            Method::GET,
            "/v1/desired?kind=gateways",
            400,
            "InvalidValue",
            "upstreams",
        ),
        (Method::GET, "/v1/services?endpoints=yes", 400, "InvalidValue", "true"),
        (
            Method::GET,
            "/v1/writes?limit=0",
            400,
            "InvalidValue",
            "a number from 1 to 10000",
        ),
        (Method::GET, "/v1/clusters/A_B", 400, "InvalidValue", "a DNS-1123 label"),
    ];
    let served = Served::over_tcp().await;
    for (method, path, status, error, allowed) in table {
        let answer = served
            .client
            .request(method.clone(), served.url(path))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(body["error"], error, "{method} {path}");
        assert!(!body["reason"].as_str().unwrap().is_empty());
        assert!(body["allowed"].as_array().unwrap().contains(&json!(allowed)), "{body}");
    }
    let with_body = served
        .client
        .get(served.url("/v1/routes"))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(with_body.status().as_u16(), 400);
    assert!(with_body.text().await.unwrap().contains("UnexpectedBody"));
}

#[tokio::test]
async fn ready_once_restored_and_the_target_observed() {
    let served = Served::over_unix().await;
    assert_eq!(served.json("/livez").await, (200, json!({"status": "ok"})));
    let (status, body) = served.json("/readyz").await;
    assert_eq!((status, &body["ready"]), (200, &json!(true)));
    assert_eq!(body["target"]["foreign"], json!([{"collection": "routes", "count": 2}]));
    served.restored.send_replace(false);
    let mut lost = view();
    lost.target = Arc::new(TargetSummary {
        error: Some("connection refused".to_owned()),
        id: "apisix".to_owned(),
        ..TargetSummary::default()
    });
    served.view.store(Arc::new(lost));
    let (status, body) = served.json("/readyz").await;
    assert_eq!((status, &body["ready"]), (503, &json!(false)));
    let reasons: BTreeSet<_> = body["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["reason"].to_string())
        .collect();
    assert_eq!(
        reasons,
        ["\"NotRestored\"", "\"TargetNotObserved\""].map(str::to_owned).into()
    );
    assert!(body.to_string().contains("connection refused"));
}

#[tokio::test]
async fn an_answer_names_its_version_and_the_metrics_are_text() {
    let served = Served::over_tcp().await;
    let answer = served.client.get(served.url("/v1/routes")).send().await.unwrap();
    assert_eq!(answer.headers()[VERSION_HEADER], "42");
    let (status, text) = served.text("/metrics").await;
    assert_eq!((status, text.as_str()), (200, "# EOF\n"));
}

#[tokio::test]
async fn a_foreign_name_that_leads_here_is_refused() {
    let served = Served::over_tcp().await;
    let ask = async |host: &str| {
        let request = served.client.get(served.url("/v1/desired")).header("host", host);
        request.send().await.unwrap().status().as_u16()
    };
    for host in ["localhost", "127.0.0.1:9000", "[::1]:1", "[::1]"] {
        assert_eq!(ask(host).await, 200, "{host}");
    }
    for host in ["evil.example.com", "127.0.0.1.evil.example.com:80", "localhost.evil:1"] {
        assert_eq!(ask(host).await, 421, "{host}");
    }
}

#[tokio::test]
async fn the_socket_is_for_owner_and_group_and_goes_with_the_hub() {
    let served = Served::over_unix().await;
    let ApiAddress::Unix(path) = served.address.clone() else {
        panic!("no unix socket");
    };
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let error = bind(&served.address).await.unwrap_err();
    assert!(matches!(error, ApiError::Taken { .. }), "{error}");
    served.cancel.cancel();
    served.task.await.unwrap().unwrap();
    assert!(!path.try_exists().unwrap());
}

#[tokio::test]
async fn a_dead_hubs_socket_is_replaced_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("hub.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    bind(&ApiAddress::Unix(path)).await.unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let error = bind(&ApiAddress::Unix(file.clone())).await.unwrap_err();
    assert!(matches!(error, ApiError::Occupied { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let error = bind(&ApiAddress::Unix(Path::new("/nowhere/hub.sock").into()))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("cannot listen at unix:/nowhere/hub.sock"),
        "{error}"
    );
}

#[tokio::test]
async fn nothing_wider_than_loopback_is_bound() {
    let error = bind(&ApiAddress::Loopback("0.0.0.0:0".parse().unwrap()))
        .await
        .unwrap_err();
    assert!(matches!(error, ApiError::Wide(_)), "{error}");
}
