//! One cluster: its paths, the active one, and what holds it there.

mod configure;
mod decide;
mod ramp;

use hubline::model::ClusterId;
use jiff::Timestamp;

use super::clock::Clock;
use super::event::{ConfiguredCluster, PathEffect};
use crate::path::choice::{self, Choice, Hold, PathState, Situation};
use crate::path::damping::Guards;
use crate::path::decision::{Decision, Happened, HeldBy, PathRecord, SwitchReason};
use crate::path::evidence::{Evidence, Moment};
use crate::path::health::Verdict;
use crate::path::orders::OrderId;
use crate::path::parameters::FailoverParameters;
use ramp::Ramp;

/// What surrounds a cluster's choice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    pub(super) now: Moment,
    pub(super) clock: Clock,
    pub(super) suspected: bool,
}

impl Around {
    fn wall(&self) -> Timestamp {
        self.clock.wall(self.now)
    }
}

/// The paths of one cluster.
#[derive(Debug)]
pub(super) struct ClusterState {
    pub(super) id: ClusterId,
    pub(super) parameters: FailoverParameters,
    /// Sorted by rank and name; never empty.
    pub(super) paths: Vec<PathState>,
    pub(super) active: usize,
    pub(super) since: Timestamp,
    pub(super) why: Option<SwitchReason>,
    pub(super) guards: Guards,
    pin: Option<(OrderId, usize)>,
    freeze: Option<OrderId>,
    drained: Option<OrderId>,
    pub(super) held: Option<Hold>,
    ramp: Option<Ramp>,
    pub(super) heard: bool,
    /// What was said last.
    pub(super) decided: Option<Decision>,
    /// What the decision rests on has changed.
    changed: bool,
    /// What is kept over a restart has changed.
    unsaved: bool,
    /// As it is in the machine's list.
    pub(super) deadline: Option<Moment>,
}

/// What a probe's result did.
#[derive(Debug)]
pub(super) struct Taken {
    /// It was the cluster's first that counts.
    pub(super) first: bool,
    pub(super) turned: Option<Turned>,
}

/// A change of verdict, as far as suspicion is concerned.
#[derive(Debug)]
pub(super) enum Turned {
    /// The active path went down.
    ActiveFell,
    /// A path is no longer down.
    Rose,
}

impl ClusterState {
    /// None: it has no paths.
    pub(super) fn new(configured: ConfiguredCluster, around: Around) -> Option<Self> {
        let wall = around.wall();
        let mut state = Self {
            id: configured.cluster.clone(),
            parameters: configured.failover.clone(),
            paths: Vec::new(),
            active: 0,
            since: wall,
            why: None,
            guards: Guards::new(around.now),
            pin: None,
            freeze: None,
            drained: None,
            held: None,
            ramp: None,
            heard: false,
            decided: None,
            changed: true,
            unsaved: false,
            deadline: None,
        };
        state.set_paths(configured.paths, wall);
        (!state.paths.is_empty()).then_some(state)
    }

    /// Takes a probe's result; none: the path is unknown.
    pub(super) fn take(
        &mut self,
        path: &str,
        evidence: Evidence,
        around: Around,
        effects: &mut Vec<PathEffect>,
    ) -> Option<Taken> {
        let at = self.place(path)?;
        let counts = evidence.counts();
        let first = counts && !self.heard;
        self.heard |= counts;
        let Some(transition) = self.paths[at].health.on(evidence, around.now) else {
            return Some(Taken { first, turned: None });
        };
        self.paths[at].since = around.wall();
        (self.changed, self.unsaved) = (true, true);
        let turned = match (transition.from, transition.to) {
            (_, Verdict::Down) => (at == self.active).then_some(Turned::ActiveFell),
            (Verdict::Down, _) => Some(Turned::Rose),
            _ => None,
        };
        let path = self.paths[at].name.clone();
        self.happened(Happened::VerdictChanged { path, transition }, around, effects);
        Some(Taken { first, turned })
    }

