//! The rules of one path's health, by table. Times are in milliseconds.

use super::*;
use crate::path::evidence::{NoData, ProbeFailure};

fn at(millis: u64) -> Moment {
    Moment(Duration::from_millis(millis))
}

fn good(round_trip: u64) -> ProbeResult {
    let round_trip = Duration::from_millis(round_trip);
    ProbeResult::Good { round_trip }
}

fn lossy() -> ProbeResult {
    let round_trip = Duration::from_millis(10);
    ProbeResult::Lossy { round_trip }
}

fn bad() -> ProbeResult {
    ProbeResult::Bad(ProbeFailure::Timeout)
}

fn line() -> Vantage {
    Vantage::Line
}

fn gateway(name: &str) -> Vantage {
    Vantage::Gateway(name.into())
}

fn target(name: &str) -> Vantage {
    Vantage::Target(name.into())
}

/// A path and the time.
struct Path {
    health: Health,
    now: u64,
}

impl Path {
    fn new() -> Self {
        Self::with(HealthParameters::default())
    }

    fn with(parameters: HealthParameters) -> Self {
        let health = Health::new(parameters);
        Self { health, now: 1_000 }
    }

    /// Results of one vantage, 250 ms apart, sent when they come: `+` good, `-` bad, `~` good after a lost packet, `l`
    /// good and late, `.` nothing.
    fn sees(&mut self, vantage: &Vantage, results: &str) -> Verdict {
        for result in results.chars() {
            self.now += 250;
            let result = match result {
                '+' => good(10),
                '-' => bad(),
                '~' => lossy(),
                'l' => good(210),
                _ => ProbeResult::Nothing(NoData::NothingToProbe),
            };
            self.takes(vantage, self.now, result);
        }
        self.health.verdict()
    }

    fn takes(&mut self, vantage: &Vantage, sent: u64, result: ProbeResult) -> Option<Transition> {
        let vantage = vantage.clone();
        let sent = at(sent);
        self.health.on(Evidence { vantage, sent, result }, at(self.now))
    }
}

#[test]
fn a_black_hole_is_down_at_the_third_lost_probe() {
    let mut path = Path::new();
    path.sees(&line(), "++++++++");
    let cut = path.now;
    // Sent at 0.25, 0.5 and 0.75 s; each is lost when its timeout of 250 ms is over.
    let results: Vec<Option<Transition>> = [500, 750, 1_000]
        .into_iter()
        .map(|lost| {
            path.now = cut + lost;
            path.takes(&line(), cut + lost - 250, bad())
        })
        .collect();
    assert_eq!((&results[0], &results[1]), (&None, &None));
    let down = results[2].clone().unwrap();
    assert_eq!(
        (down.from, down.to, down.cause),
        (Verdict::Up, Verdict::Down, Cause::Fell)
    );
    let grounds = down.grounds;
    assert_eq!(grounds.vantage, Some(Vantage::Line));
    assert_eq!(grounds.in_a_row, 3);
    assert_eq!(grounds.first_bad, Some(at(cut + 250)));
    assert_eq!(grounds.last_failure, Some(ProbeFailure::Timeout));
    assert_eq!(grounds.loss, Loss { lost: 3, of: 11 });
    assert_eq!(grounds.round_trip, Some(Duration::from_millis(10)));
}

#[test]
fn rise_and_fall_count_results_in_a_row() {
    let cases = [
        ("--", Verdict::Up),
        ("--+--", Verdict::Up),
        ("---", Verdict::Down),
        ("---++++", Verdict::Down),
        ("---++++-++++", Verdict::Down),
        ("---+++++", Verdict::Up),
        // Nothing counts neither for nor against.
        ("--.-", Verdict::Down),
        ("---++.+.++", Verdict::Up),
        ("...............", Verdict::Up),
    ];
    for (results, expected) in cases {
        assert_eq!(Path::new().sees(&line(), results), expected, "{results}");
    }
}

