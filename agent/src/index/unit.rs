//! What is translated as one.

use crate::source::{Kind, Name, ObjectId};

/// What is translated as one: a change re-translates the units it touches and no others.
/// Those that ask for something of others come first: they say which ports and secrets are wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// The routes of an Ingress.
    Ingress(Name),
    /// An ApisixRoute.
    ApisixRoute(Name),
    /// An ApisixUpstream.
    ApisixUpstream(Name),
    /// An ApisixTls.
    ApisixTls(Name),
    /// An ApisixConsumer.
    ApisixConsumer(Name),
    /// An ApisixPluginConfig.
    ApisixPluginConfig(Name),
    /// An ApisixGlobalRule.
    ApisixGlobalRule(Name),
    /// A BackendTrafficPolicy.
    BackendTrafficPolicy(Name),
    /// An HTTPRoutePolicy.
    HttpRoutePolicy(Name),
    /// An L4RoutePolicy.
    L4RoutePolicy(Name),
    /// A Consumer.
    Consumer(Name),
    /// A PluginConfig.
    PluginConfig(Name),
    /// A GatewayProxy.
    GatewayProxy(Name),
    /// The ports of a Service that routes refer to, with their addresses.
    Service(Name),
    /// The certificate in a Secret that Ingresses refer to.
    Secret(Name),
    /// A node.
    Node(Name),
    /// The cluster itself.
    Cluster,
}

impl Unit {
    /// The unit of an object, where it has one of its own.
    #[must_use]
    pub fn of(id: &ObjectId) -> Option<Self> {
        let name = id.name.clone();
        Some(match id.kind {
            Kind::Ingress => Self::Ingress(name),
            Kind::ApisixRoute => Self::ApisixRoute(name),
            Kind::ApisixUpstream => Self::ApisixUpstream(name),
            Kind::ApisixTls => Self::ApisixTls(name),
            Kind::ApisixConsumer => Self::ApisixConsumer(name),
            Kind::ApisixPluginConfig => Self::ApisixPluginConfig(name),
            Kind::ApisixGlobalRule => Self::ApisixGlobalRule(name),
            Kind::BackendTrafficPolicy => Self::BackendTrafficPolicy(name),
            Kind::HttpRoutePolicy => Self::HttpRoutePolicy(name),
            Kind::L4RoutePolicy => Self::L4RoutePolicy(name),
            Kind::Consumer => Self::Consumer(name),
            Kind::PluginConfig => Self::PluginConfig(name),
            Kind::GatewayProxy => Self::GatewayProxy(name),
            Kind::Service => Self::Service(name),
            Kind::Secret => Self::Secret(name),
            Kind::Node => Self::Node(name),
            Kind::IngressClass | Kind::EndpointSlice => return None,
        })
    }

    /// The object that asks for something of others; none of those that are asked.
    #[must_use]
    pub fn asker(&self) -> Option<ObjectId> {
        let (kind, name) = match self {
            Self::Ingress(name) => (Kind::Ingress, name),
            Self::ApisixRoute(name) => (Kind::ApisixRoute, name),
            Self::ApisixUpstream(name) => (Kind::ApisixUpstream, name),
            Self::ApisixTls(name) => (Kind::ApisixTls, name),
            Self::ApisixConsumer(name) => (Kind::ApisixConsumer, name),
            Self::ApisixPluginConfig(name) => (Kind::ApisixPluginConfig, name),
            Self::ApisixGlobalRule(name) => (Kind::ApisixGlobalRule, name),
            Self::BackendTrafficPolicy(name) => (Kind::BackendTrafficPolicy, name),
            Self::HttpRoutePolicy(name) => (Kind::HttpRoutePolicy, name),
            Self::L4RoutePolicy(name) => (Kind::L4RoutePolicy, name),
            Self::Consumer(name) => (Kind::Consumer, name),
            Self::PluginConfig(name) => (Kind::PluginConfig, name),
            Self::GatewayProxy(name) => (Kind::GatewayProxy, name),
            Self::Service(_) | Self::Secret(_) | Self::Node(_) | Self::Cluster => return None,
        };
        Some(ObjectId {
            kind,
            name: name.clone(),
        })
    }

    /// The object that a unit is, where agents tell on it what became of it.
    pub(crate) fn reporting(&self) -> Option<ObjectId> {
        self.asker().filter(|id| id.kind.is_reported())
    }

    pub(super) fn asks(&self) -> bool {
        !matches!(self, Self::Service(_) | Self::Secret(_) | Self::Node(_) | Self::Cluster)
    }
}
