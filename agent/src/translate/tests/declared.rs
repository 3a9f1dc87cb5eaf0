//! What translate says of objects that have a status.

use super::fixture::*;
use super::*;
use crate::output::{Declared, Standing};
use crate::source::{Coverage, Reported, ReportedStatus};

const CLASS: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: apisix}
spec: {controller: example.com/other}
";

fn web() -> ObjectId {
    ObjectId {
        kind: Kind::Ingress,
        name: Name::new("shop", "web"),
    }
}

/// Standing and keys of what is declared of the shop's Ingress, when something new is.
fn of(output: &Output) -> Option<Option<(Standing, Vec<String>)>> {
    let of_web: Vec<_> = output.declared.iter().filter(|(id, _)| *id == web()).collect();
    assert_eq!(of_web.len(), output.declared.len(), "of nothing else");
    let text = |key: &Key| format!("{} {}#{}", key.kind, key.name, key.section);
    let shown = |it: &Arc<Declared>| (it.standing, it.keys.iter().map(text).collect());
    of_web.last().map(|(_, declared)| declared.as_ref().map(shown))
}

#[test]
fn an_ingress_is_declared_with_what_is_made_of_it_and_what_that_needs() {
    let (mut translator, output) = started(&shop());
    let keys = [
        "Route web#web.example.com|Prefix|/",
        "Service web#80",
        "Certificate pair#",
    ];
    let ours = (Standing::Ours, keys.map(str::to_owned).to_vec());
    assert_eq!(of(&output), Some(Some(ours.clone())));

    // Nothing new is declared of what stays the same, whatever is published of it.
    translator.apply(apply(&SERVICE.replace("port: 80", "port: 80, appProtocol: https")));
    let output = translator.drain();
    assert!(!output.upserts.is_empty());
    assert_eq!(of(&output), None);

    let moved = INGRESS.replace("path: /,", "path: /new,");
    translator.apply(apply(&moved));
    let (_, keys) = of(&translator.drain()).unwrap().unwrap();
    assert_eq!(keys[0], "Route web#web.example.com|Prefix|/new");

    // Its class becomes another controller's, and ours again.
    translator.apply(apply(CLASS));
    assert_eq!(of(&translator.drain()), Some(Some((Standing::Foreign, Vec::new()))));
    translator.apply(delete(CLASS));
    assert_eq!(of(&translator.drain()).unwrap().unwrap().0, Standing::Ours);
    translator.apply(delete(INGRESS));
    assert_eq!(of(&translator.drain()), Some(None), "gone");
    assert!(translator.drain().is_empty());
}

#[test]
fn nothing_is_said_of_whom_an_ingress_belongs_to_before_classes_were_listed() {
    let mut translator = Translator::new(options());
    for event in listing(&shop(), Some(Kind::IngressClass)) {
        translator.apply(event);
    }
    translator.stop_waiting();
    let unknown = (Standing::Unknown, Vec::new());
    assert_eq!(of(&translator.drain()), Some(Some(unknown)));
    let kind = Kind::IngressClass;
    translator.apply(SourceEvent::Begin(kind));
    let coverage = Coverage::All;
    translator.apply(SourceEvent::End { kind, coverage });
    assert_eq!(of(&translator.drain()).unwrap().unwrap().0, Standing::Ours);
}

#[test]
fn a_status_that_is_written_translates_nothing() {
    let (mut translator, _) = started(&shop());
    let before = translator.translated_units();
    let reported = Reported {
        uid: "u".into(),
        version: "8".into(),
        generation: 1,
        by_us: true,
        status: ReportedStatus::Addresses(vec!["192.0.2.1".into()]),
    };
    translator.apply(SourceEvent::Reported(web(), Box::new(reported)));
    let written = INGRESS.to_owned() + "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n";
    translator.apply(apply(&written));
    assert!(translator.drain().is_empty());
    assert_eq!(translator.translated_units(), before);
}
