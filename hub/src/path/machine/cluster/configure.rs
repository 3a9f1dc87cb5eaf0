//! A cluster's configuration, what is restored of it, and what people order of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Around, ClusterState};
use crate::path::choice::PathState;
use crate::path::decision::{Happened, PersistedCluster, SwitchReason};
use crate::path::health::Health;
use crate::path::machine::event::{ConfiguredCluster, ConfiguredPath, PathEffect};
use crate::path::orders::{ClusterStanding, Order, OrderKind, PathStanding};

impl ClusterState {
    /// As it was before the restart, unless there was evidence already.
    pub(in crate::path::machine) fn restore(&mut self, persisted: &PersistedCluster) {
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
    pub(in crate::path::machine) fn configure(
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

    pub(super) fn set_paths(&mut self, configured: Vec<ConfiguredPath>, wall: Timestamp) {
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
    pub(in crate::path::machine) fn obey<'a>(&mut self, orders: impl Iterator<Item = &'a Order>) {
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
        let path = order.kind.path().and_then(|name| self.place(name));
        match (&order.kind, path) {
            (OrderKind::Pin { .. }, Some(path)) => self.pin = Some((id, path)),
            (OrderKind::Drain { .. }, Some(path)) => self.paths[path].drained = Some(id),
            (OrderKind::Drain { path: None, .. }, None) => self.drained = Some(id),
            (OrderKind::Freeze { .. }, _) => self.freeze = Some(id),
            (OrderKind::Pin { .. } | OrderKind::Drain { .. }, None) => {}
        }
    }

    /// As far as orders are concerned.
    pub(in crate::path::machine) fn standing(&self) -> ClusterStanding {
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
