//! The processes of one run: who lives, who ends and when the next run of it begins.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hubline::model::ClusterId;
use hubline_hub::view::View;
use tokio::time::sleep;

use crate::agent::Agent;
use crate::chance::Chance;
use crate::disk::Disk;
use crate::hub::Hub;
use crate::life::Life;
use crate::lock;
use crate::network::Farewell;
use crate::world::World;

/// A replica of a cluster's agent.
pub(crate) type Place = (ClusterId, usize);

/// Cloning shares.
#[derive(Debug, Clone)]
pub(crate) struct Fleet {
    pub(crate) world: World,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    hub: Option<Hub>,
    /// What the last run of the hub left on its disk.
    disk: Option<Disk>,
    agents: BTreeMap<Place, Option<Agent>>,
    runs: u64,
    chance: Chance,
}

/// What becomes of the hub's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskFate {
    Kept,
    Lost,
}

/// How a process ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    /// Polls of its tasks until then.
    pub(crate) polls: u64,
    pub(crate) farewell: Farewell,
    /// Until its next run.
    pub(crate) back: Duration,
}

impl Fleet {
    pub(crate) fn new(world: World, places: Vec<Place>, chance: Chance) -> Self {
        let state = State {
            hub: None,
            disk: None,
            agents: places.into_iter().map(|place| (place, None)).collect(),
            runs: 0,
            chance,
        };
        Self {
            world,
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn name(&self, what: &str) -> String {
        let mut state = lock(&self.state);
        state.runs += 1;
        format!("{what}.{}", state.runs)
    }

    pub(crate) fn start_hub(&self) {
        if lock(&self.state).hub.is_some() {
            return;
        }
        let life = Life::begin(self.name("hub"));
        let disk = {
            let mut state = lock(&self.state);
            let mut chance = state.chance.fork("disk");
            state.chance.next();
            match state.disk.take() {
                Some(disk) => disk.after_crash(life.clone(), &mut chance),
                None => Disk::empty(life.clone()),
            }
        };
        self.world.log.say(format_args!("{} starts", life.name()));
        match Hub::start(&self.world, life, disk) {
            Ok(hub) => lock(&self.state).hub = Some(hub),
            Err(error) => self
                .world
                .log
                .violation("the-disk-survives-a-crash", format_args!("{error:#}")),
        }
    }

    pub(crate) fn start_agent(&self, place: &Place) {
        if lock(&self.state).agents.get(place).is_none_or(Option::is_some) {
            return;
        }
        let (cluster, replica) = place;
        let name = self.name(&format!("agent-{cluster}-{replica}"));
        self.world.log.say(format_args!("{name} starts"));
        let chance = {
            let mut state = lock(&self.state);
            let drawn = state.chance.next();
            Chance::new(drawn)
        };
        let agent = Agent::start(&self.world, cluster, &name, chance);
        lock(&self.state).agents.insert(place.clone(), Some(agent));
    }

    /// Ends the hub, and starts it again.
    pub(crate) async fn crash_hub(&self, death: Death, fate: DiskFate) {
        let Some(life) = lock(&self.state).hub.as_ref().map(|hub| hub.life.clone()) else {
            return;
        };
        self.see_end(&life, death).await;
        {
            let mut state = lock(&self.state);
            let Some(hub) = state.hub.take_if(|hub| hub.life.is(&life)) else {
                return;
            };
            state.disk = (fate == DiskFate::Kept).then_some(hub.disk);
        }
        sleep(death.back).await;
        self.start_hub();
    }

    /// Ends a replica, and starts it again.
    pub(crate) async fn crash_agent(&self, place: &Place, death: Death) {
        let life = lock(&self.state)
            .agents
            .get(place)
            .and_then(|agent| Some(agent.as_ref()?.life.clone()));
        let Some(life) = life else {
            return;
        };
        self.see_end(&life, death).await;
        {
            let mut state = lock(&self.state);
            let Some(agent) = state.agents.get_mut(place) else {
                return;
            };
            if agent.take_if(|agent| agent.life.is(&life)).is_none() {
                return;
            }
        }
        sleep(death.back).await;
        self.start_agent(place);
    }

    async fn see_end(&self, life: &Life, death: Death) {
        life.end_after(death.polls);
        // A process that has nothing to do is ended all the same.
        tokio::select! {
            () = life.over() => {}
            () = sleep(Duration::from_secs(2)) => life.end(),
        }
        self.world.network.bury(life, death.farewell);
        let (name, polls) = (life.name(), life.polls());
        self.world
            .log
            .say(format_args!("{name} ends at poll {polls}, {:?}", death.farewell));
    }

    pub(crate) fn places(&self) -> Vec<Place> {
        lock(&self.state).agents.keys().cloned().collect()
    }

    /// What the hub shows; none while there is no hub.
    pub(crate) fn view(&self) -> Option<Arc<View>> {
        lock(&self.state).hub.as_ref().map(|hub| hub.view.load_full())
    }

    /// How many streams are open at the hub.
    pub(crate) fn sessions(&self) -> usize {
        lock(&self.state).hub.as_ref().map_or(0, |hub| hub.sessions.count())
    }

    /// A status that is not final, at the agent that speaks for its cluster.
    pub(crate) fn pending_status(&self) -> Option<String> {
        let state = lock(&self.state);
        let leaders = state.agents.values().flatten().filter(|agent| agent.leads());
        for agent in leaders {
            for board in &agent.boards {
                let statuses = board.watch().borrow().clone();
                if let Some(status) = statuses.values().find(|status| status.condition == "Pending") {
                    return Some(format!("{} {} is told to be pending", agent.cluster, status.key));
                }
            }
        }
        None
    }
}
