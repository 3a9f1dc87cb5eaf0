//! The private line is cut, and a gateway stands by.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hubline_sandbox::apisix::Call;
use hubline_sandbox::failover::{Apps, Load, Requests, Room};
use hubline_sandbox::link::Line;
use libtest_mimic::Trial;
use serde_json::json;
use tokio::time::Instant;

use super::figures::Cut;
use super::world::{RATE, RUN_IN, World, with_gateway};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("failover::a_cut_line_moves_the_cluster_with_one_write", || {
            moves("black hole", Fault::BlackHole)
        }),
        trial("failover::a_line_that_refuses_moves_the_cluster_with_one_write", || {
            moves("refused", Fault::Refused)
        }),
        trial("failover::a_lossy_line_is_left_for_a_good_one", a_lossy_line),
    ]
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    BlackHole,
    Refused,
}

impl Fault {
    async fn strike(self, line: &Line) -> Result<()> {
        Ok(match self {
            Self::BlackHole => line.cut_black_hole().await?,
            Self::Refused => line.cut_refuse().await?,
        })
    }
}

/// A service of 2 pods and one of 50, in a cluster that is cut; and another cluster.
const FEW: Apps<'_> = Apps {
    name: "few",
    count: 1,
    pods: 2,
};
const MANY: Apps<'_> = Apps {
    name: "many",
    count: 1,
    pods: 50,
};

/// Both clusters with both clients running.
struct Scene {
    world: World,
    load: Load,
    other: Load,
}

impl Scene {
    async fn open() -> Result<Self> {
        let (a, b) = (Room::open("a", 1, 50).await?, Room::open("b", 2, 2).await?);
        let hosts = [a.declare(FEW)?, a.declare(MANY)?].concat();
        let others = b.declare(FEW)?;
        let clusters = vec![with_gateway(&a, &json!({}))?, with_gateway(&b, &json!({}))?];
        let world = World::start(vec![a, b], clusters, &[hosts.clone(), others.clone()].concat()).await?;
        let load = world.load(&hosts, RATE)?;
        let other = world.load(&others, RATE / 10)?;
        load.until_answered(RUN_IN).await?;
        world.system.apisix.clear_calls();
        Ok(Self { world, load, other })
    }

    /// The requests of the cluster that was cut, after seeing that the other's were all good.
    async fn close(self, what: &str, cut: Cut) -> Result<(World, Requests)> {
        self.load.until_sent(2 * RATE as usize).await?;
        let requests = self.load.stop().await?;
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
    let scene = Scene::open().await?;
    let cut = Cut::now();
    fault.strike(&scene.world.rooms[0].private).await?;
    scene.world.until_diverted().await?;
    let moved = Instant::now();
    let (world, requests) = scene.close(what, cut).await?;
    by_the_gateway(&requests, moved, &world)?;
    one_rule(&world.system.apisix.writes())?;
    ensure!(world.switches("a").await? == 1 && world.switches("b").await? == 0);
    Ok(())
}

/// Longer than the minimum hold of 30 s, and than the loss's window.
const UNTIL_JUDGED: Duration = Duration::from_secs(60);

async fn a_lossy_line() -> Result<()> {
    let scene = Scene::open().await?;
    let cut = Cut::now();
    scene.world.rooms[0].private.lose(0.4, 7).await;
    let diverted = tokio::time::timeout(UNTIL_JUDGED, scene.world.until_diverted()).await;
    let moved = Instant::now();
    let (world, requests) = scene.close("40 % loss", cut).await?;
    diverted.context("a line that loses 40 % is not left in a minute")??;
    by_the_gateway(&requests, moved, &world)?;
    one_rule(&world.system.apisix.writes())
}
