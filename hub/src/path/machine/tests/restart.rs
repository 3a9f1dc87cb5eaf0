//! What a restart keeps, and what it takes for proof.

use super::support::{Hub, Line, cluster, id, moment};
use crate::path::decision::PersistedCluster;
use crate::path::health::Verdict;
use crate::path::machine::{PathEffect, PathEvent, Restored};

/// What was persisted last.
fn kept(hub: &Hub) -> PersistedCluster {
    let kept = hub.effects.iter().rev().find_map(|(_, effect)| match effect {
        PathEffect::Persist(_, kept) => Some(kept.clone()),
        PathEffect::Decide(..) | PathEffect::Happened(..) => None,
    });
    kept.unwrap()
}

/// A hub that begins with what another one kept, after it went through a disk.
fn restarted(before: &Hub) -> Hub {
    restarted_with(&kept(before))
}

fn restarted_with(kept: &PersistedCluster) -> Hub {
    let text = serde_json::to_string(kept).unwrap();
    let mut hub = Hub::bare();
    let clusters = vec![(id("a"), serde_json::from_str(&text).unwrap())];
    let orders = vec![];
    hub.on(PathEvent::Restored(Restored { clusters, orders }));
    hub.configure(vec![cluster("a")]);
    hub
}

#[test]
fn verdicts_and_the_active_path_come_back_unverified() {
    let mut before = Hub::new(vec![cluster("a")]);
    before.set("a", "line", Line::Cut);
    before.run(10);
    let mut hub = restarted(&before);
    let summary = hub.machine.summary(&id("a"), moment(0)).unwrap();
    assert_eq!(&*summary.decision.active, "public");
    let line = &summary.paths[0];
    assert_eq!((line.verdict, line.verified), (Verdict::Down, false));
    assert_eq!(summary.since, kept(&before).since);
    assert_eq!(hub.switches(), []);
    // The line is good: up after five, taken again after its delay.
    hub.run(304);
    assert_eq!(hub.active("a"), "public");
    hub.run(1);
    assert_eq!(hub.active("a"), "line");
}

#[test]
fn what_was_down_before_the_restart_is_no_reason_to_leave() {
    let mut before = Hub::new(vec![cluster("a")]);
    before.set("a", "line", Line::Cut);
    before.run(10);
    before.set("a", "public", Line::Cut);
    before.run(10);
    // Both were down, the public network was active.
    let mut hub = restarted(&before);
    assert_eq!((hub.active("a").as_str(), hub.switches()), ("public", vec![]));
    hub.set("a", "public", Line::Silent);
    hub.run(4);
    assert_eq!(hub.active("a"), "public");
    // The line proves to work, and of the other nothing is heard.
    hub.run(1);
    assert_eq!(hub.active("a"), "line");
}

#[test]
fn a_restored_verdict_alone_switches_nothing() {
    let mut before = Hub::new(vec![cluster("a")]);
    before.set("a", "line", Line::Cut);
    before.run(3);
    let mut kept = kept(&before);
    // As if the hub had been killed between the verdict and the switch.
    kept.active = "line".to_owned();
    let mut hub = restarted_with(&kept);
    hub.set("a", "public", Line::Silent);
    hub.run(10);
    assert_eq!((hub.active("a").as_str(), hub.switches()), ("line", vec![]));
    // The first lost probe is proof enough.
    let mut hub = restarted_with(&kept);
    hub.set("a", "public", Line::Silent);
    hub.set("a", "line", Line::Cut);
    hub.run(1);
    assert_eq!(hub.active("a"), "public");
}

#[test]
fn evidence_is_better_than_what_is_restored_late() {
    let mut before = Hub::new(vec![cluster("a")]);
    before.set("a", "line", Line::Cut);
    before.run(10);
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.run(1);
    let clusters = vec![(id("a"), kept(&before))];
    let orders = vec![];
    hub.on(PathEvent::Restored(Restored { clusters, orders }));
    assert_eq!(hub.active("a"), "line");
}
