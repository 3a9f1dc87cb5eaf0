//! How many nodes of each upstream and path APISIX finds healthy. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hubline::model::{ClusterId, GlobalKey, ResourceKind};
use serde_json::Value;

use crate::config::{ClusterConfig, ClusterList};
use crate::object::{Cause, Object, ObjectId, ObjectKind};
use crate::path::actor::Decisions;
use crate::plan::id::Prefix;
use crate::plan::position;
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

/// What APISIX finds of one upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) cluster: ClusterId,
    /// Whose upstream it is.
    pub(super) service: Option<GlobalKey>,
    /// The paths that its nodes are reached by, the one that carries traffic first unless it is demoted.
    pub(super) tiers: Vec<Tier>,
}

/// The nodes over one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tier {
    pub(super) path: Arc<str>,
    pub(super) healthy: u64,
    pub(super) all: u64,
}

/// Reads `/v1/healthcheck`; what it says of upstreams that are not ours, or not known any more, is left out.
pub(super) fn checked(
    found: &Value,
    view: &View,
    clusters: &ClusterList,
    decisions: &Decisions,
    prefix: &Prefix,
) -> Vec<Checked> {
    let known: BTreeMap<String, &ClusterConfig> = clusters
        .iter()
        .filter(|config| config.paths.len() > 1)
        .map(|config| (prefix.cluster_prefix(&config.name), config))
        .collect();
    // APISIX shows an empty list as an empty object.
    let upstreams = found.as_array().into_iter().flatten();
    let one = |upstream: &Value| {
        let id = upstream["name"].as_str()?.strip_prefix("/apisix/upstreams/")?;
        let config = owner(&known, id)?;
        let object = view.desired.get(&upstream_id(id))?;
        let is_service = |cause: &&Cause| cause.key.key.kind == ResourceKind::Service;
        Some(Checked {
            cluster: config.name.clone(),
            service: object.causes.iter().find(is_service).map(|cause| cause.key.clone()),
            tiers: tiers(object, &order(config, view, decisions), &down(upstream)),
        })
    };
    upstreams.filter_map(one).collect()
}

/// The sums over all upstreams.
pub(super) fn shares(checked: &[Checked]) -> Vec<Share> {
    let mut counts = BTreeMap::<(&ClusterId, Arc<str>), (u64, u64)>::new();
    for upstream in checked {
        for tier in &upstream.tiers {
            let (healthy, all) = counts.entry((&upstream.cluster, Arc::clone(&tier.path))).or_default();
            *all += tier.all;
            *healthy += tier.healthy;
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

fn upstream_id(id: &str) -> ObjectId {
    ObjectId {
        kind: ObjectKind::Upstream,
        id: id.into(),
    }
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

/// A node that is demoted counts for the path that it is reached by.
fn tiers(object: &Object, order: &[Arc<str>], down: &BTreeSet<Address>) -> Vec<Tier> {
    let body = serde_json::from_str::<Value>(object.body.expose()).ok();
    let nodes = body.as_ref().and_then(|body| body["nodes"].as_array());
    let node = |node: &Value| {
        let address = (node["host"].as_str()?.to_owned(), node["port"].as_u64()?);
        Some((position(node["priority"].as_i64()?), address))
    };
    let mut counts = BTreeMap::<usize, (u64, u64)>::new();
    for (position, address) in nodes.into_iter().flatten().filter_map(node) {
        let (healthy, all) = counts.entry(position).or_default();
        *all += 1;
        *healthy += u64::from(!down.contains(&address));
    }
    let tier = |(position, (healthy, all))| {
        let path = Arc::clone(order.get(position)?);
        Some(Tier { path, healthy, all })
    };
    counts.into_iter().filter_map(tier).collect()
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
