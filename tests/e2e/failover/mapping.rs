//! Clusters whose pod networks overlap.

use anyhow::{Result, ensure};
use hubline_sandbox::failover::{Apps, Room};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::world::{World, cluster};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "failover::overlapping_pod_networks_are_reached_by_mapping",
            overlapping_pod_networks_are_reached_by_mapping,
        ),
        trial(
            "failover::overlapping_pod_networks_are_reported",
            overlapping_pod_networks_are_reported,
        ),
    ]
}

const APPS: Apps<'_> = Apps {
    name: "app",
    count: 3,
    pods: 0,
};

/// The addresses that both clusters' pods have, as the clusters know them.
const PODS: [&str; 2] = ["172.20.0.1", "172.20.0.2"];

/// The node of either cluster, with the network of its pods.
const NODE: &str = "apiVersion: v1
kind: Node
metadata: {name: node-1}
spec: {podCIDR: 172.20.0.0/24, podCIDRs: [172.20.0.0/24]}
status: {conditions: [{type: Ready, status: \"True\"}], addresses: [{type: InternalIP, address: 172.20.9.1}]}
";

fn mapped(room: u8) -> Value {
    json!({
        "name": "private", "kind": "private-line", "rank": 0, "reach": "pods",
        "mapping": [{"from": "172.20.0.0/24", "to": format!("10.90.{room}.0/24")}],
    })
}

async fn overlapping_pod_networks_are_reached_by_mapping() -> Result<()> {
    let (a, b) = (Room::open("a", 1, 2).await?, Room::open("b", 2, 2).await?);
    let pods = PODS.map(str::to_owned);
    a.write("node", NODE)?;
    b.write("node", NODE)?;
    let (of_a, of_b) = (a.declare_at(APPS, &pods)?, b.declare_at(APPS, &pods)?);
    let clusters = vec![
        cluster(&a, &[mapped(1), a.gateway_path()], &json!({}))?,
        cluster(&b, &[mapped(2), b.gateway_path()], &json!({}))?,
    ];
    let world = World::start(vec![a, b], clusters, &[of_a.clone(), of_b.clone()].concat()).await?;
    let load = world.load(&[of_a, of_b].concat(), 50)?;
    load.until_answered(100).await?;
    let requests = load.stop().await?;
    requests.ensure_good("over mapped addresses")?;
    for name in ["a", "b"] {
        let suffix = format!(".{name}.example.com");
        let own = requests.iter().filter(|one| one.host.ends_with(&suffix));
        let astray: Vec<_> = own.filter(|one| one.backend.as_deref() != Some(name)).collect();
        ensure!(astray.is_empty(), "{name} was answered for by {astray:?}");
    }
    let problems = world.system.api("/v1/problems").await?.to_string();
    ensure!(!problems.contains("overlaps"), "mapped, and yet: {problems}");
    Ok(())
}

/// Without a mapping the same addresses lead to one of the clusters alone: both are told.
async fn overlapping_pod_networks_are_reported() -> Result<()> {
    let (a, b) = (Room::open("a", 1, 0).await?, Room::open("b", 2, 0).await?);
    for room in [&a, &b] {
        room.write("node", NODE)?;
    }
    let clusters = vec![
        cluster(&a, &[a.private_path()], &json!({}))?,
        cluster(&b, &[b.private_path()], &json!({}))?,
    ];
    let mut world = World::prepared(vec![a, b], clusters).await?;
    world.system.start_hub()?;
    world.start_agent(0)?;
    world.start_agent(1)?;
    for (cluster, other) in [("a", "b"), ("b", "a")] {
        let says = format!("overlaps with 172.20.0.0/24 of cluster {other}");
        let told = |it: &Value| it.to_string().contains(&says);
        let path = format!("/v1/problems?cluster={cluster}");
        world.system.until_api(&path, told).await?;
    }
    Ok(())
}
