//! Agents of other versions, agents that lie, and other people's objects.

use anyhow::{Result, ensure};
use hubline::model::ClusterId;
use hubline_hub::plan::id::Prefix;
use hubline_sandbox::apisix::{Kind, StandIn};
use hubline_sandbox::system::{PATIENCE, Source, System};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::fixture::backend;
use crate::log;
use crate::trial;
use hubline_sandbox::manifests::{Manifests, app};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "strangers::a_cluster_speaks_only_for_itself",
            a_cluster_speaks_only_for_itself,
        ),
        trial(
            "strangers::a_forged_certificate_is_refused",
            a_forged_certificate_is_refused,
        ),
        trial(
            "strangers::a_name_stays_with_its_cluster",
            a_name_stays_with_its_cluster,
        ),
        trial(
            "strangers::foreign_objects_are_untouched",
            foreign_objects_are_untouched,
        ),
    ]
}

async fn a_cluster_speaks_only_for_itself() -> Result<()> {
    let _backends = (backend("10.90.1.1").await?, backend("10.90.2.1").await?);
    let mut system = System::start(&["a", "b"]).await?;
    let (honest, liar) = (Manifests::new()?, Manifests::new()?);
    honest.write("app.yaml", &app("web", "b.example.com", &["10.90.2.1"], 8080))?;
    liar.write("app.yaml", &app("web", "lie.example.com", &["10.90.1.1"], 8080))?;
    system.start_agent("b", Source::Manifests(honest.path()))?;
    system.until_served("b.example.com", "/", "10.90.2.1").await?;
    system.stop_agent("b").await?;
    system.apisix.clear_calls();
    // The certificate of a, with the name of b.
    let identity = system.identity("a")?;
    system.start_agent_as("b", Source::Manifests(liar.path()), &identity)?;
    system.until_metric("hubline_ingest_refused", "").await?;
    ensure!(
        system.apisix.writes().is_empty(),
        "the liar wrote {:?}",
        system.apisix.writes()
    );
    let cluster = system.api("/v1/clusters/b").await?;
    ensure!(cluster["phase"] == "Stale", "the liar speaks: {cluster}");
    ensure!(
        system.get("b.example.com", "/").await?.is_from("10.90.2.1"),
        "b lost its route"
    );
    Ok(())
}

/// An app that is served for the honest cluster `b`, whose agent has left.
async fn left_behind() -> Result<System> {
    let (mut system, honest) = (System::start(&["b"]).await?, Manifests::new()?);
    honest.write("app.yaml", &app("web", "b.example.com", &["10.90.2.1"], 8080))?;
    system.start_agent("b", Source::Manifests(honest.path()))?;
    system.until_served("b.example.com", "/", "10.90.2.1").await?;
    system.stop_agent("b").await?;
    stale(&system).await?;
    system.apisix.clear_calls();
    log::clear();
    Ok(system)
}

async fn stale(system: &System) -> Result<()> {
    let stale = |it: &Value| it["phase"] == "Stale";
    system.until_api("/v1/clusters/b", stale).await.map(drop)
}

/// Nothing came of a stranger's words.
async fn unharmed(system: &System) -> Result<()> {
    let writes = system.apisix.writes();
    ensure!(writes.is_empty(), "the stranger wrote {writes:?}");
    stale(system).await?;
    ensure!(
        system.get("b.example.com", "/").await?.is_from("10.90.2.1"),
        "b lost its route"
    );
    Ok(())
}

async fn a_forged_certificate_is_refused() -> Result<()> {
    let _backend = backend("10.90.2.1").await?;
    let mut system = left_behind().await?;
    let forged = system.forged_identity("b")?;
    let liar = Manifests::new()?;
    liar.write("app.yaml", &app("web", "lie.example.com", &["10.90.1.1"], 8080))?;
    system.start_agent_as("b", Source::Manifests(liar.path()), &forged)?;
    log::until(&["hubline_hub", "tls handshake failed", "UnknownIssuer"]).await?;
    log::until(&["hubline_agent", "session ended", "alert"]).await?;
    let logged = log::all();
    ensure!(!logged.contains("session opened"), "the forger was heard: {logged}");
    unharmed(&system).await
}

async fn a_name_stays_with_its_cluster() -> Result<()> {
    let _backend = backend("10.90.2.1").await?;
    let mut system = left_behind().await?;
    let liar = Manifests::new()?;
    liar.write("app.yaml", &app("web", "lie.example.com", &["10.90.1.1"], 8080))?;
    system.start_agent("b", Source::ManifestsOf(liar.path(), "rebuilt"))?;
    // The agent's own log names both, and what to do.
    log::until(&[
        "hubline_agent",
        "session ended",
        "rebuilt",
        "manifest-b",
        "name of its own",
    ])
    .await?;
    system.until_metric("hubline_ingest_refused", "wrong-uid").await?;
    unharmed(&system).await
}

/// Objects of somebody else; one has an id as ours of cluster `a` begin.
fn theirs() -> Result<Vec<(String, Value)>> {
    let ours = Prefix::default().cluster_prefix(&ClusterId::new("a")?);
    let nodes = |port: u16| json!({"type": "roundrobin", "nodes": {format!("10.90.9.9:{port}"): 1}});
    Ok(vec![
        ("upstreams/theirs".to_owned(), nodes(80)),
        (format!("upstreams/{ours}u-theirs"), nodes(81)),
        (
            "routes/theirs".to_owned(),
            json!({"uri": "/theirs", "upstream_id": "theirs"}),
        ),
        ("global_rules/theirs".to_owned(), json!({"plugins": {"prometheus": {}}})),
        (
            "consumers/theirs".to_owned(),
            json!({"username": "theirs", "plugins": {"key-auth": {"key": "k"}}}),
        ),
    ])
}

async fn foreign_objects_are_untouched() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (mut system, manifests) = (System::start(&["a"]).await?, Manifests::new()?);
    let admin = system.apisix.admin()?;
    for (path, body) in theirs()? {
        admin.put(&path, &body).await?;
    }
    let before = foreign(&system).await?;
    manifests.write("app.yaml", &app("web", "x.example.com", &["10.90.1.1"], 8080))?;
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    system.until_served("x.example.com", "/", "10.90.1.1").await?;
    system.kill_agent("a").await?;
    system.stop_hub().await?;
    system.start_hub()?;
    manifests.remove("app.yaml")?;
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    system
        .until_answer("x.example.com", "/", |answer| answer.status == 404)
        .await?;
    // Its upstream goes after its grace; by then whatever else were taken for a leftover would be gone too.
    let ours = |it: &StandIn| {
        it.objects(Kind::Upstream)
            .values()
            .filter(|it| it["labels"]["cluster"] == "a")
            .count()
    };
    system
        .apisix
        .wait_until("our upstream gone", PATIENCE, |it| ours(it) == 0)
        .await?;
    let after = foreign(&system).await?;
    ensure!(before == after, "foreign objects changed:\n{before:#?}\n{after:#?}");
    Ok(())
}

/// The foreign objects with their indexes, which grow with every write.
async fn foreign(system: &System) -> Result<Vec<Value>> {
    let admin = system.apisix.admin()?;
    let mut all = Vec::new();
    for (path, _) in theirs()? {
        let answer = admin.get(&path).await?;
        all.push(json!([path, answer.status, answer.json()]));
    }
    Ok(all)
}
