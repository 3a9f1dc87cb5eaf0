//! What dies within a cluster is not its line.
//!
//! As long as the agent's echo answers nobody else is asked; so in each of these trials it is gone, too.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Result, ensure};
use hubline_sandbox::apisix::Kind;
use hubline_sandbox::echo::EchoBackend;
use hubline_sandbox::failover::{Apps, Room};
use hubline_sandbox::link::Line;
use hubline_sandbox::manifests::Pod;
use hubline_sandbox::ports::free_port;
use hubline_sandbox::system::{EchoPort, Source};
use libtest_mimic::Trial;
use serde_json::json;

use super::world::{World, with_gateway};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("failover::a_dead_pod_switches_nothing", a_dead_pod_switches_nothing),
        trial("failover::a_dead_node_switches_nothing", a_dead_node_switches_nothing),
        trial(
            "failover::a_service_scaled_to_zero_switches_nothing",
            a_service_scaled_to_zero_switches_nothing,
        ),
        trial(
            "failover::an_agent_that_is_restarted_switches_nothing",
            an_agent_that_is_restarted_switches_nothing,
        ),
        trial(
            "failover::an_agent_that_is_replaced_switches_nothing",
            an_agent_that_is_replaced_switches_nothing,
        ),
    ]
}

const APPS: Apps<'_> = Apps {
    name: "app",
    count: 1,
    pods: 0,
};

/// Rounds that are looked at after each death: some 5 s, long enough for APISIX's look, which is four times slower than
/// the hub's, to fail as often as takes a path down.
const ROUNDS: u64 = 20;

/// What rounds say while echo or endpoints prove the line.
const GOOD: &str = "good";

/// What they say while nobody is there who could.
const NOTHING: &str = "nothing";

/// The pods of the cluster, each with a node of its own.
const PODS: [Pod<'_>; 3] = [
    Pod {
        address: "10.90.31.1",
        node: Some("node-1"),
    },
    Pod {
        address: "10.90.31.2",
        node: Some("node-2"),
    },
    Pod {
        address: "10.90.31.3",
        node: Some("node-3"),
    },
];

fn socket(last: u8, port: u16) -> SocketAddr {
    (Ipv4Addr::new(10, 90, 31, last), port).into()
}

/// Pods without any line before them, so that what is dead refuses.
async fn pods(count: u8) -> Result<Vec<EchoBackend>> {
    let mut pods = Vec::new();
    for last in 1..=count {
        pods.push(EchoBackend::start(socket(last, 8080), "a").await?);
    }
    Ok(pods)
}

/// An agent's echo on this line, which may go silent.
async fn echo_on(line: &Line, last: u8) -> Result<EchoPort> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    let advertise = line.add(socket(last, 7444), listen).await?;
    Ok(EchoPort {
        listen,
        advertise: Some(advertise),
    })
}

/// An agent's echo without a line before it, so that it refuses while there is no agent.
fn echo_that_refuses() -> EchoPort {
    let at = socket(250, 7444);
    EchoPort {
        listen: at,
        advertise: Some(at),
    }
}

/// A cluster whose gateway stands by, and works.
struct Cluster {
    world: World,
    hosts: Vec<String>,
}

