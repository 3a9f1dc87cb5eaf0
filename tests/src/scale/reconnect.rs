//! The hub starts again and all agents come back at once, with nothing changed.

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::figures::{Reconnect, since};
use super::hub::Metrics;
use super::progress;
use super::stages::{Scene, number, objects_series};

/// `signal` ends the hub: `KILL` wherever it is, `TERM` in order.
pub(super) async fn measure(scene: &mut Scene, signal: &str) -> Result<Reconnect> {
    progress(&format!(
        "{} routes: hub restarts after SIG{signal}",
        scene.world.routes
    ));
    let (writes, passed) = (scene.target.writes(), scene.fleet.line.passed());
    scene.hub.end(signal).await?;
    let began = Instant::now();
    let restored_seconds = scene.hub.start().await?;
    let agents = number(scene.world.agents);
    let in_step = |it: &Metrics| {
        let answered = it.value("hubline_ingest_resyncs_total{reason=\"hello\"}");
        it.value("hubline_ingest_sessions") >= agents && answered >= agents
    };
    scene.hub.until("sessions of all agents", in_step).await?;
    let in_step_seconds = since(began);
    let objects = number(scene.world.objects());
    let programmed = |it: &Metrics| it.value(&objects_series("programmed")) >= objects;
    scene.hub.until("programmed objects", programmed).await?;
    let programmed_seconds = since(began);
    scene.settle().await;
    let metrics = scene.hub.metrics().await?;
    let wrote = scene.target.writes() - writes;
    ensure!(wrote == 0, "a restart with nothing changed wrote {wrote} times");
    scene.ensure_whole()?;
    Ok(Reconnect {
        signal: signal.to_owned(),
        restored_seconds,
        in_step_seconds,
        programmed_seconds,
        hellos_bytes: scene.fleet.message_bytes().hellos,
        resent_bytes: metrics.value("hubline_ingest_resources_bytes_total"),
        passed: scene.fleet.line.passed().since(passed),
        writes: wrote,
        usage: scene.hub.usage()?,
    })
}
