use hubline::model::{GroupKind, Key, ResourceKind};

use super::*;

const HOLD: Duration = Duration::from_secs(10);

fn tier(path: &str, healthy: u64, all: u64) -> Tier {
    Tier {
        path: path.into(),
        healthy,
        all,
    }
}

fn service(name: &str) -> GlobalKey {
    GlobalKey {
        cluster: ClusterId::new("a").unwrap(),
        key: Key::new(ResourceKind::Service, &GroupKind::new("", "Service"), "shop", name, ""),
    }
}

fn checked(name: &str, tiers: &[Tier]) -> Checked {
    Checked {
        cluster: ClusterId::new("a").unwrap(),
        service: Some(service(name)),
        tiers: tiers.to_vec(),
    }
}

/// One look, at a second; returns the names of services whose path is demoted.
fn look(lower: &mut Lower, second: u64, found: &[Checked]) -> Vec<String> {
    lower.on(found, |_| true, |_| HOLD, Moment(Duration::from_secs(second)));
    let demotions = lower.demotions();
    demotions.keys().map(|key| key.key.name.to_string()).collect()
}

#[test]
fn a_tier_is_left_under_thirty_percent_and_well_from_seventy_one() {
    for (best, next, wanted) in [
        ((29, 100), (100, 100), Word::Lower),
        ((30, 100), (100, 100), Word::Stay),
        ((70, 100), (100, 100), Word::Stay),
        ((71, 100), (100, 100), Word::Raise),
        ((0, 4), (1, 4), Word::Lower),
        ((0, 4), (0, 4), Word::Raise),
        ((1, 10), (1, 10), Word::Raise),
        ((1, 10), (1, 20), Word::Raise),
        ((1, 10), (3, 20), Word::Lower),
    ] {
        let said = word(&tier("line", best.0, best.1), &tier("internet", next.0, next.1));
        assert_eq!(said, wanted, "{best:?} against {next:?}");
    }
}

#[test]
fn only_the_service_that_is_weak_is_lowered_and_it_comes_back_when_it_was_well_for_long_enough() {
    let standby = tier("internet", 2, 2);
    let found = |healthy| {
        [
            checked("weak", &[tier("line", healthy, 10), standby.clone()]),
            checked("well", &[tier("line", 10, 10), standby.clone()]),
        ]
    };
    let mut lower = Lower::default();
    assert!(look(&mut lower, 0, &found(3)).is_empty());
    assert_eq!(look(&mut lower, 2, &found(2)), ["weak"]);
    let demoted = lower.demotions();
    assert_eq!(demoted.get(&service("weak")), Some(&Demoted::Path("line".into())));
    assert_eq!(look(&mut lower, 4, &found(8)), ["weak"], "well, but not for long");
    assert_eq!(look(&mut lower, 12, &found(5)), ["weak"], "neither one nor the other");
    assert_eq!(look(&mut lower, 14, &found(8)), ["weak"], "it counts from here");
    assert_eq!(look(&mut lower, 23, &found(8)), ["weak"]);
    assert_eq!(look(&mut lower, 24, &[]), ["weak"], "no data is last known");
    assert!(look(&mut lower, 25, &found(8)).is_empty());
    assert!(lower.services.is_empty(), "nothing is kept of it");
}

#[test]
fn the_last_tier_is_never_lowered() {
    let mut lower = Lower::default();
    let alone = [checked("web", &[tier("line", 0, 10)])];
    assert!(look(&mut lower, 0, &alone).is_empty());
    let both = [checked("web", &[tier("line", 0, 10), tier("internet", 1, 2)])];
    assert_eq!(look(&mut lower, 2, &both), ["web"]);
    assert!(look(&mut lower, 4, &alone).is_empty(), "the other tier left");
}

#[test]
fn what_instances_find_counts_together() {
    let mut lower = Lower::default();
    let says = |healthy| checked("web", &[tier("line", healthy, 10), tier("internet", 2, 2)]);
    assert!(look(&mut lower, 0, &[says(0), says(10)]).is_empty(), "half");
    assert_eq!(look(&mut lower, 2, &[says(0), says(5)]), ["web"], "a quarter");
}

#[test]
fn another_path_in_front_or_no_checks_any_more_undo_it() {
    let both = [checked("web", &[tier("line", 0, 10), tier("internet", 2, 2)])];
    let turned = [checked("web", &[tier("internet", 2, 2), tier("line", 0, 10)])];
    let mut lower = Lower::default();
    assert_eq!(look(&mut lower, 0, &both), ["web"]);
    assert!(look(&mut lower, 2, &turned).is_empty(), "a burst carries the cluster");
    assert_eq!(look(&mut lower, 4, &both), ["web"]);
    lower.on(&both, |_| false, |_| HOLD, Moment(Duration::from_secs(6)));
    assert!(lower.demotions().is_empty());
}
