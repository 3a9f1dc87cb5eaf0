//! A line that carries little.

use std::num::NonZeroU64;

use anyhow::{Result, ensure};
use hubline_sandbox::system::{PATIENCE, Source, System};
use libtest_mimic::Trial;
use tokio::time::{Duration, Instant, sleep};

use crate::fixture::backend;
use crate::log;
use crate::trial;
use hubline_sandbox::manifests::{Manifests, app, ingress};

/// Some 400 KB that cannot be compressed, in one part of a snapshot.
const INGRESSES: u32 = 320;

/// 160 kbit/s: the part takes longer than the 15 s after which who is silent is given up.
const BYTES_PER_SECOND: u64 = 20_000;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "slow_line::a_big_snapshot_arrives_without_a_cut",
        a_big_snapshot_arrives_without_a_cut,
    )]
}

async fn a_big_snapshot_arrives_without_a_cut() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (mut system, manifests) = (System::start(&["a"]).await?, Manifests::new()?);
    manifests.write("app.yaml", &app("web", "a.example.com", &["10.90.1.1"], 8080))?;
    for number in 0..INGRESSES {
        let name = format!("noise{number}");
        let yaml = ingress(&name, "noise.example.com", &noise(number), "web");
        manifests.write(&format!("{name}.yaml"), &yaml)?;
    }
    system.hub_link.limit(NonZeroU64::new(BYTES_PER_SECOND));
    let began = Instant::now();
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    // Half of it, and the rest: each within the patience of a test.
    sent(&system, 150_000).await?;
    sent(&system, 300_000).await?;
    system.until_served("a.example.com", "/", "10.90.1.1").await?;
    ensure!(began.elapsed() > Duration::from_secs(15), "the line was not slow");
    let logged = log::all();
    ensure!(!logged.contains("session ended"), "a session was cut: {logged}");
    Ok(())
}

async fn sent(system: &System, bytes: u64) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while system.hub_link.counters().to_upstream < bytes {
        let counters = system.hub_link.counters();
        ensure!(Instant::now() < deadline, "only {counters:?} went over the link");
        ensure!(counters.connections <= 1, "the agent came again: {counters:?}");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// A path of 2,000 hexadecimal digits: 1,000 bytes of noise.
fn noise(number: u32) -> String {
    let mut bytes = [0; 1_000];
    blake3::Hasher::new()
        .update(&number.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    format!("/{}", digits.collect::<String>())
}
