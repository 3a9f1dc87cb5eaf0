//! The standby is no single upstream: each upstream of the cluster is written again.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use hubline_sandbox::apisix::{Call, Kind, StandIn};
use hubline_sandbox::failover::{Apps, Room};
use hubline_sandbox::system::PATIENCE;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::figures::Cut;
use super::world::{RUN_IN, World, rate, seconds, with_mapping};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "failover::a_burst_moves_what_a_diversion_cannot",
        a_burst_moves_what_a_diversion_cannot,
    )]
}

const SERVICES: usize = 50;

const APPS: Apps<'_> = Apps {
    name: "app",
    count: SERVICES,
    pods: 3,
};

/// Whether the public addresses of a room come first in an upstream of its own.
fn leads_by(upstream: &Value, network: &str) -> bool {
    let nodes = upstream["nodes"].as_array().into_iter().flatten();
    let best = nodes.max_by_key(|node| node["priority"].as_i64());
    best.is_some_and(|node| node["host"].as_str().is_some_and(|host| host.starts_with(network)))
}

pub(crate) fn moved_to(network: &'static str, cluster: &'static str) -> impl Fn(&StandIn) -> bool {
    move |it| {
        let upstreams = it.objects(Kind::Upstream);
        let mut own = upstreams
            .values()
            .filter(|upstream| upstream["labels"]["cluster"] == cluster)
            .peekable();
        own.peek().is_some() && own.all(|upstream| leads_by(upstream, network))
    }
}

/// Every one of so many upstreams of a cluster was put once, and nothing else was written.
pub(crate) fn each_once(writes: &[Call], cluster: &str, count: usize) -> Result<()> {
    let of_cluster = |call: &&Call| {
        call.method == "PUT" && call.path.contains("/upstreams/") && call.json()["labels"]["cluster"] == cluster
    };
    let ids: BTreeSet<_> = writes.iter().filter(of_cluster).map(|call| &call.path).collect();
    let others: Vec<_> = writes
        .iter()
        .filter(|call| !of_cluster(call))
        .map(|call| &call.path)
        .collect();
    ensure!(others.is_empty(), "written besides: {others:?}");
    ensure!(
        ids.len() == count && writes.len() == count,
        "{} writes of {} upstreams; wanted {count}",
        writes.len(),
        ids.len()
    );
    Ok(())
}

async fn a_burst_moves_what_a_diversion_cannot() -> Result<()> {
    let (a, b) = (Room::open("a", 1, 3).await?, Room::open("b", 2, 3).await?);
    let (hosts, others) = (a.declare(APPS)?, b.declare(Apps { count: 3, ..APPS })?);
    let clusters = vec![with_mapping(&a, &json!({}))?, with_mapping(&b, &json!({}))?];
    let world = World::start(vec![a, b], clusters, &[hosts.clone(), others.clone()].concat()).await?;
    let (load, other) = (world.load(&hosts, rate())?, world.load(&others, 10)?);
    load.until_answered(seconds(RUN_IN)).await?;
    world.system.apisix.clear_calls();

    let cut = Cut::now();
    world.rooms[0].private.cut_black_hole().await?;
    let apisix = &world.system.apisix;
    apisix
        .wait_until("all upstreams moved", PATIENCE, moved_to("10.90.101.", "a"))
        .await?;
    let moved = Instant::now();
    load.until_sent(seconds(2)).await?;
    let requests = load.stop_since(cut.at).await?;
    let writes = world.system.apisix.writes();
    cut.record("black hole, 50 services of 3 pods, burst", "a", &requests, &writes);
    requests.after(moved).ensure_good("after the burst")?;
    other.stop().await?.ensure_good("the other cluster")?;
    each_once(&writes, "a", SERVICES)
}
