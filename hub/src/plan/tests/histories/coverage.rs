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
        self.note_consumers();
        let holders = self.world.conflicts();
        for what in holders {
            self.hit(what);
        }
    }
}

impl Hub {
    fn note_consumers(&mut self) {
        let mut seen = BTreeSet::new();
        for object in self.world.objects.values() {
            let body = object.body.expose();
            let words = [
                (ObjectKind::Route, r#""http_status":503"#, "a route is closed"),
                (
                    ObjectKind::Route,
                    r#""type":"consumer_group_id""#,
                    "a route lets in consumers of its own cluster alone",
                ),
                (
                    ObjectKind::Route,
                    r#"["OR",["consumer_group_id""#,
                    "a route restricts some of them",
                ),
            ];
            let found = words
                .iter()
                .filter(|(kind, text, _)| object.id.kind == *kind && body.contains(text));
            seen.extend(found.map(|(_, _, what)| *what));
            let causes: BTreeSet<_> = object.causes.iter().map(|cause| &cause.key.cluster).collect();
            if object.id.kind == ObjectKind::GlobalRule && causes.len() > 1 {
                seen.insert("two clusters share a rule");
            }
        }
        for problem in self.world.problems.values().flatten() {
            if problem
                .message
                .contains("on everybody's traffic is configured otherwise")
            {
                seen.insert("rules conflict");
            }
            if problem.reason == "ConsumerNotFound" {
                seen.insert("no consumer of that name");
            }
        }
        seen.into_iter().for_each(|what| self.hit(what));
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
    let kinds = ObjectKind::ALL.into_iter().filter(|kind| *kind != ObjectKind::Service);
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
        "a credential is claimed twice",
        "grants changed objects",
        "grants changed routes",
        "two clusters share a rule",
        "rules conflict",
        "a route is closed",
        "a route lets in consumers of its own cluster alone",
        "a route restricts some of them",
        "no consumer of that name",
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
