//! The generator's own test: that the laws' histories contain what the laws are said to hold for.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::super::unknown::needed;
use super::super::*;
use super::generate::history;
use super::world::World;
use super::*;
use crate::index::secret::Lookup;
use crate::source::object::{EndpointSlice, Ingress};
use hubline::model::{Completeness, Condition, EndpointState, ResourceKind};

/// Cases that are looked at; the laws run at least as many.
const CASES: usize = 1024;

/// What must happen to objects of every kind.
const OF_EVERY_KIND: [&str; 19] = [
    "made",
    "changed",
    "applied again",
    "deleted",
    "made again",
    "broken",
    "mended",
    "never read",
    "read at last",
    "listed first",
    "listed again",
    "gone by a listing",
    "cut at first",
    "cut later",
    "failed at first",
    "failed later",
    "overdue",
    "unread",
    "in force while unlisted again",
];

/// What must be seen besides.
const ONCE: [&str; 41] = [
    "asked: found, unknown",
    "asked: found, known",
    "asked: not found, unknown",
    "asked: not found, known",
    "asked: unreadable, unknown",
    "asked: unreadable, known",
    "asked for and watched later",
    "asked for no more",
    "last good certificate kept",
    "never good certificate published",
    "certificates partial for a Secret",
    "the default class comes",
    "the default class goes",
    "a reference leads somewhere at last",
    "a reference leads nowhere any more",
    "a named port moves",
    "two Ingresses claim the same",
    "two Ingresses share a service",
    "a service of a name",
    "a route that is closed",
    "a route with plugins",
    "a route under an expression",
    "no route for conditions that cannot be read",
    "a service spoken to in two ways",
    "a service of another namespace",
    "several slices of a service",
    "IPv4 and IPv6 of a service",
    "a slice changes its service",
    "the same address in two slices",
    "ready",
    "draining",
    "not ready",
    "partial group with resources",
    "unknown group",
    "group completed",
    "one namespace",
    "all secrets listed",
    "problems",
    "version",
    "groups",
    "never settled",
];

fn upserts() -> impl Iterator<Item = String> {
    use ResourceKind::{Certificate, ClusterInfo, EndpointSet, Node, Route, Service};
    let kinds = [Route, Service, EndpointSet, Certificate, Node];
    let changes = kinds
        .into_iter()
        .flat_map(|kind| ['+', '~', '-'].map(|sign| format!("{sign}{kind}")));
    changes.chain([format!("+{ClusterInfo}"), format!("~{ClusterInfo}")])
}

/// What a world looks like, of which changes are told.
#[derive(Clone, Default)]
struct Look {
    default_class: bool,
    unresolved: BTreeSet<(String, String)>,
    resolved: BTreeSet<(String, String)>,
    named: BTreeMap<(Name, Box<str>), i32>,
    slices: BTreeMap<Name, Option<std::sync::Arc<str>>>,
    asked: BTreeSet<Name>,
    unknown: BTreeSet<ResourceKind>,
}

fn look(world: &World) -> Look {
    let index = &world.translator.index;
    let mut look = Look {
        default_class: index.classes.values().any(|class| class.is_default),
        ..Look::default()
    };
    for (key, resource) in &world.held.resources {
        if let Resource::Service(service) = resource {
            let name = (key.namespace.to_string(), key.name.clone());
            let set = if service.unresolved.is_some() {
                &mut look.unresolved
            } else {
                &mut look.resolved
            };
            set.insert(name);
        }
    }
    for (name, service) in &index.services {
        let named = service.ports.iter().filter(|port| !port.name.is_empty());
        look.named
            .extend(named.map(|port| ((name.clone(), port.name.clone()), port.number)));
    }
    look.slices = index
        .slices
        .iter()
        .map(|(name, slice)| (name.clone(), slice.service.clone()))
        .collect();
    look.asked = world.translator.wanted_secrets();
    let unknown = world
        .held
        .groups
        .iter()
        .filter(|state| state.completeness != Completeness::Complete);
    look.unknown = unknown.map(|state| state.group.kind).collect();
    look
}

