//! ApisixConsumer: someone who may call, with credentials.

use ::kube::CustomResource;
use hubline::model::SecretText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::source::crd::lenient::or_default;
use crate::source::crd::{ConditionStatus, SwitchedPlugin};

/// Someone who may call.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "apisix.apache.org",
    version = "v2",
    kind = "ApisixConsumer",
    plural = "apisixconsumers",
    shortname = "ac",
    namespaced,
    status = "ConditionStatus",
    doc = "Someone who may call.",
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ApisixConsumerSpec {
    /// Name of the IngressClass that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_class_name: Option<String>,
    /// The credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_parameter: Option<AuthParameter>,
    /// Plugins that act on its requests.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<SwitchedPlugin>,
}

/// Credentials, by the way in which they are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthParameter {
    /// User and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<Credential<BasicAuthValue>>,
    /// A key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_auth: Option<Credential<KeyAuthValue>>,
    /// An account of a Wolf server.
    #[serde(default, rename = "wolfRBAC", skip_serializing_if = "Option::is_none")]
    pub wolf_rbac: Option<Credential<WolfRbacValue>>,
    /// A JSON Web Token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_auth: Option<Credential<JwtAuthValue>>,
    /// A signature of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmac_auth: Option<Credential<HmacAuthValue>>,
    /// A user of an LDAP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap_auth: Option<Credential<LdapAuthValue>>,
}

/// A credential: written out, or in a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", bound(deserialize = "V: Deserialize<'de>"))]
pub struct Credential<V> {
    /// The Secret, in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretName>,
    /// The credential itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<V>,
}

/// Names a Secret of the same namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretName {
    /// Name.
    #[serde(default)]
    pub name: String,
}

/// User and password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BasicAuthValue {
    /// User.
    pub username: String,
    /// Password.
    #[schemars(with = "String")]
    pub password: SecretText,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyAuthValue {
    /// The key.
    #[schemars(with = "String")]
    pub key: SecretText,
}

/// An account of a Wolf server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WolfRbacValue {
    /// URL of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Identity of the application there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appid: Option<String>,
    /// How the headers begin that tell who calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_prefix: Option<String>,
}

/// What verifies JSON Web Tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JwtAuthValue {
    /// The claim `key` of the tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Secret of the symmetric algorithms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub secret: Option<SecretText>,
    /// Public key of the asymmetric algorithms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Private key of the asymmetric algorithms, of use only to whoever issues tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub private_key: Option<SecretText>,
    /// Algorithm, as `HS256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// For how many seconds tokens are good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Whether the secret is written in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64_secret: Option<bool>,
    /// How many seconds clocks may differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_grace_period: Option<i64>,
}

/// What verifies signatures. From `access_key` on these are settings that APISIX 3.11 moved to the route's plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HmacAuthValue {
    /// Name of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The key.
    #[schemars(with = "String")]
    pub secret_key: SecretText,
    /// Name of the key, as it was called before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
    /// Algorithm, as `hmac-sha256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// How many seconds clocks may differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew: Option<i64>,
    /// Headers that must be signed.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub signed_headers: Vec<String>,
    /// Whether the signature is passed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_headers: Option<bool>,
    /// Whether parameters are encoded before they are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode_uri_params: Option<bool>,
    /// Whether bodies are signed too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_request_body: Option<bool>,
    /// Largest body in bytes that is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_req_body: Option<i64>,
}

/// A user of an LDAP server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LdapAuthValue {
    /// Distinguished name of the user.
    pub user_dn: String,
}
