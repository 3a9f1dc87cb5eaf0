//! What a demotion costs: the upstreams that it names, and nothing else.

use hubline::model::{GlobalKey, Resource, ResourceKind};

use super::world::*;
use crate::object::ObjectKind;
use crate::path::demotion::{Demoted, Demotions};

fn world() -> World {
    let mut world = World::new();
    for name in ["one", "two"] {
        let host = format!("{name}.example.com");
        let changes = [
            put(&key(ResourceKind::Service, name), service(name, None)),
            put(&key(ResourceKind::EndpointSet, name), endpoints(3)),
            put(
                &key(ResourceKind::Route, name),
                Resource::from(route(&host, &[prefix("/")], &[name])),
            ),
        ];
        world.apply(&cluster("a"), &changes);
    }
    world
}

fn of(kind: ResourceKind, demoted: Demoted) -> Demotions {
    let key = GlobalKey {
        cluster: cluster("a"),
        key: key(kind, "one"),
    };
    Demotions::unit(key, demoted)
}

#[test]
fn failing_endpoints_cost_one_write_and_so_does_taking_it_back() {
    let mut world = world();
    let before = world.objects.clone();
    let dead = ["10.0.0.2:8080".parse().unwrap()].into();
    let output = world.demote(of(ResourceKind::EndpointSet, Demoted::Endpoints(dead)));
    let [(id, Some(object))] = output.objects.as_slice() else {
        panic!("{:?}", output.objects);
    };
    assert_eq!(id.kind, ObjectKind::Upstream);
    assert_eq!(object.body.expose().matches("\"priority\":-128").count(), 1);
    assert_eq!(object.body.expose().matches("\"host\"").count(), 3, "none is left out");
    assert_eq!(world.demote(Demotions::new()).objects.len(), 1);
    assert_eq!(world.objects, before);
}

#[test]
fn a_path_that_is_all_there_is_stays_as_it_is() {
    let output = world().demote(of(ResourceKind::Service, Demoted::Path("direct".into())));
    assert!(output.objects.is_empty(), "{:?}", output.objects);
}
