//! Nodes and the cluster itself.

use std::collections::BTreeSet;

use hubline::model::{ClusterInfo, GroupKind, Key, ResourceKind};

use super::TranslateOptions;
use super::rendered::Rendered;
use crate::index::Index;
use crate::source::{Kind, Name};

pub(super) fn node(index: &Index, name: &Name) -> Rendered {
    let mut rendered = Rendered::default();
    if let Some(node) = index.nodes.get(name) {
        let key = Key::new(ResourceKind::Node, &Kind::Node.group_kind(), "", &name.name, "");
        rendered.entries.insert(key, node.clone().into());
    }
    rendered
}

/// The cluster's key carries the cluster's own name: there is no object of that kind.
pub(super) fn info(index: &Index, options: &TranslateOptions) -> Rendered {
    let source = GroupKind::new("", "Cluster");
    let key = Key::new(ResourceKind::ClusterInfo, &source, "", options.cluster.as_str(), "");
    let networks: BTreeSet<&String> = index.nodes.values().flat_map(|node| &node.pod_networks).collect();
    let addresses: BTreeSet<&String> = options.addresses.iter().collect();
    let echo: BTreeSet<&String> = options.echo.iter().collect();
    let info = ClusterInfo {
        addresses: addresses.into_iter().cloned().collect(),
        zone: options.zone.clone(),
        pod_networks: networks.into_iter().cloned().collect(),
        kubernetes_version: index.version.clone(),
        echo: echo.into_iter().cloned().collect(),
    };
    let mut rendered = Rendered::default();
    rendered.entries.insert(key, info.into());
    rendered
}
