//! How each cluster is reached: what is configured, what was decided, and whether a diversion can carry it.
//!
//! Says what the planner is to plan; sees no probes and writes nothing. A diversion is chosen when a decision asks for
//! a gateway, and given up for a burst over the cluster's upstreams when the target does not allow it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hubline::model::ClusterId;
use imbl::OrdMap;
use tokio::time::Instant;

use crate::config::{ClusterConfig, ClusterList};
use crate::object::ObjectId;
use crate::path::actor::Decisions;
use crate::path::decision::Decision;
use crate::path::{Path, Reach};
use crate::plan::gateways::{diversion_ids, rule_id};
use crate::plan::routing::Diverted;
use crate::plan::{PlanOptions, Routing};
use crate::view::{Carrier, Outcome, TargetSummary};

/// How long a gateway's upstream must be at the target before a diversion names it: APISIX's workers apply kinds in
/// their own time, 10 to 60 ms (`reference/apisix.md`), and one that misses it answers 500 to everything.
const PROVED_AFTER: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Reaching {
    options: PlanOptions,
    rule: ObjectId,
    configured: BTreeMap<ClusterId, Routing>,
    decisions: Decisions,
    carriers: OrdMap<ClusterId, Carrier>,
    /// Clusters whose diversion the target has.
    confirmed: BTreeMap<ClusterId, Diverted>,
    /// Upstreams of gateways, by when they were seen at the target.
    proved: BTreeMap<ObjectId, Instant>,
    /// Whether the target was looked at since the hub's start: before that what was restored is taken for what is there.
    observed: bool,
    /// Somebody else's rule that keeps diversions from acting.
    foreign: Option<String>,
}

/// Routings that changed, for the planner.
pub(super) type Changed = Vec<(ClusterId, Routing)>;

impl Reaching {
    pub(super) fn new(options: PlanOptions) -> Self {
        Self {
            rule: rule_id(&options),
            options,
            configured: BTreeMap::new(),
            decisions: Decisions::new(),
            carriers: OrdMap::new(),
            confirmed: BTreeMap::new(),
            proved: BTreeMap::new(),
            observed: false,
            foreign: None,
        }
    }

    /// How each cluster's traffic is carried, to show; cloning it costs nothing.
    pub(super) fn carriers(&self) -> &OrdMap<ClusterId, Carrier> {
        &self.carriers
    }

    /// The operator's list. A cluster that left it stays as it is reached now.
    pub(super) fn configured(&mut self, list: &ClusterList) -> Changed {
        let mut changed = Vec::new();
        for config in list.iter() {
            let routing = ClusterConfig::routing(config);
            if self.configured.get(&config.name) != Some(&routing) {
                self.configured.insert(config.name.clone(), routing);
                self.choose(&config.name, &mut changed);
            }
        }
        changed
    }

    /// What was decided. Returns the clusters that were decided anew, too.
    pub(super) fn decided(&mut self, decisions: Decisions) -> (Changed, Vec<ClusterId>) {
        let before = std::mem::replace(&mut self.decisions, decisions);
        let differs = |(id, decision): &(&ClusterId, &Arc<Decision>)| {
            before.get(*id).is_none_or(|known| !Arc::ptr_eq(known, decision))
        };
        let anew: Vec<_> = self
            .decisions
            .iter()
            .filter(differs)
            .map(|(id, _)| id.clone())
            .collect();
        let mut changed = Vec::new();
        for cluster in &anew {
            self.choose(cluster, &mut changed);
        }
        let moved = anew
            .into_iter()
            .filter(|id| moved(before.get(id), self.decisions.get(id)));
        let moved = moved.collect();
        (changed, moved)
    }

    /// What the target says of an object.
    pub(super) fn outcome(&mut self, id: &ObjectId, outcome: &Outcome) -> Changed {
        if *id == self.rule {
            return match outcome {
                Outcome::Programmed(_) => {
                    self.confirm();
                    Vec::new()
                }
                Outcome::Refused(refusal) => self.refused(&refusal.message),
                Outcome::Pending => Vec::new(),
            };
        }
        if id.id.starts_with(&self.options.prefix.paths_prefix()) {
            match outcome {
                Outcome::Programmed(_) => drop(self.proved.entry(id.clone()).or_insert_with(Instant::now)),
                Outcome::Refused(_) | Outcome::Pending => drop(self.proved.remove(id)),
            }
        }
        Vec::new()
    }

    /// What the sink says of the target.
    pub(super) fn target(&mut self, target: &TargetSummary) -> Changed {
        self.observed |= target.observed;
        if target.foreign_split == self.foreign {
            return Vec::new();
        }
        self.foreign.clone_from(&target.foreign_split);
        if self.foreign.is_none() {
            return Vec::new();
        }
        let diverted = self.carriers.iter().filter(|(_, carrier)| carrier.is_diversion());
        let diverted: Vec<_> = diverted.map(|(id, _)| id.clone()).collect();
        let mut changed = Vec::new();
        for cluster in diverted {
            self.choose(&cluster, &mut changed);
        }
        changed
    }

    fn confirm(&mut self) {
        let diverted = self.configured.keys().filter_map(|id| {
            let diverted = self.routing(id)?.diverted?;
            Some((id.clone(), diverted))
        });
        self.confirmed = diverted.collect();
    }

