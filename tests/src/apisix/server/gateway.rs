//! The gateway's listeners: plain HTTP, and HTTPS with the certificate that the SNI asks for.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use anyhow::Context;
use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::Connection;
use crate::apisix::gateway::{Client, handle};
use crate::apisix::shared::Shared;

/// Serves one plain connection to the gateway.
pub(crate) fn serve_gateway(shared: Arc<Shared>, connection: Connection) -> BoxFuture<'static, ()> {
    let client = client(&shared, &connection, "http");
    serve(shared, client, connection.stream).boxed()
}

/// Serves one TLS connection to the gateway.
pub(crate) fn serve_gateway_tls(
    shared: Arc<Shared>,
    acceptor: TlsAcceptor,
    connection: Connection,
) -> BoxFuture<'static, ()> {
    async move {
        let client = client(&shared, &connection, "https");
        match acceptor.accept(connection.stream).await {
            Ok(stream) => serve(shared, client, stream).await,
            Err(error) => {
                tracing::debug!(peer = %client.peer, error = %error, "tls handshake failed");
            }
        }
    }
    .boxed()
}

fn client(shared: &Shared, connection: &Connection, scheme: &'static str) -> Client {
    Client {
        peer: connection.peer,
        port: connection.local.port(),
        scheme,
        stop: connection.stop.clone(),
        changes: shared.changes.clone(),
    }
}

async fn serve<S>(shared: Arc<Shared>, client: Client, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let (shared, client) = (Arc::clone(&shared), client.clone());
        async move { Ok::<_, Infallible>(handle(&shared, &client, request).await) }
    });
    let builder = Builder::new(TokioExecutor::new());
    let served = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(peer = %client.peer, error = %error, "gateway connection ended");
    }
}

/// TLS with the certificates of `ssls`, as they are at each handshake.
pub(crate) fn tls_acceptor(shared: Arc<Shared>, fallback: Option<String>) -> anyhow::Result<TlsAcceptor> {
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .context("tls versions")?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Resolver { shared, fallback }));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

struct Resolver {
    shared: Arc<Shared>,
    /// the name of those who send none
    fallback: Option<String>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().or(self.fallback.as_deref())?;
        self.shared.state().live.certificates.resolve(name)
    }
}
