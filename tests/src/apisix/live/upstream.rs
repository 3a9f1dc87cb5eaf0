//! One upstream, compiled: its nodes, how to reach them, and whose turn it is.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::balancer::{Balancer, Tried};
use super::seconds;

/// An upstream in force.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) scheme: Scheme,
    pub(crate) pass_host: PassHost,
    pub(crate) timeouts: Timeouts,
    /// how many more nodes are tried after the first
    pub(crate) retries: usize,
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
    pub(crate) read: Duration,
}

/// nginx's own default for both, which APISIX leaves.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

impl Timeouts {
    pub(super) fn new(value: &Value) -> Self {
        Self {
            connect: seconds(&value["connect"]).unwrap_or(DEFAULT_TIMEOUT),
            read: seconds(&value["read"]).unwrap_or(DEFAULT_TIMEOUT),
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
            timeouts: Timeouts::new(&value["timeout"]),
            retries: retries.unwrap_or(nodes.len().saturating_sub(1)),
            balancer: Mutex::new(Balancer::new(nodes)),
        }
    }

    /// The node for the next try of a request.
    pub(crate) fn pick(&self, tried: &mut Tried) -> Option<Node> {
        let mut balancer = self.balancer.lock().unwrap_or_else(PoisonError::into_inner);
        balancer.pick(tried)
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
