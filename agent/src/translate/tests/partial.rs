//! Objects that were never read: what is made of the others goes on, and nothing of them is said to be gone.

use hubline::model::Completeness;

use super::fixture::*;
use super::unknown::{needed, unknown, unknown_without};
use super::*;
use crate::source::{Coverage, Fetch, Object};

/// A start at which one object cannot be read, with its first output.
fn started_over(objects: &[Object], id: &ObjectId) -> (Translator, Output) {
    let mut translator = Translator::new(options());
    for event in listing(objects, Some(id.kind)) {
        translator.apply(event);
    }
    for event in listing_over(objects, id) {
        translator.apply(event);
    }
    let output = translator.drain();
    (translator, output)
}

/// Listing of one kind that shows an object which cannot be read.
fn listing_over(objects: &[Object], id: &ObjectId) -> Vec<SourceEvent> {
    let kind = id.kind;
    let mut events = vec![SourceEvent::Begin(kind), malformed(id)];
    let of_kind = objects.iter().filter(|object| object.id().kind == kind);
    events.extend(of_kind.map(|object| SourceEvent::Listed(Box::new(object.clone()))));
    let coverage = Coverage::All;
    events.push(SourceEvent::End { kind, coverage });
    events
}

fn malformed(id: &ObjectId) -> SourceEvent {
    SourceEvent::Malformed {
        id: id.clone(),
        reason: "expected a map".to_owned(),
    }
}

fn other(kind: Kind) -> ObjectId {
    let name = Name::new(if kind.is_namespaced() { "shop" } else { "" }, "other");
    ObjectId { kind, name }
}

fn all_complete(output: &Output) -> bool {
    let groups = output.groups.as_deref().unwrap_or_default();
    !groups.is_empty() && groups.iter().all(|state| state.completeness == Completeness::Complete)
}

#[test]
fn an_object_that_was_never_read_makes_its_groups_partial() {
    let objects = shop();
    let complete = started(&objects).1;
    for kind in needed() {
        let id = other(kind);
        let (mut translator, output) = started_over(&objects, &id);
        assert_eq!(output.upserts, complete.upserts, "{kind:?}: all else goes on");
        let groups = output.groups.unwrap();
        let names: Vec<String> = unknown(&groups).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, unknown_without(kind), "{kind:?}");
        for (_, reason) in unknown(&groups) {
            let expected = format!("{} {} cannot be read", kind.name(), id.name);
            assert!(reason.ends_with(&expected), "{reason}");
        }
        // It stays so with the next listing that shows it, and ends with one that does not.
        for event in listing_over(&objects, &id) {
            translator.apply(event);
        }
        assert_eq!(translator.drain().groups, None, "{kind:?}");
        for event in listing(&objects, None) {
            translator.apply(event);
        }
        let output = translator.drain();
        assert!(all_complete(&output), "{kind:?}: {output:?}");
        assert_eq!(short(&output), Vec::<String>::new(), "{kind:?}");
    }
}

#[test]
fn deleting_what_was_never_read_completes_its_groups() {
    for kind in needed() {
        let id = other(kind);
        let (mut translator, _) = started_over(&shop(), &id);
        translator.apply(SourceEvent::Delete(id));
        assert!(all_complete(&translator.drain()), "{kind:?}");
    }
}

/// What refers to an object that was never read must not be published as if that did not exist.
#[test]
fn what_depends_on_the_unread_is_withheld_until_it_is_read() {
    let objects = shop();
    let complete = started(&objects).1;
    for object in &objects {
        let id = object.id();
        let rest: Vec<Object> = objects.iter().filter(|other| other.id() != id).cloned().collect();
        let (mut translator, output) = started_over(&rest, &id);
        let mut held = Held::default();
        for entry in &output.upserts {
            // Of a cluster's pod networks the known ones are better than none: they are one resource with its addresses.
            let same = complete.upserts.contains(entry) || matches!(entry.resource, Resource::ClusterInfo(_));
            assert!(same, "without {id:?}: {entry:?}");
        }
        held.take(output);
        translator.apply(SourceEvent::Apply(Box::new(object.clone())));
        held.take(translator.drain());
        let mut expected = Held::default();
        expected.take(complete.clone());
        assert_eq!(held, expected, "{id:?}");
    }
}

