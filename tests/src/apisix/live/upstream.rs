//! One upstream, compiled: its nodes, how to reach them, and whose turn it is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::balancer::{Address, Balancer, Tried};
use super::checks::Checks;
use super::health::{Finding, Health};
use super::seconds;

/// An upstream in force.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) scheme: Scheme,
    pub(crate) pass_host: PassHost,
    pub(crate) timeouts: Timeouts,
    /// how many more nodes are tried after the first
    pub(crate) retries: usize,
    /// after how long a request is not tried again; none: never too late
    pub(crate) retry_timeout: Option<Duration>,
    pub(crate) checks: Option<Checks>,
    /// set when the checks are asked for
    health: OnceLock<Health>,
    /// set when the checks are asked for; they end with this upstream
    checking: OnceLock<DropGuard>,
    /// whether there is somebody who checks
    checked: AtomicBool,
    /// whether it has more than one node
    several: bool,
    balancer: Mutex<Balancer>,
}

/// How an upstream's nodes are spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scheme {
    pub(crate) tls: bool,
    /// HTTP/2, for gRPC
    pub(crate) http2: bool,
}

/// What the `Host` header becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PassHost {
    /// the client's
    Pass,
    /// the node's, with its port unless that is the scheme's
    Node,
    Rewrite(String),
}

/// One place that requests can go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// a name or an address, without brackets
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) weight: u64,
    /// higher is better
    pub(crate) priority: i64,
}

/// How long to wait for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    /// between two writes
    pub(crate) send: Duration,
    /// between two reads
    pub(crate) read: Duration,
}

/// nginx's own default for all three, which APISIX leaves.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

impl Timeouts {
    pub(super) fn new(value: &Value) -> Self {
        Self::or(value, DEFAULT_TIMEOUT)
    }

    pub(super) fn or(value: &Value, default: Duration) -> Self {
        let field = |name: &str| seconds(&value[name]).unwrap_or(default);
        Self {
            connect: field("connect"),
            send: field("send"),
            read: field("read"),
        }
    }
}

impl Scheme {
    fn new(scheme: &str) -> Self {
        Self {
            tls: matches!(scheme, "https" | "grpcs"),
            http2: scheme.starts_with("grpc"),
        }
    }

    pub(crate) fn default_port(self) -> u16 {
        if self.tls { 443 } else { 80 }
    }
}

impl Node {
    pub(crate) fn address(&self) -> Address {
        (self.host.clone(), self.port)
    }

    /// The host as URIs write it: addresses of IPv6 in brackets.
    pub(crate) fn uri_host(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }
}

impl Upstream {
    pub(super) fn new(value: &Value) -> Self {
        Self::with_timeouts(value, Timeouts::new(&value["timeout"]))
    }

    pub(super) fn with_timeouts(value: &Value, timeouts: Timeouts) -> Self {
        let scheme = Scheme::new(value["scheme"].as_str().unwrap_or("http"));
        let nodes = nodes(&value["nodes"], scheme.default_port());
        let retries = value["retries"]
            .as_u64()
            .and_then(|retries| usize::try_from(retries).ok());
        let rewritten = value["upstream_host"].as_str().unwrap_or_default();
        Self {
            scheme,
            pass_host: match value["pass_host"].as_str() {
                Some("node") => PassHost::Node,
                Some("rewrite") => PassHost::Rewrite(rewritten.to_owned()),
                _ => PassHost::Pass,
            },
            timeouts,
            retries: retries.unwrap_or(nodes.len().saturating_sub(1)),
            retry_timeout: seconds(&value["retry_timeout"]).filter(|limit| !limit.is_zero()),
            checks: value.get("checks").map(Checks::new),
            health: OnceLock::new(),
            checking: OnceLock::new(),
            checked: AtomicBool::new(false),
            several: nodes.len() > 1,
            balancer: Mutex::new(Balancer::new(nodes)),
        }
    }

    /// The node for the next try of a request.
    pub(crate) fn pick(&self, tried: &mut Tried) -> Option<Node> {
        let down = self.health().map(|health| health.addresses(false)).unwrap_or_default();
        self.balancer().pick(tried, &down)
    }