    /// What the target has stays; the clusters that were to be diverted as well are moved singly.
    fn refused(&mut self, why: &str) -> Changed {
        let waiting: Vec<_> = self
            .configured
            .keys()
            .filter(|id| self.is_unconfirmed(id))
            .cloned()
            .collect();
        let mut changed = Vec::new();
        for cluster in waiting {
            let why = why.to_owned();
            self.carriers.insert(cluster.clone(), Carrier::Burst { why });
            changed.extend(self.routing(&cluster).map(|routing| (cluster, routing)));
        }
        changed
    }

    fn is_unconfirmed(&self, cluster: &ClusterId) -> bool {
        let diverted = self.routing(cluster).and_then(|routing| routing.diverted);
        diverted.is_some() && self.confirmed.get(cluster) != diverted.as_ref()
    }

    /// Chooses what carries a cluster, for what is decided now.
    fn choose(&mut self, cluster: &ClusterId, changed: &mut Changed) {
        let Some(routing) = self.configured.get(cluster) else {
            return;
        };
        let already = self.carriers.get(cluster).is_some_and(Carrier::is_diversion);
        let carrier = self.carrier(routing, self.decisions.get(cluster).map(Arc::as_ref), already);
        if !carrier.is_diversion() {
            self.confirmed.remove(cluster);
        }
        self.carriers.insert(cluster.clone(), carrier);
        changed.extend(self.routing(cluster).map(|routing| (cluster.clone(), routing)));
    }

    fn carrier(&self, routing: &Routing, decision: Option<&Decision>, already: bool) -> Carrier {
        let Some(away) = decision.and_then(|decision| away(routing, decision)) else {
            return Carrier::Upstreams;
        };
        if away.path.reach != Reach::Gateway {
            let why = format!("path {} has many addresses, not one gateway", away.path.name);
            return Carrier::Burst { why };
        }
        if routing.is_gateway_only() {
            return Carrier::Shared;
        }
        if let Some(rule) = &self.foreign {
            let why = format!(
                "global rule {rule:?}, which is not this hub's, has plugin traffic-split; with two of them neither runs"
            );
            return Carrier::Burst { why };
        }
        // One that acts needs no new proof, be it that its hub has just begun.
        match self.unproved(away.path).filter(|_| !already) {
            Some(id) => Carrier::Burst {
                why: format!("{id}, over which the diversion would go, is not proved to be at the target"),
            },
            None => Carrier::Diversion { percent: away.percent },
        }
    }

    fn unproved(&self, path: &Path) -> Option<ObjectId> {
        if !self.observed {
            return None;
        }
        let proved = |id: &ObjectId| self.proved.get(id).is_some_and(|since| since.elapsed() >= PROVED_AFTER);
        diversion_ids(&self.options, path).into_iter().find(|id| !proved(id))
    }

    /// How a cluster is reached now.
    fn routing(&self, cluster: &ClusterId) -> Option<Routing> {
        let mut routing = self.configured.get(cluster)?.clone();
        let Some(decision) = self.decisions.get(cluster) else {
            return Some(routing);
        };
        routing.order = order(&routing, decision);
        if let Some(Carrier::Diversion { .. }) = self.carriers.get(cluster)
            && let Some(away) = away(&routing, decision)
        {
            routing.diverted = Some(Diverted {
                path: away.position,
                percent: away.percent,
            });
        }
        Some(routing)
    }
}

/// Another path than the best by rank carries traffic, all of it or a share.
struct Away<'a> {
    path: &'a Path,
    position: usize,
    percent: u8,
}

fn away<'a>(routing: &'a Routing, decision: &Decision) -> Option<Away<'a>> {
    let find = |name: &str| {
        let mut paths = routing.paths.iter().enumerate();
        paths.find(|(_, path)| path.name == name)
    };
    let share = |name: &str| {
        let weights = decision.weights.as_ref()?;
        weights
            .iter()
            .find(|(path, _)| path.as_ref() == name)
            .map(|(_, weight)| *weight)
    };
    let (position, path) = find(&decision.active)?;
    let percent = |share: u32| u8::try_from(share.clamp(1, 100)).unwrap_or(100);
    if position > 0 {
        let percent = percent(share(&path.name).unwrap_or(100));
        return Some(Away {
            path,
            position,
            percent,
        });
    }
    // On its way back, in steps: the rest still goes over the other one.
    let weights = decision.weights.as_ref()?;
    let (other, rest) = weights
        .iter()
        .find(|(name, rest)| **name != decision.active && **rest > 0)?;
    let (position, path) = find(other)?;
    Some(Away {
        path,
        position,
        percent: percent(*rest),
    })
}

/// The decision's order as positions; paths that it does not know come last.
fn order(routing: &Routing, decision: &Decision) -> Vec<usize> {
    let position = |name: &Arc<str>| routing.paths.iter().position(|path| path.name == **name);
    let mut order: Vec<usize> = decision.order.iter().filter_map(position).collect();
    for at in 0..routing.paths.len() {
        if !order.contains(&at) {
            order.push(at);
        }
    }
    order
}

/// Whether a cluster that had a path takes another.
fn moved(before: Option<&Arc<Decision>>, now: Option<&Arc<Decision>>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => before.active != now.active,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
