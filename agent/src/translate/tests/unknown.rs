//! `an_error_is_not_an_empty_list`, at the level of translate.

use hubline::model::{Completeness, Group};

use super::fixture::*;
use super::*;
use crate::source::{Coverage, Fetch};

/// Which groups, as `Route/Ingress`, become unknown when a kind cannot be listed.
pub(super) fn unknown_without(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Ingress => &[
            "Route/Ingress",
            "Service/Service",
            "EndpointSet/Service",
            "Certificate/Secret",
            "PluginSet/ApisixPluginConfig",
        ],
        Kind::IngressClass => &[
            "Route/ApisixRoute",
            "Route/Ingress",
            "StreamRoute/ApisixRoute",
            "Service/Service",
            "Service/ApisixUpstream",
            "EndpointSet/Service",
            "Certificate/Secret",
            "Certificate/ApisixTls",
            "Consumer/ApisixConsumer",
            "PluginSet/ApisixPluginConfig",
            "GlobalRule/ApisixGlobalRule",
        ],
        Kind::Service => &[
            "Route/ApisixRoute",
            "Route/Ingress",
            "StreamRoute/ApisixRoute",
            "Service/Service",
            "Service/ApisixUpstream",
            "EndpointSet/Service",
        ],
        Kind::EndpointSlice => &["EndpointSet/Service"],
        Kind::Secret => &["Certificate/Secret"],
        Kind::Node => &["Node/Node", "ClusterInfo/Cluster"],
        Kind::ApisixRoute => &[
            "Route/ApisixRoute",
            "StreamRoute/ApisixRoute",
            "Service/Service",
            "Service/ApisixUpstream",
            "EndpointSet/Service",
            "PluginSet/ApisixPluginConfig",
        ],
        Kind::ApisixUpstream => &["Service/Service", "Service/ApisixUpstream"],
        Kind::ApisixPluginConfig => &["PluginSet/ApisixPluginConfig"],
        Kind::ApisixTls => &["Certificate/ApisixTls"],
        Kind::ApisixConsumer => &["Consumer/ApisixConsumer"],
        Kind::ApisixGlobalRule => &["GlobalRule/ApisixGlobalRule"],
        Kind::BackendTrafficPolicy => &["Service/Service"],
        Kind::HttpRoutePolicy => &["Route/Ingress"],
        Kind::Consumer => &["Consumer/Consumer"],
        Kind::PluginConfig => &["PluginSet/PluginConfig"],
        Kind::GatewayProxy => &["GlobalRule/GatewayProxy"],
        // Nothing is made of it yet.
        Kind::L4RoutePolicy => &[],
    }
}

/// A group as `Route/Ingress`.
pub(super) fn group_name(group: &Group) -> String {
    format!("{}/{}", group.kind, group.source.kind)
}

/// The kinds that some group needs.
pub(super) fn needed() -> Vec<Kind> {
    let all = Kind::ALL.iter().copied();
    all.filter(|kind| !unknown_without(*kind).is_empty()).collect()
}

pub(super) fn unknown(groups: &[GroupState]) -> Vec<(String, &str)> {
    let unknown = groups.iter().filter_map(|state| match &state.completeness {
        Completeness::Unknown { reason } => Some((group_name(&state.group), reason.as_str())),
        Completeness::Complete => None,
    });
    unknown.collect()
}

fn failed(kind: Kind) -> SourceEvent {
    let reason = "403 forbidden".to_owned();
    SourceEvent::Failed { kind, reason }
}

#[test]
fn an_error_is_not_an_empty_list() {
    let objects = shop();
    let complete = started(&objects).1;
    for kind in Kind::ALL.iter().copied() {
        let mut translator = Translator::new(options());
        for event in listing(&objects, Some(kind)) {
            translator.apply(event);
        }
        translator.apply(failed(kind));
        let output = translator.drain();
        let groups = output.groups.clone().unwrap();
        let names: Vec<String> = unknown(&groups).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, unknown_without(kind), "{kind:?}");
        for (_, reason) in unknown(&groups) {
            assert!(
                reason.contains(kind.name()) && reason.contains("403 forbidden"),
                "{reason}"
            );
        }
        let mut expected = complete.upserts.clone();
        expected.retain(|entry| !names.contains(&group_name(&Group::of(&entry.key))));
        assert_eq!(output.upserts, expected, "{kind:?}");
        assert_eq!(output.removals, []);
        assert_eq!(
            output.diagnostics.map(|diagnostics| diagnostics.len()),
            Some(1),
            "{kind:?}"
        );
    }
}

