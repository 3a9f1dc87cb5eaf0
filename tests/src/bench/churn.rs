//! 50 endpoint changes a second, whether the earlier ones have arrived or not.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::cluster::{Change, Cluster, serial_in};
use super::figures::{Churn, Percentiles, milliseconds};
use super::installation::{Installation, Part};
use super::target::{Target, slice_of};
use crate::apisix::Call;

/// Between two changes: 50 a second, as the peers were measured.
const INTERVAL: Duration = Duration::from_millis(20);

/// How long the last changes may take to arrive: the slowest peer was 25 s behind.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which slices change is drawn from this, so that every run is the same.
const SEED: u64 = 4;

pub(super) async fn measure(
    installation: &Installation,
    target: &Target,
    cluster: &mut Cluster,
    time: Duration,
) -> Result<Churn> {
    target.clear();
    let before = (installation.usage(Part::Agent)?, installation.usage(Part::Hub)?);
    let changes = write(cluster, time).await?;
    let wanted: BTreeMap<usize, u16> = last_of_each(&changes);
    target.until_changed(&wanted, PATIENCE).await;
    let after = (installation.usage(Part::Agent)?, installation.usage(Part::Hub)?);
    let calls = target.writes();
    let churn = Churn {
        changes: changes.len(),
        slices: wanted.len(),
        right: target.right(&wanted),
        behind_ms: milliseconds(behind(&changes, &calls)?),
        lag: Percentiles::of(lags(&changes, &calls)),
        writes: calls.len(),
        agent_cpu_seconds: after.0.cpu_seconds - before.0.cpu_seconds,
        hub_cpu_seconds: after.1.cpu_seconds - before.1.cpu_seconds,
        agent_peak_memory_bytes: after.0.peak_memory_bytes,
        hub_peak_memory_bytes: after.1.peak_memory_bytes,
    };
    let lost = churn.slices - churn.right;
    ensure!(lost == 0, "{lost} of {} slices ended wrong", churn.slices);
    Ok(churn)
}

/// Changes at their times; a slice is not changed again before the change before it was answered, or nobody could say
/// which was the last.
async fn write(cluster: &mut Cluster, time: Duration) -> Result<Vec<Change>> {
    let mut random = StdRng::seed_from_u64(SEED);
    let (mut under_way, mut busy) = (JoinSet::new(), std::collections::BTreeSet::new());
    let mut changes = Vec::new();
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let count = time.as_millis() / INTERVAL.as_millis();
    for _ in 0..count {
        ticks.tick().await;
        while let Some(done) = under_way.try_join_next() {
            take(done?, &mut busy, &mut changes)?;
        }
        if let Some(slice) = draw(&mut random, cluster.size(), &busy) {
            busy.insert(slice);
            under_way.spawn(cluster.change(slice));
        }
    }
    while let Some(done) = under_way.join_next().await {
        take(done?, &mut busy, &mut changes)?;
    }
    Ok(changes)
}

fn take(done: Result<Change>, busy: &mut std::collections::BTreeSet<usize>, changes: &mut Vec<Change>) -> Result<()> {
    let change = done?;
    busy.remove(&change.slice);
    changes.push(change);
    Ok(())
}

/// A slice that is not being changed; none when all are.
fn draw(random: &mut StdRng, size: usize, busy: &std::collections::BTreeSet<usize>) -> Option<usize> {
    if busy.len() >= size {
        return None;
    }
    loop {
        let slice = random.random_range(0..size);
        if !busy.contains(&slice) {
            return Some(slice);
        }
    }
}

fn last_of_each(changes: &[Change]) -> BTreeMap<usize, u16> {
    let mut last = BTreeMap::new();
    for change in changes {
        let serial = last.entry(change.slice).or_insert(change.serial);
        *serial = change.serial.max(*serial);
    }
    last
}

/// From the last request to the last call.
fn behind(changes: &[Change], calls: &[Call]) -> Result<Duration> {
    let sent = changes
        .iter()
        .map(|change| change.sent)
        .max()
        .context("nothing was changed")?;
    let called = calls.iter().map(|call| call.at).max().context("nothing was written")?;
    Ok(called.saturating_duration_since(sent))
}

/// What carried each change, or a later one of the same slice; changes that nothing carried are left out, and counted as
/// lost elsewhere.
fn lags(changes: &[Change], calls: &[Call]) -> Vec<Duration> {
    let mut carried: BTreeMap<usize, Vec<(u16, Instant)>> = BTreeMap::new();
    for call in calls {
        if let (Some(slice), Some(serial)) = (slice_of(&call.json()), serial_in(&call.body)) {
            carried.entry(slice).or_default().push((serial, call.at));
        }
    }
    let lag = |change: &Change| {
        let calls = carried.get(&change.slice)?;
        let (_, at) = calls.iter().find(|(serial, _)| *serial >= change.serial)?;
        Some(at.saturating_duration_since(change.sent))
    };
    changes.iter().filter_map(lag).collect()
}
