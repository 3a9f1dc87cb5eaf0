//! What people order, and that it ends.

use super::support::{Hub, Line, cluster, id, moment, wall, with_paths};
use crate::path::decision::{Happened, HeldBy, OrderEnd, Reason, SwitchReason};
use crate::path::machine::{PathEvent, Restored};
use crate::path::orders::{OrderId, OrderKind, Refusal};

fn pin(path: &str) -> OrderKind {
    let (cluster, path) = (id("a"), path.to_owned());
    OrderKind::Pin { cluster, path }
}

fn drain(path: &str) -> OrderKind {
    let (cluster, path) = (id("a"), Some(path.to_owned()));
    OrderKind::Drain { cluster, path }
}

fn drain_all() -> OrderKind {
    let (cluster, path) = (id("a"), None);
    OrderKind::Drain { cluster, path }
}

fn freeze() -> OrderKind {
    OrderKind::Freeze { cluster: id("a") }
}

fn ends(hub: &Hub) -> Vec<(u64, OrderId, OrderEnd)> {
    let end = |(at, record): (u64, &crate::path::decision::PathRecord)| match &record.what {
        Happened::OrderEnded { order, because } => Some((at, order.id, *because)),
        _ => None,
    };
    hub.records().filter_map(end).collect()
}

#[test]
fn an_order_ends_at_its_time() {
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.run(10);
    hub.order(1, pin("public"), 60);
    assert_eq!(hub.decision("a").reason, Reason::Pinned(OrderId(1)));
    assert_eq!(hub.active("a"), "public");
    assert_eq!(hub.machine.next_deadline(), Some(moment(70_000)));
    hub.sleep(59_999);
    assert_eq!(ends(&hub), []);
    hub.sleep(1);
    assert_eq!(ends(&hub), [(70_000, OrderId(1), OrderEnd::Expired)]);
    assert_eq!(hub.machine.orders().count(), 0);
}

#[test]
fn an_order_ends_by_the_wall_clock_even_when_that_is_set() {
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.order(1, pin("public"), 60);
    hub.now = 1_000;
    // Half a minute ahead of what has passed.
    hub.on(PathEvent::Tick { wall: wall(31_000) });
    assert_eq!(hub.machine.next_deadline(), Some(moment(30_000)));
    hub.now = 30_000;
    hub.on(PathEvent::Tick { wall: wall(60_000) });
    assert_eq!(ends(&hub), [(30_000, OrderId(1), OrderEnd::Expired)]);
}

#[test]
fn an_order_survives_a_restart_and_ends_at_its_time() {
    let mut before = Hub::new(vec![cluster("a")]);
    before.run(10);
    let kept = before.order(1, pin("public"), 60);
    let over = before.order(2, freeze(), 5);
    let mut hub = Hub::bare();
    hub.now = 20_000;
    hub.tick();
    let clusters = vec![];
    let orders = vec![kept, over];
    hub.on(PathEvent::Restored(Restored { clusters, orders }));
    hub.configure(vec![cluster("a")]);
    assert_eq!(hub.active("a"), "public");
    assert_eq!(ends(&hub), [(20_000, OrderId(2), OrderEnd::Expired)]);
    hub.run(100);
    assert_eq!(ends(&hub)[1..], [(70_000, OrderId(1), OrderEnd::Expired)]);
}

#[test]
fn a_pin_holds_whatever_happens_and_its_release_frees() {
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.order(1, pin("line"), 3_600);
    hub.set("a", "line", Line::Cut);
    hub.run(60);
    assert_eq!(hub.active("a"), "line");
    assert_eq!(hub.holds(), [HeldBy::Pin(OrderId(1))]);
    hub.on(PathEvent::Release(OrderId(1)));
    assert_eq!(hub.active("a"), "public");
    assert_eq!(ends(&hub), [(60_000, OrderId(1), OrderEnd::Released)]);
    hub.on(PathEvent::Release(OrderId(1)));
    assert_eq!(ends(&hub).len(), 1);
}

#[test]
fn a_drained_path_is_left_at_once_and_comes_last() {
    let mut hub = Hub::new(vec![with_paths("a", &["zero", "one", "two"])]);
    hub.run(5);
    hub.order(1, drain("zero"), 3_600);
    assert_eq!(hub.switches(), [(5, "one".to_owned(), SwitchReason::Drained)]);
    let order: Vec<String> = hub.decision("a").order.iter().map(ToString::to_string).collect();
    assert_eq!(order, ["one", "two", "zero"]);
    hub.run(600);
    assert_eq!(hub.active("a"), "one");
    // All else is down: better a drained path than none, but what comes back is taken after the hold.
    hub.set("a", "one", Line::Cut);
    hub.set("a", "two", Line::Cut);
    hub.run(3);
    let taken = hub.switches().pop().unwrap();
    assert_eq!((taken.1.as_str(), taken.2), ("zero", SwitchReason::LastResort));
    hub.set("a", "two", Line::Good);
    hub.run(6);
    assert_eq!(hub.active("a"), "zero");
    hub.run(30);
    assert_eq!(hub.active("a"), "two");
}

#[test]
fn a_freeze_stops_the_machine_but_not_people() {
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.order(1, freeze(), 3_600);
    hub.set("a", "line", Line::Cut);
    hub.run(60);
    assert_eq!(hub.active("a"), "line");
    assert_eq!(hub.holds(), [HeldBy::Freeze(OrderId(1))]);
    hub.order(2, pin("public"), 60);
    assert_eq!(hub.active("a"), "public");
}

#[test]
fn a_later_order_takes_the_place_of_its_like() {
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.order(1, pin("public"), 3_600);
    hub.order(2, pin("line"), 3_600);
    assert_eq!(hub.active("a"), "line");
    assert_eq!(ends(&hub), [(0, OrderId(1), OrderEnd::Replaced)]);
}

#[test]
fn a_drained_cluster_is_said_and_the_last_usable_one_is_refused() {
    let mut hub = Hub::new(vec![cluster("a"), cluster("b")]);
    hub.run(10);
    let drained = hub.order(1, drain_all(), 60);
    assert_eq!(hub.decision("a").drained, Some(OrderId(1)));
    assert_eq!(hub.active("a"), "line");
    assert_eq!(hub.machine.judge(&drained, moment(hub.now)), Ok(()));
    let mut other = drained;
    other.kind = OrderKind::Drain {
        cluster: id("b"),
        path: None,
    };
    let refusal = Refusal::LastUsableCluster(id("b"));
    assert_eq!(hub.machine.judge(&other, moment(hub.now)), Err(refusal));
    hub.sleep(60_000);
    assert_eq!(hub.decision("a").drained, None);
}

#[test]
fn an_order_for_a_path_that_is_gone_waits_for_its_return() {
    let mut hub = Hub::new(vec![cluster("a")]);
    hub.order(1, pin("public"), 3_600);
    hub.configure(vec![with_paths("a", &["line"])]);
    assert_eq!(hub.active("a"), "line");
    hub.configure(vec![cluster("a")]);
    assert_eq!(hub.active("a"), "public");
}
