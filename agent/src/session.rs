//! Sessions: one task per hub, each with its own cursor, reconnecting for ever.
//!
//! A session reads what is published and tells one hub what it lacks; a hub that is slow, gone or superseding holds up
//! nobody else. Deliberately absent: what is published (see [`crate::publish`]) and who may publish ([`crate::lease`]).

mod connect;
mod dialogue;
mod exchange;
mod recover;
mod succession;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hubline::wire::AgentMessage;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tracing::{info, warn};

use crate::metrics::Metrics;
use crate::publish::{Reader, Version};
use crate::status::StatusBoard;
pub use connect::{Connect, ConnectError, TlsConnect};
use dialogue::Dialogue;
pub use dialogue::Speaker;
use exchange::{Exchange, Stream};
pub use recover::{Backoff, BackoffError, Retry, SessionError};

/// A session that lived this long starts its delays anew: twice the longest delay, so that a hub which takes sessions
/// and drops them at once is still backed off from.
const STABLE: Duration = Duration::from_secs(30);

/// What a session needs.
#[derive(Debug)]
pub struct Session {
    addresses: Vec<String>,
    speaker: Speaker,
    reader: Reader,
    connect: Arc<dyn Connect>,
    status: StatusBoard,
    metrics: Metrics,
    backoff: Backoff,
    connected: AtomicBool,
}

/// A stream whose hello is said.
#[derive(Debug)]
struct Opened {
    dialogue: Dialogue,
    stream: Stream,
    versions: watch::Receiver<Version>,
}

/// What all sessions of an agent share.
#[derive(Debug, Clone)]
pub struct SessionContext {
    /// Who speaks.
    pub speaker: Speaker,
    /// What is published.
    pub reader: Reader,
    /// Counters.
    pub metrics: Metrics,
    /// Delays between sessions.
    pub backoff: Backoff,
}

impl Session {
    /// A session to the hub at `addresses`, tried in this order; none is an error of configuration, refused there.
    #[must_use]
    pub fn new(
        context: SessionContext,
        addresses: Vec<String>,
        connect: Arc<dyn Connect>,
        status: StatusBoard,
    ) -> Self {
        Self {
            addresses,
            speaker: context.speaker,
            reader: context.reader,
            connect,
            status,
            metrics: context.metrics,
            backoff: context.backoff,
            connected: AtomicBool::new(false),
        }
    }

    /// Keeps a session until `shutdown`; returns only then.
    pub async fn run(self, shutdown: CancellationToken) {
        let (mut failures, mut ended) = (0, 0);
        loop {
            let began = Instant::now();
            let stopped = shutdown.run_until_cancelled(self.once()).await;
            let welcomed = self.connected.swap(false, Ordering::Relaxed);
            self.metrics.connected(self.name(), false);
            let Some(error) = stopped else {
                return;
            };
            let stable = welcomed && began.elapsed() >= STABLE;
            failures = if stable { 1 } else { u32::saturating_add(failures, 1) };
            ended += 1;
            let pause = self.pause(&error, failures, self.chance(ended));
            if shutdown.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    /// One stream after the other as certificates are renewed, until one fails.
    async fn once(&self) -> SessionError {
        match self.open().await {
            Ok(opened) => self.succeed(opened).await,
            Err(error) => error,
        }
    }

    /// A stream on the first address that can be reached.
    async fn open(&self) -> Result<Opened, SessionError> {
        let mut last = SessionError::Closed;
        for address in &self.addresses {
            match self.connect.connect(address).await {
                Ok(channel) => return self.talk(channel).await,
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    async fn talk(&self, channel: Channel) -> Result<Opened, SessionError> {
        let versions = self.reader.versions();
        let (dialogue, hello) = Dialogue::open(self.reader.clone(), &self.speaker, self.status.open());
        let stream = Stream::open(channel, hello).await?;
        Ok(Opened {
            dialogue,
            stream,
            versions,
        })
    }

    fn exchange(&self, opened: Opened) -> Exchange<'_> {
        Exchange {
            session: self,
            dialogue: opened.dialogue,
            stream: opened.stream,
            versions: opened.versions,
        }
    }

    /// Says why a session ended, and waits as long as [`SessionError::retry`] wants it.
    async fn pause(&self, error: &SessionError, failures: u32, chance: f64) {
        self.metrics.reconnects(self.name(), error.reason());
        let (delay, until_newer) = match error.retry() {
            Retry::AtOnce => (Duration::ZERO, false),
            Retry::Backoff => (self.backoff.delay(failures, chance), false),
            Retry::Slowly => (recover::long_delay(chance), false),
            Retry::StandBy => (recover::long_delay(chance), true),
        };
        if error.retry() == Retry::AtOnce {
            info!(hub = %self.name(), %error, "session begins anew");
        } else {
            warn!(hub = %self.name(), reason = error.reason(), %error, retry_in = ?delay, "session ended");
        }
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = self.newer_epoch(), if until_newer => {}
            // What was refused may be let in now.
            () = self.connect.renewed() => {}
        }
    }

    /// Between 0 and 1, another for each session that ended: made from the random part of the epoch, in which agents
    /// differ, so that whoever knows it can have the same again.
    fn chance(&self, ended: u64) -> f64 {
        let seed = self.reader.version().epoch.random;
        StdRng::seed_from_u64(seed.wrapping_add(ended)).random()
    }

    /// Returns when this agent has won its lease anew.
    async fn newer_epoch(&self) {
        let mut versions = self.reader.versions();
        let now = versions.borrow().epoch.counter;
        if versions.wait_for(|version| version.epoch.counter > now).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn welcomed(&self) {
        self.connected.store(true, Ordering::Relaxed);
        self.metrics.connected(self.name(), true);
    }

    /// Counts the bytes of a message's resources.
    fn count(&self, message: &AgentMessage) -> u64 {
        let resources = match message {
            AgentMessage::SnapshotPart(resources) => resources,
            AgentMessage::Delta(delta) => &delta.upserts,
            _ => return 0,
        };
        let bytes = resources.iter().map(|it| it.bytes().len() as u64).sum();
        self.metrics.sent(self.name(), bytes);
        bytes
    }

    /// The hub's first address, by which people know it.
    fn name(&self) -> &str {
        self.addresses.first().map_or("", String::as_str)
    }
}
