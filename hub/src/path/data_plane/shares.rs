//! How many nodes of each path APISIX finds healthy. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hubline::model::ClusterId;
use serde_json::Value;

use crate::config::{ClusterConfig, ClusterList};
use crate::object::{ObjectId, ObjectKind};
use crate::path::actor::Decisions;
use crate::plan::id::Prefix;
use crate::view::{Carrier, View};

/// What APISIX finds of one path of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) cluster: ClusterId,
    pub(super) path: Arc<str>,
    /// Nodes that are up, over all upstreams of the cluster.
    pub(super) healthy: u64,
    /// Nodes that are checked.
    pub(super) all: u64,
}

/// Reads `/v1/healthcheck`; what it says of upstreams that are not ours, or not known any more, is left out.
pub(super) fn shares(
    found: &Value,
    view: &View,
    clusters: &ClusterList,
    decisions: &Decisions,
    prefix: &Prefix,
) -> Vec<Share> {
    let known: BTreeMap<String, &ClusterConfig> = clusters
        .iter()
        .filter(|config| config.paths.len() > 1)
        .map(|config| (prefix.cluster_prefix(&config.name), config))
        .collect();
    let mut counts = BTreeMap::<(&ClusterId, Arc<str>), (u64, u64)>::new();
    // APISIX shows an empty list as an empty object.
    for upstream in found.as_array().into_iter().flatten() {
        let Some(id) = upstream["name"]
            .as_str()
            .and_then(|name| name.strip_prefix("/apisix/upstreams/"))
        else {
            continue;
        };
        let Some(config) = owner(&known, id) else { continue };
        let order = order(config, view, decisions);
        let tiers = tiers(view, id);
        let down = down(upstream);
        for (address, priority) in tiers {
            let position = usize::try_from(priority.unsigned_abs()).unwrap_or(usize::MAX);
            let Some(path) = order.get(position) else { continue };
            let (healthy, all) = counts.entry((&config.name, Arc::clone(path))).or_default();
            *all += 1;
            *healthy += u64::from(!down.contains(&address));
        }
    }
    let share = |((cluster, path), (healthy, all)): ((&ClusterId, Arc<str>), (u64, u64))| Share {
        cluster: cluster.clone(),
        path,
        healthy,
        all,
    };
    counts.into_iter().map(share).collect()
}

fn owner<'a>(known: &BTreeMap<String, &'a ClusterConfig>, id: &str) -> Option<&'a ClusterConfig> {
    // `PREFIX-CLUSTER-` is what the first two parts of an id are.
    let end = id.match_indices('-').nth(1)?.0;
    known.get(id.get(..=end)?).copied()
}

/// The paths in the order of their priorities in upstreams.
fn order(config: &ClusterConfig, view: &View, decisions: &Decisions) -> Vec<Arc<str>> {
    let by_rank = || {
        config
            .effective_paths()
            .into_iter()
            .map(|path| path.name.into())
            .collect()
    };
    match (view.carriers.get(&config.name), decisions.get(&config.name)) {
        (Some(Carrier::Burst { .. }), Some(decision)) => decision.order.clone(),
        _ => by_rank(),
    }
}

type Address = (String, u64);

fn tiers(view: &View, id: &str) -> Vec<(Address, i64)> {
    let id = ObjectId {
        kind: ObjectKind::Upstream,
        id: id.into(),
    };
    let body = view
        .desired
        .get(&id)
        .and_then(|object| serde_json::from_str::<Value>(object.body.expose()).ok());
    let nodes = body.as_ref().and_then(|body| body["nodes"].as_array());
    let tier = |node: &Value| {
        let address = (node["host"].as_str()?.to_owned(), node["port"].as_u64()?);
        Some((address, node["priority"].as_i64()?))
    };
    nodes.into_iter().flatten().filter_map(tier).collect()
}

/// The nodes that are left out. One that was not checked yet counts as up.
fn down(upstream: &Value) -> BTreeSet<Address> {
    let nodes = upstream["nodes"].as_array().into_iter().flatten();
    let is_down = |node: &&Value| matches!(node["status"].as_str(), Some("unhealthy" | "mostly_unhealthy"));
    let address = |node: &Value| {
        let host = node["hostname"].as_str().or_else(|| node["ip"].as_str())?;
        Some((host.to_owned(), node["port"].as_u64()?))
    };
    nodes.filter(is_down).filter_map(address).collect()
}
