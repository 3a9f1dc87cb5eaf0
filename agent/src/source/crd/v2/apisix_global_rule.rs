//! ApisixGlobalRule: plugins that act on every request.

use ::kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::source::crd::{ConditionStatus, SwitchedPlugin};

/// Plugins that act on every request.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "apisix.apache.org",
    version = "v2",
    kind = "ApisixGlobalRule",
    plural = "apisixglobalrules",
    shortname = "agr",
    namespaced,
    status = "ConditionStatus",
    doc = "Plugins that act on every request.",
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ApisixGlobalRuleSpec {
    /// Name of the IngressClass that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_class_name: Option<String>,
    /// The plugins.
    pub plugins: Vec<SwitchedPlugin>,
}
