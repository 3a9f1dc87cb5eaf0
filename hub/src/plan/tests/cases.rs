//! Single cases: what one change costs, and what happens to what is wrong.

use hubline::model::{Consumer, GlobalRule, PluginSet, Resource, ResourceKind, Route, Timeouts};
use serde_json::json;

use super::routings;
use super::world::*;
use crate::object::ObjectKind;
use crate::view::ProblemKind;

/// 1,000 routes, each to its own service with one endpoint.
fn many() -> World {
    let mut world = World::new();
    let mut changes = Vec::new();
    for i in 0..1000 {
        let name = format!("s{i}");
        let host = format!("h{i}.example.com");
        let of = |kind| key(kind, &name);
        changes.push(put(
            &of(ResourceKind::Route),
            Resource::from(route(&host, &[prefix("/")], &[&name])),
        ));
        changes.push(put(&of(ResourceKind::Service), service(&name, None)));
        changes.push(put(&of(ResourceKind::EndpointSet), endpoints(1)));
    }
    world.apply(&cluster("a"), &changes);
    assert_eq!(world.objects.len(), 2000);
    world
}

#[test]
fn the_cost_of_a_change_is_that_of_the_change() {
    let mut world = many();
    let key = |kind| key(kind, "s7");
    let steps = [
        ("endpoints", key(ResourceKind::EndpointSet), endpoints(3), 1),
        ("settings", key(ResourceKind::Service), service("s7", Some(1)), 1),
        (
            "route",
            key(ResourceKind::Route),
            Resource::from(route("new.example.com", &[prefix("/")], &["s7"])),
            1,
        ),
    ];
    for (what, key, resource, renderings) in steps {
        let before = world.planner.renderings();
        let changed = world.put(&key, resource);
        assert_eq!(changed.len(), 1, "{what}: {changed:?}");
        assert_eq!(world.planner.renderings() - before, renderings, "{what}");
    }
}

#[test]
fn endpoints_touch_exactly_one_upstream() {
    let mut world = many();
    let changed = world.put(&key(ResourceKind::EndpointSet, "s7"), endpoints(0));
    let kinds: Vec<_> = changed.iter().map(|(id, there)| (id.kind, *there)).collect();
    assert_eq!(kinds, [(ObjectKind::Upstream, true)]);
    // The same again, and endpoints that nobody asked for, change nothing.
    assert_eq!(world.put(&key(ResourceKind::EndpointSet, "s7"), endpoints(0)), []);
    assert_eq!(world.put(&key(ResourceKind::EndpointSet, "other"), endpoints(1)), []);
}

#[test]
fn a_route_to_an_existing_service_is_one_object() {
    let mut world = many();
    let more = Resource::from(route("more.example.com", &[prefix("/")], &["s7"]));
    let changed = world.put(&key(ResourceKind::Route, "more"), more);
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].0.kind, ObjectKind::Route);
}

#[test]
fn a_route_waits_for_its_service() {
    let mut world = World::new();
    let key_of = |kind| key(kind, "web");
    let changed = world.put(
        &key_of(ResourceKind::Route),
        Resource::from(route("a.b", &[prefix("/")], &["web"])),
    );
    assert_eq!(changed, []);
    let problem = &world.problems.values().next().unwrap()[0];
    assert_eq!(problem.kind, ProblemKind::Unresolved);
    assert_eq!(world.put(&key_of(ResourceKind::Service), service("web", None)).len(), 2);
    assert!(world.problems.is_empty());
    world.apply(&cluster("a"), &[gone(&key_of(ResourceKind::Service))]);
    assert!(world.objects.is_empty(), "{:?}", world.objects.keys());
}

