//! The generator's own test: that the histories contain what the law is said to hold for.

use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::view::ProblemKind;

impl Hub {
    fn note_objects(&mut self, before: &Objects) {
        let of = |objects: &Objects| -> BTreeSet<_> {
            objects
                .values()
                // Objects of paths come of no resource.
                .filter_map(|object| Some((object.id.clone(), object.causes.first()?.key.clone())))
                .collect()
        };
        let (old, new) = (of(before), of(&self.world.objects));
        for (id, owner) in new.difference(&old) {
            let again = if self.made.insert(id.clone()) {
                "made"
            } else {
                "made again"
            };
            self.hit(format!("{} {again}", id.kind.collection()));
            if id.kind == ObjectKind::Route
                && old
                    .iter()
                    .any(|(gone, of)| of == owner && !self.world.objects.contains_key(gone))
            {
                self.hit("a route's id changes");
            }
        }
        for (id, _) in old.difference(&new) {
            self.hit(format!("{} gone", id.kind.collection()));
        }
        let problems: Vec<_> = self
            .world
            .problems
            .values()
            .flatten()
            .map(|problem| problem.kind)
            .collect();
        for kind in problems {
            self.hit(format!("problem: {}", kind.label()));
        }
        let holders = self.world.conflicts();
        for what in holders {
            self.hit(what);
        }
    }
}

/// Cases that are looked at.
const CASES: usize = 480;

fn wanted() -> Vec<String> {
    let of_kind = |kind: ResourceKind| {
        ["made", "changed", "removed", "partial", "complete again"].map(|what| format!("{kind} {what}"))
    };
    let mut wanted: Vec<String> = KINDS.into_iter().flat_map(of_kind).collect();
    use ResourceKind::{Certificate, Consumer, GlobalRule, PluginSet, Route, Service, StreamRoute};
    let refused = [
        Route,
        StreamRoute,
        Service,
        Certificate,
        Consumer,
        PluginSet,
        GlobalRule,
    ];
    let quarantine = [
        "quarantined, last good kept",
        "quarantined, never good",
        "out of quarantine",
    ];
    wanted.extend(
        refused
            .into_iter()
            .flat_map(|kind| quarantine.map(|what| format!("{kind} {what}"))),
    );
    let kinds = ObjectKind::ALL
        .into_iter()
        .filter(|kind| !matches!(kind, ObjectKind::Service | ObjectKind::Consumer));
    wanted.extend(
        kinds.flat_map(|kind| ["made", "made again", "gone"].map(|what| format!("{} {what}", kind.collection()))),
    );
    let problems = [ProblemKind::Conflict, ProblemKind::Refused, ProblemKind::Unresolved];
    wanted.extend(problems.map(|kind| format!("problem: {}", kind.label())));
    let others = [
        "cut",
        "new run",
        "restart",
        "settled",
        "not settled",
        "paths changed objects",
        "demoted or no longer",
        "a diversion came or went",
        "a route's id changes",
        "claimed by several clusters",
        "claimed by several of one cluster",
        "the older claim holds",
        "claims without an age",
    ];
    wanted.extend(others.map(str::to_owned));
    wanted
}

#[test]
fn histories_hold_every_kind_and_every_transition() {
    let mut runner = TestRunner::deterministic();
    let mut hits: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..CASES {
        let (unread, history) = history().new_tree(&mut runner).unwrap().current();
        let mut hub = Hub::new(unread);
        for (at, happening) in history {
            let before = hub.happens(at, happening);
            hub.note_objects(&before);
        }
        hub.restart();
        for (what, count) in hub.hits {
            *hits.entry(what).or_default() += count;
        }
    }
    let never: Vec<String> = wanted().into_iter().filter(|what| !hits.contains_key(what)).collect();
    assert!(
        never.is_empty(),
        "never in {CASES} histories: {never:#?}\nseen: {hits:#?}"
    );
}
