//! The demo as a check: what a person would try, tried.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::site::{PRIVATE, PUBLIC, Site};
use super::{APPS, Demo};
use crate::system::PATIENCE;

/// How long a cut may be felt: detection takes a second, the diversion's write less, and a request that hangs three.
const WITHIN: Duration = Duration::from_secs(10);

/// Good answers in a row by which it is believed that all is well.
const IN_A_ROW: usize = 50;

/// Tries everything and says what held.
pub(super) async fn run(demo: &mut Demo, out: &mut dyn Write) -> Result<()> {
    demo.wait_until_served().await?;
    writeln!(
        out,
        "ok: both clusters answer through the gateway, each on its own host"
    )?;
    listed(demo).await?;
    writeln!(
        out,
        "ok: the hub's API shows both clusters live, with routes, services and objects"
    )?;
    edited(demo).await?;
    writeln!(out, "ok: a changed manifest arrived")?;
    killed(demo).await?;
    writeln!(out, "ok: a killed pod left, and came back")?;
    cut(demo).await?;
    writeln!(
        out,
        "ok: a line was cut: within {} s every request came through the other one, and back after it was well",
        WITHIN.as_secs()
    )?;
    restarted(demo).await?;
    writeln!(out, "ok: the hub was killed and started again; traffic went on")?;
    Ok(())
}

async fn listed(demo: &Demo) -> Result<()> {
    let live = |it: &serde_json::Value| it.to_string().matches("\"Live\"").count() == APPS.len();
    demo.system.until_api("/v1/clusters", live).await?;
    for path in ["/v1/routes", "/v1/services", "/v1/desired"] {
        let answer = demo.system.api(path).await?;
        let items = answer["items"]
            .as_array()
            .with_context(|| format!("{path} lists nothing"))?;
        ensure!(items.len() >= APPS.len(), "{path} shows only {answer}");
    }
    Ok(())
}

async fn edited(demo: &Demo) -> Result<()> {
    let manifest = demo.pods.manifest("east");
    let before = std::fs::read_to_string(&manifest)?;
    std::fs::write(&manifest, before.replace("east.example.com", "new-east.example.com"))?;
    demo.system
        .until_answer("new-east.example.com", "/", |answer| answer.status == 200)
        .await?;
    demo.system
        .until_answer("east.example.com", "/", |answer| answer.status == 404)
        .await?;
    std::fs::write(&manifest, before)?;
    demo.system
        .until_answer("east.example.com", "/", |answer| answer.status == 200)
        .await?;
    Ok(())
}

async fn killed(demo: &mut Demo) -> Result<()> {
    demo.pods.kill("west-web-1").await?;
    let path = "/v1/services?cluster=west";
    demo.system.until_api(path, |it| it["items"][0]["ready"] == 1).await?;
    demo.system.until_served("west.example.com", "/", "west-web-2").await?;
    demo.pods.revive("west-web-1").await?;
    demo.system.until_served("west.example.com", "/", "west-web-1").await
}

async fn cut(demo: &Demo) -> Result<()> {
    let (cluster, host, _) = APPS[0];
    let site = demo.pods.site(cluster)?;
    site.treat("cut").await?;
    let moved = async {
        until_active(demo, cluster, PUBLIC).await?;
        until_all_pass(demo, host, |by_gateway| by_gateway == IN_A_ROW as u64, site).await
    };
    let moved = tokio::time::timeout(WITHIN, moved).await;
    moved.with_context(|| format!("{WITHIN:?} after its line was cut, requests of {cluster} do not all pass"))??;
    shown(&demo.paths().await?, cluster)?;
    site.treat("restore").await?;
    until_active(demo, cluster, PRIVATE).await?;
    let back = tokio::time::timeout(PATIENCE, until_all_pass(demo, host, |by_gateway| by_gateway == 0, site));
    back.await.context("requests do not come back to the line")?
}

async fn until_active(demo: &Demo, cluster: &str, path: &str) -> Result<()> {
    let api = format!("/v1/paths/{cluster}");
    demo.system.until_api(&api, |it| it["active"] == path).await.map(drop)
}

/// Asks until so many in a row were answered 200, of which as many as wanted went by the cluster's gateway.
async fn until_all_pass(demo: &Demo, host: &str, wanted: impl Fn(u64) -> bool, site: &Site) -> Result<()> {
    loop {
        let before = site.gateway.requests();
        let mut good = 0;
        while good < IN_A_ROW && demo.system.get(host, "/").await?.status == 200 {
            good += 1;
        }
        if good == IN_A_ROW && wanted(site.gateway.requests() - before) {
            return Ok(());
        }
    }
}

/// The table says of the cluster that the line is down and the other path is the active one.
fn shown(table: &str, cluster: &str) -> Result<()> {
    let row = |path: &str, cell: &str| {
        let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.any(|row| row.starts_with(&[cluster, path]) && row.contains(&cell))
    };
    ensure!(
        row(PRIVATE, "down") && row(PUBLIC, "yes"),
        "hubline paths shows\n{table}"
    );
    Ok(())
}

async fn restarted(demo: &mut Demo) -> Result<()> {
    demo.system.until_api("/readyz", |it| it["ready"] == true).await?;
    demo.system.apisix.clear_calls();
    demo.system.kill_hub().await?;
    demo.wait_until_served().await?;
    demo.system.start_hub()?;
    listed(demo).await?;
    demo.system.until_api("/readyz", |it| it["ready"] == true).await?;
    demo.wait_until_served().await?;
    let writes = demo.system.apisix.writes();
    ensure!(writes.is_empty(), "a restart with nothing changed wrote {writes:?}");
    Ok(())
}
