//! The private line is cut, and a gateway stands by.

use anyhow::{Context, Result, ensure};
use hubline_sandbox::apisix::Call;
use hubline_sandbox::failover::{Load, Requests, Room};
use hubline_sandbox::link::Line;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::figures::Cut;
use super::world::{FEW, MANY, RUN_IN, World, cluster, merged, rate, seconds, with_gateway};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("failover::a_cut_line_moves_the_cluster_with_one_write", || {
            moves("black hole", Fault::BlackHole)
        }),
        trial("failover::a_line_that_refuses_moves_the_cluster_with_one_write", || {
            moves("refused", Fault::Refused)
        }),
        trial(
            "failover::a_lossy_line_above_its_latency_limit_is_left",
            a_lossy_line_above_its_latency_limit,
        ),
        trial("failover::a_lossy_line_is_left", a_lossy_line_is_left),
    ]
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    BlackHole,
    Refused,
}

impl Fault {
    async fn strike(self, line: &Line) -> Result<()> {
        let cut = match self {
            Self::BlackHole => line.cut_black_hole().await,
            Self::Refused => line.cut_refuse().await,
        };
        cut.context("the line cannot be cut")
    }
}

/// Both clusters with both clients running; the one that is cut has a service of 2 pods and one of 50.
struct Scene {
    world: World,
    load: Load,
    other: Load,
}

impl Scene {
    /// `path` is added to the private path's configuration, and `more` to the clusters'.
    async fn open(path: &Value, more: &Value) -> Result<Self> {
        let (a, b) = (Room::open("a", 1, 50).await?, Room::open("b", 2, 2).await?);
        let hosts = [a.declare(FEW)?, a.declare(MANY)?].concat();
        let others = b.declare(FEW)?;
        let private = merged(a.private_path(), path);
        let clusters = vec![
            cluster(&a, &[private, a.gateway_path()], more)?,
            with_gateway(&b, more)?,
        ];
        let world = World::start(vec![a, b], clusters, &[hosts.clone(), others.clone()].concat()).await?;
        let load = world.load(&hosts, rate())?;
        let other = world.load(&others, 10)?;
        load.until_answered(seconds(RUN_IN)).await?;
        world.system.apisix.clear_calls();
        Ok(Self { world, load, other })
    }

    /// The requests of the cluster that was cut, after seeing that the other's were all good. Of those that were sent
    /// before `since` nobody waits for an answer any more.
    async fn close(self, what: &str, cut: Cut, since: Instant) -> Result<(World, Requests)> {
        self.load.until_sent(seconds(2)).await?;
        let requests = self.load.stop_since(since).await?;
        self.other.stop().await?.ensure_good("the other cluster")?;
        let writes = self.world.system.apisix.writes();
        for (name, pods) in [("few", 2), ("many", 50)] {
            cut.record(
                &format!("{what}, {pods} pods, gateway"),
                "a",
                &requests.of(name),
                &writes,
            );
        }
        Ok((self.world, requests))
    }
}

/// Nobody fails any more, and it is the gateway that answers.
fn by_the_gateway(requests: &Requests, moved: Instant, world: &World) -> Result<()> {
    let after = requests.after(moved);
    after.ensure_good("after the switch")?;
    let gateway = world.rooms[0].gateway_name();
    let astray = after.iter().find(|one| one.backend.as_deref() != Some(gateway));
    ensure!(astray.is_none(), "answered by another than {gateway}: {astray:?}");
    Ok(())
}

fn one_rule(writes: &[Call]) -> Result<()> {
    let shown: Vec<_> = writes
        .iter()
        .map(|call| format!("{} {}", call.method, call.path))
        .collect();
    let is_rule = |call: &Call| call.method == "PUT" && call.path.contains("/global_rules/hl-paths-g-");
    ensure!(
        writes.len() == 1 && writes.iter().all(is_rule),
        "not one rule but {shown:?} was written"
    );
    Ok(())
}

async fn moves(what: &str, fault: Fault) -> Result<()> {
    let scene = Scene::open(&json!({}), &json!({})).await?;
    let cut = Cut::now();
    fault.strike(&scene.world.rooms[0].private).await?;
    scene.world.until_diverted().await?;
    let moved = Instant::now();
    let (world, requests) = scene.close(what, cut, cut.at).await?;
    by_the_gateway(&requests, moved, &world)?;
    one_rule(&world.system.apisix.writes())?;
    ensure!(world.switches("a").await? == 1 && world.switches("b").await? == 0);
    Ok(())
}

/// What users feel of a line that loses much: TCP sends again, so answers come late. A limit of latency sees it too.
async fn a_lossy_line_above_its_latency_limit() -> Result<()> {
    let limits = json!({"health": {"latency": "50ms", "window": "10s"}});
    let scene = Scene::open(&limits, &json!({"failover": {"minimumHold": "1s"}})).await?;
    let cut = Cut::now();
    scene.world.rooms[0].private.lose(0.4, 7).await;
    scene.world.until_diverted().await?;
    let moved = Instant::now();
    let (world, requests) = scene.close("40 % loss, latency limit 50 ms", cut, moved).await?;
    by_the_gateway(&requests, moved, &world)?;
    one_rule(&world.system.apisix.writes())
}

/// By default there is no limit of latency: that packets are lost is seen by handshakes that are tried again. A hub that
/// has just begun holds for 30 s what works; this one need not.
async fn a_lossy_line_is_left() -> Result<()> {
    let scene = Scene::open(&json!({}), &json!({"failover": {"minimumHold": "1s"}})).await?;
    let cut = Cut::now();
    scene.world.rooms[0].private.lose(0.4, 7).await;
    scene.world.until_diverted().await?;
    let moved = Instant::now();
    let (world, requests) = scene.close("40 % loss", cut, moved).await?;
    by_the_gateway(&requests, moved, &world)?;
    one_rule(&world.system.apisix.writes())?;
    ensure!(world.switches("a").await? == 1 && world.switches("b").await? == 0);
    let events = world.system.api("/v1/paths/a").await?.to_string();
    ensure!(events.contains("\"loss\""), "loss is not the reason: {events}");
    Ok(())
}
