//! Kubernetes objects cut down to what translate reads: equal values here mean that nothing of interest changed,
//! whatever happened to labels, `resourceVersion`, managed fields or heartbeats.
//!
//! Numbers and names stay as written; translate checks them and says what is wrong.

mod annotations;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use hubline::model::{EndpointState, ObjectRef, Place, SecretText, UnixSeconds};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Kind;
use super::crd::{v1alpha1, v2};

pub use annotations::{ANNOTATION_PREFIX, Annotations};
pub use hubline::model::Node;

/// Namespace and name of an object; cloning costs two reference counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Empty for objects of the whole cluster.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl Name {
    /// Of its two parts.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// Of an object's metadata.
    #[must_use]
    pub fn of(meta: &ObjectMeta) -> Self {
        Self::new(
            meta.namespace.as_deref().unwrap_or_default(),
            meta.name.as_deref().unwrap_or_default(),
        )
    }

    /// Another object of the same namespace.
    #[must_use]
    pub fn sibling(&self, name: &str) -> Self {
        Self {
            namespace: Arc::clone(&self.namespace),
            name: name.into(),
        }
    }

    /// As `kubectl apply` would take it: namespace `default` where one is needed and none is given, none where none is needed.
    #[must_use]
    pub fn or_default_namespace(self, kind: Kind) -> Self {
        match (kind.is_namespaced(), self.namespace.is_empty()) {
            (true, true) => Self::new("default", &self.name),
            (false, false) => Self::new("", &self.name),
            (true, false) | (false, true) => self,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(out, "{}/", self.namespace)?;
        }
        out.write_str(&self.name)
    }
}

/// Names an object of a watched kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// Kind.
    pub kind: Kind,
    /// Namespace and name.
    pub name: Name,
}

impl ObjectId {
    /// As diagnostics name it.
    #[must_use]
    pub fn reference(&self) -> ObjectRef {
        ObjectRef {
            source: self.kind.group_kind(),
            namespace: self.name.namespace.as_ref().to_owned(),
            name: self.name.name.as_ref().to_owned(),
        }
    }
}

/// An Ingress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ingress {
    /// Creation time.
    pub created: Option<UnixSeconds>,
    /// `spec.ingressClassName`, else the annotation `kubernetes.io/ingress.class`; never empty.
    pub class: Option<Box<str>>,
    /// Those that begin with [`ANNOTATION_PREFIX`].
    pub annotations: Annotations,
    /// `spec.defaultBackend`.
    pub default_backend: Option<IngressBackend>,
    /// `spec.rules`.
    pub rules: Vec<IngressRule>,
    /// `spec.tls`.
    pub tls: Vec<IngressTls>,
}

/// A rule: a host and its paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngressRule {
    /// None means every host.
    pub host: Option<Box<str>>,
    /// None when `http` is absent.
    pub paths: Option<Vec<IngressPath>>,
}

/// A path and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressPath {
    /// As written; empty when absent.
    pub path: Box<str>,
    /// `pathType`, as written.
    pub path_type: Box<str>,
    /// Where it leads.
    pub backend: IngressBackend,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IngressBackend {
    /// To a service's port.
    Service {
        /// Name of the Service, in the Ingress's namespace.
        service: Box<str>,
        /// Its port.
        port: PortReference,
    },
    /// To some other object; kind and name.
    Resource(Box<str>),
    /// Neither is given.
    Missing,
}

/// How a service's port is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortReference {
    /// By number, as written.
    Number(i32),
    /// By name.
    Name(Box<str>),
    /// Not at all.
    #[default]
    Missing,
}

impl fmt::Display for PortReference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(out, "{number}"),
            Self::Name(name) => out.write_str(name),
            Self::Missing => Ok(()),
        }
    }
}

/// Hosts that are served with a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngressTls {
    /// As written.
    pub hosts: Vec<Box<str>>,
    /// Name of the Secret, in the Ingress's namespace.
    pub secret: Option<Box<str>>,
}

