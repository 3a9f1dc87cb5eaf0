//! Which path is taken, by table and by story.

use super::support::{Hub, Line, cluster, good, id, moment, seconds, wall, with_paths};
use crate::path::decision::{Happened, HeldBy, Reason, SwitchReason};
use crate::path::health::Verdict;
use crate::path::machine::{ConfiguredCluster, PathEffect, PathEvent};
use crate::path::parameters::{Failback, RampParameters};

#[test]
fn a_hard_down_path_is_left_at_once_and_taken_again_after_the_delay() {
    let mut hub = Hub::new(vec![cluster("a")]);
    // Within the minimum hold of 30 s.
    hub.run(5);
    hub.set("a", "line", Line::Cut);
    hub.run(10);
    assert_eq!(hub.switches(), [(8, "public".to_owned(), SwitchReason::Down)]);
    hub.set("a", "line", Line::Good);
    hub.run(400);
    // Up at the fifth good probe, at 20 s; 300 s later.
    let back = (320, "line".to_owned(), SwitchReason::Failback);
    assert_eq!(hub.switches()[1..], [back]);
    assert_eq!(hub.decision("a").reason, Reason::Preferred);
}

#[test]
fn a_switch_carries_the_first_lost_probe() {
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.run(5);
    hub.set("a", "line", Line::Cut);
    hub.run(3);
    let switched = hub.records().find_map(|(_, record)| match &record.what {
        Happened::Switched {
            first_bad,
            since_first_bad,
            ..
        } => Some((*first_bad, *since_first_bad)),
        _ => None,
    });
    assert_eq!(switched, Some((Some(wall(6_000)), Some(seconds(2)))));
    let record = hub.records().map(|(_, record)| record).find(|record| {
        let Happened::Switched { .. } = record.what else {
            return false;
        };
        true
    });
    let shown = serde_json::to_value(record.unwrap()).unwrap();
    let expected = serde_json::json!({
        "at": "2027-01-15T08:00:08Z", "cluster": "a", "event": "switched", "from": "line", "to": "public",
        "why": "down", "firstBad": "2027-01-15T08:00:06Z", "sinceFirstBadMilliseconds": 2000.0,
    });
    assert_eq!(shown, expected);
}

#[test]
fn a_break_in_health_begins_the_delay_anew() {
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.set("a", "line", Line::Cut);
    hub.run(10);
    for _ in 0..5 {
        hub.set("a", "line", Line::Good);
        hub.run(299);
        hub.set("a", "line", Line::Cut);
        hub.run(10);
    }
    assert_eq!(hub.switches().len(), 1);
}

#[test]
fn health_that_nobody_saw_does_not_count() {
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.set("a", "line", Line::Cut);
    hub.run(10);
    hub.set("a", "line", Line::Good);
    hub.run(10);
    hub.set("a", "line", Line::Silent);
    hub.run(1_000);
    assert_eq!(hub.active("a"), "public");
}

#[test]
fn manual_failback_waits_for_people() {
    let mut manual = cluster("a");
    manual.failover.failback = Failback::Manual;
    let mut hub = Hub::new(vec![manual]);
    hub.set("a", "line", Line::Cut);
    hub.run(10);
    hub.set("a", "line", Line::Good);
    hub.run(5_000);
    assert_eq!(hub.active("a"), "public");
    assert_eq!(hub.holds(), [HeldBy::ManualFailback]);
    assert_eq!(hub.decision("a").reason, Reason::Held(HeldBy::ManualFailback));
}

#[test]
fn degraded_loses_against_up_after_the_hold() {
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.set("a", "line", Line::Lossy);
    hub.run(60);
    // Degraded at 20 s with its 20th probe, left when the hold is over.
    assert_eq!(hub.switches(), [(30, "public".to_owned(), SwitchReason::Degraded)]);
    assert_eq!(hub.holds(), [HeldBy::MinimumHold]);
}

#[test]
fn the_gain_must_exceed_the_variance() {
    // The line's and the public network's round trip, and whether the line, degraded above 100 ms, is left.
    let cases = [(150, 10, true), (150, 119, true), (150, 121, false), (150, 200, false)];
    for (line, public, left) in cases {
        let mut slow = cluster("a");
        slow.paths[0].health.latency = Some(std::time::Duration::from_millis(100));
        let mut hub = Hub::new(vec![slow]);
        hub.set("a", "line", Line::Slow(line));
        hub.set("a", "public", Line::Slow(public));
        hub.run(90);
        assert_eq!(hub.active("a") == "public", left, "{line} {public}");
    }
    // Both lose every second probe: none is better.
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.set("a", "line", Line::Lossy);
    hub.set("a", "public", Line::Lossy);
    hub.run(90);
    assert_eq!(hub.switches(), []);
}

#[test]
fn when_all_paths_are_down_the_last_one_stays() {
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.set("a", "line", Line::Cut);
    hub.run(10);
    hub.set("a", "public", Line::Cut);
    hub.run(600);
    let decision = hub.decision("a");
    assert_eq!(&*decision.active, "public");
    assert_eq!(decision.reason, Reason::Held(HeldBy::AllPathsDown));
    assert_eq!(hub.holds(), [HeldBy::AllPathsDown]);
    // Whichever comes back first is taken.
    hub.set("a", "line", Line::Good);
    hub.run(5);
    assert_eq!(hub.active("a"), "line");
}

