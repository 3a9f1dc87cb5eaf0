//! L4RoutePolicy: plugins of routes for streams.

use ::kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PolicyTarget;
use crate::source::crd::lenient::or_default;
use crate::source::crd::{AncestorStatus, NamedPlugin};

/// Plugins of routes for streams.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "apisix.apache.org",
    version = "v1alpha1",
    kind = "L4RoutePolicy",
    plural = "l4routepolicies",
    namespaced,
    status = "AncestorStatus",
    doc = "Plugins of routes for streams."
)]
#[serde(rename_all = "camelCase")]
pub struct L4RoutePolicySpec {
    /// TCPRoutes, UDPRoutes and TLSRoutes.
    #[schemars(length(min = 1, max = 16))]
    pub target_refs: Vec<PolicyTarget>,
    /// The plugins.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<NamedPlugin>,
}
