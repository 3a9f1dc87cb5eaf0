//! Connections to the hub that count what passes on the line, TLS included.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use hubline_agent::session::{Connect, ConnectError};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

/// Longest that a connection may take while a thousand others shake hands on the same two cores.
const PATIENCE: Duration = Duration::from_secs(30);

/// What passed so far.
#[derive(Debug, Default)]
pub(super) struct Line {
    sent: AtomicU64,
    received: AtomicU64,
    connections: AtomicU64,
}

/// What passed in some time.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Passed {
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    pub(super) connections: u64,
}

impl Line {
    pub(super) fn passed(&self) -> Passed {
        Passed {
            sent_bytes: self.sent.load(Ordering::Relaxed),
            received_bytes: self.received.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
        }
    }
}

impl Passed {
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            sent_bytes: self.sent_bytes - before.sent_bytes,
            received_bytes: self.received_bytes - before.received_bytes,
            connections: self.connections - before.connections,
        }
    }
}

/// mTLS over counted TCP.
#[derive(Clone)]
pub(super) struct CountedConnect {
    pub(super) tls: ClientTlsConfig,
    pub(super) hub: SocketAddr,
    pub(super) line: Arc<Line>,
}

impl std::fmt::Debug for CountedConnect {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("CountedConnect").finish_non_exhaustive()
    }
}

impl CountedConnect {
    async fn channel(&self, address: &str) -> Result<Channel, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(format!("https://{address}"))?;
        let endpoint = endpoint.tls_config(self.tls.clone())?.connect_timeout(PATIENCE);
        let (hub, line) = (self.hub, Arc::clone(&self.line));
        let dial = move |_| dial(hub, Arc::clone(&line));
        endpoint.connect_with_connector(tower::service_fn(dial)).await
    }
}

async fn dial(hub: SocketAddr, line: Arc<Line>) -> io::Result<TokioIo<Counted>> {
    let stream = TcpStream::connect(hub).await?;
    stream.set_nodelay(true)?;
    line.connections.fetch_add(1, Ordering::Relaxed);
    Ok(TokioIo::new(Counted { stream, line }))
}

#[async_trait]
impl Connect for CountedConnect {
    async fn connect(&self, address: &str) -> Result<Channel, ConnectError> {
        let connected = tokio::time::timeout(PATIENCE, self.channel(address)).await;
        let problem = match connected {
            Ok(Ok(channel)) => return Ok(channel),
            Ok(Err(error)) => format!("{error:?}"),
            Err(elapsed) => elapsed.to_string(),
        };
        let address = address.to_owned();
        Err(ConnectError::Unreachable { address, problem })
    }
}

struct Counted {
    stream: TcpStream,
    line: Arc<Line>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = to.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, to);
        let count = to.filled().len() - before;
        self.line.received.fetch_add(count as u64, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, from);
        if let Poll::Ready(Ok(count)) = &written {
            self.line.sent.fetch_add(*count as u64, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
