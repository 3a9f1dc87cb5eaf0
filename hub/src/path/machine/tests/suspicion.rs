//! When most clusters fail at once.

use super::support::{Hub, Line, cluster};
use crate::path::decision::{Happened, HeldBy};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn five() -> Hub {
    let mut hub = Hub::new(NAMES.map(cluster).to_vec());
    hub.run(60);
    hub
}

fn on_line(hub: &Hub) -> Vec<&'static str> {
    NAMES.into_iter().filter(|name| hub.active(name) == "line").collect()
}

fn turns(hub: &Hub) -> Vec<(&'static str, usize, usize)> {
    let turn = |happened: &Happened| match *happened {
        Happened::Suspected { down, of } => Some(("suspected", down, of)),
        Happened::Trusted { down, of } => Some(("trusted", down, of)),
        _ => None,
    };
    hub.records().filter_map(|(_, record)| turn(&record.what)).collect()
}

#[test]
fn half_of_all_clusters_down_suspects_itself() {
    let mut hub = five();
    for name in NAMES {
        hub.set(name, "line", Line::Cut);
    }
    hub.run(3);
    // The third of five is more than half: from it on nothing is switched any more.
    assert_eq!(on_line(&hub), ["c", "d", "e"]);
    assert_eq!(turns(&hub), [("suspected", 3, 5)]);
    assert_eq!(hub.holds(), [HeldBy::Suspicion; 3]);
    hub.run(3_600);
    assert_eq!(on_line(&hub), ["c", "d", "e"]);
    // Two of five, both switched, are down: the hub trusts itself, and switches again.
    for name in ["c", "d", "e"] {
        hub.set(name, "line", Line::Good);
    }
    hub.run(5);
    assert_eq!(turns(&hub)[1..], [("trusted", 2, 5)]);
    hub.set("e", "line", Line::Cut);
    hub.run(3);
    assert_eq!(on_line(&hub), ["c", "d"]);
}

#[test]
fn those_that_stay_down_are_left_when_the_suspicion_ends() {
    let mut hub = five();
    for name in NAMES {
        hub.set(name, "line", Line::Cut);
    }
    hub.run(3);
    for name in ["a", "b", "c"] {
        hub.set(name, "line", Line::Good);
    }
    hub.run(5);
    assert_eq!(turns(&hub)[1..], [("trusted", 2, 5)]);
    assert_eq!(on_line(&hub), ["c"]);
}

#[test]
fn one_by_one_they_are_switched() {
    let mut hub = five();
    for name in NAMES {
        hub.set(name, "line", Line::Cut);
        hub.run(31);
    }
    assert_eq!(on_line(&hub), Vec::<&str>::new());
    assert_eq!(turns(&hub), []);
}

#[test]
fn clusters_without_evidence_do_not_count() {
    let mut hub = Hub::new(NAMES.map(cluster).to_vec());
    for name in ["c", "d", "e"] {
        hub.set(name, "line", Line::Silent);
        hub.set(name, "public", Line::Silent);
    }
    hub.run(60);
    hub.set("a", "line", Line::Cut);
    hub.set("b", "line", Line::Cut);
    hub.run(3);
    // Two of two are no half of three.
    assert_eq!(turns(&hub), []);
    assert_eq!(on_line(&hub), ["c", "d", "e"]);
}
