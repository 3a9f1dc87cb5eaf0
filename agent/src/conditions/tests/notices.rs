use hubline::model::Severity;

use super::*;
use crate::conditions::notice::{Notice, of};
use crate::conditions::verdict::Verdict;
use crate::conditions::wanted;

fn broken(reason: &str, message: &str) -> Diagnostic {
    diagnostic(&id(Kind::Ingress, "web"), Severity::Error, reason, "spec.x", message)
}

fn problem(reason: &str) -> Verdict {
    Verdict::Problem {
        reason: reason.to_owned(),
        message: "Route x: why".to_owned(),
    }
}

fn pairs(notices: &[Notice]) -> Vec<(&str, &str)> {
    notices
        .iter()
        .map(|it| (it.reason.as_str(), it.note.as_str()))
        .collect()
}

#[test]
fn an_ingress_is_told_what_the_agent_found_and_what_the_hub_says_beyond_it() {
    let told = |diagnostics, verdict: &Verdict| {
        let facts = facts(Standing::Ours, reported(false, 1, addresses(&[])), diagnostics);
        of(&facts, verdict)
    };
    let unresolved = || vec![broken("BackendNotFound", "Service shop/x does not exist")];
    let found = ("BackendNotFound", "spec.x: Service shop/x does not exist");
    assert_eq!(pairs(&told(unresolved(), &Verdict::Unknown)), [found]);
    assert_eq!(pairs(&told(unresolved(), &problem("Unresolved"))), [found], "said once");
    let both = [found, ("Conflict", "Route x: why")];
    assert_eq!(pairs(&told(unresolved(), &problem("Conflict"))), both);
    assert_eq!(
        pairs(&told(Vec::new(), &problem("Quarantined"))),
        [("Quarantined", "Route x: why")]
    );
    for fine in [
        Verdict::Unknown,
        Verdict::Nothing,
        Verdict::Programmed,
        Verdict::Pending,
    ] {
        assert_eq!(told(Vec::new(), &fine), [], "{fine:?}");
    }
}

#[test]
fn what_has_no_status_is_told_of_by_events_alone() {
    let warned = |message: &str| Diagnostic {
        severity: Severity::Warning,
        ..broken("UnsupportedValue", message)
    };
    for kind in [Kind::PluginConfig, Kind::GatewayProxy, Kind::Ingress] {
        let absent = || {
            reported(
                true,
                1,
                ReportedStatus::of(kind, &json!({"conditions": [{"type": "Odd"}]})),
            )
        };
        let told = |diagnostics, verdict: &Verdict| {
            let facts = facts(Standing::Ours, absent(), diagnostics);
            assert_eq!(wanted::status(&facts, verdict, None, at(7)), None, "{kind:?}");
            of(&facts, verdict)
        };
        let all = vec![
            warned("does nothing"),
            broken("UnsupportedPlugin", "no"),
            warned("neither"),
        ];
        let refused = problem("Refused");
        assert_eq!(
            pairs(&told(all, &refused)),
            [
                ("UnsupportedPlugin", "spec.x: no"),
                ("UnsupportedValue", "spec.x: does nothing; spec.x: neither"),
                ("Refused", "Route x: why"),
            ]
        );
        // What is only a warning does not hide that something else is missing.
        let unresolved = told(vec![warned("does nothing")], &problem("Unresolved"));
        assert_eq!(unresolved.len(), 2, "{unresolved:?}");
        assert_eq!(told(Vec::new(), &Verdict::Programmed), [], "{kind:?}");
    }
}

#[test]
fn nothing_is_told_of_what_is_not_ours_or_has_conditions() {
    let of = |standing, status| {
        let facts = facts(standing, reported(true, 1, status), vec![broken("X", "y")]);
        of(&facts, &problem("Conflict"))
    };
    assert_eq!(of(Standing::Foreign, addresses(&[])), []);
    assert_eq!(of(Standing::Unknown, addresses(&[])), []);
    assert_eq!(of(Standing::Ours, conditions(&json!([]))), []);
}

#[test]
fn an_event_is_named_by_what_it_says_of_whom() {
    let notice = |reason: &str, note: &str| Notice {
        reason: reason.to_owned(),
        note: note.to_owned(),
    };
    let web = id(Kind::Ingress, "web");
    let name = notice("Conflict", "a").name(&web, "u-1");
    assert!(name.starts_with("web.hubline."), "{name}");
    // Pinned: after an upgrade, too, an event is known by its name.
    assert_eq!(name, "web.hubline.799fa8e38354d12e");
    for (other, uid) in [
        (notice("Conflict", "b"), "u-1"),
        (notice("Refused", "a"), "u-1"),
        (notice("Conflict", "a"), "u-2"),
        (notice("Conflicta", ""), "u-1"),
    ] {
        assert_ne!(other.name(&web, uid), name, "{other:?} {uid}");
    }
    let long = notice("Conflict", "a").name(&id(Kind::Ingress, &"x".repeat(253)), "u-1");
    assert_eq!(long.len(), 253);

    let facts = facts(Standing::Ours, reported(false, 1, addresses(&[])), Vec::new());
    let event = serde_json::to_value(notice("Conflict", "a").event(&web, &facts, "pod-1", at(7))).unwrap();
    assert_eq!(event["metadata"], json!({"name": name, "namespace": "shop"}));
    assert_eq!(
        event["regarding"],
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "web", "namespace": "shop", "uid": "u-1"})
    );
    assert_eq!(
        (&event["type"], &event["reason"], &event["note"]),
        (&json!("Warning"), &json!("Conflict"), &json!("a"))
    );
}
