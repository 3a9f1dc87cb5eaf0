//! Through what policies act, followed through changes of everything that decides it.

use super::fixture::*;
use super::*;

const ROUTES: &str = "
apiVersion: apisix.apache.org/v1alpha1
kind: HTTPRoutePolicy
metadata: {name: routes, namespace: shop}
spec:
  targetRefs:
  - {group: networking.k8s.io, kind: Ingress, name: web}
  - {group: gateway.networking.k8s.io, kind: HTTPRoute, name: site}
  priority: 7
";

const BACKENDS: &str = "
apiVersion: apisix.apache.org/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: backends, namespace: shop}
spec: {targetRefs: [{group: '', kind: Service, name: web}], retries: 2}
";

const STREAMS: &str = "
apiVersion: apisix.apache.org/v1alpha1
kind: L4RoutePolicy
metadata: {name: streams, namespace: shop}
spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: TCPRoute, name: db}], plugins: []}
";

fn ingress_class(name: &str, controller: &str, default: bool) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {{name: {name}, annotations: \
         {{ingressclass.kubernetes.io/is-default-class: '{default}'}}}}\nspec: {{controller: {controller}}}\n"
    )
}

const OURS: &str = "hubline.dev/ingress-controller";

/// `KIND/NAME@TARGETS` of each ancestor that is declared of a policy now; none where whose it is is not known.
fn of(translator: &Translator, kind: Kind, name: &str) -> Option<Vec<String>> {
    let name = Name::new("shop", name);
    let unit = Unit::of(&ObjectId { kind, name }).unwrap();
    let declared = translator.published[&unit].declared.as_ref().unwrap();
    let shown = |it: &crate::output::Ancestor| format!("{}/{}@{:?}", it.kind, it.name, it.targets);
    (declared.standing == Standing::Ours).then(|| declared.ancestors.iter().map(shown).collect())
}

fn both(translator: &mut Translator) -> [Vec<String>; 2] {
    drop(translator.drain());
    let of = |kind, name| of(translator, kind, name).unwrap();
    [
        of(Kind::HttpRoutePolicy, "routes"),
        of(Kind::BackendTrafficPolicy, "backends"),
    ]
}

/// The ancestor of the first target; none where there is no text.
fn first(text: &str) -> Vec<String> {
    let texts = [text].into_iter().filter(|text| !text.is_empty());
    texts.map(|text| format!("{text}@[0]")).collect()
}

fn with_policies() -> Translator {
    let mut all = shop();
    all.extend(objects(&[ROUTES, BACKENDS, STREAMS].join("\n---\n")));
    started(&all).0
}

#[test]
fn ancestors_follow_everything_that_decides_them() {
    let mut translator = with_policies();
    let renamed = INGRESS.replace("ingressClassName: apisix", "ingressClassName: edge");
    let unnamed = INGRESS.replace("  ingressClassName: apisix\n", "");
    let elsewhere = INGRESS.replace("service: {name: web", "service: {name: other");
    let edge = ingress_class("edge", OURS, true);
    let theirs = ingress_class("edge", "example.com/other", true);
    let steps = [
        ("all is there", None, "IngressClass/apisix", "IngressClass/apisix"),
        ("of another class, of nobody", Some(apply(&renamed)), "", ""),
        (
            "which is ours",
            Some(apply(&edge)),
            "IngressClass/edge",
            "IngressClass/edge",
        ),
        (
            "from one of ours to another",
            Some(apply(INGRESS)),
            "IngressClass/apisix",
            "IngressClass/apisix",
        ),
        (
            "the default one",
            Some(apply(&unnamed)),
            "IngressClass/edge",
            "IngressClass/edge",
        ),
        ("which becomes another controller's", Some(apply(&theirs)), "", ""),
        (
            "it leads to another Service",
            Some(apply(&elsewhere)),
            "IngressClass/apisix",
            "",
        ),
        (
            "the Service is gone",
            Some(delete(SERVICE)),
            "IngressClass/apisix",
            "Service/web",
        ),
        (
            "an Ingress of ours leads where it was",
            Some(apply(INGRESS)),
            "IngressClass/apisix",
            "IngressClass/apisix",
        ),
        (
            "the Ingress is gone as well",
            Some(delete(INGRESS)),
            "Ingress/web",
            "Service/web",
        ),
        (
            "the Service is back, and nobody leads there",
            Some(apply(SERVICE)),
            "Ingress/web",
            "",
        ),
        (
            "all is back",
            Some(apply(INGRESS)),
            "IngressClass/apisix",
            "IngressClass/apisix",
        ),
    ];
    for (what, event, of_routes, of_backends) in steps {
        event.into_iter().for_each(|event| translator.apply(event));
        let backends = first(of_backends);
        let routes = [vec!["HTTPRoute/site@[1]".to_owned()], first(of_routes)].concat();
        assert_eq!(both(&mut translator), [routes, backends], "{what}");
    }
    assert_eq!(
        of(&translator, Kind::L4RoutePolicy, "streams").unwrap(),
        ["TCPRoute/db@[0]"]
    );
}

