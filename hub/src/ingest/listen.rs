//! Connections: TLS with the agent's certificate, and who it is.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt};
use hubline::model::ClusterId;
use hubline::tls::{IdentityError, ServerSide, cluster_of_certificate};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use super::handshakes::Handshakes;
use super::proof::Proof;
use super::pulse::Pulse;
use super::{Ingest, IngestMetrics};
use crate::cluster::CloseReason;

/// How long a handshake may take. An agent gives up after 10 s; here it only has to end, since places are bounded and
/// given away, and a hub that a thousand agents wait for must not cut those whose turn comes late.
const HANDSHAKE: Duration = Duration::from_secs(60);

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

/// A peer with what is known of its connection.
#[derive(Debug, Clone)]
pub struct Introduction {
    pub(super) peer: Peer,
    /// None without TLS.
    pub(super) proof: Option<Proof>,
    pub(super) pulse: Pulse,
}

/// A connection whose peer is known.
#[derive(Debug)]
pub struct Connection<IO> {
    io: IO,
    introduction: Introduction,
    _place: Option<OwnedSemaphorePermit>,
}

/// Why the server stopped.
#[derive(Debug, thiserror::Error)]
#[error("the agents' listener stopped: {0}")]
pub struct ServeError(#[from] tonic::transport::Error);

impl<IO> Connection<IO> {
    /// Takes a connection whose peer was identified by other means: in-process tests have no TLS.
    pub fn identified(io: IO, peer: Peer) -> Self {
        let introduction = Introduction {
            peer,
            proof: None,
            pulse: Pulse::default(),
        };
        Self {
            io,
            introduction,
            _place: None,
        }
    }
}

/// Serves agents on a listener until `shutdown`; then tells every session, and waits until all are gone.
/// Each new connection takes the newest `tls`, and a session ends that it would no longer let in.
///
/// # Errors
/// [`ServeError`] when the server fails as a whole.
pub async fn serve(
    listener: TcpListener,
    tls: watch::Receiver<Arc<ServerSide>>,
    service: Ingest,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let (accepted, connections) = mpsc::channel(ACCEPTED);
    let settings = &service.0.settings;
    let acceptor = Acceptor {
        tls,
        // A connection has one session; as many again may be between handshake and hello.
        places: Arc::new(Semaphore::new(settings.max_sessions.saturating_mul(2))),
        accepted,
        metrics: service.0.metrics.clone(),
    };
    let handshakes = Handshakes::new(settings.max_handshakes);
    let stopped = shutdown.clone();
    let accepting = tokio::spawn(async move {
        stopped.run_until_cancelled(acceptor.run(listener, handshakes)).await;
    });
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
    tls: watch::Receiver<Arc<ServerSide>>,
    places: Arc<Semaphore>,
    accepted: mpsc::Sender<Connection<TlsStream<TcpStream>>>,
    metrics: IngestMetrics,
}

impl Acceptor {
    /// Until it is dropped: the system's own queue has 1,024 places, and must not fill.
    async fn run(self, listener: TcpListener, mut handshakes: Handshakes) {
        loop {
            tokio::select! {
                () = handshakes.ended() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, address)) => {
                        let shaking = self.clone().shake(stream, address);
                        if handshakes.begin(address.ip(), shaking) {
                            self.metrics.handshake("gave_way");
                        }
                    }
                    Err(error) => self.cannot_accept(&error, &mut handshakes).await,
                },
            }
        }
    }

    /// As when file descriptors run out: those of strangers are given back first.
    async fn cannot_accept(&self, error: &std::io::Error, handshakes: &mut Handshakes) {
        tracing::warn!(%error, "a connection could not be accepted");
        if handshakes.give_way() {
            self.metrics.handshake("gave_way");
        }
        tokio::time::sleep(PAUSE).await;
    }

    async fn shake(self, stream: TcpStream, address: SocketAddr) {
        // Small messages (heartbeats, acks) must not wait for each other.
        stream.set_nodelay(true).ok();
        let mut tls = self.tls.clone();
        let acceptor = TlsAcceptor::from(tls.borrow_and_update().config());
        let result = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(io)) => self.introduce(io, address, tls).await,
            Ok(Err(error)) => {
                tracing::warn!(%address, %error, "tls handshake failed");
                "failed"
            }
            Err(_) => {
                tracing::warn!(%address, seconds = HANDSHAKE.as_secs(), "tls handshake took too long");
                "timeout"
            }
        };
        self.metrics.handshake(result);
    }

    /// Only who has a certificate takes a place.
    async fn introduce(
        &self,
        io: TlsStream<TcpStream>,
        address: SocketAddr,
        tls: watch::Receiver<Arc<ServerSide>>,
    ) -> &'static str {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            tracing::warn!(%address, "connection refused: there are as many as the hub takes");
            return "refused";
        };
        let chain = io.get_ref().1.peer_certificates().unwrap_or_default();
        let peer = Peer {
            cluster: identify(chain),
            address: address.to_string(),
        };
        let introduction = Introduction {
            peer,
            proof: Some(Proof::new(chain, tls)),
            pulse: Pulse::default(),
        };
        let connection = Connection {
            io,
            introduction,
            _place: Some(place),
        };
        self.accepted.send(connection).await.ok();
        "ok"
    }
}

fn identify(chain: &[CertificateDer<'_>]) -> Result<ClusterId, IdentityError> {
    cluster_of_certificate(chain.first().map_or(&[][..], |leaf| leaf.as_ref()))
}

impl<IO> Connected for Connection<IO> {
    type ConnectInfo = Introduction;
    fn connect_info(&self) -> Introduction {
        self.introduction.clone()
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Connection<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = to.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, to);
        self.introduction.pulse.came(to.filled().len() - before);
        read
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
