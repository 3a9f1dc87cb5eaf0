use hubline::model::Severity;

use super::*;
use crate::conditions::verdict::Verdict;
use crate::conditions::wanted::status;

const NOW: i64 = 1_700_000_000;
const NOW_TEXT: &str = "2023-11-14T22:13:20Z";

fn condition(kind: &str, status: &str, reason: &str, message: &str, since: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since,
        "observedGeneration": 3})
}

/// What is written of an ApisixRoute of generation 3 that says `present`.
fn written(present: &Value, diagnostics: Vec<Diagnostic>, verdict: &Verdict) -> Option<Value> {
    let facts = facts(Standing::Ours, reported(false, 3, conditions(present)), diagnostics);
    status(&facts, verdict, None, at(NOW)).map(|mut status| status["conditions"].take())
}

fn fault(severity: Severity, reason: &str, field: &str, message: &str) -> Diagnostic {
    diagnostic(&id(Kind::ApisixRoute, "web"), severity, reason, field, message)
}

#[test]
fn conditions_of_a_new_object() {
    let accepted = condition("Accepted", "True", "Accepted", "", NOW_TEXT);
    let failed = |reason: &str, message: &str| condition("Programmed", "False", reason, message, NOW_TEXT);
    let problem = Verdict::Problem {
        reason: "Quarantined".to_owned(),
        message: "Route a: no".to_owned(),
    };
    let cases = [
        (Verdict::Unknown, vec![accepted.clone()]),
        (Verdict::Nothing, vec![accepted.clone()]),
        (
            Verdict::Programmed,
            vec![
                accepted.clone(),
                condition("Programmed", "True", "Programmed", "", NOW_TEXT),
            ],
        ),
        (
            Verdict::Pending,
            vec![
                accepted.clone(),
                failed("Pending", "not everything of it is at APISIX yet"),
            ],
        ),
        (problem, vec![accepted, failed("Quarantined", "Route a: no")]),
    ];
    for (verdict, wanted) in cases {
        assert_eq!(
            written(&json!([]), Vec::new(), &verdict),
            Some(wanted.into()),
            "{verdict:?}"
        );
    }
}

#[test]
fn diagnostics_become_a_reason_and_a_message() {
    let unresolved = fault(
        Severity::Error,
        "BackendNotFound",
        "spec.http[0].backends[0]",
        "Service shop/x does not exist",
    );
    let warning = fault(Severity::Warning, "DuplicateMatch", "spec.http[1]", "twice");
    let told = |diagnostics| written(&json!([]), diagnostics, &Verdict::Unknown).unwrap()[0].clone();
    let message = "spec.http[0].backends[0]: Service shop/x does not exist";
    assert_eq!(
        told(vec![warning.clone(), unresolved.clone()]),
        condition("Accepted", "False", "BackendNotFound", message, NOW_TEXT)
    );
    // Nothing of it is anywhere, and it is no success.
    let nothing = written(&json!([]), vec![unresolved.clone()], &Verdict::Nothing).unwrap();
    assert_eq!(
        (&nothing[1]["status"], &nothing[1]["reason"]),
        (&json!("False"), &json!("NotAccepted"))
    );
    // What works, but perhaps not as meant, is accepted.
    assert_eq!(
        told(vec![warning]),
        condition("Accepted", "True", "Accepted", "spec.http[1]: twice", NOW_TEXT)
    );
    let many = told(vec![unresolved; 5]);
    assert!(many["message"].as_str().unwrap().ends_with("; and 2 more"), "{many}");
    // Kubernetes refuses a reason with other letters.
    let odd = told(vec![fault(Severity::Error, "1-mass-removal:", "", "x")]);
    assert_eq!(odd["reason"], "massremoval");
}

#[test]
fn nothing_changed_writes_nothing() {
    let present = json!([
        condition("Accepted", "True", "Accepted", "", "2020-01-01T00:00:00Z"),
        condition("Programmed", "True", "Programmed", "", "2020-01-01T00:00:00Z"),
        // What 1.8 left, and has no time.
        {"type": "ResourcesAvailable", "status": "True", "reason": "ResourcesSynced"},
    ]);
    assert_eq!(written(&present, Vec::new(), &Verdict::Programmed), None);
    // Before the hub has said anything nothing is taken back.
    assert_eq!(written(&present, Vec::new(), &Verdict::Unknown), None);
}

