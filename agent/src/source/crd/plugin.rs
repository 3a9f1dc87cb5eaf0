//! Plugins, as each of the two versions writes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretValue;

/// A plugin that can be switched off, of `apisix.apache.org/v2`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SwitchedPlugin {
    /// Name of the APISIX plugin, as `limit-count`.
    #[serde(default)]
    pub name: String,
    /// Whether it is in force; it is when this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable: Option<bool>,
    /// Its configuration, as APISIX reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<SecretValue>,
    /// Name of a Secret in the same namespace; what it holds is added to the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<String>,
}

impl SwitchedPlugin {
    /// Whether it is in force.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enable.unwrap_or(true)
    }
}

/// A plugin of `apisix.apache.org/v1alpha1`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamedPlugin {
    /// Name of the APISIX plugin, as `limit-count`.
    pub name: String,
    /// Its configuration, as APISIX reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<SecretValue>,
}
