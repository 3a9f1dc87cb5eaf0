//! How upstreams are spoken to: what ApisixUpstream and BackendTrafficPolicy share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Values of a scheme; the last three are for streams.
pub(super) const SCHEMES: [&str; 7] = ["http", "https", "grpc", "grpcs", "tcp", "tls", "udp"];

/// Values of `passHost`.
pub(super) const PASS_HOST: [&str; 3] = ["pass", "node", "rewrite"];

const ALGORITHMS: [&str; 4] = ["roundrobin", "chash", "ewma", "least_conn"];
const HASH_ON: [&str; 5] = ["vars", "header", "cookie", "consumer", "vars_combinations"];

/// How requests are spread over nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// `roundrobin`, `chash`, `ewma` or `least_conn`.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ALGORITHMS))]
    pub algorithm: String,
    /// What `chash` takes its hash from: `vars`, `header`, `cookie`, `consumer` or `vars_combinations`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = HASH_ON))]
    pub hash_on: Option<String>,
    /// The variable, header or cookie that `chash` hashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Timeouts of a request, each a duration as `60s`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timeout {
    /// Until a connection is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<String>,
    /// Between two writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<String>,
    /// Between two reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
}

/// Names a Secret in any namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretKey {
    /// Name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Namespace.
    #[schemars(length(min = 1))]
    pub namespace: String,
}
