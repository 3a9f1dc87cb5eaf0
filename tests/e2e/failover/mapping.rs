//! Clusters whose pod networks overlap.

use anyhow::{Result, ensure};
use hubline_sandbox::failover::{Apps, Room};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::world::{World, cluster};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "failover::overlapping_pod_networks_are_reached_by_mapping",
        overlapping_pod_networks_are_reached_by_mapping,
    )]
}

const APPS: Apps<'_> = Apps {
    name: "app",
    count: 3,
    pods: 0,
};

/// The addresses that both clusters' pods have, as the clusters know them.
const PODS: [&str; 2] = ["172.20.0.1", "172.20.0.2"];

fn mapped(room: u8) -> Value {
    json!({
        "name": "private", "kind": "private-line", "rank": 0, "reach": "pods",
        "mapping": [{"from": "172.20.0.0/24", "to": format!("10.90.{room}.0/24")}],
    })
}

async fn overlapping_pod_networks_are_reached_by_mapping() -> Result<()> {
    let (a, b) = (Room::open("a", 1, 2).await?, Room::open("b", 2, 2).await?);
    let pods = PODS.map(str::to_owned);
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
    Ok(())
}
