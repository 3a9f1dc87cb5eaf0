//! ApisixTls: the certificate of hosts, and which clients' certificates are asked for.

use ::kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::source::crd::lenient::or_default;
use crate::source::crd::{ConditionStatus, SecretKey};

/// The certificate of hosts.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "apisix.apache.org",
    version = "v2",
    kind = "ApisixTls",
    plural = "apisixtlses",
    shortname = "atls",
    namespaced,
    status = "ConditionStatus",
    doc = "The certificate of hosts.",
    printcolumn = r#"{"name": "SNIs", "type": "string", "jsonPath": ".spec.hosts"}"#,
    printcolumn = r#"{"name": "Secret Name", "type": "string", "jsonPath": ".spec.secret.name"}"#,
    printcolumn = r#"{"name": "Secret Namespace", "type": "string", "jsonPath": ".spec.secret.namespace"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Client CA Secret Name", "type": "string", "jsonPath": ".spec.client.caSecret.name"}"#,
    printcolumn = r#"{"name": "Client CA Secret Namespace", "type": "string",
        "jsonPath": ".spec.client.caSecret.namespace"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ApisixTlsSpec {
    /// Name of the IngressClass that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_class_name: Option<String>,
    /// Server names that the certificate is for.
    #[schemars(length(min = 1), inner(regex(pattern = r"^\*?[0-9a-zA-Z-.]+$")))]
    pub hosts: Vec<String>,
    /// The Secret that holds certificate and key.
    pub secret: SecretKey,
    /// Asks clients for a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<MutualTls>,
}

/// Which clients' certificates are good.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MutualTls {
    /// The Secret that holds the authority's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret: Option<SecretKey>,
    /// Longest chain between a client's certificate and the authority's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<i64>,
    /// Paths that need no certificate, as regular expressions.
    #[serde(
        default,
        rename = "skip_mtls_uri_regex",
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub skip_mtls_uri_regex: Vec<String>,
}
