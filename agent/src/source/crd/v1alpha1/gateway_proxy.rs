//! GatewayProxy: plugins for everything that goes through a Gateway, and where the peer's controller finds APISIX.
//!
//! What belongs to its connection to APISIX (`provider`) is read, so that the object is accepted; only the hub writes to
//! APISIX, and it has its own configuration.

use std::collections::BTreeMap;

use ::kube::CustomResource;
use hubline::model::SecretText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::source::crd::SecretValue;
use crate::source::crd::lenient::or_default;

/// Plugins for everything that goes through a Gateway.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "apisix.apache.org",
    version = "v1alpha1",
    kind = "GatewayProxy",
    plural = "gatewayproxies",
    namespaced,
    doc = "Plugins for everything that goes through a Gateway."
)]
#[serde(rename_all = "camelCase")]
pub struct GatewayProxySpec {
    /// A Service whose address goes into statuses, as `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_service: Option<String>,
    /// Addresses that go into statuses.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub status_address: Vec<String>,
    /// Where the peer's controller finds APISIX.
    pub provider: Provider,
    /// Plugins that act on every request.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<SwitchedOffPlugin>,
    /// By a plugin's name, what all its uses share.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub plugin_metadata: BTreeMap<String, SecretValue>,
}

/// A plugin that has to be switched on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SwitchedOffPlugin {
    /// Name of the APISIX plugin, as `limit-count`.
    #[serde(default)]
    pub name: String,
    /// Whether it is in force; it is not when this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Its configuration, as APISIX reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<SecretValue>,
}

/// Where the peer's controller finds APISIX.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// `ControlPlane`.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["ControlPlane"]))]
    pub provider_type: String,
    /// Its settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_plane: Option<ControlPlane>,
}

/// APISIX's Admin API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlane {
    /// `apisix` or `apisix-standalone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Its URLs.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// Its Service, instead of URLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ProviderService>,
    /// Whether its certificate is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_verify: Option<bool>,
    /// How the peer's controller proves who it is.
    pub auth: ControlPlaneAuthentication,
}

/// A Service of the object's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProviderService {
    /// Name.
    pub name: String,
    /// Port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i64>,
}

/// How the peer's controller proves who it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneAuthentication {
    /// `AdminKey`.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["AdminKey"]))]
    pub method: String,
    /// The key of the Admin API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_key: Option<AdminKey>,
}

/// The key of the Admin API: written out, or in a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminKey {
    /// The key itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub value: Option<SecretText>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<AdminKeySource>,
}

/// Where a key stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminKeySource {
    /// In a Secret of the object's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretField>,
}

/// A field of a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretField {
    /// Name of the Secret.
    pub name: String,
    /// The field.
    pub key: String,
}
