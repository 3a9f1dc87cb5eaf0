//! What bars a switch, by table. Times are in seconds.

use super::*;

fn at(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

fn parameters() -> FailoverParameters {
    FailoverParameters::default()
}

/// Switches at these times; the bar at that one.
fn bar(parameters: &FailoverParameters, switches: &[u64], now: u64) -> Option<(HeldBy, u64)> {
    let mut guards = Guards::new(at(0));
    for second in switches {
        guards.switched(parameters, at(*second));
    }
    let (by, until) = guards.bar(parameters, at(now))?;
    Some((by, until.0.as_secs()))
}

#[test]
fn the_bar_that_ends_last_is_named() {
    type Case<'a> = (&'a [u64], u64, Option<(HeldBy, u64)>);
    let cases: [Case<'_>; 9] = [
        (&[], 29, Some((HeldBy::MinimumHold, 30))),
        (&[], 30, None),
        (&[100], 129, Some((HeldBy::MinimumHold, 130))),
        (&[100], 130, None),
        // 1000 halved twice, and 1000 more, stays below 3000.
        (&[100, 700], 731, None),
        // 3000 within a moment: down to 1000 after 300 s · log2(3).
        (&[100, 100, 100], 131, Some((HeldBy::Damping, 575))),
        (&[100, 100, 100], 576, None),
        (&[0, 900, 1_800, 2_700], 2_731, Some((HeldBy::Cap, 3_600))),
        (&[0, 900, 1_800, 2_700], 3_600, None),
    ];
    for (switches, now, expected) in cases {
        assert_eq!(bar(&parameters(), switches, now), expected, "{switches:?} at {now}");
    }
}

#[test]
fn suppression_ends_at_the_latest_after_its_longest_time() {
    let mut parameters = parameters();
    parameters.max_switches_per_hour = 60;
    let switches: Vec<u64> = (0..50).map(|switch| switch * 10).collect();
    let longest = 490 + 1_800;
    assert_eq!(bar(&parameters, &switches, 600), Some((HeldBy::Damping, 1_961)));
    parameters.damping.penalty = 1_000_000;
    assert_eq!(bar(&parameters, &switches, 600), Some((HeldBy::Damping, longest)));
    parameters.damping.max = Duration::from_secs(60);
    assert_eq!(bar(&parameters, &switches, 521), Some((HeldBy::Damping, 550)));
}

#[test]
fn once_suppressed_it_stays_so_until_reuse() {
    let mut guards = Guards::new(at(0));
    let parameters = FailoverParameters {
        max_switches_per_hour: 60,
        ..parameters()
    };
    for second in [0, 0, 0] {
        guards.switched(&parameters, at(second));
    }
    assert_eq!(guards.penalty(&parameters.damping, at(300)), 1_500);
    assert!(guards.suppressed_until(at(300)).is_some());
    // The path went down and was left; what is added counts although it is below the limit.
    guards.switched(&parameters, at(400));
    assert_eq!(guards.penalty(&parameters.damping, at(400)), 2_191);
    assert!(guards.suppressed_until(at(700)).is_some());
}

#[test]
fn what_people_do_counts_for_the_hold_only() {
    let mut guards = Guards::new(at(0));
    for second in 0..10 {
        guards.moved(at(second));
    }
    let bar = guards.bar(&parameters(), at(10));
    assert_eq!(bar, Some((HeldBy::MinimumHold, at(39))));
    assert_eq!(guards.within_an_hour(at(10)), 0);
}

#[test]
fn memory_is_bounded() {
    let mut guards = Guards::new(at(0));
    for second in 0..1_000 {
        guards.switched(&parameters(), at(second));
    }
    assert_eq!(guards.switches.len(), 4);
}
