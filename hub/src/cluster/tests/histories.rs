//! Random histories: whatever happens on the way, after quiet the hub has what the agent has.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hubline::model::{Group, Key, ResourceKind};
use hubline::wire::{ContentHash, EncodedResource, Epoch, Names, RESUME};
use proptest::prelude::*;

use super::super::{Cluster, Effect, Event, Meta, PersistOperation, Received, Restored, SessionId};
use super::support::*;

#[derive(Debug, Clone)]
enum Happening {
    Change(BTreeMap<u8, Option<u16>>),
    /// As `Change`, but the message is lost with its stream.
    Cut(BTreeMap<u8, Option<u16>>),
    /// A bad content of one key.
    Spoil(u8, u16),
    /// The agent begins a new run, with a higher counter or an equal one.
    NewRun(u64),
    RestartHub,
    /// Something of the hub's copy is lost; the next checkpoint finds it.
    Drift(u8),
    /// The agent starts anew and cannot read these endpoint slices, which may be all or none of them; or it can read
    /// all again.
    ToggleReading(BTreeSet<u8>),
    Silence,
}

/// Most keys of a history; few, so that they meet often.
const KEYS: u8 = 12;

fn happening() -> impl Strategy<Value = Happening> {
    let change = || proptest::collection::btree_map(0..KEYS, proptest::option::of(0..4_u16), 1..5);
    prop_oneof![
        4 => change().prop_map(Happening::Change),
        2 => change().prop_map(Happening::Cut),
        2 => (0..KEYS, 0..4_u16).prop_map(|(key, value)| Happening::Spoil(key, value)),
        1 => (0..2_u64).prop_map(Happening::NewRun),
        1 => Just(Happening::RestartHub),
        2 => (0..KEYS).prop_map(Happening::Drift),
        3 => proptest::collection::btree_set(0..KEYS, 0..usize::from(KEYS)).prop_map(Happening::ToggleReading),
        1 => Just(Happening::Silence),
    ]
}

fn nth(number: u8) -> Key {
    let name = format!("n{number}");
    if number.is_multiple_of(3) {
        plugins(&name)
    } else {
        set(&name)
    }
}

fn steps(changes: &BTreeMap<u8, Option<u16>>) -> Vec<Step> {
    let step = |(number, value): (&u8, &Option<u16>)| (nth(*number), value.map(|value| good(&nth(*number), value)));
    changes.iter().map(step).collect()
}

/// Agent, hub and what the hub's disk holds.
struct World {
    agent: Agent,
    cluster: Cluster,
    session: u64,
    seconds: i64,
    disk: BTreeMap<Key, Bytes>,
    meta: Meta,
    /// What a model without any protocol says is in force.
    good: BTreeMap<Key, ContentHash>,
}

impl World {
    fn new(resumes: bool) -> Self {
        let agent = Agent::new(1, 1);
        let mut world = Self {
            agent: if resumes { agent.resuming() } else { agent },
            cluster: cluster(),
            session: 0,
            seconds: 0,
            disk: BTreeMap::new(),
            meta: Meta::default(),
            good: BTreeMap::new(),
        };
        world.connect();
        world
    }

    fn on(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.cluster.on(event, now(self.seconds));
        for effect in &effects {
            if let Effect::Persist(operations) = effect {
                operations.iter().for_each(|it| self.persist(it));
            }
            assert!(
                !matches!(effect, Effect::Close(..)),
                "closed an honest session: {effect:?}"
            );
        }
        effects
    }

    fn persist(&mut self, operation: &PersistOperation) {
        match operation {
            PersistOperation::Put { key, bytes } => drop(self.disk.insert(key.clone(), bytes.clone())),
            PersistOperation::Remove { key } => drop(self.disk.remove(key)),
            PersistOperation::Meta(meta) => self.meta = meta.clone(),
        }
    }

    fn connect(&mut self) {
        let old = SessionId(self.session);
        self.session += 1;
        self.say(self.agent.hello(self.session));
        self.say(self.agent.checkpoint(self.session));
        // The stream of the old session ends some time after the new one began.
        self.on(Event::Closed { session: old });
    }

    /// The agent says something and answers what the hub asks for: at most a comparison, and twice for snapshots.
    fn say(&mut self, event: Event) {
        let mut effects = self.on(event);
        for _ in 0..4 {
            let Some(event) = answer_to(&self.agent, &effects, self.session) else {
                return;
            };
            effects = self.on(event);
        }
        panic!("the hub asks without end");
    }