#[test]
fn one_bad_resource_stops_only_itself() {
    let mut world = many();
    let before = world.objects.clone();
    let mut bad = route("h7.example.com", &[prefix("/")], &["s7"]);
    bad.plugins = vec![plugin("not json")];
    // What was made of it before stays, and says why.
    assert_eq!(
        world.put(&key(ResourceKind::Route, "s7"), Resource::from(bad.clone())),
        []
    );
    assert_eq!(world.objects, before);
    let problems: Vec<_> = world.problems.values().flatten().collect();
    assert_eq!(problems[0].kind, ProblemKind::Refused);
    assert!(!problems[0].message.contains("not json"), "{}", problems[0].message);
    // It cannot stay on a host that it no longer claims.
    bad.hosts.clear();
    assert_eq!(world.put(&key(ResourceKind::Route, "s7"), Resource::from(bad)).len(), 2);
    assert_eq!(world.objects.len(), 1998);
}

#[test]
fn what_was_kept_goes_with_what_it_refers_to() {
    let mut world = many();
    let mut bad = route("h7.example.com", &[prefix("/")], &[]);
    bad.plugins = vec![plugin("not json")];
    world.put(&key(ResourceKind::Route, "s7"), Resource::from(bad));
    assert_eq!(world.objects.len(), 2000);
    world.apply(&cluster("a"), &[gone(&key(ResourceKind::Service, "s7"))]);
    assert_eq!(world.objects.len(), 1998);
}

#[test]
fn secrets_stay_secret_in_debug() {
    let mut world = World::new();
    world.put(&key(ResourceKind::Certificate, "tls"), certificate(&["a.b"]));
    let object = world.objects.values().next().unwrap();
    assert!(object.body.expose().contains("kkkk"));
    assert!(!format!("{object:?}").contains("kkkk"));
}

#[test]
fn paths_touch_the_upstreams_of_their_cluster_alone() {
    let mut world = many();
    let same = [
        put(&key(ResourceKind::Service, "web"), service("web", None)),
        put(&key(ResourceKind::EndpointSet, "web"), endpoints(1)),
        put(
            &key(ResourceKind::Route, "web"),
            Resource::from(route("b.example.com", &[prefix("/")], &["web"])),
        ),
    ];
    world.apply(&cluster("b"), &same);
    let second = routings::over(vec![routings::pods(0), routings::pods(1)]);
    let output = world.reach(&cluster("b"), second.clone());
    assert_eq!(output.objects.len(), 1);
    let body = output.objects[0].1.as_ref().unwrap().body.expose();
    assert!(body.contains("\"retry_timeout\":3"), "{body}");
    assert!(world.reach(&cluster("b"), second.clone()).objects.is_empty());
    assert_eq!(world.reach(&cluster("a"), second).objects.len(), 1000);
}

/// Who asks for a longer read has not asked to wait longer for a path that is gone.
#[test]
fn timeouts_that_say_nothing_of_connecting_keep_the_paths_bound() {
    let mut world = World::new();
    let timeouts = |connect_ms| {
        let Resource::Service(mut service) = service("web", None) else {
            panic!("no service")
        };
        service.settings.timeouts = Some(Timeouts {
            connect_ms,
            send_ms: 0,
            read_ms: 300_000,
        });
        Resource::Service(service)
    };
    let name = |kind| key(kind, "web");
    let leads = route("h.example.com", &[prefix("/")], &["web"]);
    world.put(&name(ResourceKind::Route), leads.into());
    let two = routings::over(vec![routings::pods(0), routings::pods(1)]);
    let bound = two.bounds.connect.as_secs();
    let table = [(0, None, 60), (0, Some(two.clone()), bound), (7000, Some(two), 7)];
    for (connect_ms, routing, wanted) in table {
        if let Some(routing) = routing {
            world.reach(&cluster("a"), routing);
        }
        world.put(&name(ResourceKind::Service), timeouts(connect_ms));
        let upstream = world
            .objects
            .values()
            .find(|object| object.id.kind == ObjectKind::Upstream);
        let body: serde_json::Value = serde_json::from_str(upstream.unwrap().body.expose()).unwrap();
        let wanted = serde_json::json!({"connect": wanted, "send": 60, "read": 300});
        assert_eq!(body["timeout"], wanted, "{connect_ms}");
    }
}