/// A policy that is wrong changes nothing at its targets, and is told by them all the same.
#[test]
fn ancestors_of_a_policy_that_is_not_applied_follow_as_well() {
    let wrong = ROUTES.replace("priority: 7", "vars: [[arg_a, odd, '1']]");
    let (mut translator, _) = started(&objects(&wrong));
    let first = |translator: &Translator| of(translator, Kind::HttpRoutePolicy, "routes").unwrap().remove(1);
    assert_eq!(first(&translator), "Ingress/web@[0]");
    translator.apply(apply(INGRESS));
    drop(translator.drain());
    assert_eq!(first(&translator), "IngressClass/apisix@[0]");
}

#[test]
fn targets_of_one_ancestor_are_counted_at_it() {
    let mut all = shop();
    all.extend(objects(&INGRESS.replace("name: web,", "name: other,")));
    let three = ROUTES.replace(
        "  priority",
        "  - {group: networking.k8s.io, kind: Ingress, name: other}\n  priority",
    );
    all.extend(objects(&three));
    let translator = started(&all).0;
    assert_eq!(
        of(&translator, Kind::HttpRoutePolicy, "routes").unwrap(),
        ["HTTPRoute/site@[1]", "IngressClass/apisix@[0, 2]"]
    );
}

/// Otherwise what is only not known would be told not to exist, and entries would be taken away.
#[test]
fn an_error_is_not_an_empty_list() {
    let all: Vec<_> = shop()
        .into_iter()
        .chain(objects(&[ROUTES, BACKENDS, STREAMS].join("\n---\n")))
        .collect();
    let cases = [
        (Kind::IngressClass, [false, false, false]),
        (Kind::Ingress, [false, false, true]),
        (Kind::Service, [true, false, true]),
        (Kind::Node, [true, true, true]),
    ];
    for (kind, known) in cases {
        let mut translator = Translator::new(options());
        for event in listing(&all, Some(kind)) {
            translator.apply(event);
        }
        translator.stop_waiting();
        drop(translator.drain());
        let policies = [
            (Kind::HttpRoutePolicy, "routes"),
            (Kind::BackendTrafficPolicy, "backends"),
            (Kind::L4RoutePolicy, "streams"),
        ];
        let told = policies.map(|(kind, name)| of(&translator, kind, name).is_some());
        assert_eq!(told, known, "without {kind:?}");
    }
    // One that was never read may be the one that is named.
    let mut translator = with_policies();
    let reason = "file a.yaml cannot be read whole".to_owned();
    translator.apply(SourceEvent::Unread([(Kind::Ingress, reason)].into()));
    drop(translator.drain());
    assert_eq!(of(&translator, Kind::HttpRoutePolicy, "routes"), None);
}

#[test]
fn what_decides_nothing_of_it_re_translates_no_policy() {
    let mut translator = with_policies();
    drop(translator.drain());
    let before = translator.translated_units();
    translator.apply(apply(&SLICE.replace("10.0.0.1", "10.0.0.2")));
    drop(translator.drain());
    assert_eq!(translator.translated_units() - before, 1, "the Service alone");
    translator.apply(apply(&INGRESS.replace("path: /,", "path: /new,")));
    drop(translator.drain());
    assert_eq!(translator.translated_units() - before, 2, "the Ingress alone");
}
