//! The lines between clusters and hub, who listens, and what becomes of connections when a process ends.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hubline::model::ClusterId;
use hubline_agent::session::{Connect, ConnectError};
use hubline_hub::ingest::{Connection, Peer};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tonic::transport::{Channel, Endpoint};

use crate::chance::Chance;
use crate::life::Life;
use crate::lock;
use crate::log::Log;
use crate::stream::{self, Line, Pipe, Quality, Stream};

/// As long as an agent waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections that wait to be accepted.
pub(crate) const BACKLOG: usize = 16;

/// All lines; cloning shares.
#[derive(Debug, Clone)]
pub(crate) struct Network(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    lines: BTreeMap<ClusterId, Arc<Mutex<Line>>>,
    listener: Option<(Life, mpsc::Sender<Connection<Stream>>)>,
    open: Vec<Open>,
    log: Log,
    connections: u64,
}

/// A connection: agent, hub, both directions.
type Open = (Life, Life, [std::sync::Weak<Mutex<Pipe>>; 2]);

/// What others see of the end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// Its system lives on and resets its connections.
    Reset,
    /// Its machine is gone: nobody says anything.
    Silence,
}

impl Network {
    pub(crate) fn new(clusters: &[ClusterId], chance: &mut Chance, log: &Log) -> Self {
        let line = |cluster: &ClusterId| {
            let mut chance = chance.fork(cluster.as_str());
            let line = Line {
                quality: good(&mut chance),
                chance,
                pipes: Vec::new(),
                carried: 0,
            };
            (cluster.clone(), Arc::new(Mutex::new(line)))
        };
        Self(Arc::new(Mutex::new(State {
            lines: clusters.iter().map(line).collect(),
            listener: None,
            open: Vec::new(),
            log: log.clone(),
            connections: 0,
        })))
    }

    /// The hub takes connections from now on.
    pub(crate) fn listen(&self, hub: &Life) -> mpsc::Receiver<Connection<Stream>> {
        let (accepted, connections) = mpsc::channel(BACKLOG);
        lock(&self.0).listener = Some((hub.clone(), accepted));
        connections
    }

    /// How many connections there ever were.
    pub(crate) fn connections(&self) -> u64 {
        lock(&self.0).connections
    }

    /// Of all that agents sent.
    pub(crate) fn carried(&self) -> Vec<u64> {
        let state = lock(&self.0);
        state.lines.values().map(|line| lock(line).carried).collect()
    }

    /// Changes a line; what waits at its ends looks again.
    pub(crate) fn change(&self, cluster: &ClusterId, change: impl FnOnce(&mut Quality)) {
        let line = Arc::clone(&lock(&self.0).lines[cluster]);
        let mut line = lock(&line);
        change(&mut line.quality);
        let pipes = line.pipes();
        drop(line);
        for pipe in pipes {
            lock(&pipe).wake();
        }
    }

    /// A line as good as it was at the beginning.
    pub(crate) fn mend(&self, cluster: &ClusterId) {
        self.change(cluster, |line| *line = good(&mut Chance::new(0)));
    }

    /// Ends connections of a line: at both ends, or with only one of them knowing.
    pub(crate) fn reset(&self, cluster: &ClusterId, half_open: bool) {
        let line = Arc::clone(&lock(&self.0).lines[cluster]);
        let pipes = lock(&line).pipes();
        for (at, pipe) in pipes.iter().enumerate() {
            // Pipes lie in pairs, up and down: whoever reads the one that goes down is the agent.
            if !half_open || at % 2 == 1 {
                lock(pipe).break_off();
            }
        }
    }

    /// What the connections of a process that is over look like to others.
    pub(crate) fn bury(&self, life: &Life, farewell: Farewell) {
        let mut state = lock(&self.0);
        if state.listener.as_ref().is_some_and(|(hub, _)| hub.is(life)) {
            state.listener = None;
        }
        let all = std::mem::take(&mut state.open);
        let (gone, rest): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|(one, other, _)| one.is(life) || other.is(life));
        state.open = rest;
        drop(state);
        for pipe in gone
            .iter()
            .flat_map(|(_, _, pipes)| pipes)
            .filter_map(std::sync::Weak::upgrade)
        {
            match farewell {
                Farewell::Reset => lock(&pipe).break_off(),
                Farewell::Silence => lock(&pipe).wake(),
            }
        }
    }

    async fn dial(&self, cluster: &ClusterId, agent: &Life) -> io::Result<Stream> {
        let line = Arc::clone(&lock(&self.0).lines[cluster]);
        let quality = lock(&line).quality;
        sleep(quality.latency * 2).await;
        if quality.cut || lock(&line).quality.cut {
            sleep(PATIENCE).await;
            return Err(io::ErrorKind::TimedOut.into());
        }
        let Some((hub, accepted)) = lock(&self.0).listener.clone() else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let (ours, theirs) = stream::connect(&line, agent, &hub);
        let address = {
            let mut state = lock(&self.0);
            state.connections += 1;
            state
                .open
                .retain(|(_, _, pipes)| pipes.iter().any(|pipe| pipe.strong_count() > 0));
            state.open.push((agent.clone(), hub.clone(), ours.pipes()));
            format!("{}#{}", agent.name(), state.connections)
        };
        lock(&self.0)
            .log
            .say(format_args!("connection {address} to {}", hub.name()));
        let peer = Peer {
            cluster: Ok(cluster.clone()),
            address,
        };
        let accepted = accepted.send(Connection::identified(theirs, peer)).await;
        accepted.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(ours)
    }

    /// The way of one agent to the hub.
    pub(crate) fn way(&self, cluster: &ClusterId, agent: &Life) -> Way {
        Way {
            network: self.clone(),
            cluster: cluster.clone(),
            agent: agent.clone(),
        }
    }
}

fn good(chance: &mut Chance) -> Quality {
    Quality {
        latency: chance.millis(0..=20),
        jitter: chance.between(0..=5),
        bandwidth: 10_000_000,
        cut: false,
    }
}

/// See [`Network::way`].
#[derive(Debug)]
pub(crate) struct Way {
    network: Network,
    cluster: ClusterId,
    agent: Life,
}

#[async_trait]
impl Connect for Way {
    async fn connect(&self, address: &str) -> Result<Channel, ConnectError> {
        if self.agent.is_over() {
            std::future::pending::<()>().await;
        }
        let unreachable = |problem: String| ConnectError::Unreachable {
            address: address.to_owned(),
            problem,
        };
        let dialled = self.network.dial(&self.cluster, &self.agent).await;
        let mut stream = Some(dialled.map_err(|error| unreachable(error.to_string()))?);
        let connector = tower::service_fn(move |_| {
            let stream = stream.take().map(TokioIo::new);
            async move { stream.ok_or_else(|| io::Error::other("only once")) }
        });
        let endpoint = Endpoint::from_static("http://hub");
        match tokio::time::timeout(PATIENCE, endpoint.connect_with_connector(connector)).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) => Err(unreachable(error.to_string())),
            Err(elapsed) => Err(unreachable(elapsed.to_string())),
        }
    }
}
