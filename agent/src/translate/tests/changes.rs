//! What one change costs and publishes.

use super::fixture::*;
use super::*;
use crate::source::{Coverage, Fetch, Object};
use hubline::model::ResourceKind;

#[test]
fn nothing_is_published_before_every_kind_was_listed_or_failed() {
    let mut translator = Translator::new(options());
    for event in listing(&shop(), Some(Kind::Node)) {
        translator.apply(event);
        assert!(translator.drain().is_empty());
    }
    translator.stop_waiting();
    let output = translator.drain();
    assert!(
        output
            .upserts
            .iter()
            .any(|entry| matches!(entry.resource, Resource::Route(_)))
    );
    assert!(
        !output
            .upserts
            .iter()
            .any(|entry| matches!(entry.resource, Resource::Node(_)))
    );
    assert!(
        output.diagnostics.unwrap()[0]
            .message
            .contains("not listed within the time")
    );
}

/// However far the listings had come when patience ended: what they show afterwards is taken, and nothing is removed.
#[test]
fn a_listing_that_outlasts_the_start_is_not_an_empty_list() {
    let objects = shop();
    let (whole, _) = started(&objects);
    let events = listing(&objects, None);
    for patience in 0..events.len() {
        let mut translator = Translator::new(options());
        let mut removed = Vec::new();
        for (number, event) in events.iter().enumerate() {
            if number == patience {
                translator.stop_waiting();
            }
            translator.apply(event.clone());
            removed.extend(translator.drain().removals);
        }
        assert!(removed.is_empty(), "after {patience} events: {removed:?}");
        assert_eq!(translator.snapshot(), whole.snapshot(), "after {patience} events");
    }
}

#[test]
fn an_end_without_a_listing_removes_nothing() {
    let (mut translator, _) = started(&shop());
    let coverage = Coverage::All;
    for kind in Kind::ALL {
        translator.apply(SourceEvent::End { kind: *kind, coverage });
    }
    assert!(translator.drain().removals.is_empty());
}

#[test]
fn the_first_output_is_everything_once() {
    let (mut translator, output) = started(&shop());
    assert_eq!(
        short(&output),
        [
            "+Route web#web.example.com|Prefix|/",
            "+Service web#80",
            "+EndpointSet web#80",
            "+Certificate pair#",
            "+Node n1#",
            "+ClusterInfo east#"
        ]
    );
    assert!(translator.drain().is_empty());
}

#[test]
fn a_no_op_update_yields_nothing() {
    let noise = [
        INGRESS.replace(
            "name: web, namespace",
            "labels: {a: b}, resourceVersion: '7', name: web, namespace",
        ),
        SERVICE.replace(
            "name: web, namespace",
            "annotations: {a: b}, generation: 3, name: web, namespace",
        ),
        SLICE.replace("endpoints:", "managedFields: []\nendpoints:"),
        NODE.replace("03:04:05", "03:14:15"),
    ];
    let (mut translator, _) = started(&shop());
    let before = translator.translated_units();
    for yaml in noise {
        translator.apply(apply(&yaml));
        assert!(translator.drain().is_empty(), "{yaml}");
    }
    assert_eq!(translator.translated_units(), before);
}

#[test]
fn listing_again_without_change_yields_nothing() {
    let objects = shop();
    let (mut translator, _) = started(&objects);
    let before = translator.translated_units();
    for event in listing(&objects, None) {
        translator.apply(event);
    }
    assert!(translator.drain().is_empty());
    assert_eq!(translator.translated_units(), before);
}

#[test]
fn one_changed_slice_re_translates_one_unit() {
    let mut objects = shop();
    let other = |text: &str| {
        text.replace("name: web", "name: other")
            .replace("service-name: web", "service-name: other")
    };
    objects.extend(objects_of_other(other));
    let (mut translator, _) = started(&objects);
    let before = translator.translated_units();
    translator.apply(apply(&SLICE.replace("10.0.0.1", "10.0.0.1, 10.0.0.2")));
    let output = translator.drain();
    assert_eq!(short(&output), ["+EndpointSet web#80"]);
    assert_eq!(translator.translated_units() - before, 1);
}

fn objects_of_other(other: impl Fn(&str) -> String) -> Vec<Object> {
    objects(&[other(INGRESS), other(SERVICE), other(SLICE)].join("\n---\n"))
}

#[test]
fn a_slice_of_a_service_that_no_route_names_costs_nothing() {
    let (mut translator, _) = started(&shop());
    let before = translator.translated_units();
    translator.apply(apply(
        &SLICE
            .replace("name: web-a", "name: x")
            .replace("service-name: web", "service-name: x"),
    ));
    assert!(translator.drain().is_empty());
    assert_eq!(translator.translated_units(), before);
}

#[test]
fn one_more_path_is_one_more_route() {
    let (mut translator, _) = started(&shop());
    let path = "{path: /new, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}, {path: /, ";
    translator.apply(apply(&INGRESS.replace("{path: /, ", path)));
    assert_eq!(short(&translator.drain()), ["+Route web#web.example.com|Prefix|/new"]);
}

