use hubline::model::{
    Backend, Certificate, Consumer, GroupKind, HostName, Key, PathMatch, Plugin, ResourceKind, Route, SecretText,
};
use hubline::wire::ContentHash;
use proptest::prelude::*;

use super::*;
use crate::change::Stored;

fn cluster(name: &str) -> ClusterId {
    ClusterId::new(name).unwrap()
}

fn key(name: &str) -> Key {
    let source = GroupKind::new("networking.k8s.io", "Ingress");
    Key::new(ResourceKind::Route, &source, "shop", name, "")
}

fn global(on: &str, name: &str) -> GlobalKey {
    GlobalKey {
        cluster: cluster(on),
        key: key(name),
    }
}

fn route(hosts: &[&str], paths: &[PathMatch], created: Option<i64>) -> Resource {
    let mut hosts: Vec<_> = hosts.iter().map(|host| HostName::new(host).unwrap()).collect();
    hosts.sort();
    Resource::from(Route {
        hosts,
        paths: paths.to_vec(),
        methods: Vec::new(),
        conditions: Vec::new(),
        priority: 0,
        backends: vec![Backend {
            service: key("web").with_kind(ResourceKind::Service),
            weight: 1,
        }],
        plugins: Vec::new(),
        plugin_sets: Vec::new(),
        timeouts: None,
        websocket: false,
        created: created.map(UnixSeconds),
    })
}

fn prefix(path: &str) -> PathMatch {
    PathMatch::Prefix(path.to_owned())
}

fn put(name: &str, resource: Resource) -> Change {
    Change {
        key: key(name),
        now: Some(Stored {
            hash: ContentHash(0),
            resource: Arc::new(resource),
        }),
    }
}

fn gone(name: &str) -> Change {
    Change {
        key: key(name),
        now: None,
    }
}

fn affected(verdicts: &[Verdict]) -> Vec<(&str, &str, usize, usize)> {
    let row = |verdict: &'_ Verdict| (verdict.standing.granted.len(), verdict.standing.lost.len());
    verdicts
        .iter()
        .map(|verdict| {
            let (granted, lost) = row(verdict);
            (
                verdict.key.cluster.as_str(),
                verdict.key.key.name.as_str(),
                granted,
                lost,
            )
        })
        .collect()
}

#[test]
fn the_older_claim_stays_in_force_and_the_newer_is_told() {
    let mut federation = Federation::new();
    let (a, b) = (cluster("a"), cluster("b"));
    let young = put("web", route(&["a.example.com"], &[prefix("/x")], Some(1_704_067_201)));
    let old = put("web", route(&["a.example.com"], &[prefix("/x/")], Some(1_704_067_200)));
    assert_eq!(affected(&federation.apply(&b, &[young])), [("b", "web", 1, 0)]);
    let verdicts = federation.apply(&a, &[old]);
    assert_eq!(affected(&verdicts), [("a", "web", 1, 0), ("b", "web", 0, 1)]);
    assert_eq!(
        verdicts[1].standing.lost[0].to_string(),
        "host a.example.com path /x (Prefix) is claimed by Ingress shop/web of cluster a since 2024-01-01T00:00:00Z; \
         the older claim stays in force"
    );
    assert_eq!(federation.conflicts().count(), 1);
    assert_eq!(
        affected(&federation.apply(&a, &[gone("web")])),
        [("a", "web", 0, 0), ("b", "web", 1, 0)]
    );
    assert_eq!(federation.conflicts().count(), 0);
}

#[test]
fn ties_go_by_cluster_then_key_and_no_time_is_youngest() {
    let mut federation = Federation::new();
    let claim = |created| route(&[], &[prefix("/")], created);
    federation.apply(&cluster("a"), &[put("one", claim(None)), put("two", claim(Some(5)))]);
    federation.apply(&cluster("b"), &[put("one", claim(Some(5)))]);
    let holders: Vec<_> = federation.conflicts().flat_map(|(_, keys)| keys).collect();
    assert_eq!(holders, [&global("a", "two"), &global("b", "one"), &global("a", "one")]);
}

#[test]
fn a_route_keeps_the_hosts_and_paths_that_it_does_not_lose() {
    let mut federation = Federation::new();
    let old = route(&["a.b"], &[prefix("/x")], Some(1));
    let wide = route(&["a.b", "c.d"], &[prefix("/x"), prefix("/y")], Some(2));
    federation.apply(&cluster("a"), &[put("old", old), put("wide", wide)]);
    let standing = federation.standing(&global("a", "wide"));
    assert_eq!((standing.granted.len(), standing.lost.len()), (3, 1));
}

#[test]
fn prefix_and_exact_are_different_claims_and_a_plain_pattern_is_exact() {
    let mut federation = Federation::new();
    let of = |path| route(&[], &[path], None);
    federation.apply(
        &cluster("a"),
        &[
            put("exact", of(PathMatch::Exact("/x".to_owned()))),
            put("prefix", of(prefix("/x"))),
        ],
    );
    assert_eq!(federation.conflicts().count(), 0);
    federation.apply(&cluster("a"), &[put("plain", of(PathMatch::Pattern("/x".to_owned())))]);
    assert_eq!(federation.conflicts().count(), 1);
}

