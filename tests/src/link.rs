//! A TCP link that can be cut, delayed, slowed and made lossy: a proxy from one port to one
//! upstream. Links that share their fate are a [`Line`].
//!
//! What it cannot imitate: the proxy's own kernel acknowledges what a client sends until its
//! buffers are full, and it accepts before the upstream does, so a delay acts on data and not on
//! the handshake. A [`Link::cut_black_hole`] does stop handshakes.

mod carry;
mod line;
mod loss;
mod port;
mod settings;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::ports::free_port_on;
use loss::{Handshakes, Loss};
use port::Port;
use settings::{Counts, Settings, Shared};

pub use line::Line;
pub use settings::Counters;

/// A link between whoever connects to [`Link::address`] and the upstream. Gone when dropped.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    settings: watch::Sender<Settings>,
    counts: Arc<Counts>,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

/// How a link treats those who connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    BlackHole,
    Refusing,
}

/// A change of the port, answered when it is in force.
#[derive(Debug)]
struct Command {
    state: State,
    done: oneshot::Sender<io::Result<()>>,
}

impl Link {
    /// Opens a link from `listen` (port 0 picks one) to `upstream`, which is connected to anew for
    /// each connection.
    ///
    /// # Errors
    /// When `listen` cannot be bound.
    pub async fn start(mut listen: SocketAddr, upstream: SocketAddr) -> io::Result<Self> {
        if listen.port() == 0 {
            // Below the ephemeral ports, where nobody takes it during a cut.
            listen.set_port(free_port_on(listen.ip())?);
        }
        let port = Port::open(listen)?;
        let (settings, observed) = watch::channel(Settings::default());
        let counts = Arc::new(Counts::default());
        let shared = Shared::new(upstream, observed, counts.clone());
        // Each command is waited for, so that more than one is rare.
        let (commands, received) = mpsc::channel(1);
        Ok(Self {
            address: listen,
            settings,
            counts,
            commands,
            task: tokio::spawn(run(port, shared, received)),
        })
    }

    /// Where it listens; the same over cuts.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on connects time out, and no data moves on existing connections, in either
    /// direction, without their being closed.
    ///
    /// # Errors
    /// When the socket refuses.
    pub async fn cut_black_hole(&self) -> io::Result<()> {
        self.settings.send_modify(|settings| settings.moving = false);
        self.set_state(State::BlackHole).await
    }

    /// From now on connects are refused; existing connections are reset.
    ///
    /// # Errors
    /// When the socket refuses.
    pub async fn cut_refuse(&self) -> io::Result<()> {
        self.drop_connections();
        self.set_state(State::Refusing).await
    }

    /// Ends a cut and [`Link::stop_reading`]; delay, limit and loss stay. After a black hole, the
    /// connections that were there go on with what was on the way.
    ///
    /// # Errors
    /// When the port cannot be listened on again.
    pub async fn restore(&self) -> io::Result<()> {
        self.set_state(State::Open).await?;
        self.settings.send_modify(|settings| {
            settings.moving = true;
            settings.reading = true;
        });
        Ok(())
    }

    /// Delays data by so much each way; zero for none.
    pub fn delay(&self, each_way: Duration) {
        self.settings.send_modify(|settings| settings.delay = each_way);
    }

    /// From now on loses this share of what is sent, and does to TCP what that does: a handshake
    /// that is lost is tried again by the client's kernel (after 1 s, 3 s, and so on), data arrives
    /// late, by as many retransmission timeouts as it takes. The same `seed` has the same luck.
    /// With a share of 0 nothing is lost any more.
    pub fn lose(&self, share: f64, seed: u64) {
        let loss = Loss::new(share, seed);
        self.settings.send_modify(|settings| settings.loss = loss);
    }

    /// Lets so many bytes per second through each way, over all connections together.
    pub fn limit(&self, bytes_per_second: Option<NonZeroU64>) {
        self.settings.send_modify(|settings| settings.limit = bytes_per_second);
    }

    /// Reads nothing more from either side, so that senders feel back-pressure as soon as the
    /// kernel's buffers are full; ended by [`Link::restore`].
    pub fn stop_reading(&self) {
        self.settings.send_modify(|settings| settings.reading = false);
    }

    /// Resets all connections that are there; new ones are welcome.
    pub fn drop_connections(&self) {
        self.settings.send_modify(|settings| settings.generation += 1);
    }

    /// What has passed so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counts.read()
    }

    async fn set_state(&self, state: State) -> io::Result<()> {
        let (done, answer) = oneshot::channel();
        let sent = self.commands.send(Command { state, done }).await;
        sent.map_err(|_| io::Error::other("the link has ended"))?;
        answer.await.map_err(io::Error::other)?
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Owns the port and all connections, which end with this task.
async fn run(mut port: Port, shared: Shared, mut commands: mpsc::Receiver<Command>) {
    let mut connections = JoinSet::new();
    let mut handshakes = Handshakes::new(shared.settings.clone());
    let mut ordered = State::Open;
    loop {
        tokio::select! {
            Some(Command { state, done }) = commands.recv() => {
                ordered = state;
                handshakes.begin_anew();
                // Who asked may have given up waiting.
                done.send(port.change(state).await).ok();
            }
            state = handshakes.next(), if ordered == State::Open => {
                if let Err(error) = port.change(state).await {
                    tracing::warn!(error = %error, "a lossy port did not change");
                }
            }
            client = port.accept() => {
                connections.spawn(carry::connection(client, shared.clone()));
            }
            Some(_) = connections.join_next() => {}
            else => return,
        }
    }
}

#[cfg(test)]
mod tests;
