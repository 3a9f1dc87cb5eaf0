use hubline::model::Severity;

use super::*;
use crate::conditions::verdict::Verdict;
use crate::conditions::{notice, wanted};
use crate::output::Ancestor;
use crate::source::CONTROLLER;

const NOW: i64 = 1_700_000_000;
const NOW_TEXT: &str = "2023-11-14T22:13:20Z";
const OLD: &str = "2020-01-01T00:00:00Z";
const PEER: &str = "apisix.apache.org/apisix-ingress-controller";

fn class(name: &str, targets: &[usize]) -> Ancestor {
    Ancestor {
        group: "networking.k8s.io".into(),
        kind: "IngressClass".into(),
        name: name.into(),
        targets: targets.into(),
    }
}

fn fault(severity: Severity, reason: &str, field: &str) -> Diagnostic {
    diagnostic(&id(Kind::HttpRoutePolicy, "web"), severity, reason, field, "why")
}

fn error(reason: &str, field: &str) -> Diagnostic {
    fault(Severity::Error, reason, field)
}

/// A policy of generation 3 with these ancestors, whose status says `present`.
fn policy(standing: Standing, present: &Value, ancestors: &[Ancestor], diagnostics: Vec<Diagnostic>) -> Facts {
    let status = ReportedStatus::of(Kind::HttpRoutePolicy, &json!({"ancestors": present}));
    let facts = facts(standing, reported(false, 3, status), diagnostics);
    let declared = Declared {
        standing,
        ancestors: ancestors.into(),
        ..Declared::default()
    };
    let declared = Arc::new(declared);
    Facts { declared, ..facts }
}

fn written_of(facts: &Facts) -> Option<Value> {
    let status = wanted::status(facts, &Verdict::Nothing, None, at(NOW));
    status.map(|mut status| status["ancestors"].take())
}

fn written(present: &Value, ancestors: &[Ancestor], diagnostics: Vec<Diagnostic>) -> Option<Value> {
    written_of(&policy(Standing::Ours, present, ancestors, diagnostics))
}

fn condition(status: &str, reason: &str, message: &str, since: &str) -> Value {
    json!({"type": "Accepted", "status": status, "reason": reason, "message": message, "lastTransitionTime": since,
        "observedGeneration": 3})
}

fn entry_of(controller: &str, name: &str, conditions: &[Value]) -> Value {
    let reference = json!({"group": "networking.k8s.io", "kind": "IngressClass", "name": name});
    json!({"ancestorRef": reference, "controllerName": controller, "conditions": conditions})
}

fn entry(name: &str, condition: Value) -> Value {
    entry_of(CONTROLLER, name, &[condition])
}

fn accepted(name: &str, since: &str) -> Value {
    entry(name, condition("True", "Accepted", "", since))
}

#[test]
fn an_ancestor_is_told_what_concerns_its_targets() {
    let (first, second) = (class("a", &[0, 2]), class("b", &[1]));
    let both = [first, second];
    let told = |diagnostics| written(&json!([]), &both, diagnostics).unwrap();
    let fine = |name| accepted(name, NOW_TEXT);
    let failed = |name, reason, message| entry(name, condition("False", reason, message, NOW_TEXT));
    assert_eq!(told(Vec::new()), json!([fine("a"), fine("b")]));
    let cases = [
        (
            error("Conflicted", "spec.targetRefs[2]"),
            [failed("a", "Conflicted", "spec.targetRefs[2]: why"), fine("b")],
        ),
        (
            error("TargetNotFound", "spec.targetRefs[1]"),
            [fine("a"), failed("b", "TargetNotFound", "spec.targetRefs[1]: why")],
        ),
        // The policy itself: in the word that PolicyStatus has for it.
        (
            error("UnsupportedValue", "spec.vars[0]"),
            [
                failed("a", "Invalid", "spec.vars[0]: why"),
                failed("b", "Invalid", "spec.vars[0]: why"),
            ],
        ),
        (
            error("Malformed", ""),
            [failed("a", "Invalid", "why"), failed("b", "Invalid", "why")],
        ),
        // PolicyStatus has none for this.
        (
            error("UnsupportedTarget", "spec.targetRefs"),
            [
                failed("a", "UnsupportedTarget", "spec.targetRefs: why"),
                failed("b", "UnsupportedTarget", "spec.targetRefs: why"),
            ],
        ),
        (
            fault(Severity::Warning, "UnsupportedValue", "spec.targetRefs[0].sectionName"),
            [
                entry(
                    "a",
                    condition("True", "Accepted", "spec.targetRefs[0].sectionName: why", NOW_TEXT),
                ),
                fine("b"),
            ],
        ),
    ];
    for (diagnostic, entries) in cases {
        let case = format!("{diagnostic:?}");
        assert_eq!(told(vec![diagnostic]), json!(entries), "{case}");
    }
    // Twelve is no twelfth of one.
    let many = [class("a", &[1]), class("b", &[12])];
    let told = written(&json!([]), &many, vec![error("Conflicted", "spec.targetRefs[12]")]).unwrap();
    assert_eq!(told[0], fine("a"));
    assert_eq!(told[1]["conditions"][0]["status"], "False");
}

