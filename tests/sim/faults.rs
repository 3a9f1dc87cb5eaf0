//! The faults of one run: drawn from the seed before it begins, so that they can be told.

use std::fmt;
use std::time::Duration;

use hubline::model::ClusterId;
use hubline_agent::source::Kind;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::chance::Chance;
use crate::fleet::{Death, DiskFate, Fleet, Place};
use crate::network::Farewell;

/// One fault; those that last do so for a time.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Cut(ClusterId, Duration),
    Reset(ClusterId),
    HalfOpen(ClusterId),
    SlowLine(ClusterId, u64, u64, Duration),
    AgentCrash(Place, Death),
    HubCrash(Death, DiskFate),
    Forbidden(ClusterId, Kind, Duration),
    ServerDown(ClusterId, Duration),
    /// One of the cluster's objects, by its place among them.
    Garbled(ClusterId, u64, Duration),
    TargetDown(Duration),
    TargetHangs(Duration),
    TargetBusy(u64, Duration),
    TargetMute(u64, Duration),
    TargetSlow(u64, Duration),
    TargetForgets,
    Refusal(Duration),
    Stranger,
}

/// The kinds, as the last line names them.
pub(crate) const KINDS: [&str; 17] = [
    "cut",
    "reset",
    "half-open",
    "slow-line",
    "agent-crash",
    "hub-crash",
    "forbidden",
    "server-down",
    "target-down",
    "target-hangs",
    "target-busy",
    "target-mute",
    "target-slow",
    "target-forgets",
    "refusal",
    "stranger",
    "garbled",
];

/// When, after the beginning.
pub(crate) type Schedule = Vec<(Duration, Fault)>;

impl Fault {
    fn kind(&self) -> &'static str {
        let at = match self {
            Self::Cut(..) => 0,
            Self::Reset(..) => 1,
            Self::HalfOpen(..) => 2,
            Self::SlowLine(..) => 3,
            Self::AgentCrash(..) => 4,
            Self::HubCrash(..) => 5,
            Self::Forbidden(..) => 6,
            Self::ServerDown(..) => 7,
            Self::TargetDown(..) => 8,
            Self::TargetHangs(..) => 9,
            Self::TargetBusy(..) => 10,
            Self::TargetMute(..) => 11,
            Self::TargetSlow(..) => 12,
            Self::TargetForgets => 13,
            Self::Refusal(..) => 14,
            Self::Stranger => 15,
            Self::Garbled(..) => 16,
        };
        KINDS[at]
    }

    fn draw(kind: usize, chance: &mut Chance, places: &[Place]) -> Self {
        let place = chance.pick(places).clone();
        let cluster = place.0.clone();
        let lasting = chance.millis(200..=25_000);
        match kind {
            0 => Self::Cut(cluster, lasting),
            1 => Self::Reset(cluster),
            2 => Self::HalfOpen(cluster),
            3 => Self::SlowLine(
                cluster,
                chance.between(50..=4_000),
                chance.between(1_000..=100_000),
                lasting,
            ),
            4 => Self::AgentCrash(place, death(chance)),
            5 if chance.percent(30) => Self::HubCrash(death(chance), DiskFate::Lost),
            5 => Self::HubCrash(death(chance), DiskFate::Kept),
            6 => Self::Forbidden(cluster, *chance.pick(Kind::ALL), lasting),
            7 => Self::ServerDown(cluster, lasting),
            8 => Self::TargetDown(lasting),
            9 => Self::TargetHangs(lasting),
            10 => Self::TargetBusy(chance.between(5..=90), lasting),
            11 => Self::TargetMute(chance.between(5..=40), lasting),
            12 => Self::TargetSlow(chance.between(100..=4_000), lasting),
            13 => Self::TargetForgets,
            14 => Self::Refusal(lasting),
            15 => Self::Stranger,
            _ => Self::Garbled(cluster, chance.next(), lasting),
        }
    }
}

fn death(chance: &mut Chance) -> Death {
    Death {
        polls: chance.between(1..=300),
        farewell: *chance.pick(&[Farewell::Reset, Farewell::Silence]),
        back: chance.mostly(2_000, 20_000),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self:?}")
    }
}

/// Draws a schedule. Each run has only some of the kinds: two faults that hide each other are so found alone too.
pub(crate) fn draw(chance: &mut Chance, places: &[Place], lasts: Duration) -> Schedule {
    let kinds: Vec<usize> = (0..KINDS.len()).filter(|_| chance.percent(40)).collect();
    let mut schedule = Schedule::new();
    if kinds.is_empty() {
        return schedule;
    }
    let most = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
    for _ in 0..chance.between(1..=16) {
        let kind = *chance.pick(&kinds);
        schedule.push((chance.millis(0..=most), Fault::draw(kind, chance, places)));
    }
    schedule.sort_by_key(|(at, _)| *at);
    schedule
}