    /// Chooses, and says what follows.
    pub(super) fn settle(&mut self, around: Around, effects: &mut Vec<PathEffect>) {
        let mut choice = self.choose(around);
        if let Choice::Move { to, why } = choice {
            self.switch(to, why, around, effects);
            choice = self.choose(around);
        }
        self.climb(around, effects);
        self.hold(choice, around, effects);
        self.decide(effects);
        if std::mem::take(&mut self.unsaved) {
            effects.push(PathEffect::Persist(self.id.clone(), self.kept()));
        }
    }

    /// When it wants to be settled again.
    pub(super) fn wants(&self, around: Around) -> Option<Moment> {
        let guard = |hold: &Hold| matches!(hold.by, HeldBy::MinimumHold | HeldBy::Damping | HeldBy::Cap);
        let hold = self.held.filter(guard).and_then(|hold| hold.until);
        let ramp = self.ramp.filter(|_| self.may_climb(around)).map(|ramp| ramp.next);
        [hold, ramp].into_iter().flatten().min()
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.paths.iter().position(|path| *path.name == *name)
    }

    pub(super) fn active(&self) -> &PathState {
        &self.paths[self.active]
    }

    fn choose(&self, around: Around) -> Choice {
        choice::choose(&Situation {
            paths: &self.paths,
            active: self.active,
            why: self.why,
            parameters: &self.parameters,
            guards: &self.guards,
            pin: self.pin,
            freeze: self.freeze,
            suspected: around.suspected,
            now: around.now,
        })
    }

    fn switch(&mut self, to: usize, why: SwitchReason, around: Around, effects: &mut Vec<PathEffect>) {
        let now = around.now;
        let from = std::mem::replace(&mut self.active, to);
        let last_resort = self.why.replace(why) == Some(SwitchReason::LastResort);
        match why {
            SwitchReason::Pinned | SwitchReason::Configured => self.guards.moved(now),
            SwitchReason::Drained if !last_resort => self.guards.moved(now),
            _ => self.guards.switched(&self.parameters, now),
        }
        self.since = around.wall();
        (self.held, self.changed, self.unsaved) = (None, true, true);
        let down = !self.paths[from].works();
        let first_bad = self.paths[from].health.grounds(now).first_bad.filter(|_| down);
        let switched = Happened::Switched {
            from: self.paths[from].name.clone(),
            to: self.paths[to].name.clone(),
            why,
            first_bad: first_bad.map(|moment| around.clock.wall(moment)),
            since_first_bad: first_bad.map(|moment| now.since(moment)),
        };
        self.happened(switched, around, effects);
        self.begin_ramp(from, why, around, effects);
    }

    fn hold(&mut self, choice: Choice, around: Around, effects: &mut Vec<PathEffect>) {
        let held = match choice {
            Choice::Held(hold) => Some(hold),
            Choice::Stay | Choice::Move { .. } => None,
        };
        let said = |hold: Hold| (hold.wanted, hold.by);
        let before = std::mem::replace(&mut self.held, held);
        if before.map(said) == held.map(said) {
            return;
        }
        self.changed = true;
        let Some(hold) = held else { return };
        let held = Happened::Held {
            on: self.active().name.clone(),
            wanted: hold.wanted.map(|at| self.paths[at].name.clone()),
            by: hold.by,
            until: hold.until.map(|until| around.clock.wall(until)),
        };
        self.happened(held, around, effects);
    }

    fn decide(&mut self, effects: &mut Vec<PathEffect>) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let decision = self.decision();
        if self.decided.as_ref() != Some(&decision) {
            self.decided = Some(decision.clone());
            effects.push(PathEffect::Decide(self.id.clone(), decision));
        }
    }

    fn happened(&self, what: Happened, around: Around, effects: &mut Vec<PathEffect>) {
        effects.push(PathEffect::Happened(PathRecord {
            at: around.wall(),
            cluster: Some(self.id.clone()),
            what,
        }));
    }
}
