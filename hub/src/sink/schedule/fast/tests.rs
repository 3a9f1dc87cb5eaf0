//! The pace of a bulk, and what does not wait for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::super::Busy;
use super::super::tests::{done, schedule, want};
use super::*;
use crate::desired::DesiredChanges;
use crate::object::{Object, ObjectKind};
use crate::sink::OperationResult;
use crate::sink::testing::{labels, object, upstream};

mod law;

const MS: Duration = Duration::from_millis(1);
const INTERVAL: Duration = Duration::from_millis(40);

fn upstreams(count: usize, version: u16) -> Vec<Arc<Object>> {
    (0..count).map(|n| upstream(&format!("{n:04}"), version)).collect()
}

/// What the core says when these objects change among all that are wanted.
fn changes<'a>(ids: impl IntoIterator<Item = (&'a Arc<Object>, Instant)>, wanted: &[Arc<Object>]) -> DesiredChanges {
    DesiredChanges {
        ids: ids.into_iter().map(|(object, at)| (object.id.clone(), at)).collect(),
        objects: wanted.iter().map(|it| (it.id.clone(), it.clone())).collect(),
        ..DesiredChanges::default()
    }
}

/// A schedule in the middle of a bulk: its first portion was handed out and answered.
fn in_a_bulk(count: usize) -> (Schedule, Vec<Arc<Object>>, Instant) {
    let (mut schedule, now) = schedule(&upstreams(count + 1, 1));
    let wanted = upstreams(count, 2);
    want(&mut schedule, &wanted, now);
    assert_eq!(run(&mut schedule, now).len(), 20);
    (schedule, wanted, now)
}

/// Changes one object and leaves the others as they are wanted.
fn change(schedule: &mut Schedule, wanted: &mut Vec<Arc<Object>>, object: &Arc<Object>, at: Instant) {
    wanted.retain(|other| other.id != object.id);
    wanted.push(object.clone());
    schedule.on_desired(changes([(object, at)], wanted), at);
}

/// Hands out what may go now, and answers it at once.
fn run(schedule: &mut Schedule, now: Instant) -> Vec<ObjectId> {
    let stage = schedule.next_fast(now);
    let ids = stage.iter().map(|operation| operation.id().clone()).collect();
    let results = done(&stage);
    schedule.on_results(stage, results, now);
    ids
}

#[test]
fn a_bulk_goes_in_portions_the_oldest_first_and_wakes_the_driver_for_each() {
    let (mut schedule, start) = schedule(&upstreams(100, 1));
    let wanted = upstreams(100, 2);
    let ages = (0_u32..).map(|n| start + MS * n);
    schedule.on_desired(changes(wanted.iter().zip(ages), &wanted), start + MS * 100);
    let (mut now, mut portions) = (start + MS * 100, Vec::new());
    loop {
        let mut portion = run(&mut schedule, now);
        assert_eq!(run(&mut schedule, now), [], "and no more at this moment");
        portion.sort();
        portions.push(portion);
        let Some(next) = schedule.wake_at(Busy::default()) else {
            break;
        };
        assert_eq!(next, now + INTERVAL);
        assert_eq!(run(&mut schedule, next - MS), [], "nor before its time");
        now = next;
    }
    assert_eq!(portions.iter().map(Vec::len).collect::<Vec<_>>(), [20; 5]);
    let ids = |range: std::ops::Range<usize>| wanted[range].iter().map(|it| it.id.clone()).collect::<Vec<_>>();
    assert_eq!(portions[0][..15], ids(0..15), "three quarters are the oldest");
    assert_eq!(portions[1][..15], ids(15..30));
}

#[test]
fn a_due_portion_does_not_wake_the_driver_while_one_is_written() {
    let (schedule, _, now) = in_a_bulk(100);
    assert_eq!(schedule.wake_at(Busy::default()), Some(now + INTERVAL));
    let busy = Busy {
        fast: true,
        ..Busy::default()
    };
    assert_eq!(schedule.wake_at(busy), None);
}

