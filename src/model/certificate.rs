//! Certificates with their keys.

use serde::{Deserialize, Serialize};

use super::{HostName, SecretText, UnixSeconds};

/// A certificate chain, its private key, and the names for which it is to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// Server names; sorted, never empty.
    pub hosts: Vec<HostName>,
    /// PEM, leaf first.
    pub chain: String,
    /// PEM.
    pub private_key: SecretText,
    /// See [`super::Route::created`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<UnixSeconds>,
    /// Whether clients must show a certificate as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Box<ClientVerification>>,
}

/// What clients' certificates must satisfy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientVerification {
    /// Certificates of the authorities that may have signed them, PEM.
    pub authorities: String,
    /// How many certificates may lie between.
    pub depth: u32,
    /// Paths (PCRE) for which none is needed; as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_paths: Vec<String>,
}
