//! What a hub writes before it has heard the clusters that it restored from its disk.

use std::collections::BTreeSet;

use super::*;

/// A hub that comes back with a disk that is a second older than the target: found by the simulation.
fn restarted(sink: &Arc<FakeSink>) -> Rig {
    let rig = Rig::start(sink);
    rig.writer.restored("hl-c".to_owned());
    rig.want(&[
        &upstream("a", 0),
        &upstream("b", 1),
        &route("r", "a", 0),
        &route("s", "b", 1),
    ]);
    rig
}

#[tokio::test(start_paused = true)]
async fn what_was_restored_is_not_written_over_what_is_newer() {
    let sink = FakeSink::new();
    programmed(&sink).await.stop().await;
    let mut rig = restarted(&sink);
    let body = serde_json::json!({"labels": crate::sink::testing::labels()});
    let other = object(ObjectKind::Upstream, "hl-other", body, &[]);
    rig.want(&[&other]);
    rig.pass(700 * SECOND).await;
    assert_eq!(sink.take_writes(), ["put upstreams/hl-other"], "of others everything");
    assert!(!rig.seen.contains_key("upstreams/hl-ca"), "it stays pending");
    assert_eq!(rig.metrics.drift_total(), 0);
    // An outage is no loss of memory.
    sink.with(|state| state.unreachable = true);
    rig.pass(10 * SECOND).await;
    sink.with(|state| state.unreachable = false);
    rig.pass(30 * SECOND).await;
    sink.with(|state| state.writes.retain(|write| write.ok));
    assert_eq!(sink.take_writes(), [""; 0]);
    rig.want(&[&upstream("a", 2)]);
    rig.pass(SECOND).await;
    assert_eq!(sink.take_writes(), [""; 0], "a change is held too");
    rig.writer.heard("hl-c");
    rig.pass(3 * SECOND).await;
    let written: BTreeSet<String> = sink.take_writes().into_iter().collect();
    let missed = [
        "put upstreams/hl-ca",
        "put upstreams/hl-cb",
        "put routes/hl-cr",
        "put routes/hl-cs",
    ];
    assert_eq!(
        written,
        missed.map(str::to_owned).into(),
        "each, the lanes side by side"
    );
    assert_eq!(rig.seen["upstreams/hl-ca"], Outcome::Programmed(upstream("a", 2).hash));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_without_memory_gets_what_was_restored_at_once() {
    let sink = FakeSink::new();
    let mut rig = restarted(&sink);
    rig.pass(MOMENT).await;
    assert_eq!(sink.take_writes().len(), 4, "though nobody was heard");
    // Nothing there is newer than what this hub wrote, also after an outage in the middle.
    sink.with(|state| state.unreachable = true);
    rig.want(&[&upstream("a", 3)]);
    rig.pass(10 * SECOND).await;
    sink.with(|state| state.unreachable = false);
    rig.pass(30 * SECOND).await;
    assert_eq!(rig.seen["upstreams/hl-ca"], Outcome::Programmed(upstream("a", 3).hash));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_loses_its_memory_later_gets_what_was_restored_at_once() {
    let sink = FakeSink::new();
    programmed(&sink).await.stop().await;
    let mut rig = restarted(&sink);
    rig.pass(10 * SECOND).await;
    assert_eq!(sink.take_writes(), [""; 0]);
    sink.with(|state| state.objects.clear());
    rig.pass(Duration::from_millis(1_100)).await;
    assert_eq!(sink.take_writes().len(), 4);
    rig.stop().await;
}
