//! Whole hubs, without a target: clusters' state machines, federation and planner, over random histories of changes,
//! bad content, cuts, new runs, groups that cannot be read whole, paths, and restarts from what was persisted.

mod coverage;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hubline::model::{ClusterId, Completeness, GlobalKey, Group, Key, Resource, ResourceKind};
use hubline::wire::{EncodedResource, Epoch, Names, Scope};
use proptest::prelude::*;

use super::generate::{KINDS, Step, spoil_route, spoiled, step};
use super::laws::{CLUSTERS, config};
use super::routings;
use super::world::{World, cluster, key, prefix, route, service};
use crate::change::Change;
use crate::cluster::tests::support::{Agent, asked, now};
use crate::cluster::{Cluster, Effect, Event, Meta, PersistOperation, Received, Restored, SessionId};
use crate::object::{Object, ObjectId, ObjectKind};
use crate::path::demotion::{Demoted, Demotions};
use crate::plan::Routing;

#[derive(Debug, Clone)]
enum Happening {
    Change(Vec<Step>),
    /// As `Change`, but the message is lost with its stream.
    Cut(Vec<Step>),
    /// Content that the hub refuses.
    Spoil(Key, Box<Resource>),
    NewRun,
    /// The agent cannot read one object of a kind, or can read all again.
    ToggleReading(ResourceKind, usize),
    Paths(u8),
    /// Of a service or its endpoints something is demoted, or is no longer.
    Demote(usize, u8),
    /// Which clusters may set plugins for everybody's traffic, as bits.
    Grants(u8),
    Restart,
}

fn happening() -> impl Strategy<Value = (usize, Happening)> {
    let changes = || prop::collection::vec(step(), 1..5);
    let happening = prop_oneof![
        12 => changes().prop_map(Happening::Change),
        3 => changes().prop_map(Happening::Cut),
        4 => spoiled().prop_map(|(key, resource)| Happening::Spoil(key, resource.into())),
        1 => Just(Happening::NewRun),
        4 => (prop::sample::select(&KINDS[..]), 0..3_usize).prop_map(|(kind, which)| Happening::ToggleReading(kind, which)),
        2 => (0..routings::VARIANTS).prop_map(Happening::Paths),
        3 => (0..3_usize, 0..DEMOTIONS).prop_map(|(which, what)| Happening::Demote(which, what)),
        2 => (0..8_u8).prop_map(Happening::Grants),
        1 => Just(Happening::Restart),
    ];
    (0..CLUSTERS.len(), happening)
}

/// What happens, and a kind of which the last cluster's agent cannot read everything from its start on.
type History = (Option<ResourceKind>, Vec<(usize, Happening)>);

fn history() -> impl Strategy<Value = History> {
    let unread = prop::option::weighted(0.3, prop::sample::select(&KINDS[..]));
    (unread, prop::collection::vec(happening(), 0..80))
}

/// One cluster: its agent, the hub's state of it, and what the disk has.
struct Side {
    agent: Agent,
    cluster: Cluster,
    session: u64,
    disk: BTreeMap<Key, Bytes>,
    meta: Meta,
    routing: Routing,
}

impl Side {
    fn new(at: usize) -> Self {
        let mut agent = Agent::new(1, 1);
        let group = |kind| Group::of(&key(kind, "one"));
        agent.groups = KINDS.map(|kind| (group(kind), Completeness::Complete)).into();
        Self {
            agent,
            cluster: Cluster::new(cluster(CLUSTERS[at])),
            session: 0,
            disk: BTreeMap::new(),
            meta: Meta::default(),
            routing: Routing::direct(),
        }
    }

    /// The agent cannot read one object of a kind.
    fn lose(&mut self, kind: ResourceKind, which: usize) {
        let unread = key(kind, ["one", "two", "three"][which]);
        let reason = "an object cannot be read".to_owned();
        let unknown = Completeness::Unknown { reason };
        self.agent.groups.insert(Group::of(&unread), unknown);
        self.agent.unread.insert(unread);
    }

