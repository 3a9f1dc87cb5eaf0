//! One cluster: its paths, the active one, what holds it there, the ramp.

use std::collections::BTreeMap;
use std::sync::Arc;

use hubline::model::ClusterId;
use jiff::Timestamp;

use super::clock::Clock;
use super::event::{ConfiguredCluster, ConfiguredPath, PathEffect};
use crate::path::choice::{self, Choice, Hold, PathState, Situation};
use crate::path::damping::Guards;
use crate::path::decision::{
    Decision, Happened, HeldBy, PathRecord, PersistedCluster, PersistedVerdict, Reason, SwitchReason,
};
use crate::path::evidence::{Evidence, Moment};
use crate::path::health::{Health, Verdict};
use crate::path::orders::{ClusterStanding, Order, OrderId, OrderKind, PathStanding};
use crate::path::parameters::FailoverParameters;

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

/// The active path takes over in steps.
#[derive(Debug, Clone, Copy)]
struct Ramp {
    from: usize,
    step: usize,
    next: Moment,
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

    /// As it was before the restart, unless there was evidence already.
    pub(super) fn restore(&mut self, persisted: &PersistedCluster) {
        if self.heard {
            return;
        }
        for path in &mut self.paths {
            if let Some(kept) = persisted.verdicts.get(&*path.name) {
                path.health = Health::restored(path.health.parameters().clone(), kept.verdict);
                path.since = kept.since;
            }
        }
        if let Some(active) = self.place(&persisted.active) {
            (self.active, self.since, self.why) = (active, persisted.since, persisted.why);
        }
        self.changed = true;
    }

    /// Other parameters and paths; returns false, and changes nothing, when there are no paths.
    pub(super) fn configure(
        &mut self,
        configured: ConfiguredCluster,
        around: Around,
        effects: &mut Vec<PathEffect>,
    ) -> bool {
        if configured.paths.is_empty() {
            return false;
        }
        let before = self.paths[self.active].name.clone();
        self.parameters = configured.failover;
        self.set_paths(configured.paths, around.wall());
        (self.held, self.ramp, self.changed) = (None, None, true);
        match self.place(&before) {
            Some(active) => self.active = active,
            None => self.lost_active(before, around, effects),
        }
        true
    }

    fn set_paths(&mut self, configured: Vec<ConfiguredPath>, wall: Timestamp) {
        let mut known: BTreeMap<Arc<str>, PathState> =
            self.paths.drain(..).map(|path| (path.name.clone(), path)).collect();
        let mut paths: Vec<PathState> = Vec::with_capacity(configured.len());
        for new in configured {
            if paths.iter().all(|path| path.name != new.name) {
                paths.push(renewed(known.remove(&new.name), new, wall));
            }
        }
        paths.sort_by(|left, right| (left.rank, &left.name).cmp(&(right.rank, &right.name)));
        self.paths = paths;
    }

    fn lost_active(&mut self, from: Arc<str>, around: Around, effects: &mut Vec<PathEffect>) {
        let usable = |path: &PathState| (path.drained.is_some(), path.health.verdict());
        let best = (0..self.paths.len()).min_by_key(|at| (usable(&self.paths[*at]), *at));
        self.active = best.unwrap_or(0);
        self.guards.moved(around.now);
        let why = SwitchReason::Configured;
        (self.since, self.why, self.unsaved) = (around.wall(), Some(why), true);
        let switched = Happened::Switched {
            from,
            to: self.paths[self.active].name.clone(),
            why,
            first_bad: None,
            since_first_bad: None,
        };
        self.happened(switched, around, effects);
    }

