//! What people order of paths.

use anyhow::{Result, ensure};
use hubline_sandbox::failover::{Apps, Room};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::world::{World, with_gateway};
use crate::restarts::looked;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "failover::an_order_survives_a_restart_and_ends",
        an_order_survives_a_restart_and_ends,
    )]
}

const APPS: Apps<'_> = Apps {
    name: "app",
    count: 1,
    pods: 2,
};

/// Long against what a restart takes on a busy machine, short against the patience of who waits for its end.
const LASTS: &str = "25s";

async fn an_order_survives_a_restart_and_ends() -> Result<()> {
    let a = Room::open("a", 1, 2).await?;
    let hosts = a.declare(APPS)?;
    let soon = json!({"failover": {"minimumHold": "1s", "failback": {"delay": "1s"}}});
    let clusters = vec![with_gateway(&a, &soon)?];
    let mut world = World::start(vec![a], clusters, &hosts).await?;
    let load = world.load(&hosts, 20)?;
    load.until_answered(80).await?;

    let pin = json!({
        "order": {"kind": "pin", "cluster": "a", "path": "public"}, "why": "works on the line", "lasts": LASTS,
    });
    let (status, order) = world.system.post("/v1/orders", &pin).await?;
    ensure!(status == 201, "{status} {order}");
    world.until_diverted().await?;
    world.system.kill_hub().await?;
    world.system.apisix.clear_calls();
    world.system.start_hub()?;
    let id = order["id"].clone();
    let kept = |it: &Value| it["items"][0]["id"] == id && it["items"][0]["why"] == "works on the line";
    world.system.until_api("/v1/orders", kept).await?;
    let pinned = |it: &Value| it["active"] == "public" && it["carrier"]["by"] == "diversion";
    world.system.until_api("/v1/paths/a", pinned).await?;
    looked(&world.system).await?;
    let writes = world.system.apisix.writes();
    ensure!(writes.is_empty(), "a restart under an order wrote {writes:?}");

    world.until_not_diverted().await?;
    let orders = world.system.api("/v1/orders").await?;
    ensure!(orders["items"] == json!([]), "still there: {orders}");
    load.stop().await?.ensure_good("before, under and after the order")
}