#[test]
fn results_count_in_the_order_in_which_they_were_sent() {
    let mut path = Path::new();
    path.sees(&line(), "+++");
    let last = path.now;
    // Three that are older than the last good one become known late: the line is up.
    for sent in [10, 20, 30] {
        path.takes(&line(), last - 600 + sent, bad());
    }
    assert_eq!(path.health.verdict(), Verdict::Up);
    // Three in turned order, all after it: down, and the first to be sent is the first bad one.
    for sent in [750, 250, 500] {
        path.takes(&line(), last + sent, bad());
    }
    assert_eq!(path.health.verdict(), Verdict::Down);
    assert_eq!(path.health.grounds(at(path.now)).first_bad, Some(at(last + 250)));
    // Good ones from before the cut, answered late, bring nothing up.
    for sent in 0..5 {
        path.takes(&line(), last + sent, good(900));
    }
    assert_eq!(path.health.verdict(), Verdict::Down);
}

#[test]
fn the_vantages_together() {
    let (one, two) = (gateway("one"), gateway("two"));
    let (t1, t2) = (target("a"), target("b"));
    let l = line();
    type Case<'a> = (&'a str, &'a [(&'a Vantage, &'a str)], Verdict, Cause);
    let cases: [Case<'_>; 10] = [
        ("no gateway", &[(&l, "+---")], Verdict::Down, Cause::Fell),
        (
            "a gateway got through before, not since",
            &[(&one, "+++"), (&l, "+---")],
            Verdict::Down,
            Cause::Fell,
        ),
        (
            "a gateway gets through",
            &[(&l, "+---"), (&one, "+")],
            Verdict::Degraded,
            Cause::HubLineDown,
        ),
        (
            "a gateway got through once, and no longer",
            &[(&l, "+---"), (&one, "+-")],
            Verdict::Down,
            Cause::Fell,
        ),
        (
            "one of two gets through",
            &[(&l, "+---"), (&one, "---"), (&two, "+")],
            Verdict::Degraded,
            Cause::HubLineDown,
        ),
        (
            "no gateway gets through, the hub does",
            &[(&l, "++++"), (&one, "---"), (&two, "---"), (&l, "+")],
            Verdict::Down,
            Cause::GatewaysDown,
        ),
        (
            "one gateway of two is down",
            &[(&l, "++++"), (&two, "+"), (&one, "---"), (&l, "+")],
            Verdict::Up,
            Cause::NoData,
        ),
        (
            "all targets, without a line",
            &[(&l, "..."), (&t1, "---"), (&t2, "---")],
            Verdict::Down,
            Cause::Fell,
        ),
        (
            "one target of two, without a line",
            &[(&t2, "+"), (&t1, "---")],
            Verdict::Up,
            Cause::NoData,
        ),
        (
            "all targets, but the line is good",
            &[(&l, "+"), (&t1, "---"), (&t2, "---")],
            Verdict::Up,
            Cause::NoData,
        ),
    ];
    for (name, seen, verdict, cause) in cases {
        let mut path = Path::new();
        for (vantage, results) in seen {
            path.sees(vantage, results);
        }
        assert_eq!((path.health.verdict(), path.health.cause()), (verdict, cause), "{name}");
    }
}

#[test]
fn a_gateway_that_is_silent_for_long_says_nothing() {
    let mut path = Path::new();
    path.sees(&gateway("one"), "---");
    assert_eq!(path.sees(&line(), "+"), Verdict::Down);
    path.now += 46_000;
    assert_eq!(path.sees(&line(), "++++"), Verdict::Down);
    assert_eq!(path.sees(&line(), "+"), Verdict::Up);
}

#[test]
fn a_bad_probe_never_brings_a_path_up() {
    let mut path = Path::new();
    path.sees(&line(), "---");
    path.now += 3_600_000;
    // The line is silent, and a gateway that is new, or was silent too, has not decided yet.
    assert_eq!(path.sees(&gateway("one"), "-"), Verdict::Down);
    // And it takes a rise.
    assert_eq!(path.sees(&gateway("one"), "++++"), Verdict::Down);
    assert_eq!(path.sees(&gateway("one"), "+"), Verdict::Up);
    path.sees(&gateway("one"), "---");
    path.now += 3_600_000;
    path.sees(&gateway("two"), "+++++---");
    path.now += 3_600_000;
    assert_eq!(path.sees(&line(), "-"), Verdict::Down);
}