#[test]
fn a_deleted_ingress_takes_along_what_only_it_asked_for() {
    let (mut translator, _) = started(&shop());
    translator.apply(delete(INGRESS));
    assert_eq!(
        short(&translator.drain()),
        [
            "-Route web#web.example.com|Prefix|/",
            "-Service web#80",
            "-EndpointSet web#80",
            "-Certificate pair#"
        ]
    );
    assert!(translator.drain().is_empty());
}

#[test]
fn a_named_port_that_changes_its_number_moves_the_route() {
    let mut objects = shop();
    objects.push(object(&INGRESS.replace("number: 80", "name: http")));
    let (mut translator, _) = started(&objects);
    translator.apply(apply(&SERVICE.replace("port: 80", "port: 81")));
    let output = translator.drain();
    assert_eq!(
        short(&output),
        [
            "+Route web#web.example.com|Prefix|/",
            "+Service web#81",
            "+EndpointSet web#81",
            "-Service web#80",
            "-EndpointSet web#80"
        ]
    );
}

#[test]
fn a_broken_secret_keeps_the_last_good_certificate() {
    let (mut translator, first) = started(&shop());
    let good = first
        .upserts
        .iter()
        .find(|entry| matches!(entry.resource, Resource::Certificate(_)));
    translator.apply(apply(&secret_of("garbage", "garbage")));
    let output = translator.drain();
    assert_eq!(short(&output), Vec::<String>::new());
    let diagnostics = output.diagnostics.unwrap();
    let fields: Vec<_> = diagnostics
        .iter()
        .map(|diagnostic| (&*diagnostic.object.source.kind, &*diagnostic.field))
        .collect();
    assert_eq!(
        fields,
        [("Secret", "data[tls.crt]"), ("Ingress", "spec.tls[0].secretName")]
    );
    assert!(
        diagnostics[0]
            .message
            .contains("the last good certificate stays in force")
    );
    let held = translator
        .snapshot()
        .resources
        .into_iter()
        .find(|entry| matches!(entry.resource, Resource::Certificate(_)));
    assert_eq!(held.as_ref(), good);
    translator.apply(delete(&secret()));
    assert_eq!(short(&translator.drain()), ["-Certificate pair#"]);
}

#[test]
fn a_malformed_object_keeps_its_last_good_form() {
    let (mut translator, _) = started(&shop());
    let id = object(INGRESS).id();
    let reason = "spec.rules: expected a sequence".to_owned();
    translator.apply(SourceEvent::Begin(Kind::Ingress));
    translator.apply(SourceEvent::Malformed { id: id.clone(), reason });
    let (kind, coverage) = (Kind::Ingress, Coverage::All);
    translator.apply(SourceEvent::End { kind, coverage });
    let output = translator.drain();
    assert_eq!(short(&output), Vec::<String>::new());
    assert_eq!(output.diagnostics.unwrap()[0].reason, "Malformed");
    translator.apply(SourceEvent::Delete(id));
    let output = translator.drain();
    assert_eq!(output.diagnostics, Some(Vec::new()));
    assert_eq!(output.removals.len(), 4);
}

#[test]
fn pod_networks_of_all_nodes_are_the_clusters() {
    let (mut translator, _) = started(&shop());
    translator.apply(apply(&NODE.replace("n1", "n2").replace("244.0", "244.1")));
    translator.apply(SourceEvent::Version("v1.36.0".to_owned()));
    let output = translator.drain();
    let [node, info] = output.upserts.as_slice() else {
        panic!("{output:?}")
    };
    assert!(matches!(&node.resource, Resource::Node(node) if node.ready));
    let Resource::ClusterInfo(info) = &info.resource else {
        panic!("{info:?}")
    };
    assert_eq!(info.pod_networks, ["10.244.0.0/24", "10.244.1.0/24"]);
    assert_eq!(info.kubernetes_version.as_deref(), Some("v1.36.0"));
}

#[test]
fn the_echos_addresses_are_the_clusters() {
    let echo = vec!["b:7444".to_owned(), "a:7444".to_owned(), "b:7444".to_owned()];
    let mut translator = Translator::new(TranslateOptions { echo, ..options() });
    for event in listing(&shop(), None) {
        translator.apply(event);
    }
    let upserts = translator.drain().upserts;
    let info = upserts.iter().find_map(|entry| match &entry.resource {
        Resource::ClusterInfo(info) => Some(info),
        _ => None,
    });
    assert_eq!(info.unwrap().echo, ["a:7444", "b:7444"]);
}

#[test]
fn namespaces_that_are_not_watched_do_not_exist() {
    let namespaces = Some(["other".to_owned()].into());
    let mut translator = Translator::new(TranslateOptions {
        namespaces,
        ..options()
    });
    for event in listing(&shop(), None) {
        translator.apply(event);
    }
    assert_eq!(short(&translator.drain()), ["+Node n1#", "+ClusterInfo east#"]);
}

