//! Single decisions; the laws are in `diff/tests.rs`, the whole in `driver/tests.rs`.

use super::*;
use crate::sink::testing::fake::ownership;
use crate::sink::testing::{route, upstream};
use crate::sink::{Observed, OperationResult, Seen, SinkError, Written};

pub(super) fn done(stage: &[Operation]) -> Vec<OperationResult> {
    let result = |_: &Operation| OperationResult {
        result: Ok(Written::default()),
        status: None,
        duration: Duration::ZERO,
    };
    stage.iter().map(result).collect()
}

/// A schedule whose target has these objects.
pub(super) fn schedule(objects: &[Arc<Object>]) -> (Schedule, Instant) {
    let mut schedule = Schedule::new(Pace::standard(), &ownership());
    let seen = objects.iter().map(|object| (object.id.clone(), Seen::of(object, None)));
    let observed = Observed {
        objects: seen.collect(),
        ..Observed::default()
    };
    let now = Instant::now();
    schedule.on_observed(observed, Occasion::Lost, now);
    let marker = schedule.next_slow(now);
    let results = done(&marker);
    schedule.on_results(marker, results, now);
    (schedule, now)
}

pub(super) fn want(schedule: &mut Schedule, objects: &[Arc<Object>], at: Instant) {
    let changes = DesiredChanges {
        ids: objects.iter().map(|object| (object.id.clone(), at)).collect(),
        objects: objects
            .iter()
            .map(|object| (object.id.clone(), object.clone()))
            .collect(),
        ..DesiredChanges::default()
    };
    schedule.on_desired(changes, at);
}

/// Who was thrown out must not get in for another two seconds.
#[test]
fn a_consumer_goes_without_a_grace_and_its_group_after_it() {
    use crate::sink::testing::object;
    let group = object(
        ObjectKind::ConsumerGroup,
        "hl-m",
        serde_json::json!({"plugins": {}}),
        &[],
    );
    let jack = object(
        ObjectKind::Consumer,
        "hl-n",
        serde_json::json!({"group_id": "hl-m"}),
        &[&group.id],
    );
    let (mut schedule, now) = schedule(&[group.clone(), jack.clone()]);
    let changes = DesiredChanges {
        ids: [(group.id.clone(), now), (jack.id.clone(), now)].into(),
        settled: Arc::new(["hl-".to_owned()].into()),
        settled_changed: true,
        ..DesiredChanges::default()
    };
    schedule.on_desired(changes, now);
    let stage = schedule.next_slow(now);
    let ids: Vec<_> = stage.iter().map(|operation| operation.id().clone()).collect();
    assert_eq!(ids, std::slice::from_ref(&jack.id), "at once");
    let results = done(&stage);
    schedule.on_results(stage, results, now);
    schedule.tick(now);
    assert!(schedule.next_slow(now).is_empty(), "the group has its grace");
    let later = now + schedule.pace.grace;
    schedule.tick(later);
    let ids: Vec<_> = schedule.next_slow(later).iter().map(|it| it.id().clone()).collect();
    assert_eq!(ids, std::slice::from_ref(&group.id));
}

#[test]
fn an_object_is_in_one_lane_at_a_time() {
    let (mut schedule, now) = schedule(&[upstream("a", 1)]);
    want(&mut schedule, &[upstream("a", 2)], now);
    let first = schedule.next_fast(now);
    assert_eq!(first.len(), 1);
    want(&mut schedule, &[upstream("a", 3)], now);
    assert!(
        schedule.next_fast(now).is_empty() && schedule.next_slow(now).is_empty(),
        "a write is under way"
    );
    let results = done(&first);
    schedule.on_results(first, results, now);
    let second = schedule.next_fast(now);
    assert_eq!(
        second,
        [Operation::Put {
            object: upstream("a", 3)
        }]
    );
}

#[test]
fn what_is_written_during_a_listing_is_not_taken_from_it() {
    let (mut schedule, now) = schedule(&[upstream("a", 1)]);
    schedule.begin_observation();
    want(&mut schedule, &[upstream("a", 2)], now);
    let stage = schedule.next_fast(now);
    let results = done(&stage);
    schedule.on_results(stage, results, now);
    let mut observed = Observed::default();
    for object in [upstream("a", 1), schedule.marker.clone()] {
        observed.objects.insert(object.id.clone(), Seen::of(&object, None));
    }
    assert_eq!(schedule.on_observed(observed, Occasion::Routine, now), 0);
    assert!(
        schedule.next_fast(now).is_empty(),
        "the listing is older than the write"
    );
}

/// Whole batches that may be written at this moment.
fn batch(schedule: &mut Schedule, now: Instant) -> usize {
    let mut written = 0;
    loop {
        let stage = schedule.next_slow(now);
        if stage.is_empty() {
            return written;
        }
        written += stage.len();
        let results = done(&stage);
        schedule.on_results(stage, results, now);
    }
}