#[test]
fn a_kind_that_is_allowed_later_completes_its_groups() {
    let objects = shop();
    let complete = started(&objects).1;
    for kind in Kind::ALL.iter().copied() {
        let mut translator = Translator::new(options());
        let mut held = Held::default();
        for event in listing(&objects, Some(kind)) {
            translator.apply(event);
        }
        translator.apply(failed(kind));
        held.take(translator.drain());
        for event in listing(&objects, None) {
            translator.apply(event);
        }
        held.take(translator.drain());
        let mut expected = Held::default();
        expected.take(complete.clone());
        assert_eq!(held, expected, "{kind:?}");
    }
}

#[test]
fn a_failure_after_the_first_listing_changes_nothing_but_a_diagnostic() {
    let objects = shop();
    for kind in Kind::ALL.iter().copied() {
        let (mut translator, _) = started(&objects);
        translator.apply(SourceEvent::Begin(kind));
        translator.apply(failed(kind));
        let output = translator.drain();
        assert_eq!(short(&output), Vec::<String>::new(), "{kind:?}");
        assert_eq!(output.groups, None);
        assert_eq!(output.diagnostics.unwrap()[0].reason, "ListFailed");
        for event in listing(&objects, None) {
            translator.apply(event);
        }
        let output = translator.drain();
        assert_eq!(output.diagnostics, Some(Vec::new()), "the fault is over");
        assert_eq!(short(&output), Vec::<String>::new());
    }
}

#[test]
fn a_complete_listing_removes_what_it_does_not_show() {
    let (mut translator, _) = started(&shop());
    let (kind, coverage) = (Kind::Ingress, Coverage::All);
    translator.apply(SourceEvent::Begin(kind));
    translator.apply(SourceEvent::End { kind, coverage });
    assert_eq!(translator.drain().removals.len(), 4);
}

#[test]
fn a_forbidden_secret_makes_certificates_partial_until_it_is_answered_once() {
    let (mut translator, _) = super::changes::selected();
    let name = Name::new("shop", "pair");
    let outcome = Fetch::Failed("403 forbidden".to_owned());
    translator.apply(SourceEvent::Fetched {
        name: name.clone(),
        outcome,
    });
    let other = secret().replace("name: pair", "name: other");
    translator.apply(apply(&other));
    let ingress = INGRESS.replace("name: web, namespace", "name: two, namespace");
    translator.apply(apply(&ingress.replace("secretName: pair", "secretName: other")));
    let output = translator.drain();
    let groups = output.groups.clone().unwrap();
    let expected = "Secret shop/pair could not be read: 403 forbidden";
    assert_eq!(unknown(&groups), [("Certificate/Secret".to_owned(), expected)]);
    assert!(
        short(&output).contains(&"+Certificate other#".to_owned()),
        "all others are published"
    );
    let outcome = Fetch::NotFound;
    translator.apply(SourceEvent::Fetched { name, outcome });
    assert_eq!(unknown(&translator.drain().groups.unwrap()), []);
}

/// The hub may have a good one from before, of which it alone knows: it must not take the Secret for gone.
#[test]
fn a_secret_that_is_broken_at_the_start_is_published_even_without_hosts() {
    let ingress = INGRESS
        .replace("hosts: [web.example.com], ", "")
        .replace("- host: web.example.com\n    http", "- http");
    let objects = objects(
        &[&ingress, SERVICE, &secret_of("garbage", "garbage")]
            .map(|text| text as &str)
            .join("\n---\n"),
    );
    let (_, output) = started(&objects);
    assert!(
        short(&output).contains(&"+Certificate pair#".to_owned()),
        "{:?}",
        short(&output)
    );
}

/// Found by the simulation: after an outage of the API server a replica won the lease whose watches had not
/// recovered, and what it had not seen of the time before was withdrawn. The promise is `an_error_is_not_an_empty_list`.
#[test]
fn what_a_replica_cannot_watch_when_it_takes_over_is_unknown() {
    let objects = shop();
    for kind in needed() {
        let (mut translator, complete) = started(&objects);
        translator.apply(failed(kind));
        assert_eq!(
            translator.drain().groups,
            None,
            "{kind:?}: a failure alone changes no group"
        );
        translator.doubt_failed();
        let doubted = translator.drain();
        let groups = doubted.groups.unwrap();
        let names: Vec<String> = unknown(&groups).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, unknown_without(kind), "{kind:?}");
        for event in listing(&objects, None) {
            translator.apply(event);
        }
        let listed = translator.drain();
        assert_eq!(listed.groups, complete.groups, "{kind:?}");
        let mut again = complete.upserts.clone();
        again.retain(|entry| names.contains(&group_name(&Group::of(&entry.key))));
        assert_eq!(listed.upserts, again, "{kind:?}");
        translator.doubt_failed();
        assert!(translator.drain().is_empty(), "{kind:?}: nothing fails any more");
    }
}