    fn on(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.cluster.on(event, now(0));
        for effect in &effects {
            match effect {
                Effect::Persist(operations) => operations.iter().for_each(|it| self.persist(it)),
                Effect::Close(_, reason) => panic!("closed an honest session: {reason:?}"),
                _ => {}
            }
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

    /// Says something and answers what the hub asks for; returns all that follows.
    fn say(&mut self, event: Event) -> Vec<Effect> {
        let mut all = self.on(event);
        let mut last = asked(&all, self.session);
        for _ in 0..3 {
            let Some(resync) = last.filter(|resync| resync.scope != Scope::NOTHING) else {
                return all;
            };
            let effects = self.on(self.agent.snapshot(self.session, resync.scope));
            last = asked(&effects, self.session);
            all.extend(effects);
        }
        panic!("the hub asks without end");
    }

    fn connect(&mut self) -> Vec<Effect> {
        let session = SessionId(self.session);
        self.session += 1;
        let mut effects = self.say(self.agent.hello(self.session));
        effects.extend(self.on(Event::Closed { session }));
        effects
    }

    fn restart(&mut self) {
        let stored = |bytes: &Bytes| {
            Received::stored(EncodedResource::from_bytes(bytes.clone()), &mut Names::default()).unwrap()
        };
        let resources = self.disk.values().map(stored).collect();
        let meta = self.meta.clone();
        self.cluster = Cluster::restore(self.cluster.id().clone(), Restored { meta, resources });
    }

    /// As the core takes a restored cluster in.
    fn changes(&self) -> Vec<Change> {
        let change = |(key, stored): (&Key, crate::change::Stored)| Change {
            key: key.clone(),
            now: Some(stored),
        };
        self.cluster.resources().map(change).collect()
    }
}

type Objects = BTreeMap<ObjectId, Arc<Object>>;

/// How many kinds of demotion there are.
const DEMOTIONS: u8 = 6;

/// What is demoted of a service, and of its endpoint set.
fn demoted(what: u8) -> (Option<Demoted>, Option<Demoted>) {
    let path = |name: &str| Some(Demoted::Path(name.into()));
    let endpoints = |lasts: &[u8]| {
        let all = lasts.iter().map(|last| SocketAddr::from(([10, 0, 0, *last], 8080)));
        Some(Demoted::Endpoints(all.collect()))
    };
    match what {
        0 => (path("direct"), None),
        1 => (path("line-0"), endpoints(&[1, 2])),
        2 => (path("other-0"), None),
        3 => (None, endpoints(&[1])),
        4 => (None, endpoints(&[1, 2, 3])),
        _ => (None, None),
    }
}

/// A hub with all its clusters.
struct Hub {
    demotions: Demotions,
    grants: BTreeSet<ClusterId>,
    sides: Vec<Side>,
    world: World,
    hits: BTreeMap<String, usize>,
    made: BTreeSet<ObjectId>,
}

impl Hub {
    fn new(unread: Option<ResourceKind>) -> Self {
        let mut hub = Self {
            demotions: Demotions::new(),
            grants: [cluster("a"), cluster("b")].into(),
            sides: (0..CLUSTERS.len()).map(Side::new).collect(),
            world: World::new(),
            hits: BTreeMap::new(),
            made: BTreeSet::new(),
        };
        let last = hub.sides.last_mut().into_iter();
        last.zip(unread).for_each(|(side, kind)| side.lose(kind, 0));
        for at in 0..CLUSTERS.len() {
            let effects = hub.sides[at].connect();
            hub.follow(at, effects);
        }
        hub
    }

    fn hit(&mut self, what: impl Into<String>) {
        *self.hits.entry(what.into()).or_default() += 1;
    }

    fn follow(&mut self, at: usize, effects: Vec<Effect>) {
        let id = self.sides[at].cluster.id().clone();
        for effect in effects {
            match effect {
                Effect::Changed(changes) => {
                    self.world.apply(&id, &changes);
                }
                Effect::Quarantine(list) => {
                    for (key, problem) in list {
                        let kept = self.sides[at].cluster.resources().any(|(other, _)| *other == key);
                        let what = match (problem, kept) {
                            (Some(_), true) => "quarantined, last good kept",
                            (Some(_), false) => "quarantined, never good",
                            (None, _) => "out of quarantine",
                        };
                        self.hit(format!("{} {what}", key.kind));
                    }
                }
                _ => {}
            }
        }
    }

    fn encoded(&mut self, at: usize, steps: Vec<Step>) -> Vec<(Key, Option<EncodedResource>)> {
        let mut encoded = BTreeMap::new();
        for (key, resource) in steps {
            let known = self.sides[at].agent.resources.contains_key(&key);
            let what = match (&resource, known) {
                (Some(_), true) => "changed",
                (Some(_), false) => "made",
                (None, true) => "removed",
                (None, false) => "removed unknown",
            };
            self.hit(format!("{} {what}", key.kind));
            let now = resource.map(|resource| EncodedResource::encode(&key, &resource));
            encoded.insert(key, now);
        }
        encoded.into_iter().collect()
    }

    /// Returns the objects of before.
    fn happens(&mut self, at: usize, happening: Happening) -> Objects {
        let before = self.world.objects.clone();
        match happening {
            Happening::Change(steps) => self.change(at, steps),
            Happening::Cut(steps) => {
                let steps = self.encoded(at, steps);
                let side = &mut self.sides[at];
                side.agent.change(side.session, &steps);
                let effects = side.connect();
                self.hit("cut");
                self.follow(at, effects);
            }
            Happening::Spoil(key, resource) => self.change(at, vec![(key, Some(*resource))]),
            Happening::NewRun => {
                let side = &mut self.sides[at];
                let Epoch { counter, random } = side.agent.epoch;
                side.agent.epoch = Epoch {
                    counter: counter + 1,
                    random: random + 1,
                };
                side.agent.revision = 1;
                let effects = side.connect();
                self.hit("new run");
                self.follow(at, effects);
                assert_eq!(
                    self.world.objects, before,
                    "a new run with the same resources changes nothing"
                );
            }
            Happening::ToggleReading(kind, which) => self.toggle_reading(at, kind, which),
            Happening::Paths(variant) => self.paths(at, variant),
            Happening::Demote(which, what) => self.demote(at, which, what),
            Happening::Grants(bits) => self.grant(bits),
            Happening::Restart => {
                self.restart();
                assert_eq!(self.world.objects, before, "a restart changes nothing");
            }
        }
        before
    }

    fn change(&mut self, at: usize, steps: Vec<Step>) {
        let steps = self.encoded(at, steps);
        let side = &mut self.sides[at];
        let event = side.agent.change(side.session, &steps);
        let effects = side.say(event);
        self.follow(at, effects);
    }

    fn toggle_reading(&mut self, at: usize, kind: ResourceKind, which: usize) {
        let side = &mut self.sides[at];
        let complete = side.agent.is_complete(&Group::of(&key(kind, "one")));
        if complete {
            side.lose(kind, which);
        } else {
            side.agent.unread.retain(|key| key.kind != kind);
            let group = Group::of(&key(kind, "one"));
            side.agent.groups.insert(group, Completeness::Complete);
        }
        let event = side.agent.offer(side.session);
        let effects = side.say(event);
        self.hit(format!(
            "{kind} {}",
            if complete { "partial" } else { "complete again" }
        ));
        self.follow(at, effects);
    }

    fn paths(&mut self, at: usize, variant: u8) {
        self.sides[at].routing = routings::any(variant);
        let id = self.sides[at].cluster.id().clone();
        let output = self.world.reach(&id, self.sides[at].routing.clone());
        if !output.objects.is_empty() {
            self.hit("paths changed objects");
        }
        if output.objects.iter().any(|(id, _)| id.kind == ObjectKind::GlobalRule) {
            self.hit("a diversion came or went");
        }
    }

    fn demote(&mut self, at: usize, which: usize, what: u8) {
        let name = ["one", "two", "three"][which];
        let (service, set) = demoted(what);
        for (kind, demoted) in [(ResourceKind::Service, service), (ResourceKind::EndpointSet, set)] {
            let key = GlobalKey {
                cluster: cluster(CLUSTERS[at]),
                key: key(kind, name),
            };
            match demoted {
                Some(demoted) => drop(self.demotions.insert(key, demoted)),
                None => drop(self.demotions.remove(&key)),
            }
        }
        let output = self.world.demote(self.demotions.clone());
        assert!(
            output.objects.iter().all(|(id, _)| id.kind == ObjectKind::Upstream),
            "and nothing else"
        );
        if !output.objects.is_empty() {
            self.hit("demoted or no longer");
        }
    }

    fn grant(&mut self, bits: u8) {
        let granted = CLUSTERS.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
        self.grants = granted.map(|(_, name)| cluster(name)).collect();
        let output = self.world.grant(self.grants.clone());
        if !output.objects.is_empty() {
            self.hit("grants changed objects");
        }
        if output.objects.iter().any(|(id, _)| id.kind == ObjectKind::Route) {
            self.hit("grants changed routes");
        }
    }

    /// The hub comes back from its disk, and then its agents do.
    fn restart(&mut self) {
        let before = std::mem::replace(&mut self.world, World::new());
        self.sides.iter_mut().for_each(Side::restart);
        self.world = self.planned_from_nothing();
        assert_eq!(self.world.objects, before.objects, "from disk");
        for at in 0..self.sides.len() {
            let effects = self.sides[at].connect();
            self.follow(at, effects);
        }
        self.hit("restart");
        if self.sides.iter().any(|side| side.cluster.settled()) {
            self.hit("settled");
        }
        if self.sides.iter().any(|side| !side.cluster.settled()) {
            self.hit("not settled");
        }
    }

    fn planned_from_nothing(&self) -> World {
        let mut world = World::new();
        world.demote(self.demotions.clone());
        world.grant(self.grants.clone());
        for side in self.sides.iter().rev() {
            let mut changes = side.changes();
            changes.reverse();
            world.reach(side.cluster.id(), side.routing.clone());
            world.apply(side.cluster.id(), &changes);
        }
        world
    }
}

proptest! {
    #![proptest_config(config(96))]

    /// What was planned bit by bit is what planning everything that is in force gives, whatever happened before; and a
    /// hub that starts from its disk wants what it wanted.
    #[test]
    fn incremental_planning_equals_planning_from_nothing((unread, history) in history()) {
        let mut hub = Hub::new(unread);
        for (at, happening) in history {
            hub.happens(at, happening);
        }
        let fresh = hub.planned_from_nothing();
        prop_assert_eq!(&hub.world.objects, &fresh.objects);
        prop_assert_eq!(&hub.world.problems, &fresh.problems);
        prop_assert_eq!(hub.world.objects.values().cloned().collect::<Vec<_>>(), hub.world.planner.objects());
        hub.restart();
        prop_assert_eq!(&hub.world.objects, &fresh.objects);
        prop_assert_eq!(&hub.world.problems, &fresh.problems);
    }
}

/// What plan alone would refuse has a predecessor that no restart forgets.
#[test]
fn one_bad_resource_stops_only_itself_after_a_restart_too() {
    let route_key = key(ResourceKind::Route, "one");
    let good = route("a.b", &[prefix("/")], &["one"]);
    for which in 0..5 {
        let mut hub = Hub::new(None);
        let service = (key(ResourceKind::Service, "one"), Some(service("one", None)));
        hub.change(
            0,
            vec![service, (route_key.clone(), Some(Resource::from(good.clone())))],
        );
        let before = hub.world.objects.clone();
        assert_eq!(before.len(), 2);
        let bad = spoil_route(good.clone(), which);
        hub.change(0, vec![(route_key.clone(), Some(Resource::from(bad)))]);
        assert_eq!(hub.world.objects, before, "fault {which}");
        hub.restart();
        assert_eq!(hub.world.objects, before, "fault {which}");
        let quarantined: Vec<_> = hub.sides[0].cluster.problems().map(|(key, _)| key.clone()).collect();
        assert_eq!(quarantined, std::slice::from_ref(&route_key), "fault {which}");
    }
}
