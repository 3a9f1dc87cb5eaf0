//! The reserved route of each path to the agent's echo: asked for through every APISIX instance, it is a second vantage,
//! and proof that a write is live. Only where instances are configured, and paths to tell apart.

use std::collections::BTreeSet;

use hubline::model::{ClusterId, ClusterInfo};
use serde_json::{Value, json};

use super::id::Class;
use super::nodes::node;
use super::scope::{Rendered, Scope, fields};
use crate::object::{Object, ObjectKind};
use crate::path::probing::echo_on;
use crate::path::{HostPort, Path};
use crate::view::ProblemKind;

/// The host that probe routes match: none that a client would ask for, and no cluster may claim it.
pub const HOST: &str = "probe.hubline.invalid";

/// The path of a probe route without its last segment.
#[must_use]
pub fn uri(cluster: &ClusterId, path: &str) -> String {
    format!("/hubline/echo/{cluster}/{path}")
}

/// Seconds that APISIX may take to connect to an echo, and to hear of it: the hub gives up before.
const PATIENCE: u8 = 2;

/// Renders the probe routes of a cluster's paths, and says which of its pod networks others have, too.
pub(super) fn render(scope: &Scope<'_>, info: &ClusterInfo) -> Rendered {
    let mut rendered = Rendered::default();
    for overlap in scope.overlaps.into_iter().flatten() {
        let problem = scope.problem(ProblemKind::Conflict, "OverlappingPodNetworks", overlap.to_string());
        rendered.problems.push(problem);
    }
    if !scope.options.probes || scope.routing.paths.len() < 2 {
        return rendered;
    }
    for path in &scope.routing.paths {
        let echo = echo_on(path, &info.echo);
        let echo: BTreeSet<HostPort> = echo.iter().filter_map(|address| address.parse().ok()).collect();
        let nodes: Vec<_> = echo
            .iter()
            .filter(|address| scope.routing.allowed.host(address.host()))
            .collect();
        if !nodes.is_empty() {
            let [upstream, route] = objects(scope, path, &nodes);
            rendered.objects.extend([upstream.into(), route.into()]);
        }
    }
    rendered.objects.sort_by(|one, other| one.id.cmp(&other.id));
    rendered
}

fn objects(scope: &Scope<'_>, path: &Path, echo: &[&HostPort]) -> [Object; 2] {
    let nodes: Vec<Value> = echo
        .iter()
        .map(|address| node(address.host(), address.port(), 0))
        .collect();
    let upstream = fields(json!({
        "type": "roundrobin",
        "scheme": "http",
        "hash_on": "vars",
        "pass_host": "pass",
        "retries": 0,
        "timeout": {"connect": PATIENCE, "send": PATIENCE, "read": PATIENCE},
        "nodes": nodes,
    }));
    let id = scope.id(ObjectKind::Upstream, Class::Probe, &scope.key.key, &path.name);
    let upstream = scope.object(id.clone(), upstream, BTreeSet::new());
    let route = fields(json!({
        "status": 1,
        "enable_websocket": false,
        "hosts": [HOST],
        "uris": [format!("{}/*", uri(&scope.key.cluster, &path.name))],
        "priority": 0,
        "upstream_id": *id.id,
    }));
    let own = scope.id(ObjectKind::Route, Class::Probe, &scope.key.key, &path.name);
    [upstream, scope.object(own, route, BTreeSet::from([id]))]
}
