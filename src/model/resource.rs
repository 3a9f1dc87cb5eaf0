//! One normalized object.

use serde::{Deserialize, Serialize};

use super::{
    Certificate, ClusterInfo, Consumer, EndpointSet, Export, GlobalRule, Node, PluginSet, ResourceKind, Route, Service,
    StreamRoute,
};

/// One normalized object of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each variant is documented at its type")]
pub enum Resource {
    Route(Route),
    StreamRoute(StreamRoute),
    Service(Service),
    EndpointSet(EndpointSet),
    Certificate(Certificate),
    Consumer(Consumer),
    PluginSet(PluginSet),
    GlobalRule(GlobalRule),
    Node(Node),
    Export(Export),
    ClusterInfo(ClusterInfo),
}

impl Resource {
    /// Its kind; the key's kind must agree.
    #[must_use]
    pub fn kind(&self) -> ResourceKind {
        match self {
            Self::Route(_) => ResourceKind::Route,
            Self::StreamRoute(_) => ResourceKind::StreamRoute,
            Self::Service(_) => ResourceKind::Service,
            Self::EndpointSet(_) => ResourceKind::EndpointSet,
            Self::Certificate(_) => ResourceKind::Certificate,
            Self::Consumer(_) => ResourceKind::Consumer,
            Self::PluginSet(_) => ResourceKind::PluginSet,
            Self::GlobalRule(_) => ResourceKind::GlobalRule,
            Self::Node(_) => ResourceKind::Node,
            Self::Export(_) => ResourceKind::Export,
            Self::ClusterInfo(_) => ResourceKind::ClusterInfo,
        }
    }
}