    fn balancer(&self) -> MutexGuard<'_, Balancer> {
        self.balancer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known about the nodes; none where nobody looks: without checks, with one node, and
    /// before [`Upstream::checks_began`].
    pub(crate) fn health(&self) -> Option<&Health> {
        self.health.get().filter(|_| self.checked.load(Ordering::Relaxed))
    }

    /// From now on nodes can go down.
    pub(crate) fn checks_began(&self) {
        self.checked.store(true, Ordering::Relaxed);
    }

    /// The checks to begin, with what ends them; none if there are none or they were asked for
    /// before.
    pub(crate) fn ask_for_checks(&self) -> Option<(Checks, CancellationToken)> {
        let checks = self.checks.as_ref().filter(|_| self.several)?;
        let stop = CancellationToken::new();
        self.checking.set(stop.clone().drop_guard()).ok()?;
        let addresses = self.balancer().nodes().map(Node::address).collect::<Vec<_>>();
        self.health.get_or_init(|| Health::new(addresses));
        Some((checks.clone(), stop))
    }

    /// The nodes that are up, or those that are down.
    pub(crate) fn nodes_that_are(&self, up: bool) -> Vec<Node> {
        let addresses = self.health.get().map(|health| health.addresses(up)).unwrap_or_default();
        let balancer = self.balancer();
        let nodes = balancer.nodes().filter(|node| addresses.contains(&node.address()));
        nodes.cloned().collect()
    }

    /// Counts what a request found out about a node.
    pub(crate) fn learn_passively(&self, node: &Node, finding: Finding) -> bool {
        let (Some(health), Some(checks)) = (self.health(), &self.checks) else {
            return false;
        };
        health.learn(&node.address(), finding, &checks.passive)
    }

    /// Counts what a check found out about a node.
    pub(crate) fn learn_actively(&self, node: &Node, finding: Finding) -> bool {
        let (Some(health), Some(checks)) = (self.health.get(), &self.checks) else {
            return false;
        };
        health.learn(&node.address(), finding, &checks.active)
    }
}

/// Both forms of `nodes`: a map of `host:port` to weight, or an array.
fn nodes(value: &Value, default_port: u16) -> Vec<Node> {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(address, weight)| node_of_address(address, weight, default_port))
            .collect(),
        Value::Array(items) => items.iter().map(|item| node_of_item(item, default_port)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn node_of_address(address: &str, weight: &Value, default_port: u16) -> Node {
    let split = address.rsplit_once(':').filter(|(host, _)| !host.ends_with(':'));
    let parsed = split.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = parsed.unwrap_or((address, default_port));
    let weight = weight.as_u64().unwrap_or(0);
    Node {
        host: without_brackets(host),
        port,
        weight,
        priority: 0,
    }
}

fn node_of_item(item: &Value, default_port: u16) -> Node {
    let port = item["port"].as_u64().and_then(|port| u16::try_from(port).ok());
    Node {
        host: without_brackets(item["host"].as_str().unwrap_or_default()),
        port: port.unwrap_or(default_port),
        weight: item["weight"].as_u64().unwrap_or(0),
        priority: item["priority"].as_i64().unwrap_or(0),
    }
}

fn without_brackets(host: &str) -> String {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_of_nodes_are_read() {
        let map = json!({"10.0.0.1:81": 1, "[::1]:82": 2, "name": 0});
        let array = json!([
            {"host": "10.0.0.1", "port": 81, "weight": 1},
            {"host": "[::1]", "port": 82, "weight": 2},
            {"host": "name", "weight": 0, "priority": -1},
        ]);
        let shown = |value: &Value| {
            let nodes = nodes(value, 80).into_iter();
            nodes
                .map(|node| (node.uri_host(), node.port, node.weight))
                .collect::<Vec<_>>()
        };
        let wanted = vec![
            ("10.0.0.1".to_owned(), 81, 1),
            ("[::1]".to_owned(), 82, 2),
            ("name".to_owned(), 80, 0),
        ];
        assert_eq!(shown(&map), wanted);
        assert_eq!(shown(&array), wanted);
        assert_eq!(nodes(&array, 80)[2].priority, -1);
    }
}
