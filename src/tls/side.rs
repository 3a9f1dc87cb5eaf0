//! What each side of a connection uses, made from one reading of its files.

use std::fmt;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, ServerConfig};
use rustls_pki_types::{CertificateDer, UnixTime};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::expiry::Expiry;
use super::files::{Files, Loaded, TlsError};
use super::provider;

/// One side of a connection.
pub trait Side: Sized + Send + Sync + 'static {
    /// Reads the files, and checks that they can be used together.
    ///
    /// # Errors
    /// [`TlsError`] names the field, the file, and what is wrong with it.
    fn load(files: &Files) -> Result<Self, TlsError> {
        Self::of(files, files.check(files.read()?)?)
    }

    /// From what was read. Only the sides of this module exist.
    ///
    /// # Errors
    /// As [`Side::load`].
    #[doc(hidden)]
    fn of(files: &Files, loaded: Loaded) -> Result<Self, TlsError>;

    /// When its certificates end.
    fn expiry(&self) -> Expiry;
}

/// The hub's side: clients must show a certificate of the authority; HTTP/2 only.
#[derive(Debug, Clone)]
pub struct ServerSide {
    config: Arc<ServerConfig>,
    verifier: Arc<dyn ClientCertVerifier>,
    expiry: Expiry,
}

impl ServerSide {
    /// For new connections.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Whether a client with this chain (leaf first) would be let in now, as in a handshake.
    ///
    /// # Errors
    /// rustls' reason why not.
    pub fn trusts(&self, chain: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let (leaf, between) = chain.split_first().ok_or(CertificateError::BadEncoding)?;
        let verified = self.verifier.verify_client_cert(leaf, between, UnixTime::now());
        verified.map(drop)
    }
}

impl Side for ServerSide {
    fn of(files: &Files, loaded: Loaded) -> Result<Self, TlsError> {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(loaded.roots), provider())
            .build()
            .map_err(|error| files.bad_authority(&error))?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_client_cert_verifier(Arc::clone(&verifier))
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(loaded.pair)));
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            verifier,
            expiry: loaded.expiry,
        })
    }

    fn expiry(&self) -> Expiry {
        self.expiry
    }
}

/// The agent's side: the hub must show a certificate of the authority.
#[derive(Clone)]
pub struct ClientSide {
    tls: ClientTlsConfig,
    expiry: Expiry,
}

impl fmt::Debug for ClientSide {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration holds the private key.
        out.debug_struct("ClientSide")
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}

impl ClientSide {
    /// For new connections; the hub's certificate must be for `server_name`, or for the address that is dialled when
    /// that is none.
    #[must_use]
    pub fn tls(&self, server_name: Option<&str>) -> ClientTlsConfig {
        let tls = self.tls.clone();
        match server_name {
            Some(name) => tls.domain_name(name),
            None => tls,
        }
    }
}

impl Side for ClientSide {
    fn of(_: &Files, loaded: Loaded) -> Result<Self, TlsError> {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&loaded.authority))
            .identity(Identity::from_pem(&loaded.chain, loaded.key.expose()));
        Ok(Self {
            tls,
            expiry: loaded.expiry,
        })
    }

    fn expiry(&self) -> Expiry {
        self.expiry
    }
}
