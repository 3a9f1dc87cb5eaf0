//! The verdict machine of the whole hub: `on(event, now) → effects`, for all clusters and their paths.
//!
//! A probe's result that changes nothing costs a look-up of its cluster and a look at that cluster's paths, and
//! allocates nothing; all clusters are looked at only when the hub begins or ceases to suspect itself, and when the
//! configuration changes. Same events, same effects; the order of configured clusters does not matter.
//!
//! Does no I/O and reads no clock: the actor calls it, and sleeps until [`PathMachine::next_deadline`].

mod clock;
mod cluster;
mod event;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hubline::model::ClusterId;
use jiff::Timestamp;

pub use event::{ConfiguredCluster, ConfiguredPath, PathEffect, PathEvent, Restored};

use super::decision::{Happened, OrderEnd, PathRecord, PersistedCluster};
use super::evidence::{Evidence, Moment};
use super::orders::{self, ClusterStanding, Order, OrderId, Orders, Refusal};
use super::parameters::HubFailover;
use super::suspicion::{Suspicion, Toll, Turn};
use clock::Clock;
use cluster::{Around, ClusterState, Turned};

/// Verdicts and active paths of all clusters.
#[derive(Debug)]
pub struct PathMachine {
    clusters: BTreeMap<ClusterId, ClusterState>,
    /// Of clusters that are not configured yet.
    restored: BTreeMap<ClusterId, PersistedCluster>,
    orders: Orders,
    suspicion: Suspicion,
    clock: Clock,
    deadlines: BTreeSet<(Moment, ClusterId)>,
}

impl PathMachine {
    /// A machine without clusters; `wall` is the wall-clock time at `now`.
    #[must_use]
    pub fn new(now: Moment, wall: Timestamp) -> Self {
        Self {
            clusters: BTreeMap::new(),
            restored: BTreeMap::new(),
            orders: Orders::default(),
            suspicion: Suspicion::default(),
            clock: Clock::new(now, wall),
            deadlines: BTreeSet::new(),
        }
    }

    /// Something happened; returns what is to be done, in this order.
    pub fn on(&mut self, event: PathEvent, now: Moment) -> Vec<PathEffect> {
        let mut effects = Vec::new();
        match event {
            PathEvent::Evidence {
                cluster,
                path,
                evidence,
            } => self.evidence(&cluster, &path, evidence, now, &mut effects),
            PathEvent::Configured { hub, clusters } => self.configured(hub, clusters, now, &mut effects),
            PathEvent::Order(order) => self.ordered(order, now, &mut effects),
            PathEvent::Release(id) => self.released(id, now, &mut effects),
            PathEvent::Restored(restored) => self.restore(restored, now, &mut effects),
            PathEvent::Tick { wall } => self.tick(wall, now, &mut effects),
        }
        effects
    }