    fn happens(&mut self, happening: &Happening) {
        self.seconds += 1;
        let before = state(&self.cluster);
        match happening {
            Happening::Change(changes) => {
                let event = self.agent.change(self.session, &steps(changes));
                self.say(event);
            }
            Happening::Cut(changes) => {
                self.agent.change(self.session, &steps(changes));
                let session = SessionId(self.session);
                self.on(Event::Closed { session });
                assert_eq!(state(&self.cluster), before, "a cut changes nothing");
                self.connect();
            }
            Happening::Spoil(number, value) => {
                let key = nth(*number);
                let event = self
                    .agent
                    .change(self.session, &[(key.clone(), Some(bad(&key, *value)))]);
                self.say(event);
            }
            Happening::NewRun(higher) => {
                let Epoch { counter, random } = self.agent.epoch;
                self.agent.begin(Epoch {
                    counter: counter + higher,
                    random: random + 1,
                });
                self.connect();
            }
            Happening::RestartHub => {
                self.restart_hub();
                assert_eq!(state(&self.cluster), before, "a restart changes nothing");
                self.connect();
            }
            Happening::Drift(number) => self.drift(&nth(*number)),
            Happening::ToggleReading(unread) => self.toggle_reading(unread),
            Happening::Silence => {
                self.seconds += 20;
                self.on(Event::Tick);
                assert_eq!(state(&self.cluster), before, "silence changes nothing");
            }
        }
        self.check();
    }

    fn restart_hub(&mut self) {
        let stored = |bytes: &Bytes| Received::stored(EncodedResource::from_bytes(bytes.clone()), &mut Names::default()).unwrap();
        let restored = Restored {
            meta: self.meta.clone(),
            resources: self.disk.values().map(stored).collect(),
        };
        self.cluster = Cluster::restore(self.cluster.id().clone(), restored);
    }

    /// Only of complete groups: of the others a checkpoint says nothing.
    fn drift(&mut self, key: &Key) {
        let checks = self.agent.capabilities.iter().any(|it| it == RESUME) && self.agent.is_complete(&Group::of(key));
        // The last good form of a bad one is nowhere else.
        let good = self
            .agent
            .resources
            .get(key)
            .is_some_and(|it| received(it).refusal().is_none());
        if !checks || !good {
            return;
        }
        self.seconds += 10;
        self.cluster.corrupt(key);
        self.say(self.agent.checkpoint(self.session));
        self.say(self.agent.checkpoint(self.session));
    }

    fn toggle_reading(&mut self, unread: &BTreeSet<u8>) {
        let kind = ResourceKind::EndpointSet;
        if self.agent.is_complete(&group(kind)) {
            let unread = unread.iter().copied().map(nth).filter(|key| key.kind == kind);
            self.agent.partial(kind, unread);
        } else {
            self.agent.complete(kind);
        }
        self.say(self.agent.offer(self.session));
    }

    /// The law: the hub has the agent's keys, each in force as the agent has it or, where that is bad, as it was last
    /// good; of unknown groups it has besides what the agent did not say, for nothing of them goes.
    fn check(&mut self) {
        let in_force = state(&self.cluster);
        for key in (0..KEYS).map(nth) {
            let told = self.agent.resources.contains_key(&key) && !self.agent.unread.contains(&key);
            if told || self.agent.is_complete(&Group::of(&key)) {
                self.expect(&key);
                assert_eq!(in_force.get(&key), self.good.get(&key), "{key}");
            } else {
                let lost = self.good.contains_key(&key) && !in_force.contains_key(&key);
                assert!(!lost, "{key} of an unknown group is gone");
                self.good.extend(in_force.get(&key).map(|hash| (key, *hash)));
            }
        }
        let disk = self.disk.iter();
        let disk: BTreeMap<_, _> = disk.map(|(key, bytes)| (key.clone(), ContentHash::of(bytes))).collect();
        assert_eq!(disk, in_force, "what is in force is what is kept");
    }

    fn expect(&mut self, key: &Key) {
        match self.agent.resources.get(key) {
            None => drop(self.good.remove(key)),
            Some(encoded) if received(encoded).refusal().is_none() => {
                self.good.insert(key.clone(), encoded.hash());
            }
            Some(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Any history of changes, cuts, new runs, restarts, bad resources and failed listings ends in agreement.
    #[test]
    fn any_history_ends_in_agreement(
        history in proptest::collection::vec(happening(), 1..40),
        resumes in any::<bool>(),
    ) {
        let mut world = World::new(resumes);
        for it in &history {
            world.happens(it);
        }
    }
}
