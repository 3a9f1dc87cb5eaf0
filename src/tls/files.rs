//! Certificates in files: read, and checked as a whole.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use tonic::transport::ClientTlsConfig;

use super::expiry::Expiry;
use super::pair::{PairError, certified_key, parse_chain};
use super::side::{ClientSide, ServerSide, Side};
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

/// What was read from [`Files`], as it is.
pub(super) struct Contents {
    authority: String,
    chain: String,
    key: SecretText,
}

/// What was read, checked.
#[derive(Debug)]
pub struct Loaded {
    /// PEM.
    pub(super) authority: String,
    /// PEM.
    pub(super) chain: String,
    /// PEM.
    pub(super) key: SecretText,
    /// Chain and key as rustls wants them.
    pub(super) pair: CertifiedKey,
    /// The authorities, none of them broken.
    pub(super) roots: RootCertStore,
    /// When they end.
    pub(super) expiry: Expiry,
}

/// The hub's side: clients must show a certificate of the authority; HTTP/2 only.
///
/// # Errors
/// [`TlsError`] names the field, the file, and what is wrong with it.
pub fn server_config(files: &Files) -> Result<Arc<ServerConfig>, TlsError> {
    Ok(ServerSide::load(files)?.config())
}

/// The agent's side. The hub must show a certificate of the authority for `server_name`, or for the address that is
/// dialled when that is none.
///
/// # Errors
/// [`TlsError`] names the field, the file, and what is wrong with it.
pub fn client_tls(files: &Files, server_name: Option<&str>) -> Result<ClientTlsConfig, TlsError> {
    Ok(ClientSide::load(files)?.tls(server_name))
}

impl Files {
    pub(super) fn read(&self) -> Result<Contents, TlsError> {
        Ok(Contents {
            authority: read("ca", &self.ca)?,
            chain: read("certificate", &self.certificate)?,
            key: SecretText::new(read("key", &self.key)?),
        })
    }

    pub(super) fn check(&self, contents: Contents) -> Result<Loaded, TlsError> {
        let Contents { authority, chain, key } = contents;
        let (pair, _) = certified_key(&chain, &key).map_err(|source| TlsError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })?;
        let authorities = self.authorities(&authority)?;
        let roots = self.roots(&authorities)?;
        let expiry = Expiry::of(&pair.cert, &authorities);
        Ok(Loaded {
            authority,
            chain,
            key,
            pair,
            roots,
            expiry,
        })
    }

    fn authorities(&self, pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        parse_chain(pem).map_err(|error| self.bad_authority(&error))
    }

    fn roots(&self, authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in authorities {
            let added = roots.add(certificate.clone());
            added.map_err(|error| self.bad_authority(&error))?;
        }
        Ok(roots)
    }

    pub(super) fn bad_authority(&self, error: &dyn std::error::Error) -> TlsError {
        TlsError::Authority {
            path: self.ca.clone(),
            reason: error.to_string(),
        }
    }
}

impl Contents {
    /// Tells contents apart without keeping them.
    pub(super) fn fingerprint(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for text in [&self.authority, &self.chain, self.key.expose()] {
            hasher.update(&text.len().to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finalize()
    }
}

fn read(field: &'static str, path: &Path) -> Result<String, TlsError> {
    std::fs::read_to_string(path).map_err(|source| TlsError::Read {
        field,
        path: path.to_owned(),
        source,
    })
}