#[test]
fn nothing_changed_writes_nothing() {
    let ancestors = [class("a", &[0]), class("b", &[1])];
    // In any order, beside others' entries, with others' conditions.
    let mut second = accepted("a", OLD);
    second["conditions"] = json!([{"type": "Other"}, second["conditions"][0]]);
    let present = json!([accepted("b", OLD), entry_of(PEER, "a", &[]), second]);
    assert_eq!(written(&present, &ancestors, Vec::new()), None);
    assert_eq!(written(&json!([]), &[], Vec::new()), None);
    // What decides its ancestors is not known.
    assert_eq!(written_of(&policy(Standing::Unknown, &present, &[], Vec::new())), None);
}

#[test]
fn entries_of_other_controllers_stay_and_ours_go_with_their_ancestors() {
    let others = [
        entry_of(PEER, "a", &[condition("False", "Conflicted", "x", OLD)]),
        json!({"odd": 1}),
    ];
    let mut elsewhere = accepted("a", OLD);
    elsewhere["ancestorRef"]["namespace"] = json!("shop");
    let gateway = json!({"ancestorRef": {"name": "a"}, "controllerName": CONTROLLER, "conditions": []});
    let present = json!([
        accepted("gone", OLD),
        others[0],
        elsewhere,
        gateway,
        accepted("a", OLD),
        others[1],
        accepted("a", NOW_TEXT),
    ]);
    let one = [class("a", &[0])];
    assert_eq!(
        written(&present, &one, Vec::new()).unwrap(),
        json!([others[0], accepted("a", OLD), others[1]])
    );
    let none = json!([others[0], others[1]]);
    assert_eq!(written(&present, &[], Vec::new()), Some(none));
    // The last one: an empty list, not none, which the definitions refuse.
    assert_eq!(
        written(&json!([accepted("gone", OLD)]), &[], Vec::new()),
        Some(json!([]))
    );
}

#[test]
fn the_time_moves_only_when_the_status_flips() {
    let one = [class("a", &[0])];
    let conflicted = || vec![error("Conflicted", "spec.targetRefs[0]")];
    let flipped = written(&json!([accepted("a", OLD)]), &one, conflicted()).unwrap();
    assert_eq!(flipped[0]["conditions"][0]["lastTransitionTime"], NOW_TEXT);
    let lost = json!([entry("a", condition("False", "TargetNotFound", "x", OLD))]);
    let other_reason = written(&lost, &one, conflicted()).unwrap();
    assert_eq!(
        other_reason[0]["conditions"],
        json!([condition("False", "Conflicted", "spec.targetRefs[0]: why", OLD)])
    );
    let mut older = accepted("a", OLD);
    older["conditions"][0]["observedGeneration"] = json!(2);
    assert_eq!(
        written(&json!([older]), &one, Vec::new()),
        Some(json!([accepted("a", OLD)]))
    );
}

#[test]
fn what_finds_no_room_is_an_event() {
    let others: Vec<Value> = (0..15).map(|at| entry_of(PEER, &format!("p{at}"), &[])).collect();
    let ancestors = [class("a", &[0]), class("b", &[1]), class("c", &[2])];
    let present = json!([&others[..], &[accepted("b", OLD)]].concat());
    assert_eq!(
        written(&present, &ancestors, Vec::new()),
        None,
        "whoever is there keeps its place"
    );
    let facts = policy(
        Standing::Ours,
        &present,
        &ancestors,
        vec![error("Conflicted", "spec.targetRefs[0]")],
    );
    let told = notice::of(&facts, &Verdict::Nothing);
    let reasons: Vec<&str> = told.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons, ["AncestorsFull", "Conflicted"]);
    assert!(
        told[0].note.contains("16 entries") && told[0].note.contains("2 more"),
        "{told:?}"
    );

    let seventeen: Vec<Ancestor> = (0..17).map(|at| class(&format!("c{at}"), &[at])).collect();
    let entries = written(&json!([]), &seventeen, Vec::new()).unwrap();
    assert_eq!(entries.as_array().unwrap().len(), 16);
    // With room for all nothing is told but by the status.
    let conflicted = vec![error("Conflicted", "spec.targetRefs[0]")];
    let facts = policy(Standing::Ours, &json!([]), &seventeen[..16], conflicted);
    assert_eq!(notice::of(&facts, &Verdict::Nothing), []);
}
