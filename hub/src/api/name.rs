//! Names of resources in answers.

use hubline::model::{GlobalKey, GroupKind, Key};
use serde::Serialize;

/// Which resource.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NameBody {
    /// The cluster that speaks for it.
    pub(super) cluster: String,
    /// The kind of object it was made from, as `Ingress.networking.k8s.io`.
    pub(super) source: String,
    /// Namespace; empty for objects of the whole cluster.
    pub(super) namespace: String,
    /// Name.
    pub(super) name: String,
    /// Part of the object; empty when it is one resource.
    pub(super) section: String,
}

impl From<&GlobalKey> for NameBody {
    fn from(key: &GlobalKey) -> Self {
        Self {
            cluster: key.cluster.to_string(),
            source: source(&key.key.source),
            namespace: key.key.namespace.as_ref().to_owned(),
            name: key.key.name.clone(),
            section: key.key.section.clone(),
        }
    }
}

/// `Ingress.networking.k8s.io`, or `Service` for the core group.
pub(super) fn source(source: &GroupKind) -> String {
    source.to_string()
}

/// A reference within a cluster: `shop/web#80`.
pub(super) fn reference(key: &Key) -> String {
    let section = if key.section.is_empty() { "" } else { "#" };
    format!("{}/{}{section}{}", key.namespace, key.name, key.section)
}