#[test]
fn the_best_of_what_works_is_taken() {
    // Of ranks 0, 1 and 2, with rank 0 cut: the state of the others, and which is taken.
    let cases = [
        (Line::Good, Line::Good, "one"),
        (Line::Cut, Line::Good, "two"),
        (Line::Lossy, Line::Good, "two"),
        (Line::Lossy, Line::Lossy, "one"),
        (Line::Silent, Line::Good, "one"),
        (Line::Lossy, Line::Cut, "one"),
    ];
    for (one, two, taken) in cases {
        let mut hub = Hub::new(vec![with_paths("a", &["zero", "one", "two"])]);
        hub.set("a", "one", one);
        hub.set("a", "two", two);
        hub.run(40);
        hub.set("a", "zero", Line::Cut);
        hub.run(3);
        assert_eq!(hub.active("a"), taken, "{one:?} {two:?}");
    }
}

#[test]
fn the_order_has_the_best_first_and_the_worst_last() {
    let mut hub = Hub::new(vec![with_paths("a", &["zero", "one", "two", "three"])]);
    hub.set("a", "zero", Line::Cut);
    hub.set("a", "two", Line::Lossy);
    hub.run(40);
    let order: Vec<String> = hub.decision("a").order.iter().map(ToString::to_string).collect();
    assert_eq!(order, ["one", "three", "two", "zero"]);
    assert_eq!(hub.decision("a").verdicts["two"], Verdict::Degraded);
}

fn ramped() -> ConfiguredCluster {
    let mut ramped = cluster("a");
    ramped.failover.ramp = RampParameters {
        percents: vec![10, 50],
        step: seconds(20),
    };
    ramped
}

/// Until the ramp's first step, at 305 s after the start.
fn on_its_ramp() -> Hub {
    let mut hub = Hub::new(vec![ramped()]);
    hub.set("a", "line", Line::Cut);
    hub.run(3);
    // To the public network it goes at once.
    assert_eq!(hub.decision("a").weights, None);
    hub.set("a", "line", Line::Good);
    hub.run(305);
    assert_eq!(line_share(&hub), Some(10));
    hub
}

fn line_share(hub: &Hub) -> Option<u32> {
    let decision = hub.decision("a");
    assert_eq!(&*decision.active, "line");
    let weights = decision.weights?;
    assert_eq!(weights.values().sum::<u32>(), 100);
    Some(weights["line"])
}

#[test]
fn failback_goes_by_steps() {
    let mut hub = on_its_ramp();
    hub.run(19);
    assert_eq!(line_share(&hub), Some(10));
    hub.run(1);
    assert_eq!(line_share(&hub), Some(50));
    hub.run(20);
    assert_eq!(line_share(&hub), None);
    let steps: Vec<u32> = hub
        .records()
        .filter_map(|(_, record)| match record.what {
            Happened::Ramped { percent, .. } => Some(percent),
            _ => None,
        })
        .collect();
    assert_eq!(steps, [10, 50, 100]);
}

#[test]
fn a_ramp_is_abandoned_when_the_returning_path_goes_down() {
    let mut hub = on_its_ramp();
    hub.set("a", "line", Line::Cut);
    hub.run(3);
    let decision = hub.decision("a");
    assert_eq!((&*decision.active, decision.weights), ("public", None));
}

#[test]
fn a_ramp_ends_when_the_path_before_goes_down() {
    let mut hub = on_its_ramp();
    hub.set("a", "public", Line::Cut);
    hub.run(3);
    assert_eq!(line_share(&hub), None);
}

#[test]
fn a_ramp_stands_still_while_the_returning_path_is_degraded() {
    let mut hub = on_its_ramp();
    hub.set("a", "line", Line::Lossy);
    hub.set("a", "public", Line::Lossy);
    hub.run(100);
    assert_eq!(line_share(&hub), Some(10));
    hub.set("a", "line", Line::Good);
    hub.run(35);
    assert_eq!(line_share(&hub), Some(50));
}

#[test]
fn paths_come_and_go_with_the_configuration() {
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.run(10);
    hub.configure(vec![with_paths("a", &["new", "line", "public"])]);
    // A better one that is new has to prove itself.
    assert_eq!(hub.active("a"), "line");
    hub.run(301);
    assert_eq!(hub.active("a"), "new");
    hub.configure(vec![with_paths("a", &["public"])]);
    assert_eq!(hub.active("a"), "public");
    let last = hub.switches().pop().unwrap();
    assert_eq!(last, (311, "public".to_owned(), SwitchReason::Configured));
    hub.configure(vec![]);
    assert!(hub.machine.view(moment(hub.now)).clusters.is_empty());
    assert_eq!(hub.machine.next_deadline(), None);
}

#[test]
fn the_same_configuration_again_says_nothing() {
    let mut hub = Hub::new(vec![cluster("a"), ramped_as("b")]);
    hub.run(50);
    let before = hub.effects.len();
    hub.configure(vec![ramped_as("b"), cluster("a")]);
    assert_eq!(hub.effects.len(), before);
}

fn ramped_as(name: &str) -> ConfiguredCluster {
    ConfiguredCluster {
        cluster: id(name),
        ..ramped()
    }
}

#[test]
fn a_decision_is_said_only_when_it_differs() {
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.run(100);
    assert_eq!(hub.effects.len(), 1, "{:?}", hub.effects);
    assert!(matches!(hub.effects[0], (0, PathEffect::Decide(..))));
    // Unknown clusters and paths are no news either.
    hub.evidence(&id("b"), &"line".into(), good(1));
    hub.evidence(&id("a"), &"lime".into(), good(1));
    hub.on(PathEvent::Tick { wall: wall(hub.now) });
    assert_eq!(hub.effects.len(), 1);
}
