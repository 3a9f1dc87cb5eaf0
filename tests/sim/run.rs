//! One run: a seed, clusters whose users write, faults; then quiet, and what must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hubline::model::ClusterId;
use hubline_hub::object::ObjectId;
use hubline_hub::view::{Phase, View};
use tokio::runtime::{Builder, RngSeed};
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::faults::{self, Schedule};
use crate::fleet::{Death, DiskFate, Fleet, Place};
use crate::log::Log;
use crate::network::Farewell;
use crate::target::references;
use crate::users::Users;
use crate::world::World;

/// How long everything must stay as it is: longer than a silent session lives (15 s).
const STAYS: u64 = 16;

/// How long settling may take: the longest waits are those of superseded sessions and of runs that were paused (60 s),
/// and a lease that is not given back (15 s); each may follow upon another.
const SETTLES: u64 = 240;

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) schedule: Schedule,
    pub(crate) violations: Vec<String>,
    pub(crate) lines: Vec<String>,
    /// Of the lines.
    pub(crate) digest: u64,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// Virtual.
    pub(crate) seconds: f64,
}

impl Report {
    /// A thousand logs at once would be too much.
    pub(crate) fn without_lines(self) -> Self {
        let lines = Vec::new();
        Self { lines, ..self }
    }
}

/// FNV-1a: the same on every machine.
fn digest(lines: &[String]) -> u64 {
    let bytes = lines.iter().flat_map(|line| line.bytes());
    bytes.fold(0xCBF2_9CE4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// Runs a seed; a panic of anything in it is a violation like others.
pub(crate) fn run(seed: u64, echo: bool) -> Report {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()))
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(one(seed, echo)),
        Err(error) => Report {
            seed,
            schedule: Schedule::new(),
            violations: vec![format!("no runtime: {error}")],
            lines: Vec::new(),
            digest: seed,
            counts: BTreeMap::new(),
            seconds: 0.0,
        },
    }
}

async fn one(seed: u64, echo: bool) -> Report {
    let log = Log::begin(echo);
    let mut chance = Chance::new(seed);
    let names = ["a", "b", "c"];
    let count = usize::try_from(chance.between(1..=3)).unwrap_or(1);
    let clusters = names.iter().take(count).filter_map(|name| ClusterId::new(name).ok());
    let world = World::new(clusters.collect(), &chance, log.clone());
    let mut places: Vec<Place> = Vec::new();
    for cluster in world.clusters.iter() {
        let replicas = if chance.percent(30) { 2 } else { 1 };
        places.extend((0..replicas).map(|replica| (cluster.clone(), replica)));
    }
    let lasts = chance.millis(4_000..=22_000);
    let schedule = faults::draw(&mut chance.fork("faults"), &places, lasts);
    let fleet = Fleet::new(world, places, chance.fork("fleet"));
    let run = Run {
        users: Users::new(chance.fork("users"), fleet.world.truth.clone(), log.clone()),
        chance: chance.fork("run"),
        fleet,
    };
    run.through(&schedule, lasts).await;
    Report {
        seed,
        schedule,
        violations: log.violations(),
        digest: digest(&log.lines()),
        lines: log.lines(),
        counts: log.counts(),
        seconds: log.seconds(),
    }
}

struct Run {
    users: Users,
    chance: Chance,
    fleet: Fleet,
}

impl Run {
    async fn through(mut self, schedule: &Schedule, lasts: Duration) {
        let clusters = self.fleet.world.clusters.clone();
        for cluster in clusters.iter() {
            self.users.found(cluster);
        }
        self.start().await;
        let log = self.fleet.world.log.clone();
        let fleet = self.fleet.clone();
        let (_, ends) = tokio::join!(self.live(lasts), inject(schedule, &fleet));
        for end in ends {
            end.await.ok();
        }
        self.calm_down();
        log.say("quiet");
        if !self.settle("after all faults").await {
            return;
        }
        self.restart().await;
    }

    async fn start(&mut self) {
        self.fleet.start_hub();
        for place in self.fleet.places() {
            sleep(self.chance.mostly(200, 10_000)).await;
            self.fleet.start_agent(&place);
        }
    }

    /// Users write, in bursts.
    async fn live(&mut self, lasts: Duration) {
        let clusters = self.fleet.world.clusters.clone();
        let until = Instant::now() + lasts;
        while Instant::now() < until {
            sleep(self.chance.mostly(2_000, 6_000)).await;
            for _ in 0..self.chance.between(1..=5) {
                self.users.change(&clusters);
                if self.chance.percent(50) {
                    sleep(self.chance.millis(1..=100)).await;
                }
            }
        }
    }

    /// All faults end, but for what the target refuses of routes in one run of three.
    fn calm_down(&mut self) {
        let world = self.fleet.world.clone();
        for cluster in world.clusters.iter() {
            world.network.mend(cluster);
            world.truth.mend(cluster);
            world.truth.ungarble(cluster);
        }
        let keeps_poison = self.chance.percent(33);
        world.target.mend(keeps_poison);
        self.users.mend(&world.clusters);
        world.quiet.send_replace(true);
    }

