//! The standby is no single upstream: each upstream of the cluster is written again.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use hubline_sandbox::apisix::{Call, CallHead, Fault, StandIn};
use hubline_sandbox::failover::{Apps, Room};
use hubline_sandbox::system::PATIENCE;
use libtest_mimic::Trial;
use serde_json::json;

use super::world::{Clients, RUN_IN, World, moved_to, seconds, with_mapping};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "failover::a_burst_moves_what_a_diversion_cannot",
            a_burst_moves_what_a_diversion_cannot,
        ),
        trial(
            "failover::the_oldest_burst_goes_first_and_nothing_waits_behind_it",
            the_oldest_burst_goes_first_and_nothing_waits_behind_it,
        ),
    ]
}

const SERVICES: usize = 50;

const APPS: Apps<'_> = Apps {
    name: "app",
    count: SERVICES,
    pods: 3,
};

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
    let clients = Clients::of(&world, &hosts, &others)?;
    clients.load.until_answered(seconds(RUN_IN)).await?;
    world.system.apisix.clear_calls();
    let what = "black hole, 50 services of 3 pods, burst";
    let writes = clients.until_moved_by_burst(&world, what).await?;
    each_once(&writes, "a", SERVICES)
}

/// Services of the cluster whose burst begins first, and of the one whose burst begins while that is under way.
const FIRST: usize = 96;
const SECOND: usize = 64;

/// How long the target takes for a write, so that one burst meets the other.
const WRITE: Duration = Duration::from_millis(400);

/// Writes at a time.
const CONNECTIONS: usize = 8;

async fn the_oldest_burst_goes_first_and_nothing_waits_behind_it() -> Result<()> {
    let rooms = vec![
        Room::open("a", 1, 2).await?,
        Room::open("b", 2, 2).await?,
        Room::open("c", 3, 2).await?,
    ];
    let (mut hosts, mut clusters) = (Vec::new(), Vec::new());
    for (room, count) in rooms.iter().zip([FIRST, SECOND, 1]) {
        hosts.extend(room.declare(Apps { count, pods: 2, ..APPS })?);
        clusters.push(with_mapping(room, &json!({}))?);
    }
    let world = World::start(rooms, clusters, &hosts).await?;
    let apisix = &world.system.apisix;
    apisix.clear_calls();
    let slow = apisix.fail_while_held(Fault::Delay(WRITE), |call: &CallHead| call.method == "PUT");

    world.pin("a", "public").await?;
    apisix.wait_until("a's burst", PATIENCE, begun("a")).await?;
    world.pin("b", "public").await?;
    apisix.wait_until("b's burst", PATIENCE, begun("b")).await?;
    world.rooms[2].declare(Apps {
        count: 1,
        pods: 1,
        ..APPS
    })?;
    for (network, cluster) in [("10.90.101.", "a"), ("10.90.102.", "b")] {
        apisix
            .wait_until("all upstreams moved", PATIENCE, moved_to(network, cluster))
            .await?;
    }
    apisix.wait_until("c's change", PATIENCE, begun("c")).await?;
    drop(slow);
    in_order(apisix)
}

/// Whether an upstream of a cluster was written.
fn begun(cluster: &'static str) -> impl Fn(&StandIn) -> bool {
    move |it| {
        it.writes()
            .iter()
            .any(|call| call.json()["labels"]["cluster"] == cluster)
    }
}

/// What waits longest has three of four places, and what came last the fourth.
fn in_order(apisix: &StandIn) -> Result<()> {
    let mut writes = apisix.writes();
    writes.sort_by_key(|call| call.at);
    let of: Vec<_> = writes
        .iter()
        .map(|call| call.json()["labels"]["cluster"].as_str().map(str::to_owned))
        .collect();
    let is = |cluster: &'static str| move |of: &Option<String>| of.as_deref() == Some(cluster);
    let last = of.iter().rposition(is("a")).unwrap_or_default();
    let meanwhile = of[..last].iter().filter(|of| is("b")(of)).count();
    ensure!(
        meanwhile <= SECOND * 3 / 4,
        "{meanwhile} of {SECOND} writes of b went before the last of a: {of:?}"
    );
    let single = of.iter().position(is("c"));
    ensure!(
        single.is_some_and(|at| at + CONNECTIONS * 4 < of.len()),
        "a single change waited for the bursts: {single:?} of {}",
        of.len()
    );
    let at_a_time = |(at, call): (usize, &Call)| {
        let before = writes[..at].iter();
        before.filter(|other| other.at + WRITE > call.at).count() + 1
    };
    let most = writes.iter().enumerate().map(at_a_time).max().unwrap_or_default();
    ensure!((2..=CONNECTIONS).contains(&most), "{most} writes at a time");
    Ok(())
}
