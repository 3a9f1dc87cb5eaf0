//! Who restarts, or dies, with nothing changed changes nothing; a target that lost its memory gets everything back.

use anyhow::{Result, ensure};
use hubline_sandbox::apisix::{Call, Kind, StandIn};
use hubline_sandbox::system::{PATIENCE, Source, System};
use libtest_mimic::Trial;

use crate::fixture::{Shop, backend, server, start_kube_agent};
use crate::trial;
use hubline_sandbox::manifests::{Manifests, app};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "restarts::nothing_changed_writes_nothing",
            nothing_changed_writes_nothing,
        ),
        trial(
            "restarts::a_target_that_lost_its_memory_gets_everything",
            a_target_that_lost_its_memory_gets_everything,
        ),
        trial("restarts::silence_withdraws_nothing", silence_withdraws_nothing),
        trial(
            "restarts::an_agent_killed_within_a_snapshot_changes_nothing",
            an_agent_killed_within_a_snapshot,
        ),
        trial("restarts::another_replica_takes_over", another_replica_takes_over),
        trial("restarts::no_dangling_reference", no_dangling_reference),
    ]
}

/// A cluster with some apps, served and settled.
async fn settled(system: &mut System, manifests: &Manifests, n_apps: usize) -> Result<()> {
    for number in 0..n_apps {
        let yaml = app(
            &format!("web{number}"),
            &format!("{number}.example.com"),
            &["10.90.1.1"],
            8080,
        );
        manifests.write(&format!("{number}.yaml"), &yaml)?;
    }
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    let routes = |it: &StandIn| it.objects(Kind::Route).len() == n_apps;
    system.apisix.wait_until("all routes", PATIENCE, routes).await?;
    system.until_served("0.example.com", "/", "10.90.1.1").await?;
    system.until_api("/v1/clusters/a", |it| it["phase"] == "Live").await?;
    Ok(())
}

/// Waits until the hub has looked at everything at the target since its start, and then a look at the marker longer.
pub(crate) async fn looked(system: &System) -> Result<()> {
    system.until_api("/readyz", |it| it["ready"] == true).await?;
    let probes = |it: &StandIn| it.calls().iter().filter(|call| call.path.contains("-marker-")).count();
    let before = probes(&system.apisix);
    system
        .apisix
        .wait_until("two more looks at the marker", PATIENCE, |it| probes(it) >= before + 2)
        .await
}

fn none(writes: &[Call], after: &str) -> Result<()> {
    ensure!(writes.is_empty(), "{after} wrote {writes:?}");
    Ok(())
}

async fn nothing_changed_writes_nothing() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let a = server("a").await?;
    let mut system = System::start(&["a"]).await?;
    let shop = Shop::open(&a, "restarts").await?;
    shop.app("web", "restart.example.com", &["10.90.1.1"]).await?;
    start_kube_agent(&mut system, &a)?;
    system.until_served("restart.example.com", "/", "10.90.1.1").await?;
    system.until_api("/v1/clusters/a", |it| it["phase"] == "Live").await?;
    system.apisix.clear_calls();

    system.kill_agent("a").await?;
    system.until_api("/v1/clusters/a", |it| it["phase"] == "Stale").await?;
    start_kube_agent(&mut system, &a)?;
    system.until_api("/v1/clusters/a", |it| it["phase"] == "Live").await?;
    none(&system.apisix.writes(), "restarting the agent")?;

    system.stop_hub().await?;
    system.start_hub()?;
    system.until_api("/v1/clusters/a", |it| it["phase"] == "Live").await?;
    looked(&system).await?;
    none(&system.apisix.writes(), "restarting the hub")?;

    system.stop_agent("a").await?;
    system.stop_hub().await?;
    system.start_hub()?;
    looked(&system).await?;
    none(&system.apisix.writes(), "a hub without agents")?;

    system.apisix.restart().await?;
    looked(&system).await?;
    none(&system.apisix.writes(), "restarting the target")?;
    shop.close().await
}

async fn a_target_that_lost_its_memory_gets_everything() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (mut system, manifests) = (System::start(&["a"]).await?, Manifests::new()?);
    settled(&mut system, &manifests, 20).await?;
    let before = everything(&system.apisix);
    system.apisix.lose_memory().await?;
    system
        .apisix
        .wait_until("everything again", PATIENCE, |it| everything(it) == before)
        .await?;
    system.until_served("0.example.com", "/", "10.90.1.1").await
}

/// All objects, without the times that the server adds.
fn everything(apisix: &StandIn) -> Vec<(String, serde_json::Value)> {
    let mut all = Vec::new();
    for kind in [Kind::Upstream, Kind::Route, Kind::Ssl] {
        for (id, mut object) in apisix.objects(kind) {
            if let Some(fields) = object.as_object_mut() {
                fields.remove("create_time");
                fields.remove("update_time");
            }
            all.push((id, object));
        }
    }
    all
}