fn note_changes(world: &mut World, before: &Look, now: &Look) {
    let mut hit = |what: &str, seen: bool| {
        if seen {
            world.hit(what);
        }
    };
    hit("the default class comes", !before.default_class && now.default_class);
    hit("the default class goes", before.default_class && !now.default_class);
    let at_last = now.resolved.iter().any(|name| before.unresolved.contains(name));
    hit("a reference leads somewhere at last", at_last);
    let no_more = now.unresolved.iter().any(|name| before.resolved.contains(name));
    hit("a reference leads nowhere any more", no_more);
    let moved = |(port, number): (&(Name, Box<str>), &i32)| before.named.get(port).is_some_and(|old| old != number);
    hit("a named port moves", now.named.iter().any(moved));
    let switched = |(name, service): (&Name, &Option<_>)| before.slices.get(name).is_some_and(|old| old != service);
    hit("a slice changes its service", now.slices.iter().any(switched));
    let completed = before.unknown.difference(&now.unknown).next().is_some();
    hit("group completed", completed);
    let secrets = &world.translator.index;
    let watched = before.asked.iter().any(|name| secrets.secrets.is_watched(name));
    let no_more = before.asked.iter().any(|name| !secrets.is_secret_wanted(name));
    if watched {
        world.hit("asked for and watched later");
    }
    if no_more {
        world.hit("asked for no more");
    }
}

fn note_state(world: &mut World, now: &Look) {
    note_ingresses(world);
    note_slices(world);
    note_secrets(world, now);
    let published: BTreeSet<ResourceKind> = world.held.resources.keys().map(|key| key.kind).collect();
    if now.unknown.iter().any(|kind| published.contains(kind)) {
        world.hit("partial group with resources");
    }
    if now.unknown.iter().any(|kind| !published.contains(kind)) {
        world.hit("unknown group");
    }
    for kind in Kind::ALL {
        let index = &world.translator.index;
        if index.listings.is_listed(*kind) && index.listings.failure(*kind).is_some() {
            world.hit(format!("{} in force while unlisted again", kind.name()));
        }
    }
}

fn note_ingresses(world: &mut World) {
    let mut sections: BTreeMap<&str, &str> = BTreeMap::new();
    let mut same = false;
    for key in world
        .held
        .resources
        .keys()
        .filter(|key| key.kind == ResourceKind::Route)
    {
        same |= sections
            .insert(&key.section, &key.name)
            .is_some_and(|other| other != key.name);
    }
    let users = &world.translator.index.service_users;
    let shared = users
        .targets()
        .any(|name| users.of(name).is_some_and(|users| users.len() > 1));
    let external = world.held.resources.values().any(|resource| match resource {
        Resource::Service(service) => service.external_name.is_some() && service.unresolved.is_none(),
        _ => false,
    });
    for (what, seen) in [
        ("two Ingresses claim the same", same),
        ("two Ingresses share a service", shared),
        ("a service of a name", external),
    ] {
        if seen {
            world.hit(what);
        }
    }
    note_annotations(world);
    note_policies(world);
}

fn note_policies(world: &mut World) {
    let held = &world.held;
    let is_expression = |it: &Condition| matches!(it, Condition::Expression(_));
    let expression = held.resources.values().any(|resource| match resource {
        Resource::Route(route) => route.conditions.iter().any(is_expression),
        _ => false,
    });
    let unreadable = held.diagnostics.iter().any(|it| {
        *it.object.source.kind == *"Ingress"
            && it
                .message
                .contains("which requests the routes are for, and cannot be read")
    });
    for (what, seen) in [
        ("a route under an expression", expression),
        ("no route for conditions that cannot be read", unreadable),
    ] {
        if seen {
            world.hit(what);
        }
    }
}