/// Loss and latency of a path with one probe a second for so long: every `nth` is lost, answers take `millis`.
fn runs(path: &mut Path, seconds: u64, nth: Option<u64>, millis: u64) -> Verdict {
    for second in 1..=seconds {
        path.now += 1_000;
        let lost = nth.is_some_and(|nth| second % nth == 0);
        path.takes(&line(), path.now, if lost { bad() } else { good(millis) });
    }
    path.health.verdict()
}

#[test]
fn loss_degrades_above_the_limit_and_stays_until_well_below() {
    let parameters = HealthParameters {
        loss_percent: 10,
        window: Duration::from_secs(240),
        ..HealthParameters::default()
    };
    let mut path = Path::with(parameters);
    // 8.3 % is below 10, and above 7.
    let cases = [
        (12, Verdict::Up),
        (8, Verdict::Degraded),
        (12, Verdict::Degraded),
        (20, Verdict::Up),
        (12, Verdict::Up),
        (2, Verdict::Degraded),
    ];
    for (nth, expected) in cases {
        assert_eq!(runs(&mut path, 480, Some(nth), 10), expected, "one of {nth}");
        let loss = path.health.grounds(at(path.now)).loss;
        assert!(loss.of.abs_diff(232) <= 8, "{loss:?}");
    }
    assert_eq!(path.health.cause(), Cause::Loss);
}

/// What endpoints told from dead ones is lost, and yet the probe was answered: rows go on.
#[test]
fn lost_packets_degrade_and_do_not_take_down() {
    let some_lost = "+++~+++~+++~+++~+++~";
    assert_eq!(Path::new().sees(&line(), &some_lost.replace('~', "+")), Verdict::Up);
    let mut path = Path::new();
    assert_eq!(path.sees(&line(), some_lost), Verdict::Degraded);
    assert_eq!(path.health.cause(), Cause::Loss);
    assert_eq!(path.sees(&line(), "~~~~~~~~~~"), Verdict::Degraded);
    assert_eq!(
        Path::new().sees(&line(), "--~---"),
        Verdict::Down,
        "an answer, after which it is silent"
    );
    assert_eq!(Path::new().sees(&line(), "--~--"), Verdict::Up);
    let mut down = Path::new();
    down.sees(&line(), "---");
    assert_eq!(down.sees(&line(), "~~~~"), Verdict::Down);
    assert_eq!(
        down.sees(&line(), "~"),
        Verdict::Up,
        "a line that comes up is judged anew"
    );
}

/// TCP hides lost packets from APISIX; its late answers alone may be the agent's doing, the hub's lost packets alone the
/// hub's.
#[test]
fn late_answers_at_apisix_are_lost_packets_where_the_hub_loses_some_too() {
    let (clean, lossy, late) = ("+".repeat(24), "++~".repeat(8), "++l".repeat(8));
    for (at_line, at_gateway, expected) in [
        (&clean, &clean, Verdict::Up),
        (&lossy, &clean, Verdict::Up),
        (&clean, &late, Verdict::Up),
        (&lossy, &late, Verdict::Degraded),
    ] {
        let mut path = Path::new();
        path.sees(&line(), at_line);
        let verdict = path.sees(&gateway("one"), at_gateway);
        assert_eq!(verdict, expected, "line {at_line}, gateway {at_gateway}");
    }
    // Without enough of APISIX's own the hub's word counts.
    assert_eq!(Path::new().sees(&line(), &lossy), Verdict::Degraded);
}

#[test]
fn latency_degrades_only_with_a_limit() {
    assert_eq!(runs(&mut Path::new(), 60, None, 5_000), Verdict::Up);
    let parameters = HealthParameters {
        latency: Some(Duration::from_millis(100)),
        ..HealthParameters::default()
    };
    let mut path = Path::with(parameters);
    for (millis, expected) in [
        (99, Verdict::Up),
        (101, Verdict::Degraded),
        (80, Verdict::Degraded),
        (60, Verdict::Up),
        (80, Verdict::Up),
    ] {
        assert_eq!(runs(&mut path, 60, None, millis), expected, "{millis}");
    }
}

