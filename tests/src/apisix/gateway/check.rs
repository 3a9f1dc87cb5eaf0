//! Looks after the nodes of upstreams that have `checks`: connects, and asks where more than a
//! connection is wanted.
//!
//! Checks begin some time after an upstream's first request and end with the upstream, which each
//! write replaces, so that what was found is forgotten. An `https` check that verifies certificates
//! trusts none, as an APISIX that was given no authority: it sends no client certificate either.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::StreamExt;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_rustls::TlsConnector;

use super::connect::unverified;
use crate::apisix::live::checks::{CheckKind, Checks};
use crate::apisix::live::health::Finding;
use crate::apisix::live::upstream::{Node, Upstream};

/// APISIX looks for new upstreams once a second; a node that is dead was seen tried for 0.5 to 1 s
/// after its upstream had changed.
const BEGIN_AFTER: Duration = Duration::from_millis(500);

/// A status line is much shorter.
const LONGEST_LINE: u64 = 1024;

/// Begins the checks of an upstream, unless it has none or they have begun.
pub(super) fn begin(upstream: &Arc<Upstream>, changes: watch::Sender<u64>) {
    let Some((checks, stop)) = upstream.ask_for_checks() else {
        return;
    };
    let checker = Checker {
        upstream: Arc::downgrade(upstream),
        checks,
        changes,
    };
    tokio::spawn(async move { stop.run_until_cancelled(checker.run()).await });
}

/// Checks one upstream, and holds it only while it writes down what it found.
struct Checker {
    upstream: Weak<Upstream>,
    checks: Checks,
    changes: watch::Sender<u64>,
}

impl Checker {
    async fn run(&self) {
        sleep(BEGIN_AFTER).await;
        if let Some(upstream) = self.upstream.upgrade() {
            upstream.checks_began();
            self.changed();
        }
        tokio::join!(
            self.rounds(self.checks.while_up, true),
            self.rounds(self.checks.while_down, false),
        );
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Looks at the nodes that are up, or at those that are down, again and again.
    async fn rounds(&self, every: Option<Duration>, up: bool) {
        let Some(every) = every else { return };
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let nodes = self.upstream.upgrade().map(|upstream| upstream.nodes_that_are(up));
            let Some(nodes) = nodes else { return };
            let looks = futures::stream::iter(nodes);
            looks
                .for_each_concurrent(self.checks.concurrency, |node| self.look(node))
                .await;
        }
    }

    async fn look(&self, node: Node) {
        let finding = match timeout(self.checks.timeout, ask(&self.checks, &node)).await {
            Ok(Ok(finding)) => finding,
            Ok(Err(error)) => {
                tracing::trace!(node = %node.host, port = node.port, error = %error, "check failed");
                Finding::TcpFailure
            }
            Err(_) => Finding::Timeout,
        };
        let upstream = self.upstream.upgrade();
        if upstream.is_some_and(|upstream| upstream.learn_actively(&node, finding)) {
            tracing::debug!(node = %node.host, port = node.port, ?finding, "a node went up or down by a check");
            self.changed();
        }
    }
}

async fn ask(checks: &Checks, node: &Node) -> io::Result<Finding> {
    let address = (node.host.as_str(), checks.port.unwrap_or(node.port));
    let stream = TcpStream::connect(address).await?;
    match checks.kind {
        CheckKind::Tcp => Ok(Finding::Success),
        CheckKind::Http => status(stream, checks, node).await,
        CheckKind::Https if checks.verify_certificate => Err(io::Error::other("no authority is trusted")),
        CheckKind::Https => {
            let name = ServerName::try_from(host(checks, node).to_owned()).map_err(io::Error::other)?;
            let connector = TlsConnector::from(Arc::new(unverified()?));
            status(connector.connect(name, stream).await?, checks, node).await
        }
    }
}

fn host<'a>(checks: &'a Checks, node: &'a Node) -> &'a str {
    checks.host.as_deref().unwrap_or(&node.host)
}

async fn status<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, checks: &Checks, node: &Node) -> io::Result<Finding> {
    let mut request = format!("GET {} HTTP/1.0\r\nHost: {}\r\n", checks.path, host(checks, node));
    for header in &checks.request_headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST_LINE)).read_line(&mut line).await?;
    let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    status
        .map(Finding::Status)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}
