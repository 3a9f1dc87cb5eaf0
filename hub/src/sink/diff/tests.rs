//! Laws of the diff, and of the schedule that the driver follows.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::desired::DesiredChanges;
use crate::sink::schedule::{Occasion, Pace, Schedule};
use crate::sink::testing::fake::ownership;
use crate::sink::testing::{id, object};
use crate::sink::{Observed, OperationResult, Written};

/// A target that checks every operation as APISIX with etcd does, and more strictly.
#[derive(Debug, Clone, Default)]
struct Model {
    objects: BTreeMap<ObjectId, Arc<Object>>,
}

impl Model {
    fn apply(&mut self, operation: &Operation) -> Result<(), String> {
        match operation {
            Operation::Put { object } => {
                let missing = object.references.iter().find(|id| !self.objects.contains_key(*id));
                if let Some(missing) = missing {
                    return Err(format!("{} dangles at {missing}", object.id));
                }
                self.objects.insert(object.id.clone(), object.clone());
            }
            Operation::Delete { id, .. } => {
                if let Some(user) = self.objects.values().find(|object| object.references.contains(id)) {
                    return Err(format!("{id} is used by {}", user.id));
                }
                if self.objects.remove(id).is_none() {
                    return Err(format!("{id} is not there"));
                }
            }
        }
        Ok(())
    }

    fn actual(&self) -> Actual {
        let seen = |object: &Arc<Object>| Seen::of(object, None);
        Actual::new(
            self.objects
                .iter()
                .map(|(id, object)| (id.clone(), seen(object)))
                .collect(),
        )
    }
}

/// Objects of all kinds that refer to earlier kinds, of two clusters. References always resolve within the set.
fn objects() -> impl Strategy<Value = BTreeMap<ObjectId, Arc<Object>>> {
    let one = (
        0_usize..8,
        0_u8..4,
        0_u8..3,
        prop::collection::vec((0_usize..8, 0_u8..4), 0..3),
    );
    prop::collection::vec(one, 0..24).prop_map(|specs| {
        let mut specs = specs;
        specs.sort();
        let mut made: BTreeMap<ObjectId, Arc<Object>> = BTreeMap::new();
        for (kind, name, version, references) in specs {
            let kind = ObjectKind::ALL[kind];
            let references: BTreeSet<ObjectId> = references
                .into_iter()
                .map(|(kind, name)| id(ObjectKind::ALL[kind], &name_of(name)))
                .filter(|reference| reference.kind < kind && made.contains_key(reference))
                .collect();
            let named: Vec<String> = references.iter().map(ToString::to_string).collect();
            let body = serde_json::json!({ "version": version, "references": named });
            let object = object(kind, &name_of(name), body, &references.iter().collect::<Vec<_>>());
            made.insert(object.id.clone(), object);
        }
        made
    })
}

fn name_of(name: u8) -> String {
    let cluster = if name.is_multiple_of(2) { "c" } else { "d" };
    format!("hl-{cluster}{name}")
}

fn settled(both: bool) -> BTreeSet<String> {
    let prefixes = if both { vec!["hl-c", "hl-d"] } else { vec!["hl-c"] };
    prefixes.into_iter().map(str::to_owned).collect()
}

fn desired_of(objects: &BTreeMap<ObjectId, Arc<Object>>) -> Desired {
    objects
        .iter()
        .map(|(id, object)| (id.clone(), object.clone()))
        .collect()
}