#[test]
fn certificates_claim_server_names() {
    let certificate = Resource::from(Certificate {
        hosts: vec![HostName::new("a.b").unwrap(), HostName::new("*.c.d").unwrap()],
        chain: String::new(),
        private_key: SecretText::new(String::new()),
        created: None,
        client: None,
    });
    assert_eq!(claims_of(&certificate).len(), 2);
}

fn consumer(keys: &[&str], created: Option<i64>) -> Resource {
    let named = |(at, key): (usize, &&str)| Plugin {
        // One plugin can be there but once.
        name: ["key-auth", "jwt-auth"][at].to_owned(),
        config: SecretText::new(format!("{{\"key\":\"{key}\"}}")),
    };
    Resource::from(Consumer {
        plugins: keys.iter().enumerate().map(named).collect(),
        created: created.map(UnixSeconds),
    })
}

#[test]
fn consumers_claim_credentials_and_messages_never_show_them() {
    let mut federation = Federation::new();
    federation.apply(
        &cluster("b"),
        &[put_consumer("young", consumer(&["same-secret", "own"], Some(2)))],
    );
    let verdicts = federation.apply(
        &cluster("a"),
        &[put_consumer("old", consumer(&["same-secret"], Some(1)))],
    );
    assert_eq!(affected(&verdicts), [("a", "old", 1, 0), ("b", "young", 1, 1)]);
    let message = verdicts[1].standing.lost[0].to_string();
    assert_eq!(
        message,
        "a credential of key-auth is claimed by Ingress shop/old of cluster a since 1970-01-01T00:00:01Z; the older \
         claim stays in force"
    );
    assert!(!format!("{verdicts:?}").contains("same-secret"));
    let freed = federation.apply(&cluster("a"), &[put_consumer("old", consumer(&["other"], Some(1)))]);
    assert_eq!(affected(&freed), [("a", "old", 1, 0), ("b", "young", 2, 0)]);
}

fn put_consumer(name: &str, resource: Resource) -> Change {
    let change = put(name, resource);
    Change {
        key: change.key.with_kind(ResourceKind::Consumer),
        ..change
    }
}

#[test]
fn a_change_touches_only_who_shares_its_claims() {
    let mut federation = Federation::new();
    let many: Vec<_> = (0..100)
        .map(|i| {
            put(
                &format!("r{i}"),
                route(&[&format!("h{i}.example.com")], &[prefix("/")], Some(1)),
            )
        })
        .collect();
    federation.apply(&cluster("a"), &many);
    let rival = put("x", route(&["h7.example.com"], &[prefix("/")], Some(0)));
    assert_eq!(
        affected(&federation.apply(&cluster("b"), &[rival])),
        [("a", "r7", 0, 1), ("b", "x", 1, 0)]
    );
}

/// Cluster, name (from the third on a consumer's), and what is there: hosts or credentials, paths, since when.
type Step = (u8, u8, Option<(u8, u8, Option<i64>)>);

fn step() -> impl Strategy<Value = Step> {
    let resource = (0..4_u8, 0..3_u8, prop::option::of(0..3_i64));
    (0..3_u8, 0..6_u8, prop::option::weighted(0.8, resource))
}

fn name_of(number: u8) -> String {
    format!("r{number}")
}

fn change((_, name, now): &Step) -> Change {
    match now {
        None if *name >= 3 => Change {
            key: key(&name_of(*name)).with_kind(ResourceKind::Consumer),
            now: None,
        },
        None => gone(&name_of(*name)),
        Some((keys, second, created)) if *name >= 3 => {
            let all = [["k1", "k2"], ["k2", "k1"], ["k1", "k1"], ["k3", "k2"]];
            let both = &all[usize::from(*keys)];
            let keys = if *second == 0 { &both[..1] } else { &both[..] };
            put_consumer(&name_of(*name), consumer(keys, *created))
        }
        Some((hosts, paths, created)) => {
            let all = ["a.b", "c.d"];
            let hosts: Vec<_> = (0..2).filter(|bit| hosts >> bit & 1 == 1).map(|bit| all[bit]).collect();
            let paths = if *paths == 0 {
                vec![prefix("/")]
            } else {
                vec![prefix("/"), prefix(&format!("/{paths}"))]
            };
            put(&name_of(*name), route(&hosts, &paths, *created))
        }
    }
}

proptest! {
    /// Promise 13 at this stage: standings are those of the set, whatever came before and in whatever order,
    /// and whoever keeps the verdicts knows them all.
    #[test]
    fn order_does_not_matter(steps in prop::collection::vec(step(), 1..30)) {
        let mut federation = Federation::new();
        let mut told = BTreeMap::new();
        let mut last = BTreeMap::new();
        for step in &steps {
            let on = cluster(["a", "b", "c"][usize::from(step.0)]);
            for verdict in federation.apply(&on, &[change(step)]) {
                told.insert(verdict.key, verdict.standing);
            }
            last.insert((step.0, step.1), *step);
        }
        let mut fresh = Federation::new();
        for step in last.values().rev() {
            fresh.apply(&cluster(["a", "b", "c"][usize::from(step.0)]), &[change(step)]);
        }
        for (key, standing) in &told {
            prop_assert_eq!(standing, &fresh.standing(key));
        }
        let conflicts: Vec<_> = federation.conflicts().collect();
        prop_assert_eq!(conflicts, fresh.conflicts().collect::<Vec<_>>());
    }
}
