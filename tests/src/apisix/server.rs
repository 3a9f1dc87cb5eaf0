//! Listening sockets that can go away and come back on the same port.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use futures::future::BoxFuture;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::shared::lock;

mod admin;
mod control;
mod gateway;

pub(crate) use admin::SERVER_NAME;
pub(crate) use admin::serve_admin;
pub(crate) use control::serve_control;
pub(crate) use gateway::{serve_gateway, serve_gateway_tls, tls_acceptor};

/// One accepted connection.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    /// cancelled when the listener goes down
    pub(crate) stop: CancellationToken,
}

type Serve = Arc<dyn Fn(Connection) -> BoxFuture<'static, ()> + Send + Sync>;

/// A listening socket, and what is running behind it.
pub(crate) struct Endpoint {
    address: SocketAddr,
    serve: Serve,
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: CancellationToken,
    connections: TaskTracker,
    accepting: JoinHandle<()>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Endpoint")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Binds and begins to accept.
    pub(crate) async fn bind(
        address: SocketAddr,
        serve: impl Fn(Connection) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let listener = listen(address).await?;
        let endpoint = Self {
            address: listener.local_addr().context("address of a listener")?,
            serve: Arc::new(serve),
            running: Mutex::new(None),
        };
        endpoint.run(listener);
        Ok(endpoint)
    }

    /// The address bound, with its real port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn run(&self, listener: TcpListener) {
        let stop = CancellationToken::new();
        let connections = TaskTracker::new();
        let serve = Arc::clone(&self.serve);
        let accepting = tokio::spawn(accept(listener, serve, self.address, stop.clone(), connections.clone()));
        *lock(&self.running) = Some(Running {
            stop,
            connections,
            accepting,
        });
    }

    /// Closes the socket and every connection; returns when that is done.
    pub(crate) async fn take_down(&self) {
        let running = lock(&self.running).take();
        let Some(running) = running else { return };
        running.stop.cancel();
        if let Err(error) = running.accepting.await {
            tracing::warn!(address = %self.address, error = %error, "accepting ended badly");
        }
        running.connections.close();
        running.connections.wait().await;
    }

    /// Binds the same address again; does nothing if it is up.
    pub(crate) async fn bring_up(&self) -> anyhow::Result<()> {
        if lock(&self.running).is_some() {
            return Ok(());
        }
        self.run(listen(self.address).await?);
        Ok(())
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Some(running) = lock(&self.running).take() {
            running.stop.cancel();
        }
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address}"))
}

async fn accept(
    listener: TcpListener,
    serve: Serve,
    local: SocketAddr,
    stop: CancellationToken,
    connections: TaskTracker,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(address = %local, error = %error, "connection not accepted");
                continue;
            }
        };
        let connection = Connection {
            stream,
            peer,
            local,
            stop: stop.clone(),
        };
        let served = serve(connection);
        let stop = stop.clone();
        connections.spawn(async move { stop.run_until_cancelled(served).await });
    }
}
