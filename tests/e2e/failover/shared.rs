//! Several clusters behind one gateway.

use anyhow::{Result, ensure};
use hubline_sandbox::apisix::{Kind, StandIn};
use hubline_sandbox::failover::{Apps, Room};
use hubline_sandbox::system::PATIENCE;
use libtest_mimic::Trial;
use serde_json::json;

use super::world::{World, cluster};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "failover::two_clusters_behind_one_gateway_are_one_rule",
        two_clusters_behind_one_gateway_are_one_rule,
    )]
}

const APPS: Apps<'_> = Apps {
    name: "app",
    count: 2,
    pods: 2,
};

/// The rules of the only global rule that there may be.
fn rules(apisix: &StandIn) -> Vec<serde_json::Value> {
    let global = apisix.objects(Kind::GlobalRule);
    let rules = global
        .values()
        .filter_map(|rule| rule["plugins"]["traffic-split"]["rules"].as_array());
    rules.flatten().cloned().collect()
}

async fn two_clusters_behind_one_gateway_are_one_rule() -> Result<()> {
    let (a, b) = (Room::open("a", 1, 2).await?, Room::open("b", 2, 2).await?);
    let hosts = [a.declare(APPS)?, b.declare(APPS)?].concat();
    let soon = json!({"failover": {"minimumHold": "1s", "failback": {"delay": "1s"}}});
    let gateway = a.gateway_path();
    let clusters = vec![
        cluster(&a, &[a.private_path(), gateway.clone()], &soon)?,
        cluster(&b, &[b.private_path(), gateway], &soon)?,
    ];
    let world = World::start(vec![a, b], clusters, &hosts).await?;
    let load = world.load(&hosts, 20)?;
    load.until_answered(80).await?;
    world.until_not_diverted().await?;

    for room in &world.rooms {
        room.private.cut_black_hole().await?;
    }
    let both = |it: &StandIn| rules(it).iter().any(|rule| rule.to_string().contains('|'));
    let apisix = &world.system.apisix;
    apisix.wait_until("one rule for both", PATIENCE, both).await?;
    let moved = tokio::time::Instant::now();
    ensure!(
        rules(apisix).len() == 1,
        "not one rule for one gateway: {:?}",
        rules(apisix)
    );
    let name = world.rooms[0].gateway_name();
    for host in &hosts {
        let answer = world.system.get(host, "/").await?;
        ensure!(answer.is_from(name), "{host} is answered by {answer:?}");
    }
    load.until_sent(20).await?;

    world.rooms[0].private.restore().await?;
    let one = |it: &StandIn| !both(it);
    apisix.wait_until("a rule for one of them", PATIENCE, one).await?;
    ensure!(rules(apisix).len() == 1, "b is not diverted: {:?}", rules(apisix));
    let (of_a, of_b) = hosts.split_at(APPS.count);
    for (hosts, name) in [(of_a, "a"), (of_b, name)] {
        let answer = world.system.get(&hosts[0], "/").await?;
        ensure!(answer.is_from(name), "{hosts:?} is answered by {answer:?}");
    }
    world.rooms[1].private.restore().await?;
    world.until_not_diverted().await?;
    load.until_sent(20).await?;
    let requests = load.stop_since(moved).await?;
    requests.after(moved).ensure_good("from the diversion on")
}