#[test]
fn a_certificate_shows_only_for_the_names_it_holds() {
    let mut world = World::new();
    let tls = key(ResourceKind::Certificate, "tls");
    world.apply(&cluster("b"), &[put(&tls, certificate(&["a.b", "c.d"]))]);
    world.apply(&cluster("a"), &[put(&tls, certificate(&["a.b"]))]);
    let bodies: Vec<_> = world.objects.values().map(|object| object.body.expose()).collect();
    assert_eq!(bodies.len(), 2);
    for names in [r#""snis":["c.d"]"#, r#""snis":["a.b"]"#] {
        assert!(bodies.iter().any(|body| body.contains(names)), "{names}");
    }
    let problem = &world.problems.values().next().unwrap()[0];
    assert_eq!(problem.kind, ProblemKind::Conflict);
    let begin = "server name a.b is claimed by Ingress shop/tls of cluster a;";
    assert!(problem.message.starts_with(begin), "{}", problem.message);
}

fn consumer(key_value: &str) -> Resource {
    Resource::from(Consumer {
        plugins: vec![named("key-auth", &json!({"key": key_value}))],
        created: None,
    })
}

fn kinds(changed: &[(crate::object::ObjectId, bool)]) -> Vec<(ObjectKind, bool)> {
    changed.iter().map(|(id, there)| (id.kind, *there)).collect()
}

#[test]
fn a_consumer_is_one_object_whatever_the_number_of_routes() {
    use ObjectKind::{Consumer, ConsumerGroup};
    let mut world = World::new();
    for name in ["one", "two", "three"] {
        let guarded = Route {
            plugins: vec![named("key-auth", &json!({}))],
            ..route(&format!("{name}.b"), &[prefix("/")], &[])
        };
        world.put(&key(ResourceKind::Route, name), guarded.into());
    }
    let restricted = |world: &World| {
        let bodies = world.objects.values().map(|object| object.body.expose());
        bodies.filter(|body| body.contains("consumer_group_id")).count()
    };
    assert_eq!(restricted(&world), 3, "also where there is no consumer");
    let jack = key(ResourceKind::Consumer, "jack");
    let rose = key(ResourceKind::Consumer, "rose");
    let changed = world.put(&jack, consumer("one"));
    assert_eq!(kinds(&changed), [(ConsumerGroup, true), (Consumer, true)]);
    assert_eq!(kinds(&world.put(&rose, consumer("two"))), [(Consumer, true)]);
    assert_eq!(kinds(&world.put(&rose, consumer("three"))), [(Consumer, true)]);
    // A consumer that has nothing left is no object, and one that is none makes no group.
    assert_eq!(kinds(&world.put(&rose, consumer("one"))), [(Consumer, false)]);
    world.apply(&cluster("a"), &[gone(&rose)]);
    let changed = world.apply(&cluster("a"), &[gone(&jack)]).objects;
    let gone: Vec<_> = changed.iter().map(|(id, object)| (id.kind, object.is_some())).collect();
    assert_eq!(gone, [(ConsumerGroup, false), (Consumer, false)]);
    assert_eq!(restricted(&world), 3);
}

/// Names follow the consumers that come and go, on routes and in what they share.
#[test]
fn a_name_means_a_consumer_as_soon_as_it_is_there() {
    let mut world = World::new();
    let shared = PluginSet {
        plugins: vec![named("basic-auth", &json!({"anonymous_consumer": "shop_jack"}))],
    };
    world.put(&key(ResourceKind::PluginSet, "shared"), Resource::PluginSet(shared));
    let whitelist = json!({"whitelist": ["shop_jack"]});
    let named_there = Route {
        plugins: vec![named("consumer-restriction", &whitelist), named("key-auth", &json!({}))],
        ..route("one.b", &[prefix("/")], &[])
    };
    let sharing = Route {
        plugin_sets: vec![key(ResourceKind::PluginSet, "shared")],
        ..route("two.b", &[prefix("/")], &[])
    };
    world.put(&key(ResourceKind::Route, "one"), named_there.into());
    world.put(&key(ResourceKind::Route, "two"), sharing.into());
    let naming = |world: &World, part: &str| {
        let objects = world.objects.values();
        let kinds = objects.filter(|object| object.body.expose().contains(part));
        kinds.map(|object| object.id.kind).collect::<Vec<_>>()
    };
    assert_eq!(naming(&world, "-nobody"), [ObjectKind::Route]);
    assert_eq!(world.problems.len(), 2);
    let jack = key(ResourceKind::Consumer, "jack");
    world.put(&jack, consumer("one"));
    let id = world.objects.keys().find(|id| id.kind == ObjectKind::Consumer).cloned();
    let id = id.unwrap().id.to_string();
    use ObjectKind::{Consumer, PluginConfig, Route as Routes};
    assert_eq!(naming(&world, &id), [PluginConfig, Consumer, Routes]);
    assert!(world.problems.is_empty(), "{:?}", world.problems);
    world.apply(&cluster("a"), &[gone(&jack)]);
    assert_eq!(naming(&world, &id), []);
    assert_eq!(naming(&world, "-nobody"), [Routes]);
}

