//! The agents: the real publisher and the real session of each, all in this process.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use hubline::model::Entry;
use hubline::tls::{Authority, Files, client_tls};
use hubline::wire::{AgentMessage, Digest, Epoch, Hello, Scope, codec};
use hubline_agent::metrics::Metrics;
use hubline_agent::output::Output;
use hubline_agent::publish::{Detail, Publisher};
use hubline_agent::session::{Backoff, Session, SessionContext, Speaker};
use hubline_agent::status::StatusBoard;
use prost::Message;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::wire::{CountedConnect, Line};
use super::world::{World, cluster, groups};

/// One agent.
struct Agent {
    publisher: Publisher,
    speaker: Speaker,
}

/// All agents. Dropping it ends their sessions.
pub(super) struct Fleet {
    agents: Vec<Agent>,
    pub(super) line: Arc<Line>,
    metrics: Metrics,
    shutdown: CancellationToken,
    sessions: TaskTracker,
}

/// Bytes of messages before compression, of all agents.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(super) struct MessageBytes {
    /// Of a hello each.
    pub(super) hellos: u64,
    /// Of a whole snapshot each.
    pub(super) snapshots: u64,
}

impl Fleet {
    /// Publishes what each agent has; no session yet.
    pub(super) fn new(world: &World) -> Result<Self> {
        let agents: Result<Vec<_>> = (0..world.agents).map(|agent| Agent::new(world, agent)).collect();
        Ok(Self {
            agents: agents?,
            line: Arc::default(),
            metrics: Metrics::default(),
            shutdown: CancellationToken::new(),
            sessions: TaskTracker::new(),
        })
    }

    /// Begins a session each, all at once.
    pub(super) fn connect(&self, hub: SocketAddr, authority: &Authority, folder: &Path) -> Result<()> {
        for (number, agent) in self.agents.iter().enumerate() {
            let files = identity(folder, authority, number)?;
            let connect = CountedConnect {
                tls: client_tls(&files, None)?,
                hub,
                line: Arc::clone(&self.line),
            };
            let context = SessionContext {
                speaker: agent.speaker.clone(),
                reader: agent.publisher.reader(),
                metrics: self.metrics.clone(),
                // All come back within a second of the hub: harder on it than the agent's own default of up to 15 s.
                backoff: Backoff::try_new(Duration::from_millis(250), Duration::from_secs(1))?,
            };
            let address = format!("localhost:{}", hub.port());
            let status = StatusBoard::new(address.clone(), self.metrics.clone());
            let session = Session::new(context, vec![address], Arc::new(connect), status);
            self.sessions.spawn(session.run(self.shutdown.clone()));
        }
        Ok(())
    }

    /// One agent's cluster changes by one resource.
    pub(super) fn change(&mut self, agent: usize, entry: Entry) -> Result<()> {
        let agent = self.agents.get_mut(agent).context("no such agent")?;
        agent.publisher.apply(Output {
            upserts: vec![entry],
            ..Output::default()
        });
        Ok(())
    }

    /// What hellos and whole snapshots are in bytes, as they would be sent now.
    pub(super) fn message_bytes(&self) -> MessageBytes {
        let size = |message: AgentMessage| codec::to_agent_wire(message).encoded_len() as u64;
        let mut bytes = MessageBytes {
            hellos: 0,
            snapshots: 0,
        };
        for agent in &self.agents {
            let reader = agent.publisher.reader();
            bytes.hellos += size(AgentMessage::Hello(agent.hello()));
            bytes.snapshots += reader.snapshot(&Scope::Everything, 0).map(size).sum::<u64>();
        }
        bytes
    }

    /// Ends all sessions.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.sessions.close();
        self.sessions.wait().await;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Agent {
    fn new(world: &World, number: usize) -> Result<Self> {
        let cluster = cluster(number)?;
        let mut publisher = Publisher::new(Epoch {
            counter: 1,
            random: number as u64 + 1,
        });
        publisher.apply(Output {
            upserts: world.resources_of(number)?,
            groups: Some(groups()),
            ..Output::default()
        });
        let speaker = Speaker {
            cluster_uid: format!("5f0c1d2e-0000-4000-8000-{number:012}"),
            instance: format!("hubline-agent-{cluster}"),
            cluster,
        };
        Ok(Self { publisher, speaker })
    }

    /// The hello of a session that begins now.
    fn hello(&self) -> Hello {
        let (inventory, _) = self.publisher.reader().inventory(&Detail::Roots);
        self.speaker.hello(inventory, Digest::default())
    }
}

fn identity(folder: &Path, authority: &Authority, agent: usize) -> Result<Files> {
    let issued = authority.issue_agent(&cluster(agent)?)?;
    super::hub::write_identity(folder, &format!("agent-{agent}"), authority, &issued)
}
