//! Laws over random histories of every kind that a source yields, and proof that the histories are what they claim.

mod coverage;
mod custom;
mod generate;
mod known;
mod others;
mod world;

use hubline::model::{ObjectRef, ResourceKind};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::fixture::*;
use super::*;
use crate::output::Ancestor;
use crate::source::{Object, ObjectId};
use generate::{Start, any_object, history};
use world::{Step, World};

pub(super) fn unread(kinds: &BTreeSet<Kind>) -> SourceEvent {
    let reason = "file a.yaml cannot be read whole".to_owned();
    SourceEvent::Unread(kinds.iter().map(|kind| (*kind, reason.clone())).collect())
}

fn after(start: &Start, steps: Vec<Step>) -> World {
    let mut world = World::new(start);
    for step in steps {
        world.happens(step);
    }
    world.drain();
    world
}

/// What was published bit by bit is what translating everything gives, and what a fresh agent makes of the same.
fn check(world: &mut World) -> TestCaseResult {
    prop_assert!(world.translator.drain().is_empty());
    if !world.translator.is_settled() {
        prop_assert_eq!(&world.held, &Held::default());
        return Ok(());
    }
    let (snapshot, diagnostics) = world.translator.translate_anew();
    let anew = Held {
        resources: snapshot
            .resources
            .into_iter()
            .map(|entry| (entry.key, entry.resource))
            .collect(),
        groups: snapshot.groups,
        diagnostics,
    };
    let waiting = waiting(&world.translator);
    let targets = targets_of_waiting(&world.translator);
    let askers: Vec<ObjectRef> = held_askers(&world.translator).iter().map(ObjectId::reference).collect();
    let known = |mut held: Held| {
        held.resources.retain(|key, _| {
            let name = Name::new(&key.namespace, &key.name);
            !waiting.contains(key) && (is_route(key) || !targets.contains(&name))
        });
        // Of what a held object asked for then the faults stay as well.
        held.diagnostics
            .retain(|diagnostic| !askers.contains(&diagnostic.object));
        held
    };
    let held = known(world.held.clone());
    let anew = known(anew);
    prop_assert_eq!(differences(&held, &anew), Vec::<String>::new());
    prop_assert_eq!(&held, &anew);
    let (other, fresh) = world.fresh();
    prop_assert_eq!(&held, &known(fresh));
    // What stays as it was published is still led to.
    if askers.is_empty() {
        prop_assert_eq!(ancestors(&world.translator), ancestors(&other));
    }
    Ok(())
}

/// Through what each policy acts; none where it is not known.
fn ancestors(translator: &Translator) -> BTreeMap<&Unit, Option<&[Ancestor]>> {
    let policy = |unit: &Unit| {
        let kind = unit.asker()?.kind;
        matches!(
            kind,
            Kind::BackendTrafficPolicy | Kind::HttpRoutePolicy | Kind::L4RoutePolicy
        )
        .then_some(())
    };
    let policies = translator.published.iter().filter(|(unit, _)| policy(unit).is_some());
    let told = policies.filter_map(|(unit, published)| Some((unit, published.declared.as_deref()?)));
    told.map(|(unit, declared)| {
        let known = declared.standing == Standing::Ours;
        (unit, known.then_some(&*declared.ancestors))
    })
    .collect()
}

/// Resources that differ, for people.
fn differences(one: &Held, other: &Held) -> Vec<String> {
    let keys: BTreeSet<&Key> = one.resources.keys().chain(other.resources.keys()).collect();
    let differ = keys
        .into_iter()
        .filter(|key| one.resources.get(key) != other.resources.get(key));
    let shown = |key: &Key| format!("{key}: {:?} and {:?}", one.resources.get(key), other.resources.get(key));
    differ.map(shown).collect()
}

fn is_route(key: &Key) -> bool {
    matches!(key.kind, ResourceKind::Route | ResourceKind::StreamRoute)
}

/// Objects of which something stays as it was published.
fn held_askers(translator: &Translator) -> Vec<ObjectId> {
    let held = translator.published.keys().filter(|unit| translator.render(unit).held);
    held.filter_map(Unit::asker).collect()
}

/// What the objects of which something stays as it was published asked for then, and ask for now.
fn targets_of_waiting(translator: &Translator) -> BTreeSet<Name> {
    let index = &translator.index;
    let targets = held_askers(translator).into_iter().flat_map(|asker| {
        let services = index.service_users.asked(&asker);
        let others = index
            .upstream_users
            .asked(&asker)
            .chain(index.plugin_config_users.asked(&asker));
        services.chain(others).cloned().collect::<Vec<_>>()
    });
    targets.collect()
}

/// What stays as it was published while something that it is made with is not known: nobody who comes later can have it.
fn waiting(translator: &Translator) -> BTreeSet<Key> {
    let units = translator.published.iter();
    let keys = units.flat_map(|(unit, published)| {
        let rendered = translator.render(unit);
        let all = published.hashes.keys().filter(|_| rendered.held).cloned();
        let some = rendered.held_keys.iter().cloned();
        all.chain(some).collect::<Vec<_>>()
    });
    keys.collect()
}

/// As many as take seconds, unless `PROPTEST_CASES` wants more. The seed of a failure is printed, not kept in a file:
/// what it found becomes a test with a name.
fn config() -> ProptestConfig {
    let standard = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() {
        standard.cases
    } else {
        256
    };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..standard
    }
}

proptest! {
    #![proptest_config(config())]

    /// Also shows that no well-formed object, however odd, makes translation panic.
    #[test]
    fn incremental_translation_equals_translation_from_nothing((start, steps) in history()) {
        check(&mut after(&start, steps))?;
    }

    /// The order in which objects arrive does not matter.
    #[test]
    fn order_does_not_matter(objects in prop::collection::vec(any_object(), 0..20).prop_shuffle()) {
        let mut latest: BTreeMap<ObjectId, Object> = BTreeMap::new();
        for object in &objects {
            latest.entry(object.id()).or_insert_with(|| object.clone());
        }
        let forward: Vec<Object> = latest.values().cloned().collect();
        let backward: Vec<Object> = latest.into_values().rev().collect();
        let run = |objects: &[Object]| {
            let (mut translator, mut first) = (started(&[]).0, Held::default());
            for object in objects {
                translator.apply(SourceEvent::Apply(Box::new(object.clone())));
                first.take(translator.drain());
            }
            translator.snapshot()
        };
        prop_assert_eq!(run(&forward), run(&backward));
    }
}
