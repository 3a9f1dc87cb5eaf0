//! For which cluster a client's certificate speaks.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::pair::alternative_names;
use crate::model::{ClusterId, ModelError};

/// How the URI of a cluster's certificate begins.
const PREFIX: &str = "hubline://cluster/";
/// The scheme that is ours: other URIs (SPIFFE, for one) may stand beside it and say nothing here.
const SCHEME: &str = "hubline:";

/// Why a certificate speaks for no cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not a certificate.
    #[error("client certificate is not X.509: {0}")]
    Certificate(String),
    /// No URI of ours.
    #[error(
        "client certificate has no URI of the form hubline://cluster/NAME among its alternative names; found: {found}"
    )]
    Missing {
        /// The names that are there.
        found: String,
    },
    /// More than one.
    #[error(
        "client certificate names more than one cluster; exactly one URI hubline://cluster/NAME is allowed; found: {found}"
    )]
    Several {
        /// The URIs of ours.
        found: String,
    },
    /// Our scheme, but not a cluster.
    #[error("client certificate has the URI {found:?}; allowed: hubline://cluster/NAME")]
    Form {
        /// The URI.
        found: String,
    },
    /// The name is not allowed.
    #[error("client certificate has the URI {found:?}: {source}")]
    Name {
        /// The URI.
        found: String,
        /// Why.
        source: ModelError,
    },
}

/// The URI by which a certificate speaks for a cluster.
#[must_use]
pub fn cluster_uri(cluster: &ClusterId) -> String {
    format!("{PREFIX}{cluster}")
}

/// The one cluster that a client's certificate (DER) speaks for.
/// The caller has verified the chain: this only reads.
///
/// # Errors
/// [`IdentityError`] unless exactly one URI of our scheme is there and names a cluster; it says what was found.
pub fn cluster_of_certificate(der: &[u8]) -> Result<ClusterId, IdentityError> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| IdentityError::Certificate(error.to_string()))?;
    let names = alternative_names(&certificate);
    let ours: Vec<&str> = names
        .iter()
        .filter_map(uri)
        .filter(|uri| uri.starts_with(SCHEME))
        .collect();
    match ours.as_slice() {
        [] => Err(IdentityError::Missing { found: list(names) }),
        [one] => cluster_of_uri(one),
        several => Err(IdentityError::Several {
            found: several.join(", "),
        }),
    }
}

fn uri<'a>(name: &GeneralName<'a>) -> Option<&'a str> {
    match name {
        GeneralName::URI(uri) => Some(uri),
        _ => None,
    }
}

fn cluster_of_uri(uri: &str) -> Result<ClusterId, IdentityError> {
    let name = uri
        .strip_prefix(PREFIX)
        .ok_or_else(|| IdentityError::Form { found: uri.to_owned() })?;
    ClusterId::new(name).map_err(|source| IdentityError::Name {
        found: uri.to_owned(),
        source,
    })
}

/// The names of a certificate, for people.
fn list(names: &[GeneralName<'_>]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}
