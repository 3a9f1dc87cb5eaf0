use hubline::model::{Key, ResourceKind};
use hubline::wire::{ContentHash, ResourceStatus};

use super::*;
use crate::conditions::verdict::{Verdict, of};

fn web() -> ObjectId {
    id(Kind::ApisixRoute, "web")
}

fn declared(keys: &[Key]) -> Declared {
    Declared {
        standing: Standing::Ours,
        keys: keys.into(),
        whole: true,
        ..Declared::default()
    }
}

/// All keys have the content 1.
fn verdict(keys: &[Key], statuses: Vec<ResourceStatus>) -> Verdict {
    let statuses = statuses.into_iter().map(|it| (it.key.clone(), it)).collect();
    of(&web(), &declared(keys), |_| Some(ContentHash(1)), &statuses)
}

fn problem(reason: &str, message: &str) -> Verdict {
    Verdict::Problem {
        reason: reason.to_owned(),
        message: message.to_owned(),
    }
}

#[test]
fn programmed_only_when_the_target_has_everything() {
    let (a, b, svc) = (route("web", "a"), route("web", "b"), service("web"));
    let all = [a.clone(), b.clone(), svc.clone()];
    let programmed = |key: &Key| said(key, 1, "Programmed", "Programmed", "");
    let whole = vec![
        programmed(&a),
        programmed(&b),
        said(&svc, 1, "Accepted", "Accepted", ""),
    ];
    assert_eq!(verdict(&all, whole.clone()), Verdict::Programmed);

    let mut one_pending = whole.clone();
    one_pending[1] = said(&b, 1, "Pending", "Pending", "");
    assert_eq!(verdict(&all, one_pending), Verdict::Pending);
    assert_eq!(
        verdict(&all, whole[..2].to_vec()),
        Verdict::Unknown,
        "no word on the service"
    );
    assert_eq!(verdict(&[], whole), Verdict::Nothing);
}

#[test]
fn a_status_of_other_content_is_no_verdict() {
    let key = route("web", "a");
    for condition in ["Programmed", "Pending", "Quarantined", "Conflict"] {
        let old = said(&key, 2, condition, condition, "");
        assert_eq!(
            verdict(std::slice::from_ref(&key), vec![old]),
            Verdict::Unknown,
            "{condition}"
        );
    }
}

#[test]
fn the_worst_word_counts_and_names_its_part() {
    let (a, b, svc) = (
        route("web", "a.example.com|Prefix|/"),
        route("web", "b"),
        service("web"),
    );
    let conflict = "a.example.com/ is claimed by Ingress shop/web of cluster b; the older claim stays in force";
    let all = [a.clone(), b.clone(), svc.clone()];
    let conflicting = said(&a, 1, "Conflict", "Conflict", conflict);
    let told = verdict(&all, vec![conflicting.clone()]);
    assert_eq!(
        told,
        problem("Conflict", &format!("Route a.example.com|Prefix|/: {conflict}"))
    );

    let unresolved = said(
        &svc,
        1,
        "Unresolved",
        "BackendNotFound",
        "Service shop/web does not exist",
    );
    let quarantined = said(&b, 1, "Quarantined", "InvalidValue", "field x");
    let told = verdict(&all, vec![conflicting, unresolved.clone(), quarantined]);
    assert_eq!(
        told,
        problem("Quarantined", "Route b: InvalidValue: field x (and 2 more)")
    );

    // Another object that it depends on is named.
    let message = "Service shop/web 80: BackendNotFound: Service shop/web does not exist";
    assert_eq!(verdict(&all, vec![unresolved]), problem("Unresolved", message));
    // What only follows from something else is not the reason.
    let refused = said(
        &a,
        1,
        "Refused",
        "dependency",
        "plugin_configs/x, which it refers to, is not at the target",
    );
    let cause = said(&svc, 1, "Refused", "invalid", "no");
    let message = "Service shop/web 80: invalid: no (and 1 more)";
    assert_eq!(verdict(&all, vec![refused, cause]), problem("Refused", message));
    // A word of a newer hub is no success.
    let newer = said(&a, 1, "Held", "mass-removal", "waits for approval");
    let message = "Route a.example.com|Prefix|/: mass-removal: waits for approval";
    assert_eq!(verdict(&all, vec![newer]), problem("Held", message));
}

#[test]
fn what_hubs_are_silent_about_is_fine_unless_they_speak() {
    let endpoints = key(ResourceKind::EndpointSet, Kind::ApisixUpstream, "web", "");
    assert_eq!(
        verdict(std::slice::from_ref(&endpoints), Vec::new()),
        Verdict::Programmed
    );
    let refused = said(&endpoints, 1, "Refused", "AddressNotAllowed", "10.0.0.1");
    assert!(matches!(verdict(&[endpoints], vec![refused]), Verdict::Problem { .. }));
}

#[test]
fn what_is_not_published_is_not_waited_for() {
    let (a, svc) = (route("web", "a"), service("web"));
    let statuses = [(a.clone(), said(&a, 1, "Programmed", "Programmed", ""))]
        .into_iter()
        .collect();
    let published = |key: &Key| (*key == a).then_some(ContentHash(1));
    let told = of(&web(), &declared(&[a.clone(), svc]), published, &statuses);
    assert_eq!(told, Verdict::Programmed);
}

#[test]
fn what_is_not_all_there_is_not_programmed_yet() {
    let key = route("web", "a");
    let partial = Declared {
        whole: false,
        ..declared(std::slice::from_ref(&key))
    };
    let told = |status: Vec<ResourceStatus>| {
        let statuses = status.into_iter().map(|it| (it.key.clone(), it)).collect();
        of(&web(), &partial, |_| Some(ContentHash(1)), &statuses)
    };
    assert_eq!(
        told(vec![said(&key, 1, "Programmed", "Programmed", "")]),
        Verdict::Unknown
    );
    assert_eq!(told(Vec::new()), Verdict::Unknown);
    assert!(matches!(
        told(vec![said(&key, 1, "Conflict", "Conflict", "")]),
        Verdict::Problem { .. }
    ));
}
