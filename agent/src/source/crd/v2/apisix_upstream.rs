//! ApisixUpstream: how the Service of the same name is spoken to, or nodes outside of the cluster.

use std::collections::BTreeMap;

use ::kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::source::crd::lenient::{map_of_anything, or_default};
use crate::source::crd::upstream::{PASS_HOST, SCHEMES};
use crate::source::crd::{ConditionStatus, HealthCheck, LoadBalancer, SecretKey, Timeout};

/// How the Service of the same name is spoken to, or nodes outside of the cluster.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "apisix.apache.org",
    version = "v2",
    kind = "ApisixUpstream",
    plural = "apisixupstreams",
    shortname = "au",
    namespaced,
    status = "ConditionStatus",
    doc = "How the Service of the same name is spoken to, or nodes outside of the cluster.",
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ApisixUpstreamSpec {
    /// Name of the IngressClass that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_class_name: Option<String>,
    /// Nodes outside of the cluster, instead of a Service's.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub external_nodes: Vec<ExternalNode>,
    /// For all ports.
    #[serde(flatten)]
    pub settings: UpstreamSettings,
    /// For single ports of the Service, instead of those for all.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub port_level_settings: Vec<PortLevelSettings>,
}

/// Settings for a Service or for one of its ports.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamSettings {
    /// How requests are spread over nodes.
    #[serde(default, rename = "loadbalancer", skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<LoadBalancer>,
    /// `http`, `https`, `grpc` or `grpcs`; `tcp`, `tls` or `udp` for streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = SCHEMES))]
    pub scheme: Option<String>,
    /// How many further nodes are tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
    /// Timeouts of requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
    /// How unhealthy nodes are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Secret with the certificate that APISIX shows to nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_secret: Option<SecretKey>,
    /// Groups of the Service's pods.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub subsets: Vec<Subset>,
    /// Which Host header nodes see: `pass`, `node` or `rewrite`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = PASS_HOST))]
    pub pass_host: Option<String>,
    /// The Host header of `rewrite`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_host: Option<String>,
    /// Asks a discovery of APISIX's for the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
}

/// Settings for one port of a Service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PortLevelSettings {
    /// The Service's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i64>,
    /// For this port.
    #[serde(flatten)]
    pub settings: UpstreamSettings,
}

/// A node outside of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExternalNode {
    /// A domain, or the name of a Service of type `ExternalName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `Domain` or `Service`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub node_type: Option<String>,
    /// Relative share of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// Port; that of the scheme when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
}

/// A group of a Service's pods.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Subset {
    /// Name.
    pub name: String,
    /// Labels that its pods have; texts, though 1.8 accepts anything.
    #[schemars(schema_with = "map_of_anything")]
    pub labels: BTreeMap<String, Value>,
}

/// A discovery of APISIX's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    /// Name of the service there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Which discovery, as `dns` or `nacos`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub discovery_type: Option<String>,
    /// Its further arguments; texts, though 1.8 accepts anything.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "map_of_anything")]
    pub args: BTreeMap<String, Value>,
}
