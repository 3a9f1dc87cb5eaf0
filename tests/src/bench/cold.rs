//! From the agent's start to the last object at a target that had none.

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use super::cluster::Cluster;
use super::figures::{Cold, Usage};
use super::installation::{Installation, Part};
use super::target::Target;

/// Endpoints of each slice.
const ENDPOINTS: usize = 5;

pub(super) async fn measure(installation: &mut Installation, target: &Target, cluster: &Cluster) -> Result<Cold> {
    let began = Instant::now();
    installation.start(Part::Agent)?;
    target.until_served(cluster.size()).await?;
    // At once: what is used later belongs to no cold start.
    let (agent, hub) = usages(installation)?;
    let uplink_bytes = installation.uplink_bytes();
    installation.until_live(None).await?;
    let writes = target.writes();
    let times = || writes.iter().map(|call| call.at.saturating_duration_since(began));
    target.ensure_nodes(cluster.size(), ENDPOINTS)?;
    let cold = Cold {
        seconds: times().max().context("nothing was written")?.as_secs_f64(),
        first_write_seconds: first(&writes, began),
        writes: writes.len(),
        objects: target.objects(),
        target_bytes: writes.iter().map(|call| call.body.len()).sum(),
        uplink_bytes,
        agent,
        hub,
    };
    ensure!(
        cold.writes == cold.objects,
        "{} writes for {} objects",
        cold.writes,
        cold.objects
    );
    Ok(cold)
}

/// The hub's marker was written before the agent began.
fn first(writes: &[crate::apisix::Call], began: Instant) -> f64 {
    let after = writes.iter().map(|call| call.at).filter(|at| *at >= began);
    after.min().map_or(0.0, |at| (at - began).as_secs_f64())
}

fn usages(installation: &Installation) -> Result<(Usage, Usage)> {
    Ok((installation.usage(Part::Agent)?, installation.usage(Part::Hub)?))
}