impl Cluster {
    /// APISIX looks through the echo, too: where there is none it must not take the path for one that is down.
    async fn start(pods: &[Pod<'_>], echo: EchoPort) -> Result<Self> {
        let a = Room::open("a", 1, 0).await?;
        let hosts = a.declare_on(APPS, pods)?;
        let clusters = vec![with_gateway(&a, &json!({}))?];
        let mut world = World::prepared(vec![a], clusters).await?;
        let instance = world.system.apisix.gateway_addr().to_string();
        world.system.config().target.gateways = vec![instance.parse()?];
        world.system.start_hub()?;
        let mut cluster = Self { world, hosts };
        cluster.start_agent(echo).await?;
        cluster.world.settled(&cluster.hosts).await?;
        Ok(cluster)
    }

    async fn start_agent(&mut self, echo: EchoPort) -> Result<()> {
        let source = Source::Manifests(self.world.rooms[0].manifests());
        self.world.system.start_agent_with_echo("a", source, echo)?;
        let live = |it: &serde_json::Value| it["phase"] == "Live";
        self.world.system.until_api("/v1/clusters/a", live).await.map(drop)
    }

    async fn scale(&self, pods: &[Pod<'_>]) -> Result<()> {
        self.world.rooms[0].declare_on(APPS, pods)?;
        let seen = |it: &serde_json::Value| it["items"][0]["ready"] == pods.len();
        let path = "/v1/services?cluster=a";
        self.world.system.until_api(path, seen).await.map(drop)
    }

    /// Nothing was switched, the path was never held for anything but up, and rounds go on to say what they should.
    async fn unmoved(&self, what: &str, said: &str) -> Result<()> {
        let probes = "hubline_path_probes_total";
        let label = format!("cluster=\"a\",path=\"private\",result=\"{said}\"");
        let before = self.world.count(probes, &label).await?;
        self.world.until_probed("a", "private", ROUNDS).await?;
        self.ensure_unmoved(what).await?;
        self.world.until_count(probes, &label, before + ROUNDS).await?;
        self.ensure_unmoved(what).await
    }

    async fn ensure_unmoved(&self, what: &str) -> Result<()> {
        let switches = self.world.switches("a").await?;
        ensure!(switches == 0, "{what} switched {switches} times");
        // Only shown once it has changed.
        let metrics = self.world.system.metrics().await?;
        let mut lines = metrics.lines().filter(|line| line.starts_with("hubline_path_verdict{"));
        let verdict = lines.find(|line| line.contains("path=\"private\""));
        ensure!(verdict.is_none(), "{what} changed the verdict: {verdict:?}");
        let rules = self.world.system.apisix.objects(Kind::GlobalRule);
        ensure!(rules.is_empty(), "{what} diverted: {rules:?}");
        Ok(())
    }

    async fn ensure_served(&self) -> Result<()> {
        let answer = self.world.system.get(&self.hosts[0], "/").await?;
        ensure!(answer.is_from("a"), "answered {answer:?}");
        Ok(())
    }
}

/// A connection that is refused comes over the line: also where all that is left of a service refuses.
async fn a_dead_pod_switches_nothing() -> Result<()> {
    let (mut pods, line) = (pods(2).await?, Line::start(Vec::new()).await?);
    let cluster = Cluster::start(&PODS[..2], echo_on(&line, 250).await?).await?;
    line.cut_black_hole().await?;
    pods.remove(0).kill().await;
    cluster.unmoved("a dead pod", GOOD).await?;
    cluster.ensure_served().await?;
    pods.remove(0).kill().await;
    cluster.unmoved("the last dead pod", GOOD).await
}

/// A node is silent with all that is on it: the agent and two of three pods.
async fn a_dead_node_switches_nothing() -> Result<()> {
    let pod = EchoBackend::start(socket(3, 8080), "a").await?;
    let on_node = [1, 2].map(|last| (socket(last, 8080), pod.address()));
    let node = Line::start(on_node.to_vec()).await?;
    let of_node = |pod: Pod<'static>| Pod {
        node: Some("node-1"),
        ..pod
    };
    let pods = [of_node(PODS[0]), of_node(PODS[1]), PODS[2]];
    let cluster = Cluster::start(&pods, echo_on(&node, 250).await?).await?;
    node.cut_black_hole().await?;
    cluster.unmoved("a dead node", GOOD).await?;
    node.restore().await?;
    cluster.unmoved("a node that is back", GOOD).await?;
    cluster.ensure_served().await
}

/// Nobody is there who could prove the line; the agent neither while it is upgraded.
async fn a_service_scaled_to_zero_switches_nothing() -> Result<()> {
    let _pods = pods(1).await?;
    let mut cluster = Cluster::start(&PODS[..1], echo_that_refuses()).await?;
    cluster.scale(&[]).await?;
    cluster.unmoved("a service scaled to zero", GOOD).await?;
    cluster.world.system.stop_agent("a").await?;
    cluster.unmoved("an agent that is away besides", NOTHING).await?;
    cluster.start_agent(echo_that_refuses()).await?;
    cluster.scale(&PODS[..1]).await?;
    cluster.unmoved("a service that is scaled up again", GOOD).await?;
    cluster.ensure_served().await
}

/// It is upgraded (stopped in order), or killed: its echo refuses until it is back.
async fn an_agent_that_is_restarted_switches_nothing() -> Result<()> {
    let _pods = pods(2).await?;
    let mut cluster = Cluster::start(&PODS[..2], echo_that_refuses()).await?;
    cluster.world.system.stop_agent("a").await?;
    cluster.unmoved("an agent that is stopped", GOOD).await?;
    cluster.start_agent(echo_that_refuses()).await?;
    cluster.world.system.kill_agent("a").await?;
    cluster.unmoved("an agent that is killed", GOOD).await?;
    cluster.start_agent(echo_that_refuses()).await?;
    cluster.unmoved("an agent that is back", GOOD).await?;
    cluster.ensure_served().await
}

/// It is evicted: its address goes silent, and it comes back at another one, where it is asked from then on.
async fn an_agent_that_is_replaced_switches_nothing() -> Result<()> {
    let (_pods, before) = (pods(2).await?, Line::start(Vec::new()).await?);
    let mut cluster = Cluster::start(&PODS[..2], echo_on(&before, 250).await?).await?;
    before.cut_black_hole().await?;
    cluster.world.system.kill_agent("a").await?;
    cluster.unmoved("an agent that is evicted", GOOD).await?;
    let after = Line::start(Vec::new()).await?;
    cluster.start_agent(echo_on(&after, 249).await?).await?;
    cluster.unmoved("an agent at another address", GOOD).await?;
    ensure!(after.counters().await.open > 0, "its new address is not asked");
    cluster.ensure_served().await
}
