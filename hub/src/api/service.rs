//! `/v1/services`.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use hubline::model::{
    Endpoint, EndpointSet, EndpointState, GlobalKey, LoadBalancing, Protocol, Resource, Scheme, Service,
};
use serde::Serialize;

use super::index::{Index, State as TargetState};
use super::name::NameBody;
use super::problem::{self, ProblemSummary};
use super::query::Parameters;
use super::refusal::Refusal;
use super::{ApiState, answer};
use crate::object::ObjectKind;
use crate::view::View;

/// One port of a service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceBody {
    #[serde(flatten)]
    name: NameBody,
    port: PortBody,
    external_name: Option<String>,
    node_port: Option<u16>,
    scheme: &'static str,
    load_balancing: &'static str,
    ready: usize,
    draining: usize,
    not_ready: usize,
    /// Only when asked for by `endpoints=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoints: Option<Vec<EndpointBody>>,
    /// Why it leads nowhere.
    unresolved: Option<UnresolvedBody>,
    state: TargetState,
    /// Objects made from it, as `upstreams/ID`.
    objects: Vec<String>,
    problems: Vec<ProblemSummary>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PortBody {
    number: Option<u16>,
    name: Option<String>,
    protocol: &'static str,
    app_protocol: Option<String>,
}

#[derive(Debug, Serialize)]
struct EndpointBody {
    address: String,
    port: u16,
    /// `Ready`, `Draining` or `NotReady`.
    state: &'static str,
    node: Option<String>,
    zone: Option<String>,
}

#[derive(Debug, Serialize)]
struct UnresolvedBody {
    reason: String,
    message: String,
}

/// Whether addresses are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoints {
    Counted,
    Listed,
}

pub(super) async fn list(State(state): State<ApiState>, uri: Uri) -> Result<Response, Refusal> {
    let parameters = Parameters::read(&uri, &["cluster", "namespace", "name", "endpoints"])?;
    let cluster = parameters.cluster()?;
    let namespace = parameters.text("namespace").map(str::to_owned);
    let name = parameters.text("name").map(str::to_owned);
    let choices = [("true", Endpoints::Listed), ("false", Endpoints::Counted)];
    let endpoints = parameters.choice("endpoints", &choices)?.unwrap_or(Endpoints::Counted);
    answer::list(state, move |view| {
        let index = Index::of(view, &[ObjectKind::Upstream]);
        let mut services = Vec::new();
        for (key, stored) in &view.resources {
            let Resource::Service(service) = stored.resource.as_ref() else {
                continue;
            };
            let wanted = cluster.as_ref().is_none_or(|cluster| *cluster == key.cluster)
                && namespace
                    .as_ref()
                    .is_none_or(|namespace| **namespace == *key.key.namespace)
                && name.as_ref().is_none_or(|name| *name == key.key.name);
            if wanted {
                services.push(body(view, &index, key, service, endpoints));
            }
        }
        services
    })
    .await
}

fn body(view: &View, index: &Index<'_>, key: &GlobalKey, service: &Service, endpoints: Endpoints) -> ServiceBody {
    let all = endpoints_of(view, key, service);
    let count = |state| all.iter().filter(|endpoint| endpoint.state == state).count();
    ServiceBody {
        name: NameBody::from(key),
        port: port(service),
        external_name: service.external_name.as_ref().map(ToString::to_string),
        node_port: service.node_port.map(hubline::model::Port::get),
        scheme: scheme(service.settings.scheme),
        load_balancing: load_balancing(&service.settings.load_balancing),
        ready: count(EndpointState::Ready),
        draining: count(EndpointState::Draining),
        not_ready: count(EndpointState::NotReady),
        endpoints: (endpoints == Endpoints::Listed).then(|| all.iter().map(endpoint).collect()),
        unresolved: service.unresolved.as_ref().map(|unresolved| UnresolvedBody {
            reason: unresolved.reason.clone(),
            message: unresolved.message.clone(),
        }),
        state: index.state(key),
        objects: index.objects(key),
        problems: problem::of(view, key),
    }
}

fn endpoints_of<'a>(view: &'a View, key: &GlobalKey, service: &Service) -> &'a [Endpoint] {
    let set = GlobalKey {
        cluster: key.cluster.clone(),
        key: service.endpoints.clone(),
    };
    match view.resources.get(&set).map(|stored| stored.resource.as_ref()) {
        Some(Resource::EndpointSet(EndpointSet { endpoints })) => endpoints,
        Some(_) | None => &[],
    }
}

fn port(service: &Service) -> PortBody {
    PortBody {
        number: service.port.number.map(hubline::model::Port::get),
        name: service.port.name.clone(),
        protocol: match service.port.protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        },
        app_protocol: service.port.app_protocol.clone(),
    }
}

fn endpoint(endpoint: &Endpoint) -> EndpointBody {
    EndpointBody {
        address: endpoint.address.to_string(),
        port: endpoint.port.get(),
        state: match endpoint.state {
            EndpointState::Ready => "Ready",
            EndpointState::Draining => "Draining",
            EndpointState::NotReady => "NotReady",
        },
        node: endpoint.node().map(ToString::to_string),
        zone: endpoint.zone().map(ToString::to_string),
    }
}

fn scheme(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
        Scheme::Grpc => "grpc",
        Scheme::Grpcs => "grpcs",
        Scheme::Tcp => "tcp",
        Scheme::Tls => "tls",
        Scheme::Udp => "udp",
    }
}

fn load_balancing(by: &LoadBalancing) -> &'static str {
    match by {
        LoadBalancing::RoundRobin => "roundRobin",
        LoadBalancing::ConsistentHash { .. } => "consistentHash",
        LoadBalancing::Ewma => "ewma",
        LoadBalancing::LeastConnections => "leastConnections",
    }
}
