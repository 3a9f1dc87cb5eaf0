//! Connections: TLS with the agent's certificate, and who it is.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt};
use hubline::model::ClusterId;
use hubline::tls::{IdentityError, cluster_of_certificate};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use super::Ingest;
use crate::cluster::CloseReason;

/// How long a handshake may take: as long as a hello.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Streams of one connection: an agent has one, and for a moment a second while it reconnects.
const STREAMS: u32 = 4;

/// Accepted connections that wait for the server: it takes them at once.
const ACCEPTED: usize = 16;

/// How long to wait when the system refuses to accept (as when file descriptors run out), so as not to spin.
const PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The cluster that its certificate is for.
    pub cluster: Result<ClusterId, IdentityError>,
    /// From where it comes, for people.
    pub address: String,
}

/// A connection whose peer is known.
#[derive(Debug)]
pub struct Connection<IO> {
    io: IO,
    peer: Peer,
    _place: Option<OwnedSemaphorePermit>,
}

/// Why the server stopped.
#[derive(Debug, thiserror::Error)]
#[error("the agents' listener stopped: {0}")]
pub struct ServeError(#[from] tonic::transport::Error);

impl<IO> Connection<IO> {
    /// Takes a connection whose peer was identified by other means: in-process tests have no TLS.
    pub fn identified(io: IO, peer: Peer) -> Self {
        Self { io, peer, _place: None }
    }
}

/// Serves agents on a listener until `shutdown`; then tells every session, and waits until all are gone.
/// Each new connection takes the newest `tls`, so that renewed certificates need no restart.
///
/// # Errors
/// [`ServeError`] when the server fails as a whole.
pub async fn serve(
    listener: TcpListener,
    tls: watch::Receiver<Arc<ServerConfig>>,
    service: Ingest,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let (accepted, connections) = mpsc::channel(ACCEPTED);
    let settings = &service.0.settings;
    let acceptor = Acceptor {
        tls,
        handshakes: Arc::new(Semaphore::new(settings.max_handshakes)),
        // A connection has one session; as many again may be between handshake and hello.
        places: Arc::new(Semaphore::new(settings.max_sessions.saturating_mul(2))),
        accepted,
    };
    let accepting = tokio::spawn(acceptor.run(listener, shutdown.clone()));
    let served = serve_connections(ReceiverStream::new(connections), service, shutdown).await;
    accepting.abort();
    served
}

/// Serves agents on connections that are there already.
///
/// # Errors
/// [`ServeError`] when the server fails as a whole.
pub async fn serve_connections<IO, S>(
    connections: S,
    service: Ingest,
    shutdown: CancellationToken,
) -> Result<(), ServeError>
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Stream<Item = Connection<IO>> + Send + 'static,
{
    let sessions = Arc::clone(&service.0.sessions);
    let stopped = async move {
        shutdown.cancelled().await;
        sessions.close_all(&CloseReason::Stopping);
    };
    let connections = connections.map(Ok::<_, std::io::Error>);
    Server::builder()
        .max_concurrent_streams(STREAMS)
        // Finds connections that died without a word and have no stream whose heartbeats would be missed.
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_service(service.server())
        .serve_with_incoming_shutdown(connections, stopped)
        .await?;
    Ok(())
}

#[derive(Clone)]
struct Acceptor {
    tls: watch::Receiver<Arc<ServerConfig>>,
    handshakes: Arc<Semaphore>,
    places: Arc<Semaphore>,
    accepted: mpsc::Sender<Connection<TlsStream<TcpStream>>>,
}

impl Acceptor {
    async fn run(self, listener: TcpListener, shutdown: CancellationToken) {
        while let Some(place) = self.place(&shutdown).await {
            let Ok(handshake) = Arc::clone(&self.handshakes).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, address)) => {
                    let shaking = self.clone().shake(stream, address, place);
                    tokio::spawn(async move {
                        shaking.await;
                        drop(handshake);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Waits for room: what is not accepted waits in the system's own bounded queue.
    async fn place(&self, shutdown: &CancellationToken) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            () = shutdown.cancelled() => None,
            place = Arc::clone(&self.places).acquire_owned() => place.ok(),
        }
    }

    async fn shake(self, stream: TcpStream, address: SocketAddr, place: OwnedSemaphorePermit) {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.tls.borrow()));
        // Small messages (heartbeats, acks) must not wait for each other.
        stream.set_nodelay(true).ok();
        match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(io)) => {
                let peer = Peer {
                    cluster: identify(&io),
                    address: address.to_string(),
                };
                let connection = Connection {
                    io,
                    peer,
                    _place: Some(place),
                };
                self.accepted.send(connection).await.ok();
            }
            Ok(Err(error)) => tracing::warn!(%address, %error, "tls handshake failed"),
            Err(_) => tracing::warn!(%address, seconds = HANDSHAKE.as_secs(), "tls handshake took too long"),
        }
    }
}

fn identify(io: &TlsStream<TcpStream>) -> Result<ClusterId, IdentityError> {
    let (_, session) = io.get_ref();
    let leaf = session.peer_certificates().and_then(|chain| chain.first());
    cluster_of_certificate(leaf.map_or(&[][..], |leaf| leaf.as_ref()))
}

impl<IO> Connected for Connection<IO> {
    type ConnectInfo = Peer;
    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Connection<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, to)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Connection<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, from)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
