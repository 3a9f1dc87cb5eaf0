//! The echo port: how the hub finds out over each path whether it reaches this cluster, and that it is this one.
//!
//! HTTP/1.1 without TLS. Below `/hubline/echo` it answers with the cluster's name and the last segment of the path, so
//! that an answer cannot come from a cache or from another cluster. Requests may be pipelined on one kept connection.
//! It says nothing else, reads no bodies, and runs in every replica, whether or not it holds the Lease.

mod addresses;
mod answer;
mod connections;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::http::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use hubline::model::ClusterId;

pub use addresses::reached_at;
use connections::{Connections, Use};

/// How much is taken from others: whoever reaches a pod reaches this port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. Each hub keeps one a path, and APISIX some a worker.
    pub connections: usize,
    /// How long a connection may ask nothing. A hub asks at least every 18 s (15 s and its jitter).
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            idle: Duration::from_secs(60),
        }
    }
}

/// Headers of a request: what a proxy on the way may add, many times over.
const MAX_HEADERS: usize = 64;

/// Bytes of a request's head and of requests that wait: the least that hyper allows.
const MAX_BUFFER: usize = 8 * 1024;

/// How long those who are being answered have when the agent ends.
const GRACE: Duration = Duration::from_secs(1);

/// How long to wait when the system refuses to accept (as when file descriptors run out), so as not to spin.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers for `cluster` until `shutdown`.
pub async fn serve(listener: TcpListener, cluster: ClusterId, limits: Limits, shutdown: CancellationToken) {
    let Ok(name) = HeaderValue::from_str(cluster.as_str()) else {
        // A DNS label always is one.
        return;
    };
    let mut connections = Connections::new(limits.connections);
    let closing = CancellationToken::new();
    while let Some(accepted) = shutdown.run_until_cancelled(next(&listener, &mut connections)).await {
        match accepted {
            Ok(stream) => {
                connections.begin(|used| talk(stream, name.clone(), limits.idle, used, closing.clone()));
            }
            Err(error) => {
                warn!(%error, "a connection to the echo port could not be accepted");
                connections.give_way();
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    closing.cancel();
    if tokio::time::timeout(GRACE, connections.all_ended()).await.is_err() {
        debug!("connections of the echo port were cut");
    }
}

async fn next(listener: &TcpListener, connections: &mut Connections) -> std::io::Result<TcpStream> {
    loop {
        tokio::select! {
            () = connections.ended() => {}
            accepted = listener.accept() => return accepted.map(|(stream, _)| stream),
        }
    }
}

async fn talk(stream: TcpStream, cluster: HeaderValue, idle: Duration, used: Use, closing: CancellationToken) {
    // An answer must not wait for the acknowledgement of the one before.
    stream.set_nodelay(true).ok();
    let service = service_fn(|request| {
        used.now();
        let answer = answer::answer(&request, &cluster);
        async { Ok::<_, std::convert::Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // hyper counts from the end of the answer before, so that it is the limit of idleness too.
        .header_read_timeout(idle)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_BUFFER)
        .auto_date_header(false)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection of the echo port ended");
    }
}
