//! Laws over random histories of several clusters: federation and planner alone. Whole hubs are in `histories`.

use std::collections::BTreeMap;

use hubline::model::Key;
use proptest::prelude::*;

use super::generate::{Step, step};
use super::schema::Schemas;
use super::world::*;
use crate::change::Change;

pub(super) const CLUSTERS: [&str; 3] = ["a", "b", "c"];

/// As many cases as take seconds, unless `PROPTEST_CASES` wants more. The seed of a failure is printed, not kept in a
/// file: what it found becomes a test with a name.
pub(super) fn config(cases: u32) -> ProptestConfig {
    let standard = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() {
        standard.cases
    } else {
        cases
    };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..standard
    }
}

/// Good changes that plan takes as they are: what it refuses is quarantined before it, and depends on history.
fn steps() -> impl Strategy<Value = Vec<(usize, Change)>> {
    let change = |(key, resource): Step| match resource {
        Some(resource) if crate::cluster::check(&key, &resource).is_ok() => put(&key, resource),
        Some(_) | None => gone(&key),
    };
    prop::collection::vec((0..CLUSTERS.len(), step().prop_map(change)), 1..60)
}

/// The last change of every key, by cluster.
fn final_state(steps: &[(usize, Change)]) -> BTreeMap<usize, BTreeMap<Key, Change>> {
    let mut state: BTreeMap<usize, BTreeMap<Key, Change>> = BTreeMap::new();
    for (on, change) in steps {
        state.entry(*on).or_default().insert(change.key.clone(), change.clone());
    }
    state
}

fn from_nothing(steps: &[(usize, Change)]) -> World {
    let mut world = World::new();
    for (on, changes) in final_state(steps).into_iter().rev() {
        let changes: Vec<_> = changes
            .into_values()
            .rev()
            .filter(|change| change.now.is_some())
            .collect();
        world.apply(&cluster(CLUSTERS[on]), &changes);
    }
    world
}

proptest! {
    #![proptest_config(config(256))]

    /// Promise 13: equal inputs give byte-equal desired objects in any order of arrival, and planning step by step
    /// gives what planning from nothing gives.
    #[test]
    fn order_does_not_matter(steps in steps()) {
        let mut world = World::new();
        for (on, change) in &steps {
            world.apply(&cluster(CLUSTERS[*on]), std::slice::from_ref(change));
        }
        let fresh = from_nothing(&steps);
        prop_assert_eq!(&world.objects, &fresh.objects);
        prop_assert_eq!(&world.problems, &fresh.problems);
        let all: Vec<_> = world.objects.values().cloned().collect();
        prop_assert_eq!(all, world.planner.objects());
    }

    /// Promise 7 at this stage: after every step all that objects refer to is planned too.
    #[test]
    fn no_dangling_reference(steps in steps()) {
        let mut world = World::new();
        for (on, change) in &steps {
            world.apply(&cluster(CLUSTERS[*on]), std::slice::from_ref(change));
            for object in world.objects.values() {
                for reference in &object.references {
                    prop_assert!(world.objects.contains_key(reference), "{} → {}", object.id, reference);
                }
                for id in named_ids(object.body.expose()) {
                    let known = object.references.iter().any(|reference| *reference.id == *id);
                    prop_assert!(known, "{} names {} in its body alone", object.id, id);
                }
            }
        }
    }

    /// Everything planned is what APISIX's own schema takes.
    #[test]
    fn objects_are_valid(steps in steps()) {
        let Some(schemas) = Schemas::load() else { return Ok(()) };
        for object in from_nothing(&steps).objects.values() {
            prop_assert_eq!(schemas.errors(object), Vec::<String>::new());
        }
    }
}

/// Ids that a body names, wherever they stand.
fn named_ids(body: &str) -> Vec<String> {
    fn collect(value: &serde_json::Value, ids: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                // Labels are texts for people.
                for (field, value) in fields.iter().filter(|(field, _)| *field != "labels") {
                    if let (true, Some(id)) = (field.ends_with("_id"), value.as_str()) {
                        ids.push(id.to_owned());
                    }
                    collect(value, ids);
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, ids)),
            _ => {}
        }
    }
    let mut ids = Vec::new();
    collect(&serde_json::from_str(body).unwrap(), &mut ids);
    ids
}
