//! What a policy that comes, changes and goes costs, and to whom it is told.

use super::fixture::*;
use super::*;
use crate::source::Object;

const SERVICE_POLICY: &str = "
apiVersion: apisix.apache.org/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: retries, namespace: shop, creationTimestamp: '2026-01-02T00:00:00Z'}
spec: {targetRefs: [{group: '', kind: Service, name: web}], retries: 2}
";

const ROUTE_POLICY: &str = "
apiVersion: apisix.apache.org/v1alpha1
kind: HTTPRoutePolicy
metadata: {name: canary, namespace: shop, creationTimestamp: '2026-01-02T00:00:00Z'}
spec:
  targetRefs: [{group: networking.k8s.io, kind: Ingress, name: web}]
  priority: 7
  vars: [[http_x_canary, '==', 'yes']]
";

/// The shop, and another of the same kind beside it.
fn two_shops() -> Vec<Object> {
    let mut objects = shop();
    let other = |text: &str| {
        text.replace("name: web", "name: other")
            .replace("service-name: web", "service-name: other")
    };
    objects.extend(super::fixture::objects(
        &[other(INGRESS), other(SERVICE), other(SLICE)].join("\n---\n"),
    ));
    objects
}

/// What one event publishes, and how many units it translates.
pub(super) fn cost(translator: &mut Translator, event: SourceEvent) -> (Vec<String>, u64) {
    let before = translator.translated_units();
    translator.apply(event);
    let output = translator.drain();
    (short(&output), translator.translated_units() - before)
}

#[test]
fn a_policy_of_a_service_re_translates_that_service_alone() {
    let (mut translator, _) = started(&two_shops());
    let moved = SERVICE_POLICY.replace("name: web}", "name: other}");
    let none: [&str; 0] = [];
    let table = [
        (apply(SERVICE_POLICY), &["+Service web#80"][..], 2),
        (
            apply(&SERVICE_POLICY.replace("retries: 2", "retries: 3")),
            &["+Service web#80"],
            2,
        ),
        (apply(&SERVICE_POLICY.replace("retries: 2", "retries: 3")), &none, 0),
        (apply(&moved), &["+Service other#80", "+Service web#80"], 3),
        (delete(&moved), &["+Service other#80"], 2),
    ];
    for (event, published, units) in table {
        let shown = format!("{event:?}");
        let expected = (published.iter().map(|&text| text.to_owned()).collect(), units);
        assert_eq!(cost(&mut translator, event), expected, "{shown}");
    }
}

#[test]
fn a_policy_of_an_ingress_re_translates_that_ingress_alone() {
    let (mut translator, _) = started(&two_shops());
    let moved = ROUTE_POLICY.replace("kind: Ingress, name: web", "kind: Ingress, name: other");
    let (web, other) = (
        "+Route web#web.example.com|Prefix|/",
        "+Route other#web.example.com|Prefix|/",
    );
    let none: [&str; 0] = [];
    let table = [
        (apply(ROUTE_POLICY), &[web][..], 2),
        (apply(&ROUTE_POLICY.replace("priority: 7", "priority: 8")), &[web], 2),
        (apply(&ROUTE_POLICY.replace("priority: 7", "priority: 8")), &none, 0),
        (apply(&moved), &[other, web], 3),
        (delete(&moved), &[other], 2),
    ];
    for (event, published, units) in table {
        let shown = format!("{event:?}");
        let expected = (published.iter().map(|&text| text.to_owned()).collect(), units);
        assert_eq!(cost(&mut translator, event), expected, "{shown}");
    }
}

/// Whether a policy of the shop is told something, and with which reason.
fn told(translator: &mut Translator, policy: &str) -> Option<String> {
    drop(translator.drain());
    let diagnostics = translator.diagnostics();
    let about = diagnostics
        .into_iter()
        .find(|diagnostic| diagnostic.object.name == policy);
    about.map(|diagnostic| diagnostic.reason)
}

#[test]
fn of_two_policies_the_older_counts_until_it_is_gone() {
    for policy in [SERVICE_POLICY, ROUTE_POLICY] {
        let (mut translator, _) = started(&shop());
        let name = if policy == SERVICE_POLICY { "retries" } else { "canary" };
        let younger = policy
            .replace(&format!("name: {name}"), "name: a-younger")
            .replace("2026-01-02", "2026-01-03")
            .replace("retries: 2", "retries: 5")
            .replace("priority: 7", "priority: 9");
        let of_no_time = younger
            .replace("a-younger", "a-of-no-time")
            // Policies of one priority are joined.
            .replace("priority: 9", "priority: 11")
            .replace(", creationTimestamp: '2026-01-03T00:00:00Z'", "");
        for policy in [&of_no_time, &younger, policy] {
            translator.apply(apply(policy));
        }
        assert_eq!(told(&mut translator, "a-younger").as_deref(), Some("Conflicted"));
        assert_eq!(told(&mut translator, "a-of-no-time").as_deref(), Some("Conflicted"));
        assert_eq!(told(&mut translator, name), None);
        translator.apply(delete(policy));
        assert_eq!(told(&mut translator, "a-younger"), None);
        assert_eq!(told(&mut translator, "a-of-no-time").as_deref(), Some("Conflicted"));
    }
}