fn note_annotations(world: &mut World) {
    let resources = &world.held.resources;
    let routes = || {
        let route = |(key, resource): (_, &Resource)| match resource {
            Resource::Route(route) => Some((key, route.clone())),
            _ => None,
        };
        resources.iter().filter_map(route)
    };
    let elsewhere = |key: &Key, route: &hubline::model::Route| {
        let mut services = route.backends.iter().map(|backend| &backend.service.namespace);
        services.any(|namespace| *namespace != key.namespace)
    };
    let services = || resources.keys().filter(|key| key.kind == ResourceKind::Service);
    let overridden = services().filter_map(|key| Some((key, key.section.split_once('|')?.0)));
    let two_ways = overridden.into_iter().any(|(key, port)| {
        services().any(|other| (&other.namespace, &other.name, &*other.section) == (&key.namespace, &key.name, port))
    });
    let seen = [
        (
            "a route that is closed",
            routes().any(|(_, route)| route.backends.is_empty()),
        ),
        (
            "a route with plugins",
            routes().any(|(_, route)| !route.backends.is_empty() && !route.plugins.is_empty()),
        ),
        ("a service spoken to in two ways", two_ways),
        (
            "a service of another namespace",
            routes().any(|(key, route)| elsewhere(key, &route)),
        ),
    ];
    for (what, seen) in seen {
        if seen {
            world.hit(what);
        }
    }
}

fn note_slices(world: &mut World) {
    let index = &world.translator.index;
    let (mut several, mut families, mut twice) = (false, false, false);
    for names in index.slices_of.values().filter(|names| names.len() > 1) {
        several = true;
        let slices: Vec<&EndpointSlice> = names.keys().filter_map(|name| index.slices.get(name)).collect();
        let types: BTreeSet<&str> = slices.iter().map(|slice| &*slice.address_type).collect();
        families |= types.contains("IPv4") && types.contains("IPv6");
        let addresses = |slice: &&EndpointSlice| -> BTreeSet<Box<str>> {
            slice
                .endpoints
                .iter()
                .flat_map(|endpoint| endpoint.addresses.clone())
                .collect()
        };
        let all: Vec<_> = slices.iter().map(addresses).collect();
        twice |= all
            .iter()
            .enumerate()
            .any(|(at, one)| all[at + 1..].iter().any(|other| !one.is_disjoint(other)));
    }
    let mut states = BTreeSet::new();
    for resource in world.held.resources.values() {
        if let Resource::EndpointSet(set) = resource {
            states.extend(set.endpoints.iter().map(|endpoint| endpoint.state));
        }
    }
    for (what, seen) in [
        ("several slices of a service", several),
        ("IPv4 and IPv6 of a service", families),
        ("the same address in two slices", twice),
        ("ready", states.contains(&EndpointState::Ready)),
        ("draining", states.contains(&EndpointState::Draining)),
        ("not ready", states.contains(&EndpointState::NotReady)),
    ] {
        if seen {
            world.hit(what);
        }
    }
}

fn note_secrets(world: &mut World, now: &Look) {
    let index = &world.translator.index;
    let slots = index
        .secret_users
        .targets()
        .filter_map(|name| match index.secrets.lookup(name, false) {
            Lookup::Known(slot) => Some((slot.fault.is_some(), slot.has_good)),
            Lookup::NotFound | Lookup::Failed(_) | Lookup::Pending => None,
        });
    let slots: BTreeSet<_> = slots.collect();
    let unanswered = index.secrets.unanswered(&now.asked).is_some();
    let partial = unanswered && now.unknown.contains(&ResourceKind::Certificate);
    let published = world
        .held
        .resources
        .keys()
        .any(|key| key.kind == ResourceKind::Certificate);
    for (what, seen) in [
        ("last good certificate kept", slots.contains(&(true, true))),
        ("never good certificate published", slots.contains(&(true, false))),
        ("certificates partial for a Secret", partial && published),
    ] {
        if seen {
            world.hit(what);
        }
    }
}

