//! What names a resource: `(cluster, source group/kind, namespace, name, section)` and the resource's kind.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ClusterId;

/// The kinds of the model. The numbers are those of the wire and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ResourceKind {
    /// Which requests go to which services.
    Route,
    /// Which connections (TCP, UDP, TLS) go to which service.
    StreamRoute,
    /// One port of one service, with its backend settings.
    Service,
    /// The addresses behind a service port.
    EndpointSet,
    /// A certificate with its key, and the names it serves.
    Certificate,
    /// Someone who may call, with credentials.
    Consumer,
    /// Plugins that several routes share.
    PluginSet,
    /// Plugins that act on everybody's traffic.
    GlobalRule,
    /// A node of the cluster, with addresses.
    Node,
    /// A service offered to other clusters.
    Export,
    /// Facts of the cluster itself.
    ClusterInfo,
    /// A kind that a newer agent knows and this program does not: counted and hashed, otherwise ignored.
    Other(u32),
}

impl ResourceKind {
    /// Every kind that this program knows, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Route,
        Self::StreamRoute,
        Self::Service,
        Self::EndpointSet,
        Self::Certificate,
        Self::Consumer,
        Self::PluginSet,
        Self::GlobalRule,
        Self::Node,
        Self::Export,
        Self::ClusterInfo,
    ];

    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Route => 1,
            Self::StreamRoute => 2,
            Self::Service => 3,
            Self::EndpointSet => 4,
            Self::Certificate => 5,
            Self::Consumer => 6,
            Self::PluginSet => 7,
            Self::GlobalRule => 8,
            Self::Node => 9,
            Self::Export => 10,
            Self::ClusterInfo => 11,
            Self::Other(number) => number,
        }
    }

    /// The kind of a number on the wire.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        Self::ALL
            .into_iter()
            .find(|kind| kind.number() == number)
            .unwrap_or(Self::Other(number))
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(number) => write!(out, "Kind{number}"),
            Self::Route
            | Self::StreamRoute
            | Self::Service
            | Self::EndpointSet
            | Self::Certificate
            | Self::Consumer
            | Self::PluginSet
            | Self::GlobalRule
            | Self::Node
            | Self::Export
            | Self::ClusterInfo => write!(out, "{self:?}"),
        }
    }
}

/// The API group and kind of the object a resource was made from; the core group is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupKind {
    /// API group, as `networking.k8s.io`; empty for the core group.
    pub group: Arc<str>,
    /// Kind, as `Ingress`.
    pub kind: Arc<str>,
}

impl Ord for GroupKind {
    /// By group, then kind.
    fn cmp(&self, other: &Self) -> Ordering {
        shared_order(&self.group, &other.group).then_with(|| shared_order(&self.kind, &other.kind))
    }
}

impl PartialOrd for GroupKind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The order of two texts. Maps of a hub compare keys of the same cluster nearly always, whose texts are shared:
/// what is the same need not be read, and it is not in any cache.
pub(super) fn shared_order<T: Ord + ?Sized>(one: &Arc<T>, other: &Arc<T>) -> Ordering {
    if Arc::ptr_eq(one, other) {
        Ordering::Equal
    } else {
        one.cmp(other)
    }
}

impl GroupKind {
    /// Names a group and kind.
    #[must_use]
    pub fn new(group: &str, kind: &str) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
        }
    }
}

impl fmt::Display for GroupKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            out.write_str(&self.kind)
        } else {
            write!(out, "{}.{}", self.kind, self.group)
        }
    }
}

/// The parts of a [`Key`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyParts {
    /// Kind of the resource.
    pub kind: ResourceKind,
    /// What it was made from: an Ingress and an HTTPRoute of the same name are two.
    pub source: GroupKind,
    /// Namespace; empty for objects of the whole cluster. Keys that came from one sender share it.
    #[serde(default)]
    pub namespace: Arc<str>,
    /// Name of the source object.
    pub name: String,
    /// Which part of the source object (rule and match, port); empty when the object is one resource.
    /// Made from content, never from an index, so that inserting a rule does not rename its neighbours.
    #[serde(default)]
    pub section: String,
}

/// Names one resource within its cluster; cloning costs a reference count.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(Arc<KeyParts>);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        shared_order(&self.0, &other.0)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Key {
    /// A key of its parts.
    #[must_use]
    pub fn new(kind: ResourceKind, source: &GroupKind, namespace: &str, name: &str, section: &str) -> Self {
        KeyParts {
            kind,
            source: source.clone(),
            namespace: namespace.into(),
            name: name.to_owned(),
            section: section.to_owned(),
        }
        .into()
    }

    /// All its texts: group and kind of the source, namespace, name, section.
    #[must_use]
    pub fn texts(&self) -> [&str; 5] {
        [
            &self.source.group,
            &self.source.kind,
            &self.namespace,
            &self.name,
            &self.section,
        ]
    }

    /// The same name for another kind: the [`ResourceKind::EndpointSet`] of a service port, for one.
    #[must_use]
    pub fn with_kind(&self, kind: ResourceKind) -> Self {
        KeyParts {
            kind,
            ..self.0.as_ref().clone()
        }
        .into()
    }
}

impl From<KeyParts> for Key {
    fn from(parts: KeyParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl std::ops::Deref for Key {
    type Target = KeyParts;
    fn deref(&self) -> &KeyParts {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Display for Key {
    /// `Route/Ingress.networking.k8s.io/shop/web#a.example.com|Prefix|/`
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KeyParts {
            kind,
            source,
            namespace,
            name,
            section,
        } = self.0.as_ref();
        write!(out, "{kind}/{source}/{namespace}/{name}")?;
        if section.is_empty() {
            Ok(())
        } else {
            write!(out, "#{section}")
        }
    }
}

/// Names one resource among all clusters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GlobalKey {
    /// The cluster that speaks for it.
    pub cluster: ClusterId,
    /// Its name there.
    pub key: Key,
}

impl fmt::Display for GlobalKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.cluster, self.key)
    }
}