#[test]
fn a_single_change_and_an_urgent_one_pass_a_bulk_at_once() {
    let (mut schedule, mut wanted, now) = in_a_bulk(1_000);
    let soon = now + MS;
    let single = upstream("1000", 2);
    change(&mut schedule, &mut wanted, &single, soon);
    assert_eq!(run(&mut schedule, soon), std::slice::from_ref(&single.id));
    let rule = object(ObjectKind::GlobalRule, "hl-paths-x", json!({"labels": labels()}), &[]);
    change(&mut schedule, &mut wanted, &rule, soon);
    assert_eq!(schedule.next_urgent(soon), [Operation::Put { object: rule }]);
    assert_eq!(run(&mut schedule, soon), [], "the bulk waits");
}

/// What is in the bulk, or being written, and changes once more by itself is a single change, too.
#[test]
fn a_single_change_of_what_is_in_the_bulk_passes_it() {
    let (mut schedule, mut wanted, now) = in_a_bulk(1_000);
    let waits = upstream("0500", 3);
    change(&mut schedule, &mut wanted, &waits, now + MS);
    assert_eq!(run(&mut schedule, now + MS), std::slice::from_ref(&waits.id));
    let second = now + INTERVAL;
    let stage = schedule.next_fast(second);
    let again = upstream(stage[0].id().id.trim_start_matches("hl-c"), 3);
    change(&mut schedule, &mut wanted, &again, second);
    let results = done(&stage);
    schedule.on_results(stage, results, second + MS);
    assert_eq!(schedule.next_fast(second + MS), [Operation::Put { object: again }]);
}

#[test]
fn many_single_changes_are_a_bulk() {
    let (mut schedule, mut wanted, now) = in_a_bulk(1_000);
    let mut passed = 0;
    for n in 500..530 {
        let single = upstream(&format!("{n:04}"), 3);
        change(&mut schedule, &mut wanted, &single, now + MS);
        passed += run(&mut schedule, now + MS).len();
    }
    assert_eq!(passed, 5, "a quarter of a portion");
    assert_eq!(schedule.wake_at(Busy::default()), Some(now + INTERVAL));
}

#[test]
fn without_an_interval_there_is_no_pace() {
    let (mut schedule, now) = schedule(&upstreams(100, 1));
    schedule.pace.burst_interval = Duration::ZERO;
    want(&mut schedule, &upstreams(100, 2), now);
    let written: usize = (0..10).map(|_| run(&mut schedule, now).len()).sum();
    assert_eq!(written, 100);
}

/// The rest in milliseconds after portions whose calls took so many milliseconds.
fn rest_after(calls: impl IntoIterator<Item = u32>) -> u128 {
    let mut slowness = Slowness::default();
    for call in calls {
        slowness.saw(MS * call);
    }
    slowness.rest(INTERVAL).as_millis()
}

#[test]
fn a_target_that_gets_slow_is_given_rest() {
    let after = |call, times| rest_after([20; 10].into_iter().chain(std::iter::repeat_n(call, times)));
    assert_eq!(after(20, 10), 0);
    assert_eq!(after(36, 10), 0, "up to twice as long is noise");
    assert_eq!(after(200, 1), 48, "a single slow portion counts a quarter: 65 ms");
    assert_eq!(after(2_000, 10), 160, "the longest");
    assert_eq!(after(80, 2_000), 0, "slower for good is the new best");
    assert_eq!(rest_after([0, 0, 1, 1, 2]), 0, "nothing is quicker than a millisecond");
    assert_eq!(rest_after([]), 0);
}

#[test]
fn a_rest_begins_at_the_end_of_a_portion_and_holds_no_single_change() {
    let (mut schedule, mut wanted, mut now) = in_a_bulk(1_000);
    for call in [0, 0, 100] {
        now += INTERVAL;
        let stage = schedule.next_fast(now);
        let mut results = done(&stage);
        results
            .iter_mut()
            .for_each(|result: &mut OperationResult| result.duration = MS * call);
        schedule.on_results(stage, results, now + MS);
    }
    let over = now + MS + MS * 160;
    assert_eq!(schedule.wake_at(Busy::default()), Some(over));
    assert_eq!(run(&mut schedule, over - MS), []);
    let single = upstream("1000", 2);
    change(&mut schedule, &mut wanted, &single, over - MS);
    assert_eq!(run(&mut schedule, over - MS), std::slice::from_ref(&single.id));
    assert_eq!(run(&mut schedule, over).len(), 20);
}
