//! Services: one port each, with the settings by which it is spoken to.

use serde::{Deserialize, Serialize};

use super::{HealthChecks, HostName, Key, Outside, Port, SecretText};

/// One port of one service with one set of backend settings: one upstream at APISIX.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// The port.
    pub port: ServicePort,
    /// The [`super::EndpointSet`] with its addresses; several services (settings, subsets) may share one.
    pub endpoints: Key,
    /// A DNS name outside the cluster (`ExternalName`), used instead of endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_name: Option<HostName>,
    /// Nodes outside the cluster, used instead of endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Box<Outside>>,
    /// Port on every node, for paths of reach `node-ports`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_port: Option<Port>,
    /// Whether nodes without endpoints forward.
    #[serde(default)]
    pub external_traffic_policy: TrafficPolicy,
    /// Addresses (IP or DNS name) of the service's load balancer, for paths of reach `load-balancer`; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_balancer_addresses: Vec<String>,
    /// How it is spoken to.
    #[serde(default)]
    pub settings: BackendSettings,
    /// Set when a route names a service or port that is not there: the service has no endpoints then, and says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<Box<Unresolved>>,
}

/// A service's port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServicePort {
    /// Number; 0 never: an unresolved named port has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Port>,
    /// Name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// TCP or UDP.
    #[serde(default)]
    pub protocol: Protocol,
    /// Kubernetes' `appProtocol`, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
}

/// Transport protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// Kubernetes' `externalTrafficPolicy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrafficPolicy {
    /// Every node forwards.
    #[default]
    Cluster,
    /// Only nodes with ready endpoints forward.
    Local,
}

/// Why a reference leads nowhere, in the Gateway API's words (`BackendNotFound`, `RefNotPermitted`, `UnsupportedValue`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unresolved {
    /// A word for programs.
    pub reason: String,
    /// A sentence for people, naming object, field and what is missing.
    pub message: String,
}

/// How APISIX speaks to the endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendSettings {
    /// Protocol towards the endpoints.
    #[serde(default)]
    pub scheme: Scheme,
    /// How requests are spread.
    #[serde(default)]
    pub load_balancing: LoadBalancing,
    /// Which Host is sent.
    #[serde(default)]
    pub host: HostHandling,
    /// Timeouts; APISIX's own (60 s each) when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// How many further nodes are tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Checks by APISIX itself; those of the cluster's paths when absent, if the hub's operator asks for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Box<HealthChecks>>,
    /// Certificate that is shown to endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Box<ClientIdentity>>,
}

/// A certificate with which APISIX says who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientIdentity {
    /// PEM, leaf first.
    pub chain: String,
    /// PEM.
    pub private_key: SecretText,
}

/// Protocol towards endpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the protocols")]
pub enum Scheme {
    #[default]
    Http,
    Https,
    Grpc,
    Grpcs,
    Tcp,
    Tls,
    Udp,
}

/// How requests are spread over endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LoadBalancing {
    /// Weighted round robin.
    #[default]
    RoundRobin,
    /// By consistent hash.
    #[serde(rename_all = "camelCase")]
    ConsistentHash {
        /// `vars`, `header`, `cookie`, `consumer` or `vars_combinations`.
        hash_on: String,
        /// What is hashed, as `remote_addr`.
        key: String,
    },
    /// By latency.
    Ewma,
    /// Fewest connections.
    LeastConnections,
}

/// Which Host is sent to endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HostHandling {
    /// The client's.
    #[default]
    Pass,
    /// The node's.
    Node,
    /// This one.
    Rewrite(String),
}

/// Timeouts in milliseconds, as APISIX's `connect`, `send` and `read`. 0 says nothing: of a service that
/// one is the hub's bound for the path where there is one, and else APISIX's own 60 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timeouts {
    /// To connect, in milliseconds.
    pub connect_ms: u64,
    /// Between two writes, in milliseconds.
    pub send_ms: u64,
    /// Between two reads, in milliseconds.
    pub read_ms: u64,
}
