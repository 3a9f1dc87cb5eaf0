//! Laws over random histories of several clusters.

use std::collections::BTreeMap;

use hubline::model::{Key, PathMatch, PluginSet, Resource, ResourceKind, UnixSeconds};
use proptest::prelude::*;

use super::schema::Schemas;
use super::world::*;
use crate::change::Change;

const CLUSTERS: [&str; 3] = ["a", "b", "c"];
const NAMES: [&str; 3] = ["one", "two", "three"];

/// A cluster and a change on it.
type Step = (usize, Change);

fn step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![routes(), services(), sets(), endpoint_sets(), certificates()];
    (0..CLUSTERS.len(), change)
}

fn maybe(key: &Key, resource: Resource, there: bool) -> Change {
    if there { put(key, resource) } else { gone(key) }
}

fn there() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.75)
}

fn routes() -> impl Strategy<Value = Change> {
    let paths = prop::sample::subsequence(
        vec![
            prefix("/"),
            prefix("/x"),
            PathMatch::Exact("/x".to_owned()),
            PathMatch::Exact("/a*".to_owned()),
            PathMatch::Regex("^/r".to_owned()),
        ],
        1..=3,
    );
    let hosts = prop::sample::subsequence(vec!["a.b", "c.d"], 0..=2);
    let services = prop::sample::subsequence(NAMES.to_vec(), 0..=2);
    let sets = prop::sample::subsequence(NAMES.to_vec(), 0..=2);
    let created = prop::option::of(0..3_i64);
    (0..NAMES.len(), hosts, paths, services, sets, created, there()).prop_map(
        |(name, hosts, paths, services, sets, created, there)| {
            let mut route = route("", &paths, &services);
            route.hosts = hosts.into_iter().map(|host| host.parse().unwrap()).collect();
            route.plugin_sets = sets
                .into_iter()
                .map(|name| key(ResourceKind::PluginSet, name))
                .collect();
            route.created = created.map(UnixSeconds);
            maybe(&key(ResourceKind::Route, NAMES[name]), Resource::Route(route), there)
        },
    )
}

fn services() -> impl Strategy<Value = Change> {
    let retries = prop::option::of(0..2_u32);
    (0..NAMES.len(), retries, there()).prop_map(|(name, retries, there)| {
        let name = NAMES[name];
        maybe(&key(ResourceKind::Service, name), service(name, retries), there)
    })
}

fn sets() -> impl Strategy<Value = Change> {
    (0..NAMES.len(), prop::bool::ANY, there()).prop_map(|(name, secure, there)| {
        let config = format!("{{\"http_to_https\":{secure}}}");
        let set = PluginSet {
            plugins: vec![plugin(&config)],
        };
        maybe(
            &key(ResourceKind::PluginSet, NAMES[name]),
            Resource::PluginSet(set),
            there,
        )
    })
}

fn endpoint_sets() -> impl Strategy<Value = Change> {
    (0..NAMES.len(), 0..3_u8, there())
        .prop_map(|(name, count, there)| maybe(&key(ResourceKind::EndpointSet, NAMES[name]), endpoints(count), there))
}

fn certificates() -> impl Strategy<Value = Change> {
    let hosts = prop::sample::subsequence(vec!["a.b", "c.d"], 1..=2);
    (0..NAMES.len(), hosts, there()).prop_map(|(name, hosts, there)| {
        maybe(&key(ResourceKind::Certificate, NAMES[name]), certificate(&hosts), there)
    })
}

/// The last change of every key, by cluster.
fn final_state(steps: &[Step]) -> BTreeMap<usize, BTreeMap<Key, Change>> {
    let mut state: BTreeMap<usize, BTreeMap<Key, Change>> = BTreeMap::new();
    for (on, change) in steps {
        state.entry(*on).or_default().insert(change.key.clone(), change.clone());
    }
    state
}

fn from_nothing(steps: &[Step]) -> World {
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
    /// Promise 13: equal inputs give byte-equal desired objects in any order of arrival, and planning step by step
    /// gives what planning from nothing gives.
    #[test]
    fn order_does_not_matter(steps in prop::collection::vec(step(), 1..40)) {
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
    fn no_dangling_reference(steps in prop::collection::vec(step(), 1..40)) {
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
    fn objects_are_valid(steps in prop::collection::vec(step(), 1..40)) {
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
                for (field, value) in fields {
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