async fn silence_withdraws_nothing() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (mut system, manifests) = (System::start(&["a"]).await?, Manifests::new()?);
    settled(&mut system, &manifests, 3).await?;
    system.apisix.clear_calls();
    system.kill_agent("a").await?;
    system.until_api("/v1/clusters/a", |it| it["phase"] == "Stale").await?;
    system.config().clusters.clear();
    system.stop_hub().await?;
    system.start_hub()?;
    looked(&system).await?;
    none(
        &system.apisix.writes(),
        "an agent that is gone, and a list without its cluster,",
    )?;
    let cluster = system.api("/v1/clusters/a").await?;
    ensure!(
        cluster["phase"] == "Stale" && cluster["configured"] == false,
        "shown as {cluster}"
    );
    system.until_served("0.example.com", "/", "10.90.1.1").await?;
    // A hub that lost its disk knows nothing, and so removes nothing.
    system.kill_hub().await?;
    std::fs::remove_dir_all(system.folder().join("hub-data"))?;
    system.start_hub()?;
    looked(&system).await?;
    none(&system.apisix.writes(), "a hub that lost its disk")?;
    system.until_served("0.example.com", "/", "10.90.1.1").await
}

async fn an_agent_killed_within_a_snapshot() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (mut system, manifests) = (System::start(&["a"]).await?, Manifests::new()?);
    settled(&mut system, &manifests, 3).await?;
    system.kill_agent("a").await?;
    // A snapshot of 20 KB and more, however well it is compressed, over a line that lets 5 KB a second through.
    for number in 0..600 {
        let yaml = app(&format!("new{number}"), &noise_host(number), &["10.90.1.1"], 8080);
        manifests.write(&format!("new{number}.yaml"), &yaml)?;
    }
    manifests.remove("0.yaml")?;
    system.apisix.clear_calls();
    system.hub_link.limit(std::num::NonZeroU64::new(5_000));
    let before = system.hub_link.counters();
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    until_sent(&system, before.to_upstream + 12_000).await?;
    system.kill_agent("a").await?;
    system.hub_link.drop_connections();
    system.until_api("/v1/clusters/a", |it| it["phase"] == "Stale").await?;
    none(&system.apisix.writes(), "half a snapshot")?;
    let answer = system.get("0.example.com", "/").await?;
    ensure!(answer.is_from("10.90.1.1"), "answered {answer:?}");
    system.hub_link.limit(None);
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    system.until_served(&noise_host(599), "/", "10.90.1.1").await?;
    system
        .until_answer("0.example.com", "/", |answer| answer.status == 404)
        .await
        .map(drop)
}

/// A host that does not compress.
fn noise_host(number: u32) -> String {
    let hash = blake3::hash(&number.to_le_bytes()).to_hex();
    format!("{}.example.com", hash.chars().take(32).collect::<String>())
}

async fn until_sent(system: &System, bytes: u64) -> Result<()> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while system.hub_link.counters().to_upstream < bytes {
        ensure!(
            tokio::time::Instant::now() < deadline,
            "only {:?} went over the link",
            system.hub_link.counters()
        );
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn another_replica_takes_over() -> Result<()> {
    let _backends = (backend("10.90.1.1").await?, backend("10.90.1.2").await?);
    let a = server("a").await?;
    let mut system = System::start(&["a"]).await?;
    let shop = Shop::open(&a, "replicas").await?;
    shop.app("web", "replicas.example.com", &["10.90.1.1"]).await?;
    let kubeconfig = a.agent_kubeconfig()?;
    let speaks = |it: &serde_json::Value, replica: &str| it["phase"] == "Live" && it["instance"] == replica;
    system.start_replica("first", "a", Source::Kube(&kubeconfig))?;
    system.until_api("/v1/clusters/a", |it| speaks(it, "first")).await?;
    system.start_replica("second", "a", Source::Kube(&kubeconfig))?;
    system.until_served("replicas.example.com", "/", "10.90.1.1").await?;
    system.apisix.clear_calls();
    system.kill_agent("first").await?;
    system.until_api("/v1/clusters/a", |it| speaks(it, "second")).await?;
    looked(&system).await?;
    none(&system.apisix.writes(), "another replica")?;
    shop.endpoints("web", &["10.90.1.2"]).await?;
    system.until_served("replicas.example.com", "/", "10.90.1.2").await?;
    shop.close().await
}

/// The stand-in refuses what refers to nothing, and removing what is in use, as APISIX does: nothing may ever be refused.
async fn no_dangling_reference() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (mut system, manifests) = (System::start(&["a"]).await?, Manifests::new()?);
    settled(&mut system, &manifests, 10).await?;
    for number in 0..10 {
        let yaml = app(
            &format!("moved{number}"),
            &format!("{number}.example.com"),
            &["10.90.1.1"],
            8080,
        );
        manifests.write(&format!("{number}.yaml"), &yaml)?;
    }
    let moved = |it: &StandIn| {
        let upstreams = it.objects(Kind::Upstream);
        upstreams.len() == 11
            && !upstreams
                .values()
                .any(|upstream| upstream["name"].to_string().contains("web"))
    };
    system
        .apisix
        .wait_until("all upstreams replaced", PATIENCE, moved)
        .await?;
    let refused: Vec<_> = system
        .apisix
        .writes()
        .into_iter()
        .filter(|call| call.status >= 400)
        .collect();
    ensure!(refused.is_empty(), "the target refused {refused:?}");
    Ok(())
}
