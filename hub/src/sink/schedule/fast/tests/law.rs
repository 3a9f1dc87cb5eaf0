//! Any changes at any times, over a target that takes any time to answer.

use super::*;
use crate::sink::diff::needs_put;

/// How long to wait, in ms, and the numbers of the objects that change then.
type Arrival = (u64, Vec<usize>);

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let together = prop_oneof![
        3 => prop::collection::vec(0_usize..80, 1..4),
        1 => prop::collection::vec(0_usize..80, 20..80),
    ];
    prop::collection::vec((0_u64..60, together), 1..20)
}

struct World {
    schedule: Schedule,
    now: Instant,
    versions: Vec<u16>,
    under_way: Option<(Instant, Vec<Operation>)>,
    /// When each object of a bulk went.
    bulk: Vec<Instant>,
    written: BTreeMap<ObjectId, Vec<Instant>>,
}

impl World {
    fn new() -> Self {
        let (schedule, now) = schedule(&upstreams(80, 0));
        Self {
            schedule,
            now,
            versions: vec![0; 80],
            under_way: None,
            bulk: Vec::new(),
            written: BTreeMap::new(),
        }
    }

    fn wanted(&self) -> Vec<Arc<Object>> {
        let versions = self.versions.iter().enumerate();
        versions
            .map(|(n, version)| upstream(&format!("{n:04}"), *version))
            .collect()
    }

    fn arrive(&mut self, changed: &[usize]) {
        for n in changed {
            self.versions[*n] += 1;
        }
        let wanted = self.wanted();
        let ids = changed.iter().map(|n| (&wanted[*n], self.now));
        self.schedule.on_desired(changes(ids, &wanted), self.now);
    }

    /// A millisecond; a call that begins takes so many.
    fn pass(&mut self, take: u64) {
        if let Some((_, stage)) = self.under_way.take_if(|(until, _)| *until <= self.now) {
            let results = done(&stage);
            self.schedule.on_results(stage, results, self.now);
        }
        if self.under_way.is_none() {
            let stage = self.schedule.next_fast(self.now);
            for id in stage.iter().map(Operation::id) {
                self.written.entry(id.clone()).or_default().push(self.now);
                self.bulk.extend(self.schedule.in_flight[id].bulk.then_some(self.now));
            }
            let until = self.now + Duration::from_millis(take);
            self.under_way = (!stage.is_empty()).then_some((until, stage));
        }
        self.now += MS;
    }

    fn is_at_rest(&self) -> bool {
        self.under_way.is_none() && self.schedule.wake_at(Busy::default()).is_none()
    }
}

/// Most of these times that are in any interval.
fn most<'a>(times: impl IntoIterator<Item = &'a Instant>) -> usize {
    let times: Vec<Instant> = times.into_iter().copied().collect();
    let from = |start: Instant| times.iter().filter(|at| (start..start + INTERVAL).contains(at)).count();
    times.iter().map(|at| from(*at)).max().unwrap_or_default()
}

/// The seed of a failure is printed, not kept in a file.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Everything is written in the end, never more often than it changed, and the pace is kept throughout.
    #[test]
    fn everything_arrives_within_the_pace(arrivals in arrivals(), takes in prop::collection::vec(0_u64..70, 1..5)) {
        let mut world = World::new();
        let mut takes = takes.iter().copied().cycle();
        for (wait, changed) in arrivals {
            world.arrive(&changed);
            (0..wait).for_each(|_| world.pass(takes.next().unwrap_or_default()));
        }
        let patience = world.now + Duration::from_secs(60);
        // As the driver does: first it hands out, then it asks when something is due.
        world.pass(takes.next().unwrap_or_default());
        while !world.is_at_rest() {
            prop_assert!(world.now < patience, "it never ends");
            world.pass(takes.next().unwrap_or_default());
        }
        prop_assert!(most(&world.bulk) <= 20, "{} of a bulk", most(&world.bulk));
        let all = most(world.written.values().flatten());
        prop_assert!(all <= 25, "{} with the single changes", all);
        for (object, version) in world.wanted().iter().zip(&world.versions) {
            let times = world.written.get(&object.id).map_or(0, Vec::len);
            prop_assert!(times <= usize::from(*version), "{} changes of {}, {} writes", version, object.id, times);
            prop_assert!(!needs_put(object, &world.schedule.actual), "{} is not as wanted", object.id);
        }
    }
}
