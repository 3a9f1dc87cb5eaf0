//! The hub, or all paths, are gone.

use anyhow::{Result, ensure};
use hubline_sandbox::apisix::Kind;
use hubline_sandbox::failover::Room;
use libtest_mimic::Trial;
use serde_json::json;
use tokio::time::Instant;

use super::figures::Cut;
use super::world::{FEW, MANY, RUN_IN, World, rate, seconds, with_gateway, with_mapping};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("failover::hub_down_stops_only_changes", hub_down_stops_only_changes),
        trial("failover::fail_open", fail_open),
    ]
}

/// Promise 9: without a hub, traffic moves by APISIX's own priority and checks where both paths have the same scheme.
async fn hub_down_stops_only_changes() -> Result<()> {
    let a = Room::open("a", 1, 50).await?;
    let hosts = [a.declare(FEW)?, a.declare(MANY)?].concat();
    let clusters = vec![with_mapping(&a, &json!({"checks": {}}))?];
    let mut world = World::start(vec![a], clusters, &hosts).await?;
    let load = world.load(&hosts, rate())?;
    load.until_answered(seconds(RUN_IN)).await?;
    world.system.kill_hub().await?;
    world.system.apisix.clear_calls();

    let cut = Cut::now();
    let public = world.rooms[0].public.counters().await.connections;
    world.rooms[0].private.cut_black_hole().await?;
    load.until_recovered(seconds(3)).await?;
    let requests = load.stop_since(cut.at).await?;
    let writes = world.system.apisix.writes();
    for (name, pods) in [("few", 2), ("many", 50)] {
        let what = format!("black hole, {pods} pods, hub killed before");
        cut.record(&what, "a", &requests.of(name), &writes);
    }
    ensure!(writes.is_empty(), "somebody wrote {writes:?}");
    let moved = world.rooms[0].public.counters().await.connections - public;
    ensure!(
        moved > u64::from(rate()),
        "only {moved} requests went over the public line"
    );
    Ok(())
}

/// Promise 8: with all paths down the last one stays, nothing is withdrawn, and the hub says so.
async fn fail_open() -> Result<()> {
    let a = Room::open("a", 1, 2).await?;
    let hosts = a.declare(FEW)?;
    let clusters = vec![with_gateway(&a, &json!({}))?];
    let world = World::start(vec![a], clusters, &hosts).await?;
    let load = world.load(&hosts, 20)?;
    load.until_answered(80).await?;
    world.rooms[0].private.cut_black_hole().await?;
    world.until_diverted().await?;
    world.system.apisix.clear_calls();

    world.rooms[0].public.cut_refuse().await?;
    let held = "cluster=\"a\",by=\"all-paths-down\"";
    world.until_count("hubline_path_holds_total", held, 1).await?;
    world.until_probed("a", "public", 5).await?;
    let writes = world.system.apisix.writes();
    ensure!(writes.is_empty(), "with all paths down {writes:?} was written");
    ensure!(world.switches("a").await? == 1, "it was switched again");
    let upstreams = world.system.apisix.objects(Kind::Upstream);
    let mut own = upstreams.values().filter(|it| it["labels"]["cluster"] == "a");
    let empty = own.find(|upstream| upstream["nodes"].as_array().is_none_or(Vec::is_empty));
    ensure!(empty.is_none(), "without nodes: {empty:?}");

    // The line that comes back first is taken at once, whatever the failback delay: the other is down.
    world.rooms[0].private.restore().await?;
    world.until_not_diverted().await?;
    let back = Instant::now();
    load.until_sent(20).await?;
    load.stop_since(back)
        .await?
        .after(back)
        .ensure_good("over the line that is back")
}