proptest! {
    #[test]
    fn no_dangling_reference(before in objects(), after in objects(), both in any::<bool>()) {
        let mut model = Model { objects: before };
        let changeset = diff(&desired_of(&after), &model.actual(), &settled(both));
        for operation in changeset.operations() {
            prop_assert_eq!(model.apply(operation), Ok(()));
        }
    }

    #[test]
    fn applying_the_difference_gives_what_is_desired(before in objects(), after in objects()) {
        let mut model = Model { objects: before };
        let desired = desired_of(&after);
        for operation in diff(&desired, &model.actual(), &settled(true)).operations() {
            prop_assert_eq!(model.apply(operation), Ok(()));
        }
        prop_assert_eq!(&model.objects, &after);
        prop_assert!(diff(&desired, &model.actual(), &settled(true)).is_empty(), "nothing changed writes nothing");
    }

    #[test]
    fn what_no_settled_cluster_left_is_untouched(before in objects(), after in objects()) {
        let model = Model { objects: before };
        let desired = desired_of(&after);
        for operation in diff(&desired, &model.actual(), &settled(false)).operations() {
            let deleted = matches!(operation, Operation::Delete { id, .. } if id.id.starts_with("hl-d"));
            prop_assert!(!deleted, "{:?}", operation);
        }
    }

    /// The same law for what the driver really does: changes arrive at any time, between any two operations,
    /// and any write may fail.
    #[test]
    fn no_dangling_reference_in_any_schedule(
        before in objects(),
        steps in prop::collection::vec((objects(), 0_u64..3_000, prop::collection::vec(0_u8..10, 8)), 1..4),
    ) {
        let mut run = Run::new(before);
        for (after, wait, failures) in steps {
            run.want(&after);
            run.go(wait, &failures)?;
        }
        run.finish()?;
    }
}

/// The schedule at work on the model.
struct Run {
    model: Model,
    wanted: BTreeMap<ObjectId, Arc<Object>>,
    schedule: Schedule,
    now: Instant,
}

impl Run {
    fn new(before: BTreeMap<ObjectId, Arc<Object>>) -> Self {
        let model = Model { objects: before };
        let now = runtime_now();
        let mut schedule = Schedule::new(Pace::standard(), &ownership());
        let seen = model
            .objects
            .iter()
            .map(|(id, object)| (id.clone(), Seen::of(object, None)));
        let observed = Observed {
            objects: seen.collect(),
            ..Observed::default()
        };
        schedule.on_observed(observed, Occasion::Lost, now);
        Self {
            model,
            wanted: BTreeMap::new(),
            schedule,
            now,
        }
    }

    fn want(&mut self, after: &BTreeMap<ObjectId, Arc<Object>>) {
        let ids: BTreeSet<&ObjectId> = self.wanted.keys().chain(after.keys()).collect();
        let changed = ids.into_iter().filter(|id| self.wanted.get(id) != after.get(id));
        let changes = DesiredChanges {
            ids: changed.map(|id| (id.clone(), self.now)).collect(),
            objects: desired_of(after),
            settled: Arc::new(settled(true)),
            settled_changed: true,
            ..DesiredChanges::default()
        };
        self.schedule.on_desired(changes, self.now);
        self.wanted = after.clone();
    }

    /// Runs all lanes for a while; a failure of 0 makes a write fail as busy.
    fn go(&mut self, millis: u64, failures: &[u8]) -> Result<(), TestCaseError> {
        let until = self.now + std::time::Duration::from_millis(millis);
        let mut failures = failures.iter().copied().chain(std::iter::repeat(1));
        while self.now <= until {
            self.schedule.tick(self.now);
            let lanes = [
                self.schedule.next_urgent(self.now),
                self.schedule.next_fast(self.now),
                self.schedule.next_slow(self.now),
            ];
            for stage in lanes {
                let results = self.apply(&stage, &mut failures)?;
                self.schedule.on_results(stage, results, self.now);
            }
            self.now += std::time::Duration::from_millis(100);
        }
        Ok(())
    }

    fn apply(
        &mut self,
        stage: &[Operation],
        failures: &mut impl Iterator<Item = u8>,
    ) -> Result<Vec<OperationResult>, TestCaseError> {
        let mut results = Vec::new();
        for operation in stage {
            let result = if failures.next() == Some(0) {
                Err(crate::sink::SinkError::Busy { status: 503 })
            } else {
                prop_assert_eq!(self.model.apply(operation), Ok(()));
                Ok(Written::default())
            };
            let (status, duration) = (None, std::time::Duration::ZERO);
            results.push(OperationResult {
                result,
                status,
                duration,
            });
        }
        Ok(results)
    }

    fn finish(mut self) -> Result<(), TestCaseError> {
        self.go(60_000, &[])?;
        self.model.objects.remove(&ownership().marker().id);
        prop_assert_eq!(&self.model.objects, &self.wanted);
        Ok(())
    }
}

/// Any instant will do: the schedule only compares them.
fn runtime_now() -> Instant {
    Instant::now()
}