/// An IngressClass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngressClass {
    /// `spec.controller`.
    pub controller: Box<str>,
    /// Whether it is that of Ingresses which name none.
    pub is_default: bool,
}

/// A Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// `spec.externalName` of a service of type `ExternalName`.
    pub external_name: Option<Box<str>>,
    /// `spec.ports`.
    pub ports: Vec<ServicePort>,
    /// Whether `externalTrafficPolicy` is `Local`.
    pub local_traffic_only: bool,
    /// IPs and host names in `status.loadBalancer.ingress`.
    pub load_balancer: Vec<Box<str>>,
}

/// A port of a Service; numbers as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServicePort {
    /// Empty when it has none.
    pub name: Box<str>,
    /// Number.
    pub number: i32,
    /// `TCP` when absent.
    pub protocol: Box<str>,
    /// `nodePort`; none when absent or 0.
    pub node_port: Option<i32>,
    /// `appProtocol`.
    pub app_protocol: Option<Box<str>>,
}

/// An EndpointSlice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointSlice {
    /// The Service it belongs to (label `kubernetes.io/service-name`).
    pub service: Option<Arc<str>>,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: Box<str>,
    /// Ports that all endpoints have.
    pub ports: Vec<SlicePort>,
    /// Endpoints.
    pub endpoints: Vec<SliceEndpoint>,
}

/// A port of a slice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlicePort {
    /// Name of the service's port; empty when it has none.
    pub name: Box<str>,
    /// Number, as written.
    pub number: Option<i32>,
    /// `TCP` when absent.
    pub protocol: Box<str>,
}

/// Addresses of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceEndpoint {
    /// As written.
    pub addresses: Vec<Box<str>>,
    /// Its three conditions as one.
    pub state: EndpointState,
    /// `nodeName` and `zone`.
    pub place: Option<Arc<Place>>,
}

/// A Secret that may hold a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Creation time.
    pub created: Option<UnixSeconds>,
    /// `type`.
    pub secret_type: Box<str>,
    /// `tls.crt`, or `cert` as APISIX's own Secrets have it.
    pub chain: Option<Box<str>>,
    /// `tls.key`, or `key` likewise.
    pub private_key: Option<SecretText>,
    /// Everything else that it holds; of one that was fetched by name everything.
    pub content: Arc<Content>,
}

/// What a Secret holds, by field; what is no UTF-8 is left out.
pub type Content = BTreeMap<Box<str>, SecretText>;

/// A custom resource: its specification as written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Custom<S> {
    /// Creation time.
    pub created: Option<UnixSeconds>,
    /// `spec`; apart, since specifications are larger than most objects.
    pub spec: Box<S>,
}

/// An ApisixRoute.
pub type ApisixRoute = Custom<v2::ApisixRouteSpec>;
/// An ApisixUpstream.
pub type ApisixUpstream = Custom<v2::ApisixUpstreamSpec>;
/// An ApisixTls.
pub type ApisixTls = Custom<v2::ApisixTlsSpec>;
/// An ApisixConsumer.
pub type ApisixConsumer = Custom<v2::ApisixConsumerSpec>;
/// An ApisixPluginConfig.
pub type ApisixPluginConfig = Custom<v2::ApisixPluginConfigSpec>;
/// An ApisixGlobalRule.
pub type ApisixGlobalRule = Custom<v2::ApisixGlobalRuleSpec>;
/// A BackendTrafficPolicy.
pub type BackendTrafficPolicy = Custom<v1alpha1::BackendTrafficPolicySpec>;
/// An HTTPRoutePolicy.
pub type HttpRoutePolicy = Custom<v1alpha1::HttpRoutePolicySpec>;
/// An L4RoutePolicy.
pub type L4RoutePolicy = Custom<v1alpha1::L4RoutePolicySpec>;
/// A Consumer.
pub type Consumer = Custom<v1alpha1::ConsumerSpec>;
/// A PluginConfig.
pub type PluginConfig = Custom<v1alpha1::PluginConfigSpec>;
/// A GatewayProxy.
pub type GatewayProxy = Custom<v1alpha1::GatewayProxySpec>;