#[test]
fn a_bulk_of_routes_waits_for_nothing_and_what_trickles_in_behind_it_does() {
    let (mut schedule, now) = schedule(&[upstream("u", 1)]);
    let bulk = 2 * schedule.pace.batch_size + 1;
    let mut wanted = vec![upstream("u", 1)];
    wanted.extend((0..bulk).map(|n| route(&format!("r{n:04}"), "u", 1)));
    want(&mut schedule, &wanted, now);
    assert_eq!(batch(&mut schedule, now), bulk);
    wanted.push(route("s", "u", 1));
    want(&mut schedule, &wanted, now);
    assert_eq!(batch(&mut schedule, now), 0, "the last batch was not full");
    let next = now + schedule.pace.batch_interval;
    assert_eq!(batch(&mut schedule, next), 1);
}

#[test]
fn a_due_batch_does_not_wake_the_driver_while_one_is_written() {
    let (mut schedule, now) = schedule(&[upstream("u", 1)]);
    let first = route("r1", "u", 1);
    want(&mut schedule, &[upstream("u", 1), first.clone()], now);
    let batch = schedule.next_slow(now);
    assert_eq!(batch.len(), 1);
    want(&mut schedule, &[upstream("u", 1), first, route("r2", "u", 1)], now);
    let due = schedule.wake_at(Busy::default());
    assert!(due.is_some_and(|due| due <= now + schedule.pace.batch_interval));
    assert_eq!(
        schedule.wake_at(Busy {
            slow: true,
            ..Busy::default()
        }),
        None,
        "a time in the past would wake it over and over"
    );
}

#[test]
fn what_was_refused_is_asked_again_once_a_listing() {
    let (mut schedule, now) = schedule(&[]);
    let object = upstream("u", 1);
    want(&mut schedule, std::slice::from_ref(&object), now);
    let stage = schedule.next_slow(now);
    let refused = |_: &Operation| OperationResult {
        result: Err(SinkError::Refused {
            status: 400,
            message: "no".to_owned(),
        }),
        status: Some(400),
        duration: Duration::ZERO,
    };
    let results = stage.iter().map(refused).collect();
    schedule.on_results(stage, results, now);
    assert!(
        schedule.next_slow(now + Duration::from_secs(60)).is_empty(),
        "not by itself"
    );
    schedule.begin_observation();
    schedule.on_observed(Observed::default(), Occasion::Routine, now + Duration::from_secs(60));
    let again = schedule.next_slow(now + Duration::from_secs(60));
    assert!(again.iter().any(|operation| operation.id() == &object.id));
}

/// Found by the simulation: a status stayed "Pending" for ever.
#[test]
fn an_object_that_is_again_what_it_was_is_reported_again() {
    let (mut schedule, now) = schedule(&[upstream("a", 1)]);
    want(&mut schedule, &[upstream("a", 1)], now);
    let programmed = schedule.take_outcomes();
    assert_eq!(programmed.len(), 1);
    // It changed and changed back before anyone here looked; the core counts it as pending since.
    want(&mut schedule, &[upstream("a", 1)], now);
    assert_eq!(schedule.take_outcomes(), programmed);
    schedule.tick(now);
    assert!(!schedule.has_outcomes(), "and said once");
}

/// Found by the simulation: a grace that had begun while nothing referred to an object went on after a route
/// to it, already under way, was written and removed again. The promise is `no_dangling_reference`.
#[test]
fn a_grace_begins_anew_when_the_object_was_referred_to_in_between() {
    let (mut schedule, now) = schedule(&[upstream("a", 1)]);
    settle(&mut schedule, now);
    let changes = DesiredChanges {
        ids: [(route("r", "a", 1).id.clone(), now)].into(),
        objects: [upstream("a", 1), route("r", "a", 1)]
            .map(|it| (it.id.clone(), it))
            .into_iter()
            .collect(),
        settled: Arc::new(["hl-c".to_owned()].into()),
        ..DesiredChanges::default()
    };
    schedule.on_desired(changes, now);
    let routes = schedule.next_slow(now);
    assert_eq!(routes.len(), 1);
    // While the route is under way nobody wants either any more, and the grace of the upstream begins.
    forget(&mut schedule, &[upstream("a", 1), route("r", "a", 1)], now);
    let written = now + Duration::from_millis(1_500);
    let results = done(&routes);
    schedule.on_results(routes, results, written);
    schedule.tick(written);
    let removal = schedule.next_slow(written);
    assert_eq!(removal.len(), 1, "{removal:?}");
    let removed = now + Duration::from_millis(1_900);
    let results = done(&removal);
    schedule.on_results(removal, results, removed);
    let early = removed + schedule.pace.grace - Duration::from_millis(1);
    schedule.tick(early);
    assert!(
        schedule.next_slow(early).is_empty(),
        "it was referred to until just now"
    );
    schedule.tick(removed + schedule.pace.grace);
    assert_eq!(schedule.next_slow(removed + schedule.pace.grace).len(), 1);
}

fn settle(schedule: &mut Schedule, at: Instant) {
    let changes = DesiredChanges {
        settled: Arc::new(["hl-c".to_owned()].into()),
        settled_changed: true,
        ..DesiredChanges::default()
    };
    schedule.on_desired(changes, at);
}

fn forget(schedule: &mut Schedule, objects: &[Arc<Object>], at: Instant) {
    let changes = DesiredChanges {
        ids: objects.iter().map(|object| (object.id.clone(), at)).collect(),
        settled: Arc::new(["hl-c".to_owned()].into()),
        ..DesiredChanges::default()
    };
    schedule.on_desired(changes, at);
}
