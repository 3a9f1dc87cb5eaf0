//! Health checks of upstreams: what ApisixUpstream and BackendTrafficPolicy share.
//!
//! The versions differ in two names: how many timeouts make a node unhealthy is `timeout` in v2 and `timeouts` in
//! v1alpha1 (and in some places of 1.8); a check's own timeout is a number in v2 and a text in v1alpha1.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lenient::or_default;
use super::{IntegerOrText, NumberOrText};

const TYPES: [&str; 3] = ["http", "https", "tcp"];

/// How unhealthy nodes are found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealthCheck {
    /// By requests of APISIX's own; passive checks need it too.
    pub active: ActiveHealthCheck,
    /// By the answers to clients' requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passive: Option<PassiveHealthCheck>,
}

/// Requests of APISIX's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveHealthCheck {
    /// `http`, `https` or `tcp`; `http` when absent.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = TYPES))]
    pub check_type: Option<String>,
    /// How long an answer may take: seconds in v2, a duration as `5s` in v1alpha1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<NumberOrText>,
    /// How many nodes are asked at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub concurrency: Option<i64>,
    /// Host header of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port, where it is not the node's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i64>,
    /// Path of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_path: Option<String>,
    /// Whether the node's certificate is verified.
    #[serde(default, rename = "strictTLS", skip_serializing_if = "Option::is_none")]
    pub strict_tls: Option<bool>,
    /// Headers of the requests, each as `Name: value`.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub request_headers: Vec<String>,
    /// What makes a node healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<ActiveHealthy>,
    /// What makes a node unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<ActiveUnhealthy>,
}

/// What makes a node healthy by APISIX's own requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveHealthy {
    /// Pause between two requests, as `1s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Status codes that count as good.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub http_codes: Vec<i64>,
    /// So many good answers in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 254))]
    pub successes: Option<i64>,
}

/// What makes a node unhealthy by APISIX's own requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveUnhealthy {
    /// Pause between two requests, as `1s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Status codes that count as bad.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub http_codes: Vec<i64>,
    /// So many bad answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 254))]
    pub http_failures: Option<i64>,
    /// So many failures of TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 254))]
    pub tcp_failures: Option<i64>,
    /// So many timeouts (v2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<IntegerOrText>,
    /// So many timeouts (v1alpha1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<i64>,
}

/// The answers to clients' requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PassiveHealthCheck {
    /// `http`, `https` or `tcp`; `http` when absent.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = TYPES))]
    pub check_type: Option<String>,
    /// What makes a node healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<PassiveHealthy>,
    /// What makes a node unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<PassiveUnhealthy>,
}

/// What makes a node healthy by the answers to clients' requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassiveHealthy {
    /// Status codes that count as good.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub http_codes: Vec<i64>,
    /// So many good answers in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 254))]
    pub successes: Option<i64>,
}

/// What makes a node unhealthy by the answers to clients' requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassiveUnhealthy {
    /// Status codes that count as bad.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub http_codes: Vec<i64>,
    /// So many bad answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 254))]
    pub http_failures: Option<i64>,
    /// So many failures of TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 254))]
    pub tcp_failures: Option<i64>,
    /// So many timeouts (v2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<IntegerOrText>,
    /// So many timeouts (v1alpha1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<i64>,
}
