//! HTTPRoutePolicy: priority and further conditions of routes.

use ::kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PolicyTarget;
use crate::source::crd::AncestorStatus;
use crate::source::crd::lenient::{list_of_anything, or_default};

/// Priority and further conditions of routes.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "apisix.apache.org",
    version = "v1alpha1",
    kind = "HTTPRoutePolicy",
    root = "HttpRoutePolicy",
    plural = "httproutepolicies",
    namespaced,
    status = "AncestorStatus",
    doc = "Priority and further conditions of routes."
)]
#[serde(rename_all = "camelCase")]
pub struct HttpRoutePolicySpec {
    /// HTTPRoutes and Ingresses.
    #[schemars(length(min = 1, max = 16))]
    pub target_refs: Vec<PolicyTarget>,
    /// Among routes that match the same path the highest wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Conditions as APISIX writes them, as `["arg_id", "==", "7"]`; all must hold.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "list_of_anything")]
    pub vars: Vec<Value>,
}
