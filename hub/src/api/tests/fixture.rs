//! A view with something of everything, secrets in every place, and an API that serves it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hubline::model::{
    Backend, BackendSettings, ClusterId, Completeness, Diagnostic, Endpoint, EndpointSet, EndpointState, GlobalKey,
    Group, GroupKind, GroupState, HostName, Key, ObjectRef, PathMatch, Plugin, Port, Resource, ResourceKind, Route,
    SecretText, Service, ServicePort, Severity, TrafficPolicy, UnixSeconds,
};
use hubline::telemetry::Metrics;
use hubline::wire::{ContentHash, Epoch};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::watched::Watched;
use crate::api::{ApiError, ApiState, WriteBody, WriteLog, bind, router, serve};
use crate::change::Stored;
use crate::config::ApiAddress;
use crate::object::{Cause, Object, ObjectId, ObjectKind, canonical};
use crate::view::{ClusterSummary, Outcome, Phase, Problem, ProblemKind, Refusal, TargetSummary, View};

/// Must never come out.
pub(super) const SECRET: &str = "hunter2";

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
    Resource::from(Route {
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
    Resource::from(Service {
        port: ServicePort {
            number: Some(Port::new(80).unwrap()),
            name: None,
            protocol: hubline::model::Protocol::Tcp,
            app_protocol: None,
        },
        endpoints: key(ResourceKind::EndpointSet, "web", "80"),
        external_name: None,
        outside: None,
        node_port: None,
        external_traffic_policy: TrafficPolicy::Cluster,
        load_balancer_addresses: Vec::new(),
        settings: BackendSettings::default(),
        unresolved: None,
    })
}

fn endpoints() -> Resource {
    let endpoint = |address: &str, state| Endpoint {
        address: address.into(),
        port: Port::new(8080).unwrap(),
        state,
        place: None,
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
        references: Box::default(),
        causes: [Cause {
            key: cause,
            content_hash: ContentHash(7),
        }]
        .into(),
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
pub(super) fn objects_with_secrets() -> Vec<Object> {
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

pub(super) fn view() -> View {
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
            ObjectKind::Route => Outcome::Refused(Box::new(Refusal {
                hash: object.hash,
                reason: "SchemaViolation".to_owned(),
                message: "property uri is wrong".to_owned(),
            })),
            _ => Outcome::Pending,
        };
        view.outcomes.insert(object.id.clone(), outcome);
        view.desired.insert(object.id.clone(), Arc::new(object));
    }
    view.target = Arc::new(TargetSummary {
        id: "apisix".to_owned(),
        observed: true,
        foreign: vec![("routes".to_owned(), 2)],
        foreign_split: None,
        error: None,
    });
    view
}

/// A served API.
pub(super) struct Served {
    pub(super) view: Arc<ArcSwap<View>>,
    pub(super) restored: watch::Sender<bool>,
    pub(super) address: ApiAddress,
    pub(super) client: Client,
    pub(super) cancel: CancellationToken,
    pub(super) task: JoinHandle<Result<(), ApiError>>,
    pub(super) paths: Watched,
    /// Ends what owns the paths, alone.
    pub(super) paths_end: CancellationToken,
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
    pub(super) async fn over_unix() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("hub.sock");
        let client = Client::builder().unix_socket(path.clone()).no_proxy().build().unwrap();
        Self::start(ApiAddress::Unix(path), client, directory).await
    }

    pub(super) async fn over_tcp() -> Self {
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
        let paths_end = cancel.child_token();
        let paths = Watched::start(paths_end.clone());
        let state = state.with_paths(paths.handle.clone());
        let task = tokio::spawn(serve(listener, router(state), cancel.clone()));
        Self {
            view,
            restored,
            address,
            client,
            cancel,
            task,
            paths,
            paths_end,
            _directory: directory,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        match &self.address {
            ApiAddress::Unix(_) => format!("http://localhost{path}"),
            ApiAddress::Loopback(address) => format!("http://{address}{path}"),
        }
    }

    pub(super) async fn text(&self, path: &str) -> (u16, String) {
        let answer = self.client.get(self.url(path)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub(super) async fn json(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.text(path).await;
        (status, serde_json::from_str(&text).unwrap())
    }
}
