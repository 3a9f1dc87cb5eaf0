//! The driver against a target in memory, in paused time.

use std::collections::BTreeMap;

use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

use super::*;
use crate::desired::{self, DesiredWriter};
use crate::object::{Object, ObjectKind};
use crate::sink::testing::fake::{FakeSink, ownership};
use crate::sink::testing::{id, object, route, upstream};

mod burst;
mod restored;

/// A driver at work.
struct Rig {
    writer: DesiredWriter,
    outcomes: mpsc::Receiver<Outcomes>,
    seen: BTreeMap<String, Outcome>,
    target: watch::Receiver<Arc<TargetSummary>>,
    writes: Writes,
    metrics: SinkMetrics,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Rig {
    fn start(sink: &Arc<FakeSink>) -> Self {
        let (writer, reader) = desired::channel();
        let (outcomes_tx, outcomes) = mpsc::channel(OUTCOMES_CAPACITY);
        let (target_tx, target) = watch::channel(Arc::default());
        let metrics = SinkMetrics::register(&mut Registry::default());
        let writes = Writes::default();
        let reports = Reports {
            outcomes: outcomes_tx,
            target: target_tx,
            writes: writes.clone(),
            metrics: metrics.clone(),
        };
        let mut options = DriverOptions::standard(ownership());
        options.fence = FenceToken(7);
        let shutdown = CancellationToken::new();
        let driver = Driver::new(sink.clone(), reader, options, reports);
        let task = tokio::spawn(driver.run(shutdown.clone()));
        Self {
            writer,
            outcomes,
            seen: BTreeMap::new(),
            target,
            writes,
            metrics,
            shutdown,
            task,
        }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }

    fn want(&self, objects: &[&Arc<Object>]) {
        let changes = objects
            .iter()
            .map(|object| (object.id.clone(), Some((*object).clone())));
        self.writer.commit(changes.collect());
    }

    fn drop_wanted(&self, objects: &[&Arc<Object>]) {
        let changes = objects.iter().map(|object| (object.id.clone(), None));
        self.writer.commit(changes.collect());
    }

    fn settle(&self) {
        self.writer.settle(["hl-c".to_owned()]);
    }

    /// Takes outcomes for as long as the time lasts, as the core does: what nobody takes stays at the driver.
    async fn pass(&mut self, time: Duration) {
        let over = Instant::now() + time;
        while let Ok(Some(outcomes)) = timeout_at(over, self.outcomes.recv()).await {
            let named = outcomes.into_iter().map(|(id, outcome)| (id.to_string(), outcome));
            self.seen.extend(named);
        }
        sleep_until(over).await;
    }

    fn refusal(&self, id: &str) -> Option<&str> {
        match self.seen.get(id)? {
            Outcome::Refused(refusal) => Some(&refusal.reason),
            _ => None,
        }
    }
}

const MOMENT: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);

/// A target that has a route to an upstream.
async fn programmed(sink: &Arc<FakeSink>) -> Rig {
    let mut rig = Rig::start(sink);
    rig.want(&[&upstream("a", 1), &route("r", "a", 1)]);
    rig.settle();
    rig.pass(3 * SECOND).await;
    assert_eq!(sink.take_writes(), ["put upstreams/hl-ca", "put routes/hl-cr"]);
    rig
}