#[test]
fn the_time_moves_only_when_the_status_flips() {
    let old = "2020-01-01T00:00:00Z";
    let foreign = json!({"type": "ResourcesAvailable", "status": "True", "reason": "ResourcesSynced"});
    let present = json!([
        foreign,
        condition("Programmed", "False", "Pending", "x", old),
        condition("Accepted", "True", "Accepted", "", old),
    ]);
    let verdict = Verdict::Problem {
        reason: "Conflict".to_owned(),
        message: "y".to_owned(),
    };
    let other_reason = written(&present, Vec::new(), &verdict).unwrap();
    assert_eq!(other_reason[1], condition("Programmed", "False", "Conflict", "y", old));
    let flipped = written(&present, Vec::new(), &Verdict::Programmed).unwrap();
    assert_eq!(flipped[1], condition("Programmed", "True", "Programmed", "", NOW_TEXT));
    assert_eq!(
        (&flipped[0], &flipped[2]),
        (&present[0], &present[2]),
        "others' and what did not change stay"
    );
}

#[test]
fn another_generation_is_observed_at_the_same_time() {
    let mut present = json!([condition("Accepted", "True", "Accepted", "", "2020-01-01T00:00:00Z")]);
    present[0]["observedGeneration"] = json!(2);
    let written = written(&present, Vec::new(), &Verdict::Unknown).unwrap();
    assert_eq!(written[0]["observedGeneration"], 3);
    assert_eq!(written[0]["lastTransitionTime"], "2020-01-01T00:00:00Z");
}

#[test]
fn only_what_was_written_here_is_taken_away_from_what_is_not_ours() {
    let ours = json!([
        {"type": "Other", "status": "True"},
        condition("Accepted", "True", "Accepted", "", NOW_TEXT),
        condition("Programmed", "True", "Programmed", "", NOW_TEXT),
    ]);
    let of = |standing, by_us| {
        let facts = facts(standing, reported(by_us, 3, conditions(&ours)), Vec::new());
        status(&facts, &Verdict::Unknown, None, at(NOW))
    };
    assert_eq!(
        of(Standing::Foreign, true),
        Some(json!({"conditions": [{"type": "Other", "status": "True"}]}))
    );
    assert_eq!(of(Standing::Foreign, false), None);
    assert_eq!(of(Standing::Unknown, true), None);
}

/// What is written of an Ingress that has `present`, when `configured` are those of the hub.
fn balancer(standing: Standing, by_us: bool, present: &[&str], configured: Option<&[&str]>) -> Option<Value> {
    let facts = facts(standing, reported(by_us, 1, addresses(present)), Vec::new());
    let configured: Option<Vec<String>> = configured.map(|list| list.iter().map(|it| (*it).to_owned()).collect());
    let written = status(&facts, &Verdict::Programmed, configured.as_deref(), at(NOW));
    written.map(|mut status| status["loadBalancer"]["ingress"].take())
}

#[test]
fn addresses_of_an_ingress() {
    let two: &[&str] = &["192.0.2.1", "lb.example.com"];
    let entries = json!([{"ip": "192.0.2.1"}, {"hostname": "lb.example.com"}]);
    let (ours, foreign) = (Standing::Ours, Standing::Foreign);
    let cases: [(_, _, &[&str], Option<&[&str]>, _); 11] = [
        (ours, false, &[], Some(two), Some(entries.clone())),
        (ours, true, &["192.0.2.9"], Some(two), Some(entries.clone())),
        // Of a controller that was here before.
        (ours, false, &["192.0.2.9"], Some(two), Some(entries)),
        (ours, true, two, Some(two), None),
        (
            ours,
            true,
            two,
            Some(&["2001:db8::1"]),
            Some(json!([{"ip": "2001:db8::1"}])),
        ),
        // Nothing configured, or nothing heard yet: neither written nor taken away.
        (ours, true, two, Some(&[]), None),
        (ours, true, two, None, None),
        (foreign, true, two, Some(two), Some(Value::Null)),
        // Another controller wrote it.
        (foreign, false, two, Some(two), None),
        (foreign, true, &[], Some(two), None),
        (Standing::Unknown, true, two, Some(&["192.0.2.9"]), None),
    ];
    for (standing, by_us, present, configured, wanted) in cases {
        let case = format!("{standing:?} {by_us} {present:?} {configured:?}");
        assert_eq!(balancer(standing, by_us, present, configured), wanted, "{case}");
    }
}
