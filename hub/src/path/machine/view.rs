//! What is shown of the machine's state.

use hubline::model::ClusterId;

use super::PathMachine;
use super::clock::Clock;
use super::cluster::ClusterState;
use crate::path::choice::{Hold, PathState};
use crate::path::decision::{ClusterPaths, FailureView, Held, PathView, PathsView, VantageView};
use crate::path::evidence::Moment;
use crate::path::health::VantageHealth;
use crate::path::orders::Order;

impl PathMachine {
    /// All clusters.
    #[must_use]
    pub fn view(&self, now: Moment) -> PathsView {
        PathsView {
            suspected: self.suspicion.suspected(),
            clusters: self.clusters.values().map(|state| self.shown(state, now)).collect(),
        }
    }

    /// One cluster; none: it is not configured.
    #[must_use]
    pub fn summary(&self, cluster: &ClusterId, now: Moment) -> Option<ClusterPaths> {
        self.clusters.get(cluster).map(|state| self.shown(state, now))
    }

    /// All orders in force, by id.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.all()
    }

    fn shown(&self, state: &ClusterState, now: Moment) -> ClusterPaths {
        let wall = |moment: Moment| self.clock.wall(moment);
        ClusterPaths {
            cluster: state.id.clone(),
            decision: state.decision(),
            since: state.since,
            held: state.held.map(|hold| held(state, hold, self.clock)),
            penalty: state.guards.penalty(&state.parameters.damping, now),
            suppressed_until: state.guards.suppressed_until(now).map(wall),
            switches_within_an_hour: state.guards.within_an_hour(now),
            orders: self.orders.of(&state.id).cloned().collect(),
            paths: state.paths.iter().map(|path| shown(path, self.clock, now)).collect(),
        }
    }
}

fn held(state: &ClusterState, hold: Hold, clock: Clock) -> Held {
    Held {
        by: hold.by,
        wanted: hold.wanted.map(|at| state.paths[at].name.clone()),
        until: hold.until.map(|until| clock.wall(until)),
    }
}

fn shown(path: &PathState, clock: Clock, now: Moment) -> PathView {
    let health = &path.health;
    let figures = health.figures(now);
    PathView {
        name: path.name.clone(),
        kind: path.kind,
        rank: path.rank,
        verdict: health.verdict(),
        verified: health.verified(),
        cause: health.cause(),
        since: path.since,
        fresh: health.fresh(now),
        loss: figures.loss(),
        round_trip: figures.round_trip(),
        last_failure: last_failure(path, clock),
        drained: path.drained,
        vantages: health.vantages().map(vantage_view).collect(),
    }
}

fn vantage_view(vantage: &VantageHealth) -> VantageView {
    VantageView {
        vantage: vantage.vantage.clone(),
        down: vantage.first_bad().is_some(),
    }
}

fn last_failure(path: &PathState, clock: Clock) -> Option<FailureView> {
    let failures = path
        .health
        .vantages()
        .filter_map(|vantage| Some((vantage, vantage.failed()?)));
    let (vantage, (failure, at)) = failures.max_by_key(|(_, (_, at))| *at)?;
    Some(FailureView {
        vantage: vantage.vantage.clone(),
        failure: failure.clone(),
        at: clock.wall(*at),
    })
}
