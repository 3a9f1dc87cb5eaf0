//! A switch of a whole cluster by its upstreams, through the driver.

use serde_json::json;

use super::*;
use crate::sink::testing::labels;

const INTERVAL: Duration = Duration::from_millis(40);

/// When each object of a name that begins so was written, and which.
fn written(sink: &FakeSink, begins: &str) -> Vec<(Instant, String)> {
    let writes = sink.with(|state| std::mem::take(&mut state.writes));
    let of_name = writes.into_iter().filter(|write| write.id.starts_with(begins));
    of_name.map(|write| (write.at, write.id)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_paced_and_a_single_change_and_a_diversion_pass_it() {
    let sink = FakeSink::new();
    let mut rig = Rig::start(&sink);
    let upstreams = |version| {
        (0..300)
            .map(move |n| upstream(&format!("{n:03}"), version))
            .collect::<Vec<_>>()
    };
    rig.want(&upstreams(1).iter().chain([&upstream("z", 1)]).collect::<Vec<_>>());
    rig.pass(3 * SECOND).await;
    assert_eq!(sink.take_writes().len(), 301);
    let begin = Instant::now();
    rig.want(&upstreams(2).iter().collect::<Vec<_>>());
    rig.pass(Duration::from_millis(210)).await;
    let moment = Instant::now();
    let rule = object(ObjectKind::GlobalRule, "hl-paths-x", json!({"labels": labels()}), &[]);
    rig.want(&[&upstream("z", 2), &rule]);
    rig.pass(3 * SECOND).await;
    let writes = written(&sink, "");
    let at = |id: &str| writes.iter().find(|(_, written)| written == id).map(|(at, _)| *at);
    assert_eq!(
        at("upstreams/hl-cz"),
        Some(moment),
        "a single change waits for no portion"
    );
    assert_eq!(at("global_rules/hl-paths-x"), Some(moment), "nor does a diversion");
    let bulk: Vec<Instant> = writes
        .iter()
        .filter(|(_, id)| id.starts_with("upstreams/hl-c") && id != "upstreams/hl-cz")
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(bulk.len(), 300, "each once");
    for start in &bulk {
        let count = bulk
            .iter()
            .filter(|at| (*start..*start + INTERVAL).contains(at))
            .count();
        assert!(count <= 20, "{count} in an interval");
    }
    // Paused time goes in whole milliseconds; 15 portions.
    let took = *bulk.last().unwrap() - begin;
    assert!(
        (INTERVAL * 14..INTERVAL * 15).contains(&took),
        "and no slower than it must be: {took:?}"
    );
    rig.stop().await;
}

/// What is not there is used by nothing: a cold start is not paced.
#[tokio::test(start_paused = true)]
async fn a_cold_start_waits_for_nothing() {
    let sink = FakeSink::new();
    let mut rig = Rig::start(&sink);
    let upstreams: Vec<_> = (0..1_000).map(|n| upstream(&format!("{n:03}"), 1)).collect();
    rig.want(&upstreams.iter().collect::<Vec<_>>());
    rig.pass(MOMENT).await;
    assert_eq!(sink.take_writes().len(), 1_000);
    rig.stop().await;
}
