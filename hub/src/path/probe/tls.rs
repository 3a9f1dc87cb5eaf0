//! TLS towards targets: verified against the authorities that are named, never against the system's.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::judge::Miss;
use super::target::{TargetKind, TargetProbe, TlsCheck};
use crate::path::evidence::{NoData, ProbeFailure};

/// How often files are read again: as often as those of the hub's own certificates.
const AGAIN: Duration = Duration::from_secs(30);

/// Why files cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("cannot use {}: {source}", path.display())]
    File { path: PathBuf, source: pem::Error },
    #[error("{} has no certificate", path.display())]
    Empty { path: PathBuf },
    #[error("{0}")]
    Refused(#[from] rustls::Error),
}

/// What one target is asked with; read again from time to time, and the last good one kept.
#[derive(Debug, Default)]
pub(super) struct TlsFiles(Mutex<Option<(Instant, Arc<ClientConfig>)>>);

impl TlsFiles {
    async fn config(&self, check: &TlsCheck, kind: TargetKind) -> Result<Arc<ClientConfig>, Miss> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read, config)) = &known
            && read.elapsed() < AGAIN
        {
            return Ok(Arc::clone(config));
        }
        let check = check.clone();
        let loaded = tokio::task::spawn_blocking(move || load(&check, kind)).await;
        let config = match (loaded, known) {
            (Ok(Ok(config)), _) => config,
            (_, Some((_, known))) => known,
            (Ok(Err(error)), None) => {
                tracing::warn!(%error, "a target cannot be probed");
                return Err(NoData::Certificates.into());
            }
            (Err(_), None) => return Err(NoData::Certificates.into()),
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((Instant::now(), Arc::clone(&config)));
        Ok(config)
    }

    /// Agrees on TLS over a connection.
    pub(super) async fn connect(
        &self,
        target: &TargetProbe,
        check: &TlsCheck,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Miss> {
        let config = self.config(check, target.kind).await?;
        let name = check.server_name.as_deref().unwrap_or_else(|| target.host());
        let name = ServerName::try_from(name.to_owned()).map_err(|_| Miss::Nothing(NoData::Certificates))?;
        let agreed = TlsConnector::from(config).connect(name, stream).await;
        agreed.map_err(|error| ProbeFailure::Tls(error.to_string()).into())
    }
}

/// Reads the files of a check.
pub(super) fn load(check: &TlsCheck, kind: TargetKind) -> Result<Arc<ClientConfig>, LoadError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&check.ca_file)? {
        roots.add(certificate)?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(roots);
    let mut config = match (&check.certificate_file, &check.key_file) {
        (Some(certificate), Some(key)) => {
            builder.with_client_auth_cert(certificates(certificate)?, private_key(key)?)?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = match kind {
        TargetKind::Grpc => vec![b"h2".to_vec()],
        TargetKind::Http => vec![b"http/1.1".to_vec()],
        TargetKind::Tcp | TargetKind::Tls => Vec::new(),
    };
    // A resumed session would not show that the certificate is still good.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let unusable = |source| LoadError::File {
        path: path.to_owned(),
        source,
    };
    let read = CertificateDer::pem_file_iter(path).map_err(unusable)?;
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(unusable)?;
    if read.is_empty() {
        return Err(LoadError::Empty { path: path.to_owned() });
    }
    Ok(read)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, LoadError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| LoadError::File {
        path: path.to_owned(),
        source,
    })
}
