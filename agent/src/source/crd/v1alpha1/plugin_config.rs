//! PluginConfig: a set of plugins that HTTPRoutes refer to.

use ::kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::source::crd::NamedPlugin;

/// Plugins that HTTPRoutes refer to.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "apisix.apache.org",
    version = "v1alpha1",
    kind = "PluginConfig",
    plural = "pluginconfigs",
    namespaced,
    doc = "Plugins that HTTPRoutes refer to."
)]
pub struct PluginConfigSpec {
    /// The plugins.
    pub plugins: Vec<NamedPlugin>,
}