/// APISIX counts by the group's name alone, whosever it is.
#[test]
fn a_group_that_counts_together_is_of_one_cluster() {
    let counted = |host: &str| Route {
        plugins: vec![named(
            "limit-count",
            &json!({"count": 1, "time_window": 1, "group": "all"}),
        )],
        ..route(host, &[prefix("/")], &[])
    };
    let mut world = World::new();
    for (on, host) in [("a", "a.b"), ("b", "c.d")] {
        let change = put(&key(ResourceKind::Route, "one"), counted(host).into());
        world.apply(&cluster(on), &[change]);
    }
    let groups = world.objects.values().map(|object| {
        let body: serde_json::Value = serde_json::from_str(object.body.expose()).unwrap();
        body["plugins"]["limit-count"]["group"].as_str().unwrap().to_owned()
    });
    let groups: std::collections::BTreeSet<_> = groups.collect();
    assert_eq!(groups.len(), 2, "{groups:?}");
    assert!(groups.iter().all(|group| group.ends_with("-all")), "{groups:?}");
}

/// It is written before the routes that name it.
#[test]
fn shared_plugins_are_confined_by_themselves() {
    let mut world = World::new();
    let set = key(ResourceKind::PluginSet, "shared");
    let sharing = Route {
        plugin_sets: vec![set.clone()],
        ..route("two.b", &[prefix("/")], &[])
    };
    world.put(&key(ResourceKind::Route, "two"), sharing.into());
    let table = [
        (json!({"limit-count": {}}), false),
        (json!({"key-auth": {}}), true),
        (json!({"jwe-decrypt": {}}), true),
    ];
    for (plugins, confined) in table {
        let plugins = plugins.as_object().unwrap().iter();
        let shared = PluginSet {
            plugins: plugins.map(|(name, config)| named(name, config)).collect(),
        };
        world.put(&set, Resource::PluginSet(shared));
        let config = world.objects.values().find(|it| it.id.kind == ObjectKind::PluginConfig);
        // The set goes with the last route that names it, as one does that is closed.
        let found = config.is_none_or(|it| it.body.expose().contains("consumer_group_id"));
        assert_eq!(found, confined);
    }
}

#[test]
fn global_rules_need_a_grant() {
    let mut world = World::new();
    let rule = Resource::from(GlobalRule {
        plugins: vec![plugin("{}")],
        metadata: Vec::new(),
        created: None,
    });
    let key = key(ResourceKind::GlobalRule, "all");
    world.apply(&cluster("c"), &[put(&key, rule.clone())]);
    assert!(world.objects.is_empty());
    assert_eq!(world.problems.values().next().unwrap()[0].reason, "NotGranted");
    // The world grants them to clusters a and b.
    assert_eq!(world.put(&key, rule).len(), 1);
    // Who loses it loses what it made, and gets it back with it.
    let of = |names: &[&str]| names.iter().map(|name| cluster(name)).collect();
    assert_eq!(world.grant(of(&[])).objects.len(), 1);
    assert!(world.objects.is_empty());
    world.grant(of(&["c"]));
    assert_eq!(world.objects.len(), 1);
    let refused = world
        .problems
        .keys()
        .map(|key| key.cluster.as_str())
        .collect::<Vec<_>>();
    assert_eq!(refused, ["a"]);
}
