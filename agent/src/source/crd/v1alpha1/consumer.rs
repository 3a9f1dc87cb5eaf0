//! Consumer: someone who may call through a Gateway, with credentials.

use ::kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::source::crd::lenient::or_default;
use crate::source::crd::{ConditionStatus, NamedPlugin, SecretValue};

/// Someone who may call through a Gateway.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "apisix.apache.org",
    version = "v1alpha1",
    kind = "Consumer",
    plural = "consumers",
    namespaced,
    status = "ConditionStatus",
    doc = "Someone who may call through a Gateway."
)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerSpec {
    /// The Gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_ref: Option<GatewayReference>,
    /// The credentials.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Credential>,
    /// Plugins that act on its requests.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<NamedPlugin>,
}

/// Names a Gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayReference {
    /// Name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Kind; `Gateway` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// API group; `gateway.networking.k8s.io` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Namespace; the consumer's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// A credential: written out, or in a Secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// `jwt-auth`, `basic-auth`, `key-auth` or `hmac-auth`.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["jwt-auth", "basic-auth", "key-auth", "hmac-auth"]))]
    pub method: String,
    /// The credential itself, as the plugin of this name reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<SecretValue>,
    /// The Secret that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Names a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretReference {
    /// Name.
    pub name: String,
    /// Namespace; the consumer's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}
