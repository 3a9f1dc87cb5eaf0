//! A connection to one node, TLS included.

use std::io;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::ProxyBody;
use super::watched::{Expired, Watched};
use crate::apisix::live::health::Finding;
use crate::apisix::live::upstream::{Node, Scheme, Timeouts};

/// Why a node gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    Failed,
    TimedOut,
}

impl NoAnswer {
    pub(super) fn status(self) -> u16 {
        match self {
            NoAnswer::Failed => 502,
            NoAnswer::TimedOut => 504,
        }
    }

    pub(super) fn finding(self) -> Finding {
        match self {
            NoAnswer::Failed => Finding::TcpFailure,
            NoAnswer::TimedOut => Finding::Timeout,
        }
    }
}

/// A connection that takes one request.
pub(super) struct Sender {
    protocol: Protocol,
    expired: Expired,
}

enum Protocol {
    Http1(http1::SendRequest<ProxyBody>),
    Http2(http2::SendRequest<ProxyBody>),
}

impl Sender {
    pub(super) async fn send(&mut self, request: Request<ProxyBody>) -> Result<Response<Incoming>, NoAnswer> {
        let answer = match &mut self.protocol {
            Protocol::Http1(sender) => sender.send_request(request).await,
            Protocol::Http2(sender) => sender.send_request(request).await,
        };
        answer.map_err(|_| {
            if self.expired.is_set() {
                NoAnswer::TimedOut
            } else {
                NoAnswer::Failed
            }
        })
    }
}

/// Connects to a node; `host` is what is sent as `Host`, and so the server name of TLS.
pub(super) async fn connect(node: &Node, scheme: Scheme, host: &str, timeouts: Timeouts) -> Result<Sender, NoAnswer> {
    let connected = timeout(timeouts.connect, open(node, scheme, host, timeouts)).await;
    match connected {
        Ok(Ok(sender)) => Ok(sender),
        Ok(Err(error)) => {
            tracing::debug!(node = %node.host, port = node.port, error = %error, "node failed");
            Err(NoAnswer::Failed)
        }
        Err(_) => Err(NoAnswer::TimedOut),
    }
}

async fn open(node: &Node, scheme: Scheme, host: &str, timeouts: Timeouts) -> io::Result<Sender> {
    let stream = TcpStream::connect((node.host.as_str(), node.port)).await?;
    if !scheme.tls {
        return handshake(stream, scheme, timeouts).await;
    }
    let name = http::uri::Authority::try_from(host).map_err(io::Error::other)?;
    let name = ServerName::try_from(name.host().trim_matches(['[', ']']).to_owned());
    let connector = TlsConnector::from(Arc::new(tls_config(scheme)?));
    let stream = connector.connect(name.map_err(io::Error::other)?, stream).await?;
    handshake(stream, scheme, timeouts).await
}

async fn handshake<S>(stream: S, scheme: Scheme, timeouts: Timeouts) -> io::Result<Sender>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stream, expired) = Watched::new(stream, timeouts);
    let stream = TokioIo::new(stream);
    if scheme.http2 {
        let executor = TokioExecutor::new();
        let (sender, connection) = http2::handshake(executor, stream).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Sender {
            protocol: Protocol::Http2(sender),
            expired,
        })
    } else {
        let (sender, connection) = http1::handshake(stream).await.map_err(io::Error::other)?;
        tokio::spawn(connection.with_upgrades());
        Ok(Sender {
            protocol: Protocol::Http1(sender),
            expired,
        })
    }
}

/// APISIX verifies no certificate of an upstream, and sends no server name to `grpcs` ones.
fn tls_config(scheme: Scheme) -> io::Result<ClientConfig> {
    let mut config = unverified()?;
    config.enable_sni = !scheme.http2;
    config.alpn_protocols = vec![if scheme.http2 {
        b"h2".to_vec()
    } else {
        b"http/1.1".to_vec()
    }];
    Ok(config)
}

/// TLS that takes any certificate.
pub(super) fn unverified() -> io::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unverified));
    Ok(builder.with_no_client_auth())
}

#[derive(Debug)]
struct Unverified;

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