#[tokio::test(start_paused = true)]
async fn the_first_change_goes_at_once_in_the_order_of_references() {
    let sink = FakeSink::new();
    let mut rig = Rig::start(&sink);
    rig.want(&[&route("r", "a", 1), &upstream("a", 1)]);
    rig.pass(MOMENT).await;
    assert_eq!(sink.take_writes(), ["put upstreams/hl-ca", "put routes/hl-cr"]);
    assert_eq!(rig.seen["routes/hl-cr"], Outcome::Programmed(route("r", "a", 1).hash));
    assert!(rig.target.borrow().observed);
    let records = rig.writes.recent();
    assert!(
        records
            .iter()
            .all(|record| record.fence == FenceToken(7) && record.result == "ok")
    );
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn routes_go_in_batches_of_one_a_second_and_endpoints_never_wait_behind_them() {
    let sink = FakeSink::new();
    let mut rig = programmed(&sink).await;
    rig.want(&[&route("r", "a", 2)]);
    rig.pass(MOMENT).await;
    assert_eq!(sink.take_writes(), ["put routes/hl-cr"], "the first goes at once");
    rig.want(&[&route("r", "a", 3), &upstream("a", 2)]);
    rig.pass(MOMENT).await;
    assert_eq!(sink.take_writes(), ["put upstreams/hl-ca"], "endpoints go at once");
    rig.want(&[&route("r", "a", 4), &route("s", "a", 1), &upstream("a", 3)]);
    rig.pass(MOMENT).await;
    assert_eq!(sink.take_writes(), ["put upstreams/hl-ca"]);
    rig.pass(SECOND).await;
    assert_eq!(
        sink.take_writes(),
        ["put routes/hl-cr", "put routes/hl-cs"],
        "one batch, latest content"
    );
    assert_eq!(rig.seen["routes/hl-cr"], Outcome::Programmed(route("r", "a", 4).hash));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn endpoints_pass_a_batch_that_is_under_way() {
    let sink = FakeSink::new();
    let mut rig = programmed(&sink).await;
    sink.with(|state| state.latency = Duration::from_millis(10));
    let routes: Vec<_> = (0..200).map(|n| route(&format!("n{n:03}"), "a", 1)).collect();
    rig.want(&routes.iter().collect::<Vec<_>>());
    rig.pass(Duration::from_millis(500)).await;
    sink.take_writes();
    rig.want(&[&upstream("a", 9)]);
    rig.pass(Duration::from_millis(30)).await;
    let writes = sink.take_writes();
    assert!(writes.contains(&"put upstreams/hl-ca".to_owned()), "{writes:?}");
    assert!(
        writes.iter().any(|write| write.contains("routes")),
        "the batch was still under way"
    );
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_changed_writes_nothing() {
    for adds_defaults in [false, true] {
        let sink = FakeSink::new();
        sink.with(|state| state.adds_defaults = adds_defaults);
        let rig = programmed(&sink).await;
        rig.want(&[&upstream("a", 1), &route("r", "a", 1)]);
        let mut rig = restart_unless(adds_defaults, rig, &sink).await;
        rig.pass(1_300 * SECOND).await;
        assert_eq!(
            sink.take_writes(),
            [""; 0],
            "two routine listings later, adds_defaults {adds_defaults}"
        );
        assert_eq!(rig.metrics.drift_total(), 0);
        assert!(sink.with(|state| state.n_observations) >= 3);
        rig.stop().await;
    }
}

/// What a target adds on its own is known from the answers to our writes, which a restart forgets.
async fn restart_unless(keep: bool, rig: Rig, sink: &Arc<FakeSink>) -> Rig {
    if keep {
        return rig;
    }
    rig.stop().await;
    let rig = Rig::start(sink);
    rig.want(&[&upstream("a", 1), &route("r", "a", 1)]);
    rig.settle();
    rig
}

#[tokio::test(start_paused = true)]
async fn lost_memory_brings_everything_back_at_once() {
    let sink = FakeSink::new();
    let mut rig = programmed(&sink).await;
    sink.with(|state| state.objects.clear());
    rig.pass(Duration::from_millis(1_100)).await;
    assert_eq!(sink.take_writes(), ["put upstreams/hl-ca", "put routes/hl-cr"]);
    assert_eq!(sink.ids(), ["upstreams/hl-ca", "routes/hl-cr"]);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_a_target_without_memory_is_not_for_ever() {
    let sink = FakeSink::new();
    let mut rig = programmed(&sink).await;
    sink.with(|state| state.objects.clear());
    rig.want(&[&route("r", "a", 2)]);
    rig.pass(SECOND).await;
    assert_eq!(sink.ids(), ["upstreams/hl-ca", "routes/hl-cr"]);
    assert_eq!(rig.seen["routes/hl-cr"], Outcome::Programmed(route("r", "a", 2).hash));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_forgot_is_asked_again_what_it_refused() {
    let sink = FakeSink::new();
    let mut rig = programmed(&sink).await;
    sink.with(|state| {
        state
            .poison
            .insert("routes/hl-cr".to_owned(), "\"priority\":2,".to_owned())
    });
    rig.want(&[&route("r", "a", 2)]);
    rig.pass(20 * SECOND).await;
    assert_eq!(rig.refusal("routes/hl-cr"), Some("refused"));
    sink.with(|state| state.poison.clear());
    sink.with(|state| state.objects.clear());
    rig.pass(2 * SECOND).await;
    assert_eq!(rig.seen["routes/hl-cr"], Outcome::Programmed(route("r", "a", 2).hash));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_lost_over_and_over_is_not_listed_all_the_time() {
    let sink = FakeSink::new();
    let rig = programmed(&sink).await;
    sink.with(|state| state.forgetful = true);
    rig.want(&[&route("r", "a", 2)]);
    let before = sink.with(|state| state.n_observations);
    sleep(60 * SECOND).await;
    let listings = sink.with(|state| state.n_observations) - before;
    assert!((2..=12).contains(&listings), "{listings} listings in a minute");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rival_who_removes_what_routes_refer_to_costs_a_write_and_stops_nobody() {
    let sink = FakeSink::new();
    let mut rig = programmed(&sink).await;
    let before = sink.with(|state| state.n_observations);
    for version in 2..62 {
        sink.with(|state| state.objects.remove(&upstream("a", 1).id));
        rig.want(&[&route("r", "a", version)]);
        rig.pass(SECOND / 2).await;
        rig.want(&[&upstream("b", version)]);
        rig.pass(MOMENT).await;
        let other = Outcome::Programmed(upstream("b", version).hash);
        assert_eq!(
            rig.seen.get("upstreams/hl-cb"),
            Some(&other),
            "{version}: others do not wait"
        );
        rig.pass(3 * SECOND / 2).await;
        let wanted = Outcome::Programmed(route("r", "a", version).hash);
        assert_eq!(rig.seen["routes/hl-cr"], wanted, "{version}");
    }
    let listings = sink.with(|state| state.n_observations) - before;
    assert!((1..=5).contains(&listings), "{listings} listings in two minutes");
    rig.stop().await;
}

/// A change of what a route is may change its id.
#[tokio::test(start_paused = true)]
async fn a_route_stays_until_what_replaces_it_is_there() {
    let sink = FakeSink::new();
    let mut rig = Rig::start(&sink);
    let (old, new, other) = (
        of_key(&route("r", "a", 1), "web"),
        of_key(&route("n", "a", 1), "web"),
        of_key(&route("o", "a", 1), "api"),
    );
    rig.want(&[&upstream("a", 1), &old, &other]);
    rig.settle();
    rig.pass(3 * SECOND).await;
    sink.with(|state| {
        state
            .poison
            .insert("routes/hl-cn".to_owned(), "\"priority\":1,".to_owned())
    });
    rig.drop_wanted(&[&old, &other]);
    rig.want(&[&new]);
    rig.pass(30 * SECOND).await;
    assert_eq!(rig.refusal("routes/hl-cn"), Some("refused"));
    assert_eq!(
        sink.ids(),
        ["upstreams/hl-ca", "routes/hl-cr"],
        "what nothing replaces is gone"
    );
    // So it is after a restart of the hub, which knows no more than the labels.
    rig.stop().await;
    let mut rig = Rig::start(&sink);
    rig.want(&[&upstream("a", 1), &new]);
    rig.settle();
    rig.pass(700 * SECOND).await;
    assert_eq!(sink.ids(), ["upstreams/hl-ca", "routes/hl-cr"]);
    let good = of_key(&route("n", "a", 2), "web");
    rig.want(&[&good]);
    rig.pass(3 * SECOND).await;
    assert_eq!(sink.ids(), ["upstreams/hl-ca", "routes/hl-cn"]);
    // Nor does it stay for what is not wanted any more.
    let next = of_key(&route("p", "a", 1), "web");
    sink.with(|state| state.busy.insert("routes/hl-cp".to_owned()));
    rig.drop_wanted(&[&good]);
    rig.want(&[&next]);
    rig.pass(5 * SECOND).await;
    assert_eq!(sink.ids(), ["upstreams/hl-ca", "routes/hl-cn"]);
    rig.drop_wanted(&[&next]);
    rig.pass(3 * SECOND).await;
    assert_eq!(sink.ids(), ["upstreams/hl-ca"]);
    rig.stop().await;
}

/// The object as made from an Ingress, with the labels that say so.
fn of_key(object: &Arc<Object>, name: &str) -> Arc<Object> {
    use hubline::model::{ClusterId, GlobalKey, GroupKind, Key, ResourceKind};
    let kind = GroupKind::new("networking.k8s.io", "Ingress");
    let key = Key::new(ResourceKind::Route, &kind, "shop", name, "a|Prefix|/");
    let cluster = ClusterId::new("one").unwrap();
    let mut body: serde_json::Value = serde_json::from_str(object.body.expose()).unwrap();
    for (label, value) in [
        ("cluster", "one"),
        ("namespace", "shop"),
        ("name", name),
        ("kind", "Ingress"),
    ] {
        body["labels"][label] = value.into();
    }
    let (body, hash) = crate::object::canonical(&body);
    let cause = crate::object::Cause {
        key: GlobalKey { cluster, key },
        content_hash: hash,
    };
    Arc::new(Object {
        body,
        hash,
        causes: [cause].into(),
        ..object.as_ref().clone()
    })
}

#[tokio::test(start_paused = true)]
async fn an_outage_loses_nothing_and_the_latest_wins() {
    let sink = FakeSink::new();
    let mut rig = programmed(&sink).await;
    sink.with(|state| state.unreachable = true);
    rig.want(&[&upstream("a", 2)]);
    rig.pass(60 * SECOND).await;
    assert!(rig.target.borrow().error.is_some());
    rig.want(&[&upstream("a", 3)]);
    sink.take_writes();
    sink.with(|state| state.unreachable = false);
    rig.pass(11 * SECOND).await;
    assert_eq!(sink.take_writes(), ["put upstreams/hl-ca"], "only what differs");
    assert_eq!(rig.seen["upstreams/hl-ca"], Outcome::Programmed(upstream("a", 3).hash));
    assert!(rig.target.borrow().error.is_none());
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_bad_object_stops_only_itself() {
    let sink = FakeSink::new();
    let mut rig = programmed(&sink).await;
    sink.with(|state| {
        state
            .poison
            .insert("upstreams/hl-ca".to_owned(), "\"port\":666,".to_owned())
    });
    sink.with(|state| {
        state
            .poison
            .insert("upstreams/hl-cb".to_owned(), "\"port\":666,".to_owned())
    });
    rig.want(&[
        &upstream("a", 666),
        &upstream("b", 666),
        &route("s", "b", 1),
        &route("r", "a", 2),
        &upstream("c", 1),
    ]);
    rig.pass(5 * SECOND).await;
    assert_eq!(rig.refusal("upstreams/hl-ca"), Some("refused"));
    assert_eq!(rig.refusal("upstreams/hl-cb"), Some("refused"));
    assert_eq!(rig.refusal("routes/hl-cs"), Some("dependency"));
    assert_eq!(
        rig.seen["routes/hl-cr"],
        Outcome::Programmed(route("r", "a", 2).hash),
        "the old upstream is there"
    );
    assert_eq!(rig.seen["upstreams/hl-cc"], Outcome::Programmed(upstream("c", 1).hash));
    let old = sink.with(|state| state.objects[&upstream("a", 1).id].clone());
    assert_eq!(old, upstream("a", 1), "the old content stays");
    sink.take_writes();
    rig.pass(20 * SECOND).await;
    assert_eq!(sink.take_writes(), [""; 0], "quarantined until the content changes");
    rig.want(&[&upstream("b", 5)]);
    rig.pass(2 * SECOND).await;
    assert_eq!(sink.take_writes(), ["put upstreams/hl-cb", "put routes/hl-cs"]);
    assert_eq!(rig.refusal("routes/hl-cs"), None);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_busy_target_refused_is_tried_again() {
    let sink = FakeSink::new();
    let mut rig = programmed(&sink).await;
    sink.with(|state| state.busy.insert("upstreams/hl-ca".to_owned()));
    rig.want(&[&upstream("a", 2), &upstream("b", 1)]);
    rig.pass(2 * SECOND).await;
    let tries = sink.take_writes();
    assert!(tries.contains(&"put upstreams/hl-cb".to_owned()), "{tries:?}");
    assert!((3..=6).contains(&tries.len()), "backs off: {tries:?}");
    sink.with(|state| state.busy.clear());
    rig.pass(5 * SECOND).await;
    assert_eq!(rig.seen["upstreams/hl-ca"], Outcome::Programmed(upstream("a", 2).hash));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn removal_waits_its_grace_and_is_skipped_when_wanted_again() {
    let sink = FakeSink::new();
    let mut rig = programmed(&sink).await;
    rig.drop_wanted(&[&upstream("a", 1), &route("r", "a", 1)]);
    rig.pass(Duration::from_millis(1_900)).await;
    assert_eq!(sink.take_writes(), ["delete routes/hl-cr"]);
    rig.want(&[&upstream("a", 1)]);
    rig.pass(5 * SECOND).await;
    assert_eq!(sink.take_writes(), [""; 0], "wanted again during the grace");
    rig.drop_wanted(&[&upstream("a", 1)]);
    rig.pass(Duration::from_millis(1_900)).await;
    assert_eq!(sink.take_writes(), [""; 0]);
    rig.pass(Duration::from_millis(200)).await;
    assert_eq!(sink.take_writes(), ["delete upstreams/hl-ca"]);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn grace_counts_from_the_last_referrer() {
    let sink = FakeSink::new();
    let mut rig = programmed(&sink).await;
    sink.with(|state| state.busy.insert("routes/hl-cr".to_owned()));
    rig.drop_wanted(&[&upstream("a", 1), &route("r", "a", 1)]);
    rig.pass(10 * SECOND).await;
    assert!(
        sink.ids().contains(&"upstreams/hl-ca".to_owned()),
        "a route still names it"
    );
    assert!(!sink.take_writes().iter().any(|write| write.contains("upstreams")));
    sink.with(|state| state.busy.clear());
    rig.pass(30 * SECOND).await;
    let times = sink.with(|state| {
        state
            .writes
            .iter()
            .filter(|write| write.ok)
            .map(|write| write.at)
            .collect::<Vec<_>>()
    });
    assert_eq!(times.len(), 2);
    assert!(times[1] - times[0] >= Duration::from_secs(2));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn foreign_objects_are_untouched() {
    let sink = FakeSink::new();
    let labels = serde_json::json!({"managed-by": "hubline", "hub": "other"});
    let others = [
        object(ObjectKind::Route, "someone", serde_json::json!({"uri": "/x"}), &[]),
        object(
            ObjectKind::Route,
            "hl-cforeign",
            serde_json::json!({"labels": labels}),
            &[],
        ),
        object(ObjectKind::Upstream, "hl-ctaken", serde_json::json!({}), &[]),
    ];
    for other in &others {
        sink.with(|state| state.objects.insert(other.id.clone(), other.clone()));
    }
    let mut rig = programmed(&sink).await;
    rig.want(&[&upstream("taken", 1), &route("t", "taken", 1)]);
    rig.pass(3 * SECOND).await;
    assert_eq!(rig.refusal("upstreams/hl-ctaken"), Some("occupied"));
    rig.drop_wanted(&[&upstream("a", 1), &route("r", "a", 1), &upstream("taken", 1)]);
    rig.pass(700 * SECOND).await;
    for other in &others {
        assert_eq!(
            sink.with(|state| state.objects.get(&other.id).cloned()).as_ref(),
            Some(other)
        );
    }
    assert_eq!(rig.target.borrow().foreign.len(), 2);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn silence_withdraws_nothing_before_a_cluster_is_settled() {
    let sink = FakeSink::new();
    programmed(&sink).await.stop().await;
    let mut rig = Rig::start(&sink);
    rig.pass(700 * SECOND).await;
    assert_eq!(sink.take_writes(), [""; 0], "nothing is known of the cluster");
    rig.settle();
    rig.pass(10 * SECOND).await;
    assert_eq!(sink.take_writes(), ["delete routes/hl-cr", "delete upstreams/hl-ca"]);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn drift_is_found_by_the_routine_listing_and_repaired() {
    let sink = FakeSink::new();
    let mut rig = programmed(&sink).await;
    sink.with(|state| state.objects.insert(upstream("a", 1).id.clone(), upstream("a", 77)));
    rig.pass(601 * SECOND).await;
    assert_eq!(sink.take_writes(), ["put upstreams/hl-ca"]);
    assert_eq!(rig.metrics.drift_total(), 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_under_way_is_followed_by_the_latest_only() {
    let sink = FakeSink::new();
    let mut rig = programmed(&sink).await;
    sink.with(|state| state.latency = SECOND);
    rig.want(&[&upstream("a", 2)]);
    rig.pass(MOMENT).await;
    for node in 3..50 {
        rig.want(&[&upstream("a", node)]);
        rig.pass(Duration::from_millis(5)).await;
    }
    rig.pass(5 * SECOND).await;
    assert_eq!(sink.take_writes(), ["put upstreams/hl-ca", "put upstreams/hl-ca"]);
    assert_eq!(rig.seen["upstreams/hl-ca"], Outcome::Programmed(upstream("a", 49).hash));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn every_write_has_a_cause() {
    use hubline::model::{ClusterId, GlobalKey, GroupKind, Key, ResourceKind};
    let kind = GroupKind {
        group: "".into(),
        kind: "Service".into(),
    };
    let key = Key::new(ResourceKind::Service, &kind, "shop", "web", "80");
    let key = GlobalKey {
        cluster: ClusterId::new("one").unwrap(),
        key,
    };
    let cause = crate::object::Cause {
        key,
        content_hash: hubline::wire::ContentHash(5),
    };
    let mut caused = upstream("a", 1).as_ref().clone();
    caused.causes = [cause.clone()].into();
    let caused = Arc::new(caused);
    let sink = FakeSink::new();
    let mut rig = Rig::start(&sink);
    rig.want(&[&caused]);
    rig.settle();
    rig.pass(SECOND).await;
    rig.drop_wanted(&[&caused]);
    rig.pass(5 * SECOND).await;
    let records = rig.writes.recent();
    let of_object: Vec<_> = records
        .iter()
        .filter(|record| record.object == id(ObjectKind::Upstream, "hl-ca"))
        .collect();
    let operations: Vec<_> = of_object.iter().map(|record| record.operation).collect();
    assert_eq!(operations, ["put", "delete"]);
    assert!(of_object.iter().all(|record| record.causes == [cause.clone()]));
    rig.stop().await;
}
