use hubline::wire::ContentHash;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use super::*;
use crate::config::ClusterConfig;
use crate::object::{Object, ObjectId, ObjectKind, canonical};
use crate::path::{Path, PathKind, Reach};
use crate::view::Carrier;

fn cluster() -> ClusterId {
    ClusterId::new("a").unwrap()
}

fn list() -> ClusterList {
    let standby = Path {
        name: "standby".to_owned(),
        kind: PathKind::PublicNetwork,
        rank: 1,
        reach: Reach::NodePorts,
        ..Path::direct()
    };
    let config = ClusterConfig {
        paths: vec![Path::direct(), standby],
        ..ClusterConfig::named(cluster())
    };
    ClusterList::new(&[config])
}

const ID: &str = "hl-17762fddd9-u-1";

/// One upstream with two nodes on the private line and one on the standby.
fn view() -> View {
    let id = ObjectId {
        kind: ObjectKind::Upstream,
        id: ID.into(),
    };
    let node = |host: &str, priority: i32| json!({"host": host, "port": 80, "priority": priority, "weight": 1});
    let nodes = [node("10.0.0.1", 0), node("10.0.0.2", 0), node("198.51.100.1", -1)];
    let (body, hash) = canonical(&json!({"id": ID, "nodes": nodes}));
    let object = Object {
        id: id.clone(),
        body,
        hash,
        references: Box::default(),
        causes: Box::default(),
    };
    assert_ne!(hash, ContentHash(0));
    let mut view = View::default();
    view.desired.insert(id, Arc::new(object));
    view.carriers.insert(cluster(), Carrier::Upstreams);
    view
}

fn word(statuses: [&str; 3]) -> Value {
    let hosts = ["10.0.0.1", "10.0.0.2", "198.51.100.1"];
    let nodes = hosts.into_iter().zip(statuses);
    let nodes: Vec<_> = nodes
        .map(|(host, status)| json!({"ip": host, "port": 80, "hostname": host, "status": status}))
        .collect();
    json!([
        {"name": format!("/apisix/upstreams/{ID}"), "type": "tcp", "nodes": nodes},
        {"name": "/apisix/upstreams/theirs", "type": "tcp", "nodes": nodes},
        {"name": "/apisix/routes/r", "nodes": nodes}
    ])
}

fn shares_of(found: &Value) -> Vec<Share> {
    let checked = checked(found, &view(), &list(), &Decisions::new(), &Prefix::default());
    shares(&checked)
}

fn found(statuses: [&str; 3]) -> Vec<(String, u64, u64)> {
    let shares = shares_of(&word(statuses));
    let short = shares
        .into_iter()
        .map(|share| (share.path.to_string(), share.healthy, share.all));
    short.collect()
}

#[test]
fn nodes_count_for_the_path_that_they_stand_on() {
    let direct = |healthy| ("direct".to_owned(), healthy, 2);
    let standby = |healthy| ("standby".to_owned(), healthy, 1);
    assert_eq!(found(["healthy", "mostly_healthy", "healthy"]), [direct(2), standby(1)]);
    assert_eq!(
        found(["unhealthy", "mostly_unhealthy", "healthy"]),
        [direct(0), standby(1)]
    );
    let nothing = shares_of(&json!({}));
    assert!(nothing.is_empty(), "Lua's empty list");
}

#[tokio::test(start_paused = true)]
async fn it_speaks_against_a_path_and_takes_it_back() {
    let (findings, _) = mpsc::channel(1);
    let mut data_plane = DataPlane::new(DataPlaneOptions {
        clusters: watch::channel(Arc::new(list())).1,
        instances: Vec::new(),
        view: Arc::default(),
        decisions: watch::channel(Decisions::new()).1,
        prefix: Prefix::default(),
        findings,
        book: DemotionBook::register(&mut Registry::default()),
        began: Instant::now(),
    });
    let mut says = |healthy| {
        let share = Share {
            cluster: cluster(),
            path: "direct".into(),
            healthy,
            all: 10,
        };
        let said = data_plane.judge(&"control c:1".into(), share, Moment::default(), Duration::ZERO);
        said.map(|(_, _, evidence)| matches!(evidence.result, ProbeResult::Good { .. }))
    };
    assert_eq!(says(10), None, "no word for what was never bad");
    assert_eq!(says(3), None, "30 % is enough");
    assert_eq!(says(2), Some(false));
    for _ in 0..GOOD_WORDS {
        assert_eq!(says(9), Some(true));
    }
    assert_eq!(says(9), None);
}
