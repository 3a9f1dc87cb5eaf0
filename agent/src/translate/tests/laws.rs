//! Laws over random histories of every kind that a source yields, and proof that the histories are what they claim.

mod coverage;
mod generate;
mod known;
mod world;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::fixture::*;
use super::*;
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
    prop_assert_eq!(&world.held, &anew);
    let (_, fresh) = world.fresh();
    prop_assert_eq!(&world.held, &fresh);
    Ok(())
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
