//! Which orders are refused, by table.

use super::*;

const NOW: i64 = 1_800_000_000;

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

fn id(name: &str) -> ClusterId {
    ClusterId::new(name).unwrap()
}

/// A cluster's paths: `+a` works, `-a` is down, `!a` works and is drained.
fn cluster(paths: &str) -> ClusterStanding {
    let path = |text: &str| PathStanding {
        name: text.chars().skip(1).collect(),
        works: !text.starts_with('-'),
        drained: text.starts_with('!').then_some(OrderId(9)),
    };
    ClusterStanding {
        paths: paths.split(' ').map(path).collect(),
        ..ClusterStanding::default()
    }
}

fn order(kind: OrderKind) -> Order {
    Order {
        id: OrderId(1),
        kind,
        who: "anna".to_owned(),
        why: "maintenance".to_owned(),
        since: time(0),
        until: time(60),
        force: false,
    }
}

fn pin(path: &str) -> Order {
    let (cluster, path) = (id("a"), path.to_owned());
    order(OrderKind::Pin { cluster, path })
}

fn drain(path: Option<&str>) -> Order {
    let (cluster, path) = (id("a"), path.map(str::to_owned));
    order(OrderKind::Drain { cluster, path })
}

/// The refusal's label, plain and with force.
fn judged(mut order: Order, state: &BTreeMap<ClusterId, ClusterStanding>) -> [Option<&'static str>; 2] {
    let plain = judge(&order, state, time(0)).err();
    order.force = true;
    let forced = judge(&order, state, time(0)).err();
    [plain, forced].map(|refusal| refusal.map(|refusal| refusal.label()))
}

#[test]
fn the_last_usable_path_is_refused_without_force() {
    let cases = [
        ("+line +public", drain(Some("line")), None),
        ("-line +public", drain(Some("line")), None),
        ("+line -public", drain(Some("line")), Some("last-usable-path")),
        ("+line !public", drain(Some("line")), Some("last-usable-path")),
        ("+line", drain(Some("line")), Some("last-usable-path")),
        ("-line -public", drain(Some("line")), Some("last-usable-path")),
        ("+line +public", pin("public"), None),
        ("+line -public", pin("public"), Some("path-down")),
        ("+line !public", pin("public"), Some("contradicts")),
    ];
    for (paths, order, refused) in cases {
        let state = BTreeMap::from([(id("a"), cluster(paths))]);
        assert_eq!(judged(order.clone(), &state), [refused, None], "{paths} {order:?}");
    }
}

#[test]
fn the_last_usable_cluster_is_refused_without_force() {
    let drained = ClusterStanding {
        drained: Some(OrderId(8)),
        ..cluster("+line")
    };
    let cases = [
        (vec![], Some("last-usable-cluster")),
        (vec![("b", cluster("-line +public"))], None),
        (vec![("b", cluster("-line -public"))], Some("last-usable-cluster")),
        (vec![("b", cluster("!line"))], Some("last-usable-cluster")),
        (vec![("b", drained)], Some("last-usable-cluster")),
    ];
    for (others, refused) in cases {
        let mut state = BTreeMap::from([(id("a"), cluster("+line"))]);
        state.extend(others.into_iter().map(|(name, standing)| (id(name), standing)));
        assert_eq!(judged(drain(None), &state), [refused, None], "{state:?}");
    }
}

#[test]
fn what_no_force_helps_against() {
    let state = BTreeMap::from([(id("a"), cluster("+line +public"))]);
    let elsewhere = order(OrderKind::Freeze { cluster: id("b") });
    let until = |seconds| Order {
        until: time(seconds),
        ..pin("line")
    };
    let mut no_reason = pin("line");
    no_reason.why = "  ".to_owned();
    let week = 7 * 24 * 3600;
    let cases = [
        (elsewhere, Some("unknown-cluster")),
        (pin("lime"), Some("unknown-path")),
        (drain(Some("lime")), Some("unknown-path")),
        (until(0), Some("time-limit")),
        (until(week + 1), Some("time-limit")),
        (until(week), None),
        (no_reason, Some("no-reason")),
    ];
    for (order, refused) in cases {
        assert_eq!(judged(order.clone(), &state), [refused, refused], "{order:?}");
    }
    let refusal = judge(&pin("lime"), &state, time(0)).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "cluster a has no path \"lime\"; it has line, public"
    );
}

#[test]
fn a_pinned_path_is_not_drained() {
    let mut pinned = cluster("+line +public");
    pinned.pin = Some((OrderId(7), "line".to_owned()));
    let state = BTreeMap::from([(id("a"), pinned)]);
    assert_eq!(judged(drain(Some("line")), &state), [Some("contradicts"), None]);
    assert_eq!(judged(drain(Some("public")), &state), [None, None]);
}

#[test]
fn a_later_order_takes_the_place_of_its_like() {
    const NONE: [u64; 0] = [];
    let mut orders = Orders::default();
    let mut made = |number: u64, order: Order| {
        let order = Order {
            id: OrderId(number),
            ..order
        };
        let replaced = orders.make(order);
        replaced.iter().map(|order| order.id.0).collect::<Vec<u64>>()
    };
    assert_eq!(made(1, pin("line")), NONE);
    assert_eq!(made(2, drain(Some("line"))), NONE);
    assert_eq!(made(3, drain(None)), NONE);
    assert_eq!(made(4, pin("public")), [1]);
    assert_eq!(made(5, drain(Some("public"))), NONE);
    assert_eq!(made(6, drain(Some("line"))), [2]);
    assert_eq!(made(7, drain(None)), [3]);
}

#[test]
fn orders_survive_being_written() {
    for order in [pin("line"), drain(None), drain(Some("line"))] {
        let text = serde_json::to_string(&order).unwrap();
        assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), order, "{text}");
    }
    let text = serde_json::to_string(&pin("line")).unwrap();
    assert!(text.contains(r#""kind":"pin","cluster":"a","path":"line""#), "{text}");
}