    /// What people ordered of it, all of it.
    pub(super) fn obey<'a>(&mut self, orders: impl Iterator<Item = &'a Order>) {
        (self.pin, self.freeze, self.drained) = (None, None, None);
        for path in &mut self.paths {
            path.drained = None;
        }
        for order in orders {
            self.obey_one(order);
        }
        self.changed = true;
    }

    fn obey_one(&mut self, order: &Order) {
        let id = order.id;
        // An order for a path that is no longer configured waits for its return.
        let path = order.order.path().and_then(|name| self.place(name));
        match (&order.order, path) {
            (OrderKind::Pin { .. }, Some(path)) => self.pin = Some((id, path)),
            (OrderKind::Drain { .. }, Some(path)) => self.paths[path].drained = Some(id),
            (OrderKind::Drain { path: None, .. }, None) => self.drained = Some(id),
            (OrderKind::Freeze { .. }, _) => self.freeze = Some(id),
            (OrderKind::Pin { .. } | OrderKind::Drain { .. }, None) => {}
        }
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

    /// As far as orders are concerned.
    pub(super) fn standing(&self) -> ClusterStanding {
        let path = |path: &PathState| PathStanding {
            name: path.name.to_string(),
            works: path.works(),
            drained: path.drained,
        };
        ClusterStanding {
            paths: self.paths.iter().map(path).collect(),
            pin: self.pin.map(|(id, at)| (id, self.paths[at].name.to_string())),
            drained: self.drained,
        }
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

    fn begin_ramp(&mut self, from: usize, why: SwitchReason, around: Around, effects: &mut Vec<PathEffect>) {
        let first = self.parameters.ramp.percents.first().copied();
        let percent = first.filter(|_| why == SwitchReason::Failback);
        self.ramp = percent.map(|_| Ramp {
            from,
            step: 0,
            next: around.now.after(self.parameters.ramp.step),
        });
        if let Some(percent) = percent {
            self.ramped(percent, around, effects);
        }
    }

    /// A ramp stands still while switches are frozen and while the returning path is not up.
    fn may_climb(&self, around: Around) -> bool {
        let frozen = around.suspected || self.freeze.is_some();
        !frozen && self.active().health.verdict() == Verdict::Up
    }

    fn climb(&mut self, around: Around, effects: &mut Vec<PathEffect>) {
        let Some(ramp) = self.ramp else { return };
        let source = &self.paths[ramp.from];
        let alone = source.hard_down() || source.drained.is_some();
        if !alone && (ramp.next > around.now || !self.may_climb(around)) {
            return;
        }
        let step = ramp.step + 1;
        let percent = self.parameters.ramp.percents.get(step).copied().filter(|_| !alone);
        self.ramp = percent.map(|_| Ramp {
            step,
            next: around.now.after(self.parameters.ramp.step),
            ..ramp
        });
        self.changed = true;
        self.ramped(percent.unwrap_or(100), around, effects);
    }

    fn ramped(&self, percent: u32, around: Around, effects: &mut Vec<PathEffect>) {
        let path = self.active().name.clone();
        self.happened(Happened::Ramped { path, percent }, around, effects);
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

    pub(super) fn decision(&self) -> Decision {
        let order = choice::order(&self.paths, self.active);
        let verdict = |path: &PathState| (path.name.clone(), path.health.verdict());
        Decision {
            active: self.active().name.clone(),
            weights: self.weights(),
            order: order.into_iter().map(|at| self.paths[at].name.clone()).collect(),
            reason: self.reason(),
            verdicts: self.paths.iter().map(verdict).collect(),
            drained: self.drained,
        }
    }

    fn weights(&self) -> Option<BTreeMap<Arc<str>, u32>> {
        let ramp = self.ramp?;
        let percent = (*self.parameters.ramp.percents.get(ramp.step)?).min(100);
        let name = |at: usize| self.paths[at].name.clone();
        Some([(name(self.active), percent), (name(ramp.from), 100 - percent)].into())
    }

    fn reason(&self) -> Reason {
        let behind = self.active().rank > self.paths[0].rank;
        match (self.held, self.pin, self.why) {
            (Some(hold), _, _) if hold.by == HeldBy::AllPathsDown => Reason::Held(hold.by),
            (_, Some((order, _)), _) => Reason::Pinned(order),
            (Some(hold), None, _) => Reason::Held(hold.by),
            (None, None, Some(why)) if behind => Reason::Switched(why),
            (None, None, _) => Reason::Preferred,
        }
    }

    fn kept(&self) -> PersistedCluster {
        let verdict = |path: &PathState| {
            let (verdict, since) = (path.health.verdict(), path.since);
            (path.name.to_string(), PersistedVerdict { verdict, since })
        };
        PersistedCluster {
            active: self.active().name.to_string(),
            since: self.since,
            why: self.why,
            verdicts: self.paths.iter().map(verdict).collect(),
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

fn renewed(known: Option<PathState>, new: ConfiguredPath, wall: Timestamp) -> PathState {
    let (health, since) = match known {
        Some(known) => {
            let mut health = known.health;
            health.configure(&new.health);
            (health, known.since)
        }
        None => (Health::new(new.health), wall),
    };
    PathState {
        name: new.name,
        kind: new.kind,
        rank: new.rank,
        health,
        since,
        drained: None,
    }
}
