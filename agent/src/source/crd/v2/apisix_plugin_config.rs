//! ApisixPluginConfig: a set of plugins to refer to.

use ::kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::source::crd::{ConditionStatus, SwitchedPlugin};

/// Plugins that ApisixRoutes and Ingresses refer to.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "apisix.apache.org",
    version = "v2",
    kind = "ApisixPluginConfig",
    plural = "apisixpluginconfigs",
    shortname = "apc",
    namespaced,
    status = "ConditionStatus",
    doc = "Plugins that ApisixRoutes and Ingresses refer to.",
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ApisixPluginConfigSpec {
    /// Name of the IngressClass that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_class_name: Option<String>,
    /// The plugins.
    pub plugins: Vec<SwitchedPlugin>,
}