#[test]
fn secrets_that_are_not_listed_are_asked_for_by_name() {
    let (mut translator, output) = selected();
    let name = Name::new("shop", "pair");
    assert_eq!(translator.wanted_secrets(), [name.clone()].into());
    assert!(
        output
            .groups
            .unwrap()
            .iter()
            .any(|state| format!("{state:?}").contains("has not been read yet"))
    );
    let Object::Secret(_, found) = object(&secret()) else {
        panic!("no secret")
    };
    let outcome = Fetch::Found(found);
    translator.apply(SourceEvent::Fetched {
        name: name.clone(),
        outcome,
    });
    let output = translator.drain();
    assert_eq!(short(&output), ["+Certificate pair#"]);
    assert!(!format!("{:?}", output.groups.unwrap()).contains("Unknown"));
    // 403 later: the last good one stays. 404: it is gone.
    let outcome = Fetch::Failed("forbidden".to_owned());
    translator.apply(SourceEvent::Fetched {
        name: name.clone(),
        outcome,
    });
    assert_eq!(short(&translator.drain()), Vec::<String>::new());
    let outcome = Fetch::NotFound;
    translator.apply(SourceEvent::Fetched { name, outcome });
    let output = translator.drain();
    assert_eq!(short(&output), ["-Certificate pair#"]);
    assert!(output.diagnostics.unwrap()[0].message.contains("does not exist"));
    translator.apply(delete(INGRESS));
    translator.drain();
    assert!(translator.wanted_secrets().is_empty());
}

/// The fetcher sees no change of what is wanted, and would ask again only in a minute.
#[test]
fn a_secret_that_passes_from_one_ingress_to_another_stays() {
    let (mut translator, _) = selected();
    let name = Name::new("shop", "pair");
    let Object::Secret(_, found) = object(&secret()) else {
        panic!("no secret")
    };
    let outcome = Fetch::Found(found);
    translator.apply(SourceEvent::Fetched { name, outcome });
    translator.drain();
    translator.apply(apply(
        &INGRESS.replace("name: web, namespace", "name: zebra, namespace"),
    ));
    translator.apply(delete(INGRESS));
    let output = translator.drain();
    assert!(
        !short(&output).contains(&"-Certificate pair#".to_owned()),
        "{:?}",
        short(&output)
    );
}

/// A start at which the listing of Secrets covers a selection without the one that is wanted.
pub(super) fn selected() -> (Translator, Output) {
    let mut translator = Translator::new(options());
    let objects: Vec<Object> = shop()
        .into_iter()
        .filter(|object| object.id().kind != Kind::Secret)
        .collect();
    for event in listing(&objects, Some(Kind::Secret)) {
        translator.apply(event);
    }
    let (kind, coverage) = (Kind::Secret, Coverage::Selected);
    translator.apply(SourceEvent::Begin(kind));
    translator.apply(SourceEvent::End { kind, coverage });
    let output = translator.drain();
    (translator, output)
}

fn annotated(annotation: &str) -> String {
    let metadata = format!("metadata: {{name: web, namespace: shop, annotations: {{{annotation}}}}}");
    INGRESS.replace("metadata: {name: web, namespace: shop}", &metadata)
}

#[test]
fn an_annotation_changes_how_a_service_is_spoken_to_and_not_its_endpoints() {
    let (mut translator, _) = started(&shop());
    translator.apply(apply(&annotated("k8s.apisix.apache.org/upstream-scheme: https")));
    let changed = [
        "+Route web#web.example.com|Prefix|/",
        "+Service web#80|scheme=https",
        "-Service web#80",
    ];
    assert_eq!(short(&translator.drain()), changed);
    translator.apply(apply(INGRESS));
    translator.drain();
    let units = translator.translated_units();
    translator.apply(apply(&annotated(
        "kubectl.kubernetes.io/last-applied-configuration: all of it",
    )));
    assert_eq!(short(&translator.drain()), Vec::<String>::new());
    assert_eq!(
        translator.translated_units(),
        units,
        "what is not read is not looked at"
    );
}

#[test]
fn a_service_of_another_namespace_is_followed_there() {
    let mut translator = Translator::new(TranslateOptions {
        cross_namespace_services: true,
        ..options()
    });
    let blog = |yaml: &str| yaml.replace("namespace: shop", "namespace: blog");
    let ingress = annotated("k8s.apisix.apache.org/svc-namespace: blog");
    let objects = objects(&[&ingress, SERVICE, SLICE, &blog(SERVICE)].join("\n---\n"));
    for event in listing(&objects, None) {
        translator.apply(event);
    }
    let namespaces = |output: &Output| -> Vec<String> {
        let keys = output.upserts.iter().map(|entry| &entry.key);
        let of = |kind| keys.clone().filter(move |key| key.kind == kind);
        let services = of(ResourceKind::Service).chain(of(ResourceKind::EndpointSet));
        services.map(|key| key.namespace.to_string()).collect()
    };
    assert_eq!(namespaces(&translator.drain()), ["blog", "blog"]);
    translator.apply(apply(&blog(SLICE)));
    assert_eq!(short(&translator.drain()), ["+EndpointSet web#80"]);
    translator.apply(delete(SLICE));
    assert!(
        translator.drain().is_empty(),
        "nobody asks for that of the Ingress's own namespace"
    );
}