    /// Waits until everything is as it must be, and stays so; whether it does.
    async fn settle(&self, when: &str) -> bool {
        let world = &self.fleet.world;
        let mut stays = 0;
        let mut before = (0, 0);
        let mut last = None;
        for second in 0..SETTLES {
            sleep(Duration::from_secs(1)).await;
            let now = (world.target.writes(), world.network.connections());
            // What was as it must be and was not touched is looked at again only at the end.
            let whole = stays == 0 || stays + 1 == STAYS || now != before;
            last = self.unsettled(whole);
            stays = if last.is_none() && now == before { stays + 1 } else { 0 };
            before = now;
            if stays >= STAYS {
                world.log.say(format_args!(
                    "settled {when} in {} s, bytes {:x?}",
                    second + 1 - STAYS,
                    world.network.carried()
                ));
                return true;
            }
        }
        let reason = last.unwrap_or_else(|| "it does not come to rest".to_owned());
        world
            .log
            .violation("desired-equals-actual", format_args!("{when}: {reason}"));
        false
    }

    /// What is not as it must be.
    fn unsettled(&self, whole: bool) -> Option<String> {
        let view = self.fleet.view()?;
        let mut clusters = view.clusters.values();
        if let Some(summary) = clusters.find(|summary| summary.phase != Phase::Live) {
            return Some(format!("cluster {} is {:?}", summary.id, summary.phase));
        }
        let (open, wanted) = (self.fleet.sessions(), self.fleet.world.clusters.len());
        if open != wanted {
            return Some(format!("{open} sessions of {wanted} clusters"));
        }
        if !whole {
            return None;
        }
        self.plan_differs(&view)
            .or_else(|| self.target_differs())
            .or_else(|| self.fleet.pending_status())
    }

    fn plan_differs(&self, view: &View) -> Option<String> {
        let wanted = self.fleet.world.truth.wanted();
        let ids: BTreeSet<&ObjectId> = wanted.keys().chain(view.desired.keys()).collect();
        let differs = ids.into_iter().find(|id| {
            let (truth, planned) = (wanted.get(*id).map(|it| &it.0), view.desired.get(*id));
            truth.map(|object| object.hash) != planned.map(|object| object.hash)
        })?;
        let told = |object: Option<&std::sync::Arc<hubline_hub::object::Object>>| {
            object.map_or("nothing".to_owned(), |object| object.body.expose().to_owned())
        };
        let (truth, planned) = (
            told(wanted.get(differs).map(|it| &it.0)),
            told(view.desired.get(differs)),
        );
        Some(format!("{differs} is planned as {planned}, by the truth it is {truth}"))
    }

    fn target_differs(&self) -> Option<String> {
        let world = &self.fleet.world;
        let touched = world.target.with(|state| state.touched_foreign());
        if let Some(id) = touched.first() {
            return Some(format!("{id} of strangers is not as they made it"));
        }
        let (shown, excused) = world.target.with(|state| {
            let poisoned = state
                .poisoned
                .iter()
                .filter_map(|id| Some((id, state.objects.get(id)?)));
            let behind = poisoned.flat_map(|(_, body)| references(body));
            let excused: BTreeSet<ObjectId> = state.poisoned.iter().cloned().chain(behind).collect();
            (state.shown(), excused)
        });
        let wanted = world.truth.wanted();
        let ids: BTreeSet<&ObjectId> = wanted.keys().chain(shown.keys()).collect();
        let differs = ids.into_iter().find(|id| {
            let truth = wanted.get(*id).and_then(|(_, shown)| *shown);
            let actual = shown.get(*id).copied().flatten();
            let excused =
                excused.contains(*id) && (truth.is_none() || world.target.with(|state| state.poisoned.contains(*id)));
            truth != actual && !excused
        })?;
        let place = match (wanted.get(differs), shown.get(differs)) {
            (Some(_), Some(_)) => "is at the target with another content",
            (Some(_), None) => "is not at the target",
            (None, _) => "is at the target, and nobody wants it",
        };
        Some(format!("{differs} {place}"))
    }

    /// Everything ends and starts again: nothing is written.
    async fn restart(&mut self) {
        let world = self.fleet.world.clone();
        world.target.mark();
        let lost = self.chance.percent(50);
        let fate = if lost { DiskFate::Lost } else { DiskFate::Kept };
        world.log.say(format_args!("everything restarts, disk {fate:?}"));
        let mut death = || Death {
            polls: self.chance.between(1..=50),
            farewell: Farewell::Reset,
            back: self.chance.millis(10..=3_000),
        };
        let hub = self.fleet.crash_hub(death(), fate);
        let places = self.fleet.places();
        let agents = places.iter().map(|place| (place, death()));
        let agents: Vec<_> = agents
            .map(|(place, death)| self.fleet.crash_agent(place, death))
            .collect();
        tokio::join!(hub, futures::future::join_all(agents));
        if self.settle("after the restart").await {
            let changed = world.target.with(|state| std::mem::take(&mut state.changed));
            // A hub without its memory learns of the older of two claims only when its cluster speaks.
            let excused = |id: &ObjectId| fate == DiskFate::Lost && world.truth.doubt(id).contested;
            for id in changed.iter().filter(|id| !excused(id)) {
                let what = format_args!("{id} is written after a restart");
                world.log.violation("nothing-changed-writes-nothing", what);
            }
        }
    }
}

/// Begins each fault in its time; their ends.
async fn inject(schedule: &Schedule, fleet: &Fleet) -> Vec<tokio::task::JoinHandle<()>> {
    let began = Instant::now();
    let mut ends = Vec::new();
    for (at, fault) in schedule {
        tokio::time::sleep_until(began + *at).await;
        ends.push(faults::begin(fault.clone(), fleet));
    }
    ends
}
