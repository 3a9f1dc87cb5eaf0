//! Which clusters may speak to the hub.

use std::collections::BTreeMap;

use hubline::model::ClusterId;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::path::{Allowed, Path};

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterConfig {
    /// Its name, as in its agent's certificate.
    pub name: ClusterId,
    /// The UID of its namespace `kube-system`; without one the first that is seen is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Networks that its nodes, pods and gateways lie in: nothing else is planned or probed. None means everything but
    /// loopback, link-local, multicast and unspecified addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<IpNet>,
    /// The ways to it; none means straight to its pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<Path>,
}

impl ClusterConfig {
    /// A cluster of which nothing but the name is configured.
    #[must_use]
    pub fn named(name: ClusterId) -> Self {
        Self {
            name,
            uid: None,
            allow: Vec::new(),
            paths: Vec::new(),
        }
    }

    /// The networks that it may name.
    #[must_use]
    pub fn allowed(&self) -> Allowed {
        Allowed::new(&self.allow)
    }

    /// The ways to it, the best first.
    #[must_use]
    pub fn effective_paths(&self) -> Vec<Path> {
        if self.paths.is_empty() {
            return vec![Path::direct()];
        }
        let mut paths = self.paths.clone();
        paths.sort_by(|left, right| (left.rank, &left.name).cmp(&(right.rank, &right.name)));
        paths
    }
}

/// Which clusters are admitted, by name. One version of it; a later one comes from
/// [`reload`](super::reload).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterList(BTreeMap<ClusterId, ClusterConfig>);

impl ClusterList {
    /// A list; of two of the same name, which validation refuses, the later stays.
    #[must_use]
    pub fn new(clusters: &[ClusterConfig]) -> Self {
        Self(
            clusters
                .iter()
                .map(|cluster| (cluster.name.clone(), cluster.clone()))
                .collect(),
        )
    }

    /// What is configured for a cluster; none when it is not admitted.
    #[must_use]
    pub fn get(&self, cluster: &ClusterId) -> Option<&ClusterConfig> {
        self.0.get(cluster)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &ClusterConfig> {
        self.0.values()
    }
}