fn counted() -> BTreeMap<String, usize> {
    let mut runner = TestRunner::deterministic();
    let mut hits = BTreeMap::new();
    for _ in 0..CASES {
        let (start, steps) = history().new_tree(&mut runner).unwrap().current();
        let mut world = World::new(&start);
        let mut before = look(&world);
        for step in steps {
            world.happens(step);
            let now = look(&world);
            note_changes(&mut world, &before, &now);
            note_state(&mut world, &now);
            before = now;
        }
        for (what, seen) in [
            ("one namespace", start.one_namespace),
            ("all secrets listed", start.all_secrets),
            ("never settled", !world.translator.is_settled()),
        ] {
            if seen {
                world.hit(what);
            }
        }
        for (what, count) in world.hits {
            *hits.entry(what).or_default() += count;
        }
    }
    hits
}

/// Custom resources take all the same way: of most it is enough that they take it at all.
fn of_kind(kind: Kind) -> &'static [&'static str] {
    match kind.group() == "apisix.apache.org" && kind != Kind::ApisixRoute {
        true => &["made", "changed", "deleted", "broken"],
        false => &OF_EVERY_KIND,
    }
}

#[test]
fn histories_hold_every_kind_and_every_transition() {
    let hits = counted();
    let of_kinds = needed()
        .into_iter()
        .flat_map(|kind| of_kind(kind).iter().map(move |what| format!("{} {what}", kind.name())));
    let wanted = of_kinds.chain(ONCE.map(str::to_owned)).chain(upserts());
    let never: Vec<String> = wanted.filter(|what| !hits.contains_key(what)).collect();
    assert!(
        never.is_empty(),
        "never in {CASES} histories: {never:#?}\nseen: {hits:#?}"
    );
}

/// One of 1,000 services: what a change of its addresses costs is one unit and one resource.
#[test]
fn the_cost_of_a_change_is_that_of_the_change() {
    let mut objects = Vec::new();
    for object in objects_of_shop() {
        for number in 0..1000 {
            objects.push(renamed(&object, number));
        }
    }
    let (mut translator, first) = started(&objects);
    assert_eq!(
        first.upserts.len(),
        3 * 1000 + 1,
        "routes, services, endpoints, and the cluster"
    );
    let Object::EndpointSlice(name, mut slice) = renamed(&object(SLICE), 7) else {
        panic!("no slice")
    };
    slice.endpoints[0].addresses = vec!["10.0.0.9".into()];
    let before = translator.translated_units();
    translator.apply(SourceEvent::Apply(Box::new(Object::EndpointSlice(name, slice))));
    let output = translator.drain();
    assert_eq!(short(&output), ["+EndpointSet web7#80"]);
    assert_eq!(translator.translated_units() - before, 1);
}

fn objects_of_shop() -> Vec<Object> {
    [INGRESS, SERVICE, SLICE].map(object).into()
}

fn renamed(object: &Object, number: usize) -> Object {
    let name = |name: &Name| Name::new(&name.namespace, &format!("{}{number}", name.name));
    let service: Box<str> = format!("web{number}").into();
    match object.clone() {
        Object::Ingress(old, mut ingress) => {
            rename_backends(&mut ingress, &service);
            Object::Ingress(name(&old), ingress)
        }
        Object::EndpointSlice(old, slice) => {
            let slice = EndpointSlice {
                service: Some(service.into()),
                ..slice
            };
            Object::EndpointSlice(name(&old), slice)
        }
        Object::Service(old, service) => Object::Service(name(&old), service),
        other => panic!("{other:?}"),
    }
}

fn rename_backends(ingress: &mut Ingress, to: &str) {
    ingress.tls.clear();
    for path in ingress
        .rules
        .iter_mut()
        .flat_map(|rule| rule.paths.iter_mut().flatten())
    {
        if let crate::source::object::IngressBackend::Service { service, .. } = &mut path.backend {
            *service = to.into();
        }
    }
}