/// A policy of the shop's Ingress with these `vars`.
fn with_vars(name: &str, vars: &str) -> String {
    let policy = ROUTE_POLICY.replace("name: canary", &format!("name: {name}"));
    policy.replace("[[http_x_canary, '==', 'yes']]", vars)
}

/// Conditions of the shop's route as APISIX takes them; none without the route.
fn conditions(translator: &Translator) -> Option<String> {
    let snapshot = translator.snapshot();
    let mut routes = snapshot.resources.iter().filter_map(|entry| match &entry.resource {
        Resource::Route(route) => Some(route),
        _ => None,
    });
    let route = routes.next_back()?;
    let values = route
        .conditions
        .iter()
        .map(|it| hubline::expression::value_of(it).unwrap());
    Some(serde_json::Value::from_iter(values).to_string())
}

/// A route is never wider than what was declared, whatever becomes of the policies that narrow it.
#[test]
fn a_route_whose_conditions_cannot_be_read_is_not_there() {
    let (mut translator, _) = started(&shop());
    let either = "[[OR, [http_a, '==', 1], [http_b, '==', x]]]";
    let canary = r#"["http_x_canary","==","yes"]"#;
    let expression = r#"["OR",["http_a","==",1],["http_b","==","x"]]"#;
    let steps = [
        (apply(&with_vars("canary", either)), Some(format!("[{expression}]"))),
        (apply(&with_vars("canary", "[[OR, [http_a, '==', 1]]]")), None),
        (
            apply(&with_vars("canary", "[OR, [http_a, '==', 1], [http_b, '==', x]]")),
            Some(format!("[{expression}]")),
        ),
        // Of one priority both count, and so does what is wrong with either.
        (
            apply(&with_vars("second", "[[http_x_canary, '==', 'yes']]")),
            Some(format!("[{canary},{expression}]")),
        ),
        (apply(&with_vars("second", "[[http_x_canary, like, 'yes']]")), None),
        (apply(&with_vars("second", "[[http_x_canary, '~~', '([']]")), None),
        (apply(&with_vars("second", "[[http_x_canary, '>', 'many']]")), None),
        // A younger one of another priority does not count at all.
        (
            apply(
                &with_vars("second", "[[http_x_canary, like, 'yes']]")
                    .replace("priority: 7", "priority: 8")
                    .replace("01-02", "01-03"),
            ),
            Some(format!("[{expression}]")),
        ),
        (delete(ROUTE_POLICY), None),
        (delete(&with_vars("second", "[]")), Some("[]".to_owned())),
    ];
    for (event, expected) in steps {
        let shown = format!("{event:?}");
        translator.apply(event);
        drop(translator.drain());
        assert_eq!(conditions(&translator), expected, "{shown}");
        let diagnostics = translator.diagnostics();
        let about = |kind: &str| {
            diagnostics
                .iter()
                .any(|it| *it.object.source.kind == *kind && it.reason == "UnsupportedValue")
        };
        // A policy that does not count is told all the same.
        assert_eq!(about("Ingress"), expected.is_none(), "{shown}: {diagnostics:?}");
        assert!(
            expected.is_some() || about("HTTPRoutePolicy"),
            "{shown}: {diagnostics:?}"
        );
    }
}

/// An Ingress is translated before its policy is read, and again afterwards: of the first time nothing gets out.
#[test]
fn what_is_made_before_a_policy_is_read_is_never_published() {
    let routes = |output: &Output| {
        let mut all = short(output);
        all.retain(|key| key.contains("Route "));
        all
    };
    let wrong = with_vars("canary", "[[http_x_canary, like, 'yes']]");
    let mut objects = shop();
    objects.push(object(&wrong));
    let (mut translator, output) = started(&objects);
    assert_eq!(routes(&output), [""; 0]);
    translator.apply(apply(ROUTE_POLICY));
    let route = "Route web#web.example.com|Prefix|/";
    assert_eq!(routes(&translator.drain()), [format!("+{route}")]);
    for event in [apply(&INGRESS.replace("path: /,", "path: /new,")), apply(&wrong)] {
        translator.apply(event);
    }
    assert_eq!(routes(&translator.drain()), [format!("-{route}")]);
    for event in [apply(INGRESS), apply(ROUTE_POLICY)] {
        translator.apply(event);
    }
    assert_eq!(routes(&translator.drain()), [format!("+{route}")]);
}

#[test]
fn a_policy_is_told_whether_its_target_is_there() {
    let (mut translator, _) = started(&shop());
    for (policy, name, target) in [(SERVICE_POLICY, "retries", SERVICE), (ROUTE_POLICY, "canary", INGRESS)] {
        translator.apply(apply(policy));
        assert_eq!(told(&mut translator, name), None);
        translator.apply(delete(target));
        assert_eq!(told(&mut translator, name).as_deref(), Some("TargetNotFound"));
        translator.apply(apply(target));
        assert_eq!(told(&mut translator, name), None);
        translator.apply(delete(policy));
        assert_eq!(told(&mut translator, name), None);
    }
}
