//! Which clusters may speak to the hub.

use std::collections::{BTreeMap, BTreeSet};

use hubline::model::ClusterId;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::path::machine::{ConfiguredCluster, ConfiguredPath};
use crate::path::parameters::FailoverParameters;
use crate::path::{Allowed, Path};
use crate::plan::Routing;
use crate::plan::routing::{Bounds, Checks};

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
    /// What it may do beyond its own traffic; nothing unless the operator says so.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub grants: BTreeSet<Grant>,
    /// The ways to it; none means straight to its pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<Path>,
    /// When it changes its path.
    #[serde(default)]
    pub failover: FailoverParameters,
    /// What a request may cost where a path may fail.
    #[serde(default)]
    pub requests: Bounds,
    /// Checks by APISIX itself, for when the hub is down; none unless asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
}

/// What a cluster may be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// Plugins, and metadata of plugins, that act on the traffic of all clusters.
    GlobalRules,
}

impl ClusterConfig {
    /// A cluster of which nothing but the name is configured.
    #[must_use]
    pub fn named(name: ClusterId) -> Self {
        Self {
            name,
            uid: None,
            allow: Vec::new(),
            grants: BTreeSet::new(),
            paths: Vec::new(),
            failover: FailoverParameters::default(),
            requests: Bounds::default(),
            checks: None,
        }
    }

    /// How it is reached as long as nothing is decided.
    #[must_use]
    pub fn routing(&self) -> Routing {
        Routing {
            bounds: self.requests,
            checks: self.checks,
            ..Routing::new(self.effective_paths(), self.allowed())
        }
    }

    /// What the verdict machine needs.
    #[must_use]
    pub fn for_machine(&self) -> ConfiguredCluster {
        let path = |path: Path| ConfiguredPath {
            name: path.name.into(),
            kind: path.kind,
            rank: path.rank,
            health: path.health,
        };
        ConfiguredCluster {
            cluster: self.name.clone(),
            failover: self.failover.clone(),
            paths: self.effective_paths().into_iter().map(path).collect(),
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

    /// The clusters with a grant.
    #[must_use]
    pub fn granted(&self, grant: Grant) -> BTreeSet<ClusterId> {
        let granted = self.iter().filter(|config| config.grants.contains(&grant));
        granted.map(|config| config.name.clone()).collect()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &ClusterConfig> {
        self.0.values()
    }
}
