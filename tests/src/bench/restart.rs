//! Agent and hub start again while nothing changed: nothing may be written.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, sleep};

use super::figures::{Restart, Restarts};
use super::installation::{Installation, Part};
use super::target::Target;

pub(super) async fn measure(installation: &mut Installation, target: &Target, quiet: Duration) -> Result<Restarts> {
    Ok(Restarts {
        agent: of_agent(installation, target, quiet).await?,
        hub: of_hub(installation, target, quiet).await?,
    })
}

async fn of_agent(installation: &mut Installation, target: &Target, quiet: Duration) -> Result<Restart> {
    let before = installation.live_epoch().await.context("agent and hub do not agree")?;
    installation.end(Part::Agent).await?;
    target.clear();
    let began = Instant::now();
    installation.start(Part::Agent)?;
    installation.until_live(Some(&before)).await?;
    finish(target, began, quiet).await
}

async fn of_hub(installation: &mut Installation, target: &Target, quiet: Duration) -> Result<Restart> {
    installation.end(Part::Hub).await?;
    target.clear();
    let began = Instant::now();
    installation.start(Part::Hub)?;
    installation.until_ready().await?;
    installation.until_live(None).await?;
    finish(target, began, quiet).await
}

/// Waits for writes that are not to come, which nothing can announce.
async fn finish(target: &Target, began: Instant, quiet: Duration) -> Result<Restart> {
    let seconds = began.elapsed().as_secs_f64();
    sleep(quiet).await;
    let writes = target.writes().len();
    ensure!(writes == 0, "a restart wrote {writes} times");
    Ok(Restart { seconds, writes })
}
