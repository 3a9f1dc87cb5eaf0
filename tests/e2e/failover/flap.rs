//! A line that comes back, once and again.

use anyhow::{Result, ensure};
use hubline_sandbox::failover::{Apps, Room};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::world::{World, with_gateway};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "failover::failback_waits_and_does_not_flap",
            failback_waits_and_does_not_flap,
        ),
        trial(
            "failover::failback_is_held_above_the_damping_limit",
            failback_is_held_above_the_damping_limit,
        ),
    ]
}

const APPS: Apps<'_> = Apps {
    name: "app",
    count: 1,
    pods: 2,
};

async fn world(failover: &Value) -> Result<World> {
    let a = Room::open("a", 1, 2).await?;
    let hosts = a.declare(APPS)?;
    let clusters = vec![with_gateway(&a, &json!({"failover": failover}))?];
    let world = World::start(vec![a], clusters, &hosts).await?;
    // Until the gateway's upstream is proved.
    let load = world.load(&hosts, 20)?;
    load.until_answered(80).await?;
    load.stop().await?.ensure_good("before any cut")?;
    Ok(world)
}

const CYCLES: u64 = 10;

/// A cycle takes some 4 s, four half-lives of the penalty: it stays about half below the limit. Each of ten cycles is
/// one switch away and one back, which waits for its delay and says so.
async fn failback_waits_and_does_not_flap() -> Result<()> {
    let damping = json!({"halfLife": "1s", "max": "60s"});
    let world = world(&json!({
        "minimumHold": "1s", "failback": {"delay": "1s"}, "maxSwitchesPerHour": 60, "damping": damping,
    }))
    .await?;
    for cycle in 1..=CYCLES {
        world.rooms[0].private.cut_black_hole().await?;
        world.until_diverted().await?;
        world.rooms[0].private.restore().await?;
        world.until_not_diverted().await?;
        let waited = world.count("hubline_path_holds_total", "by=\"failback-delay\"").await?;
        ensure!(waited >= cycle, "cycle {cycle} went back without waiting");
    }
    let by = async |why: &str| {
        let label = format!("cluster=\"a\",why=\"{why}\"");
        world.count("hubline_path_switches_total", &label).await
    };
    let (away, back) = (by("down").await?, by("failback").await?);
    ensure!((away, back) == (CYCLES, CYCLES), "{away} away and {back} back");
    let held = world.count("hubline_path_holds_total", "by=\"damping\"").await?;
    ensure!(held == 0, "held {held} times below the limit");
    Ok(())
}

/// The third switch passes the limit, which is below three penalties, since each decays: the cluster stays where it
/// works.
async fn failback_is_held_above_the_damping_limit() -> Result<()> {
    let world = world(&json!({
        "minimumHold": "1s", "failback": {"delay": "1s"}, "maxSwitchesPerHour": 60, "damping": {"suppress": 2500},
    }))
    .await?;
    world.rooms[0].private.cut_black_hole().await?;
    world.until_diverted().await?;
    world.rooms[0].private.restore().await?;
    world.until_not_diverted().await?;
    world.rooms[0].private.cut_black_hole().await?;
    world.until_diverted().await?;
    world.system.apisix.clear_calls();
    world.rooms[0].private.restore().await?;
    let held = "cluster=\"a\",by=\"damping\"";
    world.until_count("hubline_path_holds_total", held, 1).await?;
    world.until_probed("a", "private", 20).await?;
    let writes = world.system.apisix.writes();
    ensure!(writes.is_empty(), "held, and yet {writes:?} was written");
    ensure!(world.switches("a").await? == 3);
    Ok(())
}
