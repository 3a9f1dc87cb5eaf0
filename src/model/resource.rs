//! One normalized object.

use serde::{Deserialize, Serialize};

use super::{
    Certificate, ClusterInfo, Consumer, EndpointSet, Export, GlobalRule, Node, PluginSet, ResourceKind, Route, Service,
    StreamRoute,
};

/// One normalized object of the model. What is large is boxed: otherwise every set of endpoints would take the room of
/// the largest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each variant is documented at its type")]
pub enum Resource {
    Route(Box<Route>),
    StreamRoute(Box<StreamRoute>),
    Service(Box<Service>),
    EndpointSet(EndpointSet),
    Certificate(Box<Certificate>),
    Consumer(Box<Consumer>),
    PluginSet(PluginSet),
    GlobalRule(Box<GlobalRule>),
    Node(Box<Node>),
    Export(Export),
    ClusterInfo(Box<ClusterInfo>),
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

macro_rules! from_each {
    ($($kind:ident),*) => {$(
        impl From<$kind> for Resource {
            fn from(of_kind: $kind) -> Self {
                Self::$kind(Box::new(of_kind))
            }
        }
    )*};
}

from_each!(
    Route,
    StreamRoute,
    Service,
    Certificate,
    Consumer,
    GlobalRule,
    Node,
    ClusterInfo
);

#[cfg(test)]
mod tests {
    use super::*;

    /// As large as a list and its kind: a hub of 100,000 routes has 300,000.
    #[test]
    fn a_resource_is_small() {
        assert_eq!(size_of::<Resource>(), 32);
    }
}