    /// When [`PathEvent::Tick`] is wanted next; none: not before another event.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        let cluster = self.deadlines.first().map(|(moment, _)| *moment);
        let order = self.orders.next_end().map(|end| self.clock.moment(end));
        [cluster, order].into_iter().flatten().min()
    }

    /// Judges an order; to be asked before it is persisted and given to [`PathMachine::on`], which does not ask again.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(&self, order: &Order, now: Moment) -> Result<(), Refusal> {
        let standings: BTreeMap<ClusterId, ClusterStanding> = self
            .clusters
            .iter()
            .map(|(id, state)| (id.clone(), state.standing()))
            .collect();
        orders::judge(order, &standings, self.clock.wall(now))
    }

    fn around(&self, now: Moment) -> Around {
        Around {
            now,
            clock: self.clock,
            suspected: self.suspicion.suspected(),
        }
    }

    fn evidence(&mut self, id: &ClusterId, path: &str, evidence: Evidence, now: Moment, effects: &mut Vec<PathEffect>) {
        let around = self.around(now);
        let Some(state) = self.clusters.get_mut(id) else { return };
        let Some(taken) = state.take(path, evidence, around, effects) else {
            return;
        };
        if taken.first {
            self.suspicion.first_heard();
        }
        match taken.turned {
            Some(Turned::ActiveFell) => self.suspicion.fell(id, &state.active().name, now),
            Some(Turned::Rose) => self.suspicion.rose(id, path, active_down(state)),
            None if !taken.first => {
                settle(state, &mut self.deadlines, around, effects);
                return;
            }
            None => {}
        }
        if !self.suspect(now, effects) {
            self.settle(id, now, effects);
        }
    }

    fn configured(
        &mut self,
        hub: HubFailover,
        clusters: Vec<ConfiguredCluster>,
        now: Moment,
        effects: &mut Vec<PathEffect>,
    ) {
        let around = self.around(now);
        let clusters: BTreeMap<ClusterId, ConfiguredCluster> = clusters
            .into_iter()
            .filter(|cluster| !cluster.paths.is_empty())
            .map(|cluster| (cluster.cluster.clone(), cluster))
            .collect();
        self.forget_others(&clusters);
        for (id, cluster) in clusters {
            self.configure(&id, cluster, around, effects);
        }
        let heard = self.clusters.values().filter(|state| state.heard).count();
        self.suspicion.configure(hub, heard);
        self.suspect_anew(now, effects);
        self.settle_all(now, effects);
    }

    fn forget_others(&mut self, configured: &BTreeMap<ClusterId, ConfiguredCluster>) {
        let (suspicion, deadlines) = (&mut self.suspicion, &mut self.deadlines);
        self.clusters.retain(|id, state| {
            let stays = configured.contains_key(id);
            if !stays {
                suspicion.forget(id);
                if let Some(deadline) = state.deadline {
                    deadlines.remove(&(deadline, id.clone()));
                }
            }
            stays
        });
    }

    fn configure(&mut self, id: &ClusterId, cluster: ConfiguredCluster, around: Around, effects: &mut Vec<PathEffect>) {
        if let Some(state) = self.clusters.get_mut(id) {
            state.configure(cluster, around, effects);
            if let Some(gone) = self.suspicion.path(id).filter(|path| state.place(path).is_none()) {
                self.suspicion.rose(id, &gone, active_down(state));
            }
        } else if let Some(mut state) = ClusterState::new(cluster, around) {
            if let Some(persisted) = self.restored.remove(id) {
                state.restore(&persisted);
            }
            self.clusters.insert(id.clone(), state);
        }
        self.obey(id);
    }

    fn ordered(&mut self, order: Order, now: Moment, effects: &mut Vec<PathEffect>) {
        let id = order.kind.cluster().clone();
        for replaced in self.orders.make(order.clone()) {
            self.over(replaced, OrderEnd::Replaced, now, effects);
        }
        effects.push(self.record(Some(id.clone()), Happened::OrderMade { order }, now));
        self.obey(&id);
        self.settle(&id, now, effects);
    }

    fn released(&mut self, id: OrderId, now: Moment, effects: &mut Vec<PathEffect>) {
        if let Some(order) = self.orders.release(id) {
            let cluster = order.kind.cluster().clone();
            self.over(order, OrderEnd::Released, now, effects);
            self.obey(&cluster);
            self.settle(&cluster, now, effects);
        }
    }

    fn restore(&mut self, restored: Restored, now: Moment, effects: &mut Vec<PathEffect>) {
        for (id, persisted) in restored.clusters {
            match self.clusters.get_mut(&id) {
                Some(state) => state.restore(&persisted),
                None => drop(self.restored.insert(id, persisted)),
            }
        }
        for order in restored.orders {
            drop(self.orders.make(order));
        }
        for order in self.orders.expire(self.clock.wall(now)) {
            self.over(order, OrderEnd::Expired, now, effects);
        }
        let ids: Vec<ClusterId> = self.clusters.keys().cloned().collect();
        ids.iter().for_each(|id| self.obey(id));
        self.settle_all(now, effects);
    }

    fn tick(&mut self, wall: Timestamp, now: Moment, effects: &mut Vec<PathEffect>) {
        self.clock = Clock::new(now, wall);
        let mut due: BTreeSet<ClusterId> = self
            .deadlines
            .iter()
            .take_while(|(moment, _)| *moment <= now)
            .map(|(_, id)| id.clone())
            .collect();
        for order in self.orders.expire(wall) {
            let cluster = order.kind.cluster().clone();
            self.over(order, OrderEnd::Expired, now, effects);
            self.obey(&cluster);
            due.insert(cluster);
        }
        for id in &due {
            self.settle(id, now, effects);
        }
    }

    fn obey(&mut self, id: &ClusterId) {
        if let Some(state) = self.clusters.get_mut(id) {
            state.obey(self.orders.of(id));
        }
    }

    /// Whether the suspicion began or ended; then all clusters are settled.
    fn suspect(&mut self, now: Moment, effects: &mut Vec<PathEffect>) -> bool {
        let turned = self.suspect_anew(now, effects);
        if turned {
            self.settle_all(now, effects);
        }
        turned
    }

    fn suspect_anew(&mut self, now: Moment, effects: &mut Vec<PathEffect>) -> bool {
        let Some(turn) = self.suspicion.turn(now) else {
            return false;
        };
        let what = match turn {
            Turn::Suspected(Toll { down, of }) => Happened::Suspected { down, of },
            Turn::Trusted(Toll { down, of }) => Happened::Trusted { down, of },
        };
        effects.push(self.record(None, what, now));
        true
    }

    fn settle(&mut self, id: &ClusterId, now: Moment, effects: &mut Vec<PathEffect>) {
        let around = self.around(now);
        if let Some(state) = self.clusters.get_mut(id) {
            settle(state, &mut self.deadlines, around, effects);
        }
    }

    fn settle_all(&mut self, now: Moment, effects: &mut Vec<PathEffect>) {
        let around = self.around(now);
        for state in self.clusters.values_mut() {
            settle(state, &mut self.deadlines, around, effects);
        }
    }

    fn over(&self, order: Order, because: OrderEnd, now: Moment, effects: &mut Vec<PathEffect>) {
        let cluster = Some(order.kind.cluster().clone());
        effects.push(self.record(cluster, Happened::OrderEnded { order, because }, now));
    }

    fn record(&self, cluster: Option<ClusterId>, what: Happened, now: Moment) -> PathEffect {
        let at = self.clock.wall(now);
        PathEffect::Happened(PathRecord { at, cluster, what })
    }
}

fn settle(
    state: &mut ClusterState,
    deadlines: &mut BTreeSet<(Moment, ClusterId)>,
    around: Around,
    effects: &mut Vec<PathEffect>,
) {
    state.settle(around, effects);
    let wants = state.wants(around);
    if wants == state.deadline {
        return;
    }
    if let Some(before) = std::mem::replace(&mut state.deadline, wants) {
        deadlines.remove(&(before, state.id.clone()));
    }
    deadlines.extend(wants.map(|moment| (moment, state.id.clone())));
}

/// The active path's name, if it is down.
fn active_down(state: &ClusterState) -> Option<&Arc<str>> {
    let active = state.active();
    active.hard_down().then_some(&active.name)
}
