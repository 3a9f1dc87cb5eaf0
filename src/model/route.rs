//! Routes: which requests and connections go where.

use serde::{Deserialize, Serialize};

use super::{HostName, Key, Plugin, Port, Protocol, Timeouts, UnixSeconds};
use crate::expression::Expression;

/// Requests that match all of hosts, paths, methods and conditions go to the backends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// Any of these hosts, sorted; none means every host that no other route takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostName>,
    /// Any of these paths, sorted; never empty.
    pub paths: Vec<PathMatch>,
    /// Any of these methods in upper case, sorted; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// All of these, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Among routes with the same host and path the higher one is asked first.
    #[serde(default)]
    pub priority: i32,
    /// Where requests go; several share by weight. Empty only where a plugin answers by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backends: Vec<Backend>,
    /// Plugins of this route alone, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<Plugin>,
    /// Shared plugins ([`super::ResourceKind::PluginSet`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugin_sets: Vec<Key>,
    /// Overrides the timeouts of the services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// Whether connections may be upgraded to websocket.
    #[serde(default)]
    pub websocket: bool,
    /// When the source object was created: the older claim on a host and path stays in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<UnixSeconds>,
}

/// How a path is compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type", content = "value")]
pub enum PathMatch {
    /// This path and no other.
    Exact(String),
    /// By whole segments, as Kubernetes' `Prefix`: `/a` takes `/a` and `/a/b`, not `/ab`.
    Prefix(String),
    /// As APISIX writes it: exact, or a prefix by bytes when it ends with `*`.
    Pattern(String),
    /// A regular expression (PCRE) over the path.
    Regex(String),
}

/// A further condition on a request, in APISIX's own operators.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Condition {
    /// A variable compared with texts.
    Comparison(Comparison),
    /// Anything else that can be said.
    Expression(Expression),
}

impl From<Comparison> for Condition {
    fn from(comparison: Comparison) -> Self {
        Self::Comparison(comparison)
    }
}

/// A variable compared with a text, or with a list of texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Comparison {
    /// Variable, as `http_x_user`, `arg_page`, `cookie_session`, `remote_addr`.
    pub variable: String,
    /// Operator, as `==`, `~=`, `~~`, `>`, `in`, `has`.
    pub operator: String,
    /// Whether the result is reversed.
    #[serde(default)]
    pub negated: bool,
    /// What it is compared with; a list for `in` and `ipmatch`.
    pub values: Vec<String>,
}

/// A service and its share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backend {
    /// A [`super::Service`] of the same cluster.
    pub service: Key,
    /// Relative share; 0 takes nothing unless it is alone.
    pub weight: u32,
}

/// Connections to a port, or with a server name, go to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamRoute {
    /// Port at which APISIX listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
    /// TLS server name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Where connections go; several share by weight.
    pub backends: Vec<Backend>,
    /// Plugins, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<Plugin>,
    /// See [`Route::created`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<UnixSeconds>,
}