/// Begins a fault; the handle ends with it.
pub(crate) fn begin(fault: Fault, fleet: &Fleet) -> JoinHandle<()> {
    fleet.world.log.fault(fault.kind(), &fault);
    tokio::spawn(run(fault, fleet.clone()))
}

async fn run(fault: Fault, fleet: Fleet) {
    match fault {
        Fault::AgentCrash(place, death) => fleet.crash_agent(&place, death).await,
        Fault::HubCrash(death, fate) => fleet.crash_hub(death, fate).await,
        Fault::Cut(..) | Fault::Reset(..) | Fault::HalfOpen(..) | Fault::SlowLine(..) => on_line(fault, &fleet).await,
        Fault::Forbidden(cluster, kind, lasting) => {
            fleet.world.truth.forbid(&cluster, kind);
            sleep(lasting).await;
            fleet.world.truth.mend(&cluster);
        }
        Fault::ServerDown(cluster, lasting) => {
            fleet.world.truth.take_down(&cluster);
            sleep(lasting).await;
            fleet.world.truth.mend(&cluster);
        }
        Fault::Garbled(cluster, which, lasting) => {
            let objects = fleet.world.truth.objects(&cluster);
            let place = which
                .checked_rem(objects.len() as u64)
                .and_then(|at| usize::try_from(at).ok());
            if let Some(object) = place.and_then(|at| objects.get(at)) {
                let id = object.id();
                fleet
                    .world
                    .log
                    .say(format_args!("garbled: {cluster} {} {}", id.kind.name(), id.name));
                fleet.world.truth.garble(&cluster, &id, true);
                sleep(lasting).await;
                fleet.world.truth.garble(&cluster, &id, false);
            }
        }
        Fault::TargetForgets => fleet.world.target.lose_memory(),
        Fault::Stranger => {
            let did = fleet.world.target.stranger();
            fleet.world.log.say(format_args!("stranger {did}"));
        }
        Fault::Refusal(lasting) => {
            if let Some(id) = fleet.world.target.poison() {
                fleet.world.log.say(format_args!("target refuses {id}"));
                sleep(lasting).await;
                fleet.world.target.with(|state| state.poisoned.remove(&id));
            }
        }
        Fault::TargetDown(..)
        | Fault::TargetHangs(..)
        | Fault::TargetBusy(..)
        | Fault::TargetMute(..)
        | Fault::TargetSlow(..) => at_target(fault, &fleet).await,
    }
}

async fn on_line(fault: Fault, fleet: &Fleet) {
    let network = &fleet.world.network;
    match fault {
        Fault::Cut(cluster, lasting) => {
            network.change(&cluster, |line| line.cut = true);
            sleep(lasting).await;
            network.change(&cluster, |line| line.cut = false);
        }
        Fault::Reset(cluster) => network.reset(&cluster, false),
        Fault::HalfOpen(cluster) => network.reset(&cluster, true),
        Fault::SlowLine(cluster, latency, bandwidth, lasting) => {
            network.change(&cluster, |line| {
                line.latency = Duration::from_millis(latency);
                line.jitter = latency;
                line.bandwidth = bandwidth;
            });
            sleep(lasting).await;
            network.mend(&cluster);
        }
        _ => {}
    }
}

async fn at_target(fault: Fault, fleet: &Fleet) {
    let target = &fleet.world.target;
    match fault {
        Fault::TargetDown(lasting) => {
            target.change_weather(|weather| weather.down = true);
            sleep(lasting).await;
            target.change_weather(|weather| weather.down = false);
        }
        Fault::TargetHangs(lasting) => {
            target.change_weather(|weather| weather.hangs = true);
            sleep(lasting).await;
            target.change_weather(|weather| weather.hangs = false);
        }
        Fault::TargetBusy(percent, lasting) => {
            target.change_weather(|weather| weather.busy = percent);
            sleep(lasting).await;
            target.change_weather(|weather| weather.busy = 0);
        }
        Fault::TargetMute(percent, lasting) => {
            target.change_weather(|weather| weather.mute = percent);
            sleep(lasting).await;
            target.change_weather(|weather| weather.mute = 0);
        }
        Fault::TargetSlow(millis, lasting) => {
            target.change_weather(|weather| weather.slow = millis);
            sleep(lasting).await;
            target.change_weather(|weather| weather.slow = 20);
        }
        _ => {}
    }
}
