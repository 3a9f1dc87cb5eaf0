//! What an object's own status says, and what is needed to write it: no part of what is translated, so that a status
//! which is written causes no translation.

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::object::HasSpec;
use serde_json::Value;

use super::Kind;
use super::crd::Root;

/// The name under which this agent writes statuses: Kubernetes keeps it in `metadata.managedFields`, which tells an agent
/// after any restart what it wrote itself.
pub const FIELD_MANAGER: &str = "hubline-agent";

/// The name under which this agent speaks of objects: in events, and in the status of policies, where each controller has
/// entries of its own. None of the controllers in `ingressClass.controllers`, since apisix-ingress-controller's is one of
/// them, and may run beside.
pub const CONTROLLER: &str = "hubline.dev/agent";

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    /// `metadata.uid`: another object of the same name has another.
    pub uid: Box<str>,
    /// `metadata.resourceVersion`: a write that names it fails when anyone wrote in between.
    pub version: Box<str>,
    /// `metadata.generation`, 0 where there is none.
    pub generation: i64,
    /// Whether what of the status matters here was last written by an agent.
    pub by_us: bool,
    /// What it says.
    pub status: ReportedStatus,
}

/// What of a status matters here.
#[derive(Debug, Clone, PartialEq)]
pub enum ReportedStatus {
    /// IPs and host names in `status.loadBalancer.ingress` of an Ingress.
    Addresses(Vec<Box<str>>),
    /// `status.conditions`, as they are: those of other writers are kept as they wrote them.
    Conditions(Vec<Value>),
    /// `status.ancestors` of a policy, as they are: an entry for each controller and object that the policy acts through.
    Ancestors(Vec<Value>),
    /// There is none: what is wrong with such objects is told by events alone.
    Absent,
}

/// A type on whose objects an agent may tell what became of them.
pub trait Reports {
    /// What the status says; none where agents tell nothing.
    fn reported(&self, _kind: Kind) -> Option<Reported> {
        None
    }
}

impl ReportedStatus {
    /// What matters in the status of an object of this kind.
    #[must_use]
    pub fn of(kind: Kind, status: &Value) -> Self {
        match kind {
            Kind::Ingress => Self::addresses(status),
            Kind::BackendTrafficPolicy | Kind::HttpRoutePolicy | Kind::L4RoutePolicy => {
                Self::Ancestors(list(status, "ancestors"))
            }
            Kind::PluginConfig | Kind::GatewayProxy => Self::Absent,
            _ => Self::Conditions(list(status, "conditions")),
        }
    }

    fn addresses(status: &Value) -> Self {
        let entries = status.pointer("/loadBalancer/ingress").and_then(Value::as_array);
        let address = |entry: &Value| {
            let text = entry["ip"].as_str().or(entry["hostname"].as_str());
            text.unwrap_or_default().into()
        };
        Self::Addresses(entries.into_iter().flatten().map(address).collect())
    }
}

fn list(status: &Value, field: &str) -> Vec<Value> {
    let list = status.get(field).and_then(Value::as_array);
    list.cloned().unwrap_or_default()
}

impl Kind {
    /// Whether agents tell on such objects what became of them: by a status, or by events where there is none.
    #[must_use]
    pub fn is_reported(self) -> bool {
        match self {
            Self::Ingress
            | Self::ApisixRoute
            | Self::ApisixUpstream
            | Self::ApisixTls
            | Self::ApisixConsumer
            | Self::ApisixPluginConfig
            | Self::ApisixGlobalRule
            | Self::BackendTrafficPolicy
            | Self::HttpRoutePolicy
            | Self::L4RoutePolicy
            | Self::Consumer
            | Self::PluginConfig
            | Self::GatewayProxy => true,
            Self::IngressClass | Self::Service | Self::EndpointSlice | Self::Secret | Self::Node => false,
        }
    }
}

impl Reported {
    /// Of an object's metadata and its status.
    #[must_use]
    pub fn new(meta: &ObjectMeta, status: ReportedStatus) -> Self {
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
        Self {
            uid: text(&meta.uid),
            version: text(&meta.resource_version),
            generation: meta.generation.unwrap_or_default(),
            by_us: is_by_us(meta, &status),
            status,
        }
    }
}

/// Kubernetes notes for each field of a status who set it last to what it is.
fn is_by_us(meta: &ObjectMeta, status: &ReportedStatus) -> bool {
    let path = match status {
        ReportedStatus::Addresses(_) => "/f:status/f:loadBalancer/f:ingress",
        ReportedStatus::Conditions(_) => "/f:status/f:conditions",
        ReportedStatus::Ancestors(_) => "/f:status/f:ancestors",
        ReportedStatus::Absent => return false,
    };
    let mut entries = meta.managed_fields.iter().flatten();
    entries.any(|entry| {
        let ours = entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.subresource.as_deref() == Some("status");
        let fields = entry.fields_v1.as_ref().map_or(&Value::Null, |fields| &fields.0);
        ours && fields.pointer(path).is_some()
    })
}

impl Reports for networking::Ingress {
    fn reported(&self, _kind: Kind) -> Option<Reported> {
        let balancer = self.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        let entries = balancer
            .and_then(|balancer| balancer.ingress.as_deref())
            .unwrap_or_default();
        let address = |entry: &networking::IngressLoadBalancerIngress| {
            let text = entry.ip.as_deref().or(entry.hostname.as_deref());
            text.unwrap_or_default().into()
        };
        let addresses = entries.iter().map(address).collect();
        Some(Reported::new(&self.metadata, ReportedStatus::Addresses(addresses)))
    }
}

impl<K: HasSpec<Spec: Clone + std::fmt::Debug>> Reports for Root<K> {
    fn reported(&self, kind: Kind) -> Option<Reported> {
        let status = ReportedStatus::of(kind, &self.status);
        Some(Reported::new(&self.metadata, status))
    }
}

impl Reports for networking::IngressClass {}
impl Reports for core::Service {}
impl Reports for core::Secret {}
impl Reports for core::Node {}
impl Reports for discovery::EndpointSlice {}
