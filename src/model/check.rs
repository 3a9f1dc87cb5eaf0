//! Health checks that APISIX makes itself.

use serde::{Deserialize, Serialize};

use super::Port;

/// How APISIX finds out by itself which nodes of a service take requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthChecks {
    /// Requests of its own.
    pub active: ActiveChecks,
    /// What it sees of clients' requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passive: Option<PassiveChecks>,
}

/// Requests that APISIX makes of every node. What is not said has APISIX's own default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActiveChecks {
    /// How a node is asked.
    #[serde(default)]
    pub protocol: CheckProtocol,
    /// After how long an answer is too late, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Nodes asked at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Host that is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Instead of the node's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
    /// Path that is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Further headers, as `Name: value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Whether any certificate will do.
    #[serde(default)]
    pub insecure: bool,
    /// What brings a node back.
    #[serde(default)]
    pub healthy: Healthy,
    /// What takes it out.
    #[serde(default)]
    pub unhealthy: Unhealthy,
}

/// What APISIX concludes from clients' requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PassiveChecks {
    /// What counts: answers, or connections alone.
    #[serde(default)]
    pub protocol: CheckProtocol,
    /// What brings a node back.
    #[serde(default)]
    pub healthy: Healthy,
    /// What takes it out.
    #[serde(default)]
    pub unhealthy: Unhealthy,
}

/// How a node is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the protocols")]
pub enum CheckProtocol {
    #[default]
    Http,
    Https,
    Tcp,
}

/// What brings a node back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Healthy {
    /// Between two checks, in seconds; passive ones have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<u32>,
    /// Statuses that count; sorted. None means APISIX's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<u16>,
    /// How many in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successes: Option<u8>,
}

/// What takes a node out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unhealthy {
    /// Between two checks, in seconds; passive ones have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<u32>,
    /// Statuses that count; sorted. None means APISIX's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<u16>,
    /// How many of these in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_failures: Option<u8>,
    /// How many connections that failed, in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_failures: Option<u8>,
    /// How many answers that were too late, in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<u8>,
}
