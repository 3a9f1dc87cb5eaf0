//! BackendTrafficPolicy: how Services are spoken to.

use ::kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PolicyTarget;
use crate::source::crd::upstream::{PASS_HOST, SCHEMES};
use crate::source::crd::{AncestorStatus, HealthCheck, LoadBalancer, Timeout};

/// How Services are spoken to.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "apisix.apache.org",
    version = "v1alpha1",
    kind = "BackendTrafficPolicy",
    plural = "backendtrafficpolicies",
    namespaced,
    status = "AncestorStatus",
    doc = "How Services are spoken to."
)]
#[serde(rename_all = "camelCase")]
pub struct BackendTrafficPolicySpec {
    /// The Services.
    #[schemars(length(min = 1, max = 16))]
    pub target_refs: Vec<PolicyTarget>,
    /// How requests are spread over nodes.
    #[serde(default, rename = "loadbalancer", skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<LoadBalancer>,
    /// `http`, `https`, `grpc` or `grpcs`; `tcp`, `tls` or `udp` for streams; `http` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = SCHEMES))]
    pub scheme: Option<String>,
    /// How many further nodes are tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
    /// Timeouts of requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
    /// Which Host header nodes see: `pass`, `node` or `rewrite`; `pass` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = PASS_HOST))]
    pub pass_host: Option<String>,
    /// The Host header of `rewrite`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_host: Option<String>,
    /// How unhealthy nodes are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
}