#[test]
fn a_certificate_keeps_its_own_names_for_an_ingress_that_was_never_read() {
    let pair =
        rcgen::generate_simple_self_signed(vec!["web.example.com".to_owned(), "b.example.com".to_owned()]).unwrap();
    let secret = secret_of(&pair.cert.pem(), &pair.signing_key.serialize_pem());
    let objects = objects(&[INGRESS, &secret].join("\n---\n"));
    let hosts = |output: &Output| {
        output.upserts.iter().find_map(|entry| match &entry.resource {
            Resource::Certificate(certificate) => Some(certificate.hosts.len()),
            _ => None,
        })
    };
    let id = other(Kind::Ingress);
    let (mut translator, output) = started_over(&objects, &id);
    assert_eq!(hosts(&output), Some(2));
    translator.apply(SourceEvent::Delete(id));
    assert_eq!(hosts(&translator.drain()), Some(1));
}

/// The Ingress that is read at last may ask for a Secret that nobody was asked for.
#[test]
fn certificates_wait_for_the_secrets_of_an_ingress_that_is_read_at_last() {
    let mut translator = Translator::new(options());
    let id = object(INGRESS).id();
    for event in listing(&[], Some(Kind::Ingress))
        .into_iter()
        .chain(listing_over(&[], &id))
    {
        translator.apply(match event {
            SourceEvent::End { kind: Kind::Secret, .. } => SourceEvent::End {
                kind: Kind::Secret,
                coverage: Coverage::Selected,
            },
            other => other,
        });
    }
    translator.drain();
    translator.apply(apply(INGRESS));
    let groups = translator.drain().groups.unwrap();
    let expected = "Secret shop/pair has not been read yet";
    assert_eq!(unknown(&groups), [("Certificate/Secret".to_owned(), expected)]);
    let (name, outcome) = (Name::new("shop", "pair"), Fetch::NotFound);
    translator.apply(SourceEvent::Fetched { name, outcome });
    assert!(all_complete(&translator.drain()));
}

#[test]
fn a_fault_that_appears_after_the_first_listing_hides_nothing() {
    for kind in Kind::ALL.iter().copied() {
        let (mut translator, _) = started(&shop());
        translator.apply(malformed(&other(kind)));
        let output = translator.drain();
        assert_eq!((output.groups, output.removals), (None, Vec::new()), "{kind:?}");
    }
}

#[test]
fn a_file_that_was_never_read_makes_what_may_stand_in_it_partial() {
    let objects: Vec<Object> = shop()
        .into_iter()
        .filter(|object| object.id().kind != Kind::Service)
        .collect();
    let mut translator = Translator::new(options());
    translator.apply(super::laws::unread(&Kind::ALL.iter().copied().collect()));
    for event in listing(&objects, None) {
        translator.apply(event);
    }
    let output = translator.drain();
    let groups = output.groups.clone().unwrap();
    assert_eq!(unknown(&groups).len(), groups.len());
    assert!(unknown(&groups)[0].1.contains("file a.yaml"));
    let kinds = ["+Certificate pair#", "+Node n1#", "+ClusterInfo east#"];
    assert_eq!(short(&output), kinds, "what leads to the service is withheld");
    // The file is removed: now it is certain that there is no such service, and that is said.
    translator.apply(super::laws::unread(&BTreeSet::new()));
    let output = translator.drain();
    assert!(all_complete(&output));
    let rest = [
        "+Route web#web.example.com|Prefix|/",
        "+Service web#80",
        "+EndpointSet web#80",
    ];
    assert_eq!(short(&output), rest);
}
