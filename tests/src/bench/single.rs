//! Endpoint changes, one after another, each waited for at the target.

use anyhow::{Result, ensure};

use super::cluster::Cluster;
use super::figures::{Percentiles, Single, number};
use super::installation::Installation;
use super::target::Target;

/// Steps through the slices: a prime, so that all come up in a size that is no multiple of it.
const STRIDE: usize = 7_919;

pub(super) async fn measure(
    installation: &Installation,
    target: &Target,
    cluster: &mut Cluster,
    count: usize,
) -> Result<Single> {
    let (mut latencies, mut kubernetes) = (Vec::new(), Vec::new());
    let (mut writes, mut bytes) = (0, 0);
    let sent_before = installation.uplink_bytes();
    for index in 0..count {
        target.clear();
        let slice = index * STRIDE % cluster.size();
        let change = cluster.change(slice).await?;
        let call = target.until_change(change.serial).await?;
        latencies.push(call.at.saturating_duration_since(change.sent));
        kubernetes.push(change.answered - change.sent);
        for write in target.writes() {
            writes += 1;
            bytes += write.body.len();
        }
    }
    let sent = installation.uplink_bytes().zip(sent_before);
    ensure!(writes == count, "{count} changes took {writes} writes");
    Ok(Single {
        latency: Percentiles::of(latencies),
        kubernetes_write: Percentiles::of(kubernetes),
        writes,
        target_bytes_per_change: number(bytes) / number(count),
        uplink_bytes_per_change: sent.map(|(after, before)| per_change(after.saturating_sub(before), count)),
    })
}

fn per_change(bytes: u64, count: usize) -> f64 {
    number(usize::try_from(bytes).unwrap_or(usize::MAX)) / number(count)
}
