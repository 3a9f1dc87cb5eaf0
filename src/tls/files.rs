//! Certificates in files, and the TLS configurations made from them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::pair::{PairError, certified_key, parse_chain};
use super::provider;
use crate::model::SecretText;

/// Where one side's certificates lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Files {
    /// Certificates (PEM) of the authority that the other side's certificate must come from.
    pub ca: PathBuf,
    /// This side's chain (PEM), leaf first.
    pub certificate: PathBuf,
    /// This side's private key (PEM).
    pub key: PathBuf,
}

impl Files {
    /// The three files of a directory, under the names that a mounted Kubernetes TLS Secret gives them.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            ca: directory.join("ca.crt"),
            certificate: directory.join("tls.crt"),
            key: directory.join("tls.key"),
        }
    }
}

/// Why certificates cannot be used. Never shows anything of a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("tls.{field}: cannot read {}: {source}", path.display())]
    Read {
        /// Field of [`Files`].
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The authority's file is wrong.
    #[error("tls.ca: {}: {reason}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// Certificate and key are no pair.
    #[error("tls.certificate {} and tls.key {}: {source}", certificate.display(), key.display())]
    Pair {
        /// The chain's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        source: PairError,
    },
    /// rustls refuses the whole.
    #[error("tls: {0}")]
    Refused(#[from] rustls::Error),
}

/// What was read from [`Files`], checked.
struct Loaded {
    authority: String,
    chain: String,
    key: SecretText,
    pair: CertifiedKey,
}

/// The hub's side: clients must show a certificate of the authority; HTTP/2 only.
///
/// # Errors
/// [`TlsError`] names the field, the file, and what is wrong with it.
pub fn server_config(files: &Files) -> Result<Arc<ServerConfig>, TlsError> {
    let loaded = load(files)?;
    let roots = Arc::new(roots(&files.ca, &loaded.authority)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|error| TlsError::Authority {
            path: files.ca.clone(),
            reason: error.to_string(),
        })?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(loaded.pair)));
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// The agent's side. The hub must show a certificate of the authority for `server_name`, or for the address that is
/// dialled when that is none.
///
/// # Errors
/// [`TlsError`] names the field, the file, and what is wrong with it.
pub fn client_tls(files: &Files, server_name: Option<&str>) -> Result<ClientTlsConfig, TlsError> {
    let loaded = load(files)?;
    roots(&files.ca, &loaded.authority)?;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&loaded.authority))
        .identity(Identity::from_pem(&loaded.chain, loaded.key.expose()));
    Ok(match server_name {
        Some(name) => tls.domain_name(name),
        None => tls,
    })
}

fn load(files: &Files) -> Result<Loaded, TlsError> {
    let authority = read("ca", &files.ca)?;
    let chain = read("certificate", &files.certificate)?;
    let key = SecretText::new(read("key", &files.key)?);
    let (pair, _) = certified_key(&chain, &key).map_err(|source| TlsError::Pair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    })?;
    Ok(Loaded {
        authority,
        chain,
        key,
        pair,
    })
}

fn read(field: &'static str, path: &Path) -> Result<String, TlsError> {
    std::fs::read_to_string(path).map_err(|source| TlsError::Read {
        field,
        path: path.to_owned(),
        source,
    })
}

fn roots(path: &Path, pem: &str) -> Result<RootCertStore, TlsError> {
    let refused = |reason: String| TlsError::Authority {
        path: path.to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    for certificate in parse_chain(pem).map_err(|error| refused(error.to_string()))? {
        roots.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    Ok(roots)
}
