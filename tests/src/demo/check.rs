//! The demo as a check: what a person would try, tried.

use std::io::Write;

use anyhow::{Context, Result, ensure};

use super::{APPS, Demo};

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
