//! Consumers, plugins and exports.

use serde::{Deserialize, Serialize};

use super::{SecretText, UnixSeconds};

/// An APISIX plugin with its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plugin {
    /// Name, as `limit-count`.
    pub name: String,
    /// A JSON object as text; secret, since credentials are written there.
    pub config: SecretText,
}

/// Someone who may call. Serves only routes of its own cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Consumer {
    /// Credentials and limits, sorted by name; each name once.
    pub plugins: Vec<Plugin>,
    /// When the source object was created: the older claim on a credential stays in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<UnixSeconds>,
}

/// Plugins that several routes share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PluginSet {
    /// Sorted by name.
    pub plugins: Vec<Plugin>,
}

/// Plugins that act on everybody's traffic; taken only from clusters that were granted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GlobalRule {
    /// Sorted by name; each name once.
    pub plugins: Vec<Plugin>,
    /// What plugins are told wherever they run, sorted by name; each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<Plugin>,
    /// When the source object was created: of several that configure one plugin the older stays in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<UnixSeconds>,
}

/// A service (the key's namespace and name) offered to other clusters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Export {
    /// Relative share of this cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}
