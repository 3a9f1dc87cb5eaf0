//! What dies within a cluster is not its line.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use hubline_sandbox::echo::EchoBackend;
use hubline_sandbox::failover::{Apps, Room};
use hubline_sandbox::link::Line;
use hubline_sandbox::system::{EchoPort, Source};
use libtest_mimic::Trial;
use serde_json::json;

use super::world::{World, with_gateway};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "failover::what_dies_in_a_cluster_switches_nothing",
        what_dies_in_a_cluster_switches_nothing,
    )]
}

const APPS: Apps<'_> = Apps {
    name: "app",
    count: 1,
    pods: 0,
};

/// Rounds that are looked at after each death: four times as many as take a path down.
const ROUNDS: u64 = 12;

fn pod(last: u8) -> String {
    format!("10.90.31.{last}")
}

fn socket(last: u8, port: u16) -> Result<SocketAddr> {
    Ok(format!("{}:{port}", pod(last)).parse()?)
}

/// Pods and agent without any line before them, so that what is dead refuses; but two pods' node, which goes silent.
struct Cluster {
    world: World,
    pods: Vec<EchoBackend>,
    node: Line,
    hosts: Vec<String>,
}

impl Cluster {
    async fn start() -> Result<Self> {
        let mut pods = Vec::new();
        for last in 1..=2 {
            pods.push(EchoBackend::start(socket(last, 8080)?, "a").await?);
        }
        let on_node = [
            (socket(3, 8080)?, pods[0].address()),
            (socket(4, 8080)?, pods[1].address()),
        ];
        let node = Line::start(on_node.to_vec()).await?;
        let a = Room::open("a", 1, 0).await?;
        let hosts = a.declare_at(APPS, &[pod(1), pod(2), pod(3), pod(4)])?;
        let clusters = vec![with_gateway(&a, &json!({}))?];
        let mut world = World::prepared(vec![a], clusters).await?;
        world.system.start_hub()?;
        let mut cluster = Self {
            world,
            pods,
            node,
            hosts,
        };
        cluster.start_agent()?;
        cluster.world.settled(&cluster.hosts).await?;
        Ok(cluster)
    }

    fn start_agent(&mut self) -> Result<()> {
        let at = socket(250, 7444)?;
        let echo = EchoPort {
            listen: at,
            advertise: Some(at),
        };
        let source = Source::Manifests(self.world.rooms[0].manifests());
        self.world.system.start_agent_with_echo("a", source, echo)
    }

    async fn scaled_to(&self, count: u8, ready: u64) -> Result<()> {
        let pods: Vec<_> = (1..=count).map(pod).collect();
        self.world.rooms[0].declare_at(APPS, &pods)?;
        let path = "/v1/services?cluster=a";
        let seen = |it: &serde_json::Value| it["items"][0]["ready"] == ready;
        self.world.system.until_api(path, seen).await.map(drop)
    }

    async fn unmoved(&self, what: &str) -> Result<()> {
        self.world.until_probed("a", "private", ROUNDS).await?;
        let down = self.world.count("hubline_path_verdict", "path=\"private\"").await?;
        let switches = self.world.switches("a").await?;
        // Never reported: it was up from the beginning.
        let ever = self.world.system.metrics().await?.contains("hubline_path_verdict{");
        ensure!(
            switches == 0 && (!ever || down > 0),
            "{what} switched {switches} times, verdict {down}"
        );
        Ok(())
    }
}

async fn what_dies_in_a_cluster_switches_nothing() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let first = cluster.pods.remove(0);
    first.kill().await;
    cluster.unmoved("a dead pod").await?;
    cluster.node.cut_black_hole().await?;
    cluster.unmoved("a dead node besides").await?;
    cluster.world.system.kill_agent("a").await?;
    cluster.unmoved("a dead agent besides").await?;
    cluster.node.restore().await?;
    cluster.start_agent()?;
    let live = |it: &serde_json::Value| it["phase"] == "Live";
    cluster.world.system.until_api("/v1/clusters/a", live).await?;
    cluster.unmoved("an agent that is back").await?;
    cluster.scaled_to(0, 0).await?;
    cluster.unmoved("a service scaled to zero").await?;
    cluster.world.system.stop_agent("a").await?;
    cluster.unmoved("an agent that is stopped in an empty cluster").await?;
    cluster.start_agent()?;
    cluster.world.system.until_api("/v1/clusters/a", live).await?;
    cluster.scaled_to(4, 4).await?;
    cluster.unmoved("a service that is scaled up again").await?;
    let answer = cluster.world.system.get(&cluster.hosts[0], "/").await?;
    ensure!(answer.is_from("a"), "answered {answer:?}");
    Ok(())
}
