//! Cut and restore, again and again.

use super::support::{Hub, Line, cluster};
use crate::path::decision::{HeldBy, SwitchReason};
use crate::path::machine::ConfiguredCluster;

/// Ten times: 30 s cut, the rest of the period good.
fn cycles(configured: ConfiguredCluster, minutes: u64) -> Hub {
    let mut hub = Hub::new(vec![configured]);
    hub.run(60);
    for _ in 0..10 {
        hub.set("a", "line", Line::Cut);
        hub.run(30);
        hub.set("a", "line", Line::Good);
        hub.run(minutes * 60 - 30);
    }
    hub
}

/// Without the cap, so that damping alone decides.
fn uncapped() -> ConfiguredCluster {
    let mut uncapped = cluster("a");
    uncapped.failover.max_switches_per_hour = 60;
    uncapped
}

fn held_by(hub: &Hub, by: HeldBy) -> usize {
    hub.holds().into_iter().filter(|held| *held == by).count()
}

/// Two switches of 1000 each, 332 s and the rest of the period apart, add up to 3000 when the period is shorter than 6.8
/// minutes: 14 minutes are half as often.
#[test]
fn ten_cycles_at_half_the_damping_limit_are_never_held() {
    let hub = cycles(uncapped(), 14);
    assert_eq!(held_by(&hub, HeldBy::Damping), 0);
    assert_eq!(hub.switches().len(), 20);
    let ups = hub
        .switches()
        .into_iter()
        .filter(|(_, _, why)| *why == SwitchReason::Failback);
    assert_eq!(ups.count(), 10);
}

#[test]
fn above_the_damping_limit_it_is_held_and_says_so() {
    let hub = cycles(uncapped(), 6);
    assert!(held_by(&hub, HeldBy::Damping) >= 2, "{:?}", hub.holds());
    assert!(hub.switches().len() < 20, "{:?}", hub.switches());
    // Held on what works, never down.
    let mut hub = hub;
    hub.run(3_600);
    assert_eq!(hub.active("a"), "line");
}

/// Four an hour are two cycles an hour; half of that is one.
#[test]
fn ten_cycles_at_half_the_cap_are_never_held() {
    let hub = cycles(cluster("a"), 60);
    assert_eq!(held_by(&hub, HeldBy::Damping) + held_by(&hub, HeldBy::Cap), 0);
    assert_eq!(hub.switches().len(), 20);
}

#[test]
fn above_the_cap_it_is_held_and_says_so() {
    let hub = cycles(cluster("a"), 20);
    assert!(held_by(&hub, HeldBy::Cap) >= 3, "{:?}", hub.holds());
    // Whatever the cap says, a path that is hard down is left.
    let lefts = hub
        .switches()
        .into_iter()
        .filter(|(_, _, why)| *why == SwitchReason::Down);
    assert!(lefts.count() >= 5);
}

#[test]
fn held_by_the_cap_although_every_way_out_was_hard_down() {
    let mut hub = Hub::new(vec![cluster("a")]);
    for _ in 0..10 {
        for (one, other) in [("line", "public"), ("public", "line")] {
            hub.set("a", one, Line::Cut);
            hub.set("a", other, Line::Good);
            hub.run(20);
            assert_eq!(hub.active("a"), other);
        }
    }
    let summary = hub
        .machine
        .summary(&super::support::id("a"), super::support::moment(hub.now))
        .unwrap();
    assert_eq!(summary.switches_within_an_hour, 4);
    assert!(summary.penalty > 3_000 && summary.suppressed_until.is_some());
}