#[test]
fn few_probes_do_not_degrade() {
    let mut path = Path::new();
    assert_eq!(path.sees(&line(), "-+-+-+-+-+-+-+-+-+-"), Verdict::Up);
    assert_eq!(path.sees(&line(), "+"), Verdict::Degraded);
}

#[test]
fn an_outage_does_not_begin_as_loss() {
    let mut path = Path::new();
    runs(&mut path, 60, None, 10);
    // Two of 30 are more than 5 %; but if it goes on, the path is down.
    for expected in [Verdict::Up, Verdict::Up, Verdict::Down] {
        path.now += 1_000;
        path.takes(&line(), path.now, bad());
        assert_eq!(path.health.verdict(), expected);
    }
    // And two lost ones, alone, are no reason to leave a path.
    let mut path = Path::new();
    runs(&mut path, 60, None, 10);
    assert_eq!(path.sees(&line(), "--++++"), Verdict::Up);
    assert_eq!(path.sees(&line(), "-+"), Verdict::Degraded);
}

#[test]
fn a_line_that_comes_up_is_judged_anew() {
    let mut path = Path::new();
    path.sees(&line(), "++++++++++++++++++++++++++++++++++++++++----------------");
    assert_eq!(path.sees(&line(), "+++++"), Verdict::Up);
}

#[test]
fn no_data_means_last_known() {
    for (before, verdict) in [("+", Verdict::Up), ("---", Verdict::Down)] {
        let mut path = Path::new();
        path.sees(&line(), before);
        for vantage in [line(), gateway("one"), target("a")] {
            path.now += 3_600_000;
            path.sees(&vantage, "....");
        }
        assert_eq!(path.health.verdict(), verdict);
        assert!(path.health.verified() && !path.health.fresh(at(path.now)));
    }
    let unknown = Path::new().health;
    assert_eq!((unknown.verdict(), unknown.verified()), (Verdict::Up, false));
}

#[test]
fn what_was_restored_is_unverified_until_evidence_agrees() {
    let cases = [
        (Verdict::Up, "", Verdict::Up, false),
        (Verdict::Up, "+", Verdict::Up, true),
        (Verdict::Up, "-", Verdict::Up, false),
        (Verdict::Up, "---", Verdict::Down, true),
        (Verdict::Down, "..", Verdict::Down, false),
        (Verdict::Down, "-", Verdict::Down, true),
        // Up as slowly as if the hub had never been away.
        (Verdict::Down, "++++", Verdict::Down, false),
        (Verdict::Down, "+++++", Verdict::Up, true),
        (Verdict::Degraded, "+", Verdict::Degraded, true),
        (Verdict::Degraded, "++++++++++++++++++++", Verdict::Up, true),
    ];
    for (verdict, results, expected, verified) in cases {
        let health = Health::restored(HealthParameters::default(), verdict);
        let mut path = Path { health, now: 1_000 };
        path.sees(&line(), results);
        let found = (path.health.verdict(), path.health.verified());
        assert_eq!(found, (expected, verified), "{verdict} {results}");
    }
}

#[test]
fn memory_is_bounded_by_vantages_and_these_are_bounded_too() {
    let mut path = Path::new();
    for instance in 0..1_000 {
        path.sees(&gateway(&format!("10.0.0.{instance}")), "+");
    }
    path.sees(&line(), "+");
    assert_eq!(path.health.vantages().count(), MOST_VANTAGES);
    assert!(path.health.vantages().any(|known| known.vantage == line()));
}

#[test]
fn a_window_of_another_length_begins_anew() {
    let mut path = Path::new();
    path.sees(&line(), "-+-+-+-+-+-+-+-+-+-");
    let parameters = HealthParameters {
        window: Duration::from_secs(60),
        ..HealthParameters::default()
    };
    path.health.configure(&parameters);
    assert_eq!(path.sees(&line(), "+"), Verdict::Up);
    assert_eq!(path.health.grounds(at(path.now)).loss, Loss { lost: 0, of: 1 });
}
