//! Whether a certificate chain and a private key belong together and can serve.
//!
//! Says nothing about trust or expiry: a certificate that is out of date is still a good pair, and its end is a fact.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::model::{HostName, SecretText, UnixSeconds};

/// What a good leaf certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// When it ends.
    pub not_after: UnixSeconds,
    /// Its DNS names (SAN), sorted, without those that are no DNS names.
    pub dns_names: Vec<HostName>,
}

/// Why a chain and a key are no pair. Never shows anything of the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// The chain is not PEM.
    #[error("certificate chain is not PEM: {0}; allowed: blocks \"BEGIN CERTIFICATE\", leaf first")]
    ChainPem(String),
    /// The chain is empty.
    #[error("certificate chain holds no block \"BEGIN CERTIFICATE\"; at least one is needed, leaf first")]
    ChainEmpty,
    /// One certificate of the chain is broken.
    #[error("certificate {index} of the chain is not X.509: {reason}")]
    Certificate {
        /// Position, 1 is the leaf.
        index: usize,
        /// The parser's words.
        reason: String,
    },
    /// The key is not PEM.
    #[error(
        "private key is not PEM; allowed: one block \"BEGIN PRIVATE KEY\", \"RSA PRIVATE KEY\" or \"EC PRIVATE KEY\""
    )]
    KeyPem,
    /// There is no key.
    #[error(
        "no private key found; allowed: one block \"BEGIN PRIVATE KEY\", \"RSA PRIVATE KEY\" or \"EC PRIVATE KEY\""
    )]
    KeyMissing,
    /// The key asks for a pass phrase.
    #[error("private key is encrypted; only unencrypted keys can be used")]
    KeyEncrypted,
    /// The key is of a kind that TLS does not use, or broken.
    #[error(
        "private key cannot be used; allowed: RSA of 2048 to 8192 bits, EC on P-256, P-384 or P-521, Ed25519, each well formed"
    )]
    KeyUnusable,
    /// Two halves of different pairs.
    #[error("private key does not belong to the first certificate of the chain")]
    Mismatch,
}

/// Checks that a chain (PEM, leaf first) and a private key (PEM) can be served together.
///
/// # Errors
/// [`PairError`] names the first thing that is wrong.
pub fn check_pair(chain_pem: &str, private_key: &SecretText) -> Result<CertificateFacts, PairError> {
    certified_key(chain_pem, private_key).map(|(_, facts)| facts)
}

/// Checks certificates (PEM) of authorities, each by itself.
///
/// # Errors
/// [`PairError`] names the first thing that is wrong.
pub fn check_authorities(pem: &str) -> Result<(), PairError> {
    parse_certificates(&parse_chain(pem)?).map(|_| ())
}

/// As [`check_pair`], with the pair in rustls' form.
pub(super) fn certified_key(
    chain_pem: &str,
    private_key: &SecretText,
) -> Result<(CertifiedKey, CertificateFacts), PairError> {
    let chain = parse_chain(chain_pem)?;
    let leaf = parse_certificates(&chain)?;
    let key = parse_key(private_key)?;
    if !belongs(&leaf, key.as_ref()) {
        return Err(PairError::Mismatch);
    }
    let facts = facts(&leaf);
    Ok((CertifiedKey::new(chain, key), facts))
}

/// Every certificate of a PEM text, at least one.
pub(super) fn parse_chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, PairError> {
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| PairError::ChainPem(error.to_string()))?;
    if chain.is_empty() {
        return Err(PairError::ChainEmpty);
    }
    Ok(chain)
}

/// Parses all of a chain and returns its leaf.
fn parse_certificates<'a>(chain: &'a [CertificateDer<'static>]) -> Result<X509Certificate<'a>, PairError> {
    let mut parsed = Vec::with_capacity(chain.len());
    for (at, der) in chain.iter().enumerate() {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| PairError::Certificate {
            index: at + 1,
            reason: error.to_string(),
        })?;
        parsed.push(certificate);
    }
    parsed.into_iter().next().ok_or(PairError::ChainEmpty)
}

fn parse_key(text: &SecretText) -> Result<Arc<dyn SigningKey>, PairError> {
    let der = match PrivateKeyDer::from_pem_slice(text.expose().as_bytes()) {
        Ok(der) => der,
        Err(PemError::NoItemsFound) if text.expose().contains("ENCRYPTED PRIVATE KEY") => {
            return Err(PairError::KeyEncrypted);
        }
        Err(PemError::NoItemsFound) => return Err(PairError::KeyMissing),
        // The parser's own words may quote a line of the key.
        Err(_) => return Err(PairError::KeyPem),
    };
    any_supported_type(&der).map_err(|_| PairError::KeyUnusable)
}

/// Compares public keys. rustls' own comparison would also refuse certificates of version 1, which APISIX serves.
fn belongs(leaf: &X509Certificate<'_>, key: &dyn SigningKey) -> bool {
    key.public_key()
        .is_some_and(|public| public.as_ref() == leaf.public_key().raw)
}

fn facts(leaf: &X509Certificate<'_>) -> CertificateFacts {
    CertificateFacts {
        not_after: UnixSeconds(leaf.validity().not_after.timestamp()),
        dns_names: dns_names(leaf),
    }
}

fn dns_names(leaf: &X509Certificate<'_>) -> Vec<HostName> {
    let mut names: Vec<HostName> = alternative_names(leaf)
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => HostName::new(name).ok(),
            _ => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The subject's alternative names; none where the extension is missing or broken.
pub(super) fn alternative_names<'a>(certificate: &'a X509Certificate<'_>) -> &'a [GeneralName<'a>] {
    match certificate.subject_alternative_name() {
        Ok(Some(extension)) => &extension.value.general_names,
        Ok(None) | Err(_) => &[],
    }
}
