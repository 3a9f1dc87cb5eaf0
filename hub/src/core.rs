//! The one task that owns the clusters' state machines, the federation and the planner.
//!
//! Everything that changes what the hub knows or wants passes here, one event at a time; each event's cost is that of
//! its change. Desired objects are committed at once: endpoint changes wait for nothing. After a batch of events readers
//! get a new [`View`]. *Absent:* I/O of any kind; sessions, disk and target are reached through handles that never block.

mod clock;
mod everybody;
mod grants;
mod made;
mod problems;
mod reaching;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hubline::model::{ClusterId, GlobalKey, Key, ResourceKind};
use hubline::wire::{ContentHash, Digest, HubMessage, ResourceStatus};
use imbl::OrdMap;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::change::Change;
use crate::cluster::{Cluster, Effect, Event, SessionId, Settings};
use crate::config::{ClusterConfig, ClusterList};
use crate::desired::DesiredWriter;
use crate::federate::Federation;
use crate::ingest::{Inbound, Sessions};
use crate::object::ObjectId;
use crate::path::actor::Decisions;
use crate::path::demotion::Demotions;
use crate::persist;
use crate::plan::id::{ClusterRegistry, Prefix};
use crate::plan::{PlanOptions, PlanOutput, Planner, Routing};
use crate::view::{ClusterSummary, Outcome, Phase, Problem, ProblemKind, TargetSummary, View};
use clock::Clock;
use grants::Grants;
use made::Made;
use problems::{ProblemBook, Stage};
use reaching::Reaching;
use status::StatusBook;

/// Events taken between two views: some milliseconds of work, so that readers lag little and a burst costs few versions.
const BATCH: usize = 256;

/// How long statuses wait for more of them: the way to the target and back takes 10 to 60 ms (`reference/apisix.md`),
/// so that agents hear of the end of a write and seldom of its beginning.
const STATUS_HOLDOFF: Duration = Duration::from_millis(100);

/// What the core reaches the rest of the hub by.
#[derive(Debug)]
pub struct Handles {
    /// Where desired objects go.
    pub desired: DesiredWriter,
    /// Where last good states go.
    pub persist: persist::Writer,
    /// The open streams.
    pub sessions: Arc<Sessions>,
    /// The clusters that the operator lists.
    pub clusters: watch::Receiver<Arc<ClusterList>>,
    /// Which path each cluster takes.
    pub decisions: watch::Receiver<Decisions>,
    /// What stands lower in upstreams than its path says.
    pub demotions: watch::Receiver<Demotions>,
    /// By which addresses the world reaches the target.
    pub addresses: watch::Receiver<Arc<[String]>>,
    /// What the sink says of the target.
    pub target: watch::Receiver<Arc<TargetSummary>>,
    /// Where readers find the view.
    pub view: Arc<ArcSwap<View>>,
}

/// What the operator decides for all clusters.
#[derive(Debug, Clone)]
pub struct CoreOptions {
    /// How objects are rendered.
    pub plan: PlanOptions,
    /// Most resources of one cluster.
    pub max_resources: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Core {
    handles: Handles,
    prefix: Prefix,
    max_resources: u64,
    registry: ClusterRegistry,
    clusters: BTreeMap<ClusterId, Cluster>,
    federation: Federation,
    planner: Planner,
    summaries: OrdMap<ClusterId, Arc<ClusterSummary>>,
    problems: ProblemBook,
    statuses: StatusBook,
    made: Made,
    reaching: Reaching,
    stale_summaries: BTreeSet<ClusterId>,
    /// Clusters that were in step with their agent since the hub's start: only of these leftovers are removed.
    settled: BTreeSet<ClusterId>,
    /// Clusters that were restored and not in step with their agent since.
    unheard: BTreeSet<ClusterId>,
    grants: Grants,
    clock: Clock,
    version: u64,
}

impl Core {
    /// A core with the clusters that were persisted: what they had is in force, and committed, before it runs.
    #[must_use]
    pub fn new(handles: Handles, options: CoreOptions, restored: Vec<Cluster>) -> Self {
        let CoreOptions { plan, max_resources } = options;
        let mut core = Self {
            handles,
            prefix: plan.prefix.clone(),
            max_resources,
            registry: ClusterRegistry::default(),
            clusters: BTreeMap::new(),
            federation: Federation::new(),
            reaching: Reaching::new(plan.clone()),
            planner: Planner::new(plan),
            summaries: OrdMap::new(),
            problems: ProblemBook::default(),
            statuses: StatusBook::default(),
            made: Made::default(),
            stale_summaries: BTreeSet::new(),
            settled: BTreeSet::new(),
            unheard: BTreeSet::new(),
            grants: Grants::default(),
            clock: Clock::start(),
            version: 0,
        };
        for cluster in restored {
            core.take_in(cluster);
        }
        core.configured();
        core.decided();
        // They follow from the configuration and what was restored alone.
        let of_paths = core.prefix.paths_prefix();
        core.handles.desired.settle([of_paths]);
        core.publish();
        core
    }

    /// Runs until `shutdown`.
    pub async fn run(
        mut self,
        mut inbound: mpsc::Receiver<Inbound>,
        mut outcomes: mpsc::Receiver<Vec<(ObjectId, Outcome)>>,
        shutdown: CancellationToken,
    ) {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut clusters = self.handles.clusters.clone();
        let mut target = self.handles.target.clone();
        let mut decisions = self.handles.decisions.clone();
        let mut demotions = self.handles.demotions.clone();
        let mut addresses = self.handles.addresses.clone();
        let mut say_at: Option<Instant> = None;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(first) = inbound.recv() => {
                    self.inbound(first);
                    for _ in 1..BATCH {
                        let Ok(next) = inbound.try_recv() else { break };
                        self.inbound(next);
                    }
                }
                Some(list) = outcomes.recv() => self.outcomes(list),
                Ok(()) = decisions.changed() => self.decided(),
                Ok(()) = demotions.changed() => self.demoted(),
                Ok(()) = clusters.changed() => self.configured(),
                Ok(()) = target.changed() => self.targeted(),
                Ok(()) = addresses.changed() => self.addressed(),
                _ = ticks.tick() => self.tick(),
                () = sleep_until(say_at.unwrap_or_else(Instant::now)), if say_at.is_some() => {
                    self.say();
                    say_at = None;
                }
            }
            self.publish();
            if say_at.is_none() && self.statuses.is_dirty() {
                say_at = Some(Instant::now() + STATUS_HOLDOFF);
            }
        }
    }

    fn take_in(&mut self, cluster: Cluster) {
        let id = cluster.id().clone();
        let changes: Vec<_> = cluster
            .resources()
            .map(|(key, stored)| Change {
                key: key.clone(),
                now: Some(stored),
            })
            .collect();
        if !self.register(&id) {
            return;
        }
        self.handles.desired.restored(self.prefix.cluster_prefix(&id));
        self.unheard.insert(id.clone());
        self.clusters.insert(id.clone(), cluster);
        self.stale_summaries.insert(id.clone());
        self.changed(&id, &changes, Instant::now());
    }

    fn register(&mut self, id: &ClusterId) -> bool {
        let registered = self.registry.register(id);
        if let Err(error) = &registered {
            tracing::error!(cluster = %id, %error, "cluster refused");
        }
        registered.is_ok()
    }

    /// The operator's list of clusters is read again: new ones are made, those that left it keep what they have.
    fn configured(&mut self) {
        let list = self.handles.clusters.borrow_and_update().clone();
        for ClusterConfig { name, .. } in list.iter() {
            if !self.clusters.contains_key(name) && self.register(name) {
                self.clusters.insert(name.clone(), Cluster::new(name.clone()));
            }
        }
        let changed = self.reaching.configured(&list);
        self.reached(changed);
        self.granted(&list);
        let ids: Vec<_> = self.clusters.keys().cloned().collect();
        for id in ids {
            let listed = list.get(&id);
            let settings = listed.map(|config| Settings {
                uid: config.uid.clone(),
                max_resources: self.max_resources,
            });
            self.on(&id, Event::Configured(settings), Instant::now());
        }
    }

    /// Clusters are reached otherwise now.
    fn reached(&mut self, changed: Vec<(ClusterId, Routing)>) {
        if !changed.is_empty() {
            let output = self.planner.reach(changed);
            self.planned(output, Instant::now());
        }
    }

    fn decided(&mut self) {
        let decisions = self.handles.decisions.borrow_and_update().clone();
        let (changed, moved) = self.reaching.decided(decisions);
        // What was restored may be a second older than the target, but a path that is dead carries nothing at all.
        for id in moved.into_iter().filter(|id| self.unheard.contains(id)) {
            self.handles.desired.heard(&self.prefix.cluster_prefix(&id));
        }
        self.reached(changed);
    }

    fn demoted(&mut self) {
        let demotions = self.handles.demotions.borrow_and_update().clone();
        let output = self.planner.demote(demotions);
        self.planned(output, Instant::now());
    }

    fn targeted(&mut self) {
        let target = self.handles.target.borrow_and_update().clone();
        let changed = self.reaching.target(&target);
        self.reached(changed);
    }

    fn inbound(&mut self, inbound: Inbound) {
        // The name that every key of the cluster shares, not the session's own copy of it.
        let known = self.clusters.get_key_value(&inbound.cluster);
        let id = known.map_or(inbound.cluster, |(id, _)| id.clone());
        self.on(&id, inbound.event, inbound.received);
    }

    fn tick(&mut self) {
        let ids: Vec<_> = self.clusters.keys().cloned().collect();
        for id in ids {
            self.on(&id, Event::Tick, Instant::now());
        }
    }

    /// `since` is when the event came.
    fn on(&mut self, id: &ClusterId, event: Event, since: Instant) {
        let Some(cluster) = self.clusters.get_mut(id) else {
            // Ingest admits by the same list, which may have changed in between: the session is told to come again.
            if let Event::Opened { session, .. } = event {
                self.handles
                    .sessions
                    .close(session, crate::cluster::CloseReason::NotConfigured);
            }
            return;
        };
        let effects = cluster.on(event, self.clock.now());
        // Not from disk alone: what was persisted may be a second older than the target.
        let in_step = cluster.phase() == Phase::Live;
        let settled = !self.settled.contains(id) && in_step && cluster.settled();
        for effect in effects {
            self.effect(id, effect, since);
        }
        // After the effects: what is no longer held is what the agent said.
        if in_step && self.unheard.remove(id) {
            self.handles.desired.heard(&self.prefix.cluster_prefix(id));
            let heard = self.grants.hold(&self.unheard);
            self.say_of_everybody(heard);
        }
        if settled {
            self.settled.insert(id.clone());
            self.handles.desired.settle([self.prefix.cluster_prefix(id)]);
            self.settle_everybody();
        }
    }

    fn effect(&mut self, id: &ClusterId, effect: Effect, since: Instant) {
        match effect {
            Effect::Welcome(session, has) => self.welcome(id, session, has),
            Effect::Send(session, message) => self.handles.sessions.send(session, message),
            Effect::Close(session, reason) => self.handles.sessions.close(session, reason),
            Effect::Changed(changes) => self.changed(id, &changes, since),
            Effect::Quarantine(list) => self.quarantine(id, list),
            Effect::Persist(operations) => self.handles.persist.write(id, operations),
            Effect::Summary => drop(self.stale_summaries.insert(id.clone())),
        }
    }

    fn welcome(&mut self, id: &ClusterId, session: SessionId, has: Option<Digest>) {
        self.handles.sessions.welcome(session);
        for status in self.statuses.begin(id, has) {
            self.handles.sessions.send(session, HubMessage::Status(status));
        }
        self.tell_addresses(id);
    }

    /// Other addresses are in force: all sessions that want them are told.
    fn addressed(&self) {
        for id in self.clusters.keys() {
            self.tell_addresses(id);
        }
    }

    fn tell_addresses(&self, id: &ClusterId) {
        let Some(session) = self.clusters.get(id).and_then(Cluster::addressed) else {
            return;
        };
        let addresses = self.handles.addresses.borrow().to_vec();
        self.handles.sessions.send(session, HubMessage::Addresses(addresses));
    }

    fn quarantine(&mut self, id: &ClusterId, list: Vec<(Key, Option<Problem>)>) {
        for (key, problem) in list {
            let key = GlobalKey {
                cluster: id.clone(),
                key,
            };
            if self.problems.set(Stage::Cluster, &key, problem.into_iter().collect()) {
                self.statuses.touch(&key);
            }
        }
    }

    /// The short way of every change: federate, plan, commit.
    fn changed(&mut self, id: &ClusterId, changes: &[Change], since: Instant) {
        for change in changes {
            let key = GlobalKey {
                cluster: id.clone(),
                key: change.key.clone(),
            };
            self.statuses.touch(&key);
        }
        let verdicts = self.federation.apply(id, changes);
        let output = self.planner.apply(id, changes, &verdicts);
        self.planned(output, since);
    }

    fn planned(&mut self, output: PlanOutput, since: Instant) {
        for (id, object) in &output.objects {
            for key in self.made.set(id, object.as_ref()) {
                let problems = self.refusals(&key);
                self.problems.set(Stage::Sink, &key, problems);
                self.statuses.touch(&key);
            }
        }
        let ids = output.objects.iter().map(|(id, _)| id);
        self.handles
            .desired
            .commit_since(ids, self.made.desired().clone(), since);
        for (key, problems) in output.problems {
            if self.problems.set(Stage::Plan, &key, problems) {
                self.statuses.touch(&key);
            }
        }
    }

    fn outcomes(&mut self, list: Vec<(ObjectId, Outcome)>) {
        for (id, outcome) in list {
            let changed = self.reaching.outcome(&id, &outcome);
            self.reached(changed);
            for key in self.made.outcome(&id, &outcome) {
                let problems = self.refusals(&key);
                self.problems.set(Stage::Sink, &key, problems);
                self.statuses.touch(&key);
            }
        }
    }

    /// What the target refuses of a resource's objects.
    fn refusals(&self, key: &GlobalKey) -> Vec<Problem> {
        let refused = self.made.of(key).filter_map(|(id, outcome)| match outcome {
            Some(Outcome::Refused(refusal)) => Some(Problem {
                kind: ProblemKind::Refused,
                reason: refusal.reason.clone(),
                message: format!("{id}: {}", refusal.message),
                content_hash: self
                    .planner
                    .resources()
                    .get(key)
                    .map_or(ContentHash(0), |stored| stored.hash),
            }),
            Some(Outcome::Pending | Outcome::Programmed(_)) | None => None,
        });
        refused.collect()
    }

    /// Tells the live sessions what changed.
    fn say(&mut self) {
        for id in self.statuses.dirty() {
            let mut statuses = std::mem::take(&mut self.statuses);
            let messages = statuses.flush(&id, |key| self.status(&id, key));
            self.statuses = statuses;
            let Some(session) = self.clusters.get(&id).and_then(Cluster::session) else {
                continue;
            };
            for message in messages {
                self.handles.sessions.send(session, HubMessage::Status(message));
            }
        }
    }

    /// What is to be said of a resource now.
    fn status(&self, cluster: &ClusterId, key: &Key) -> Option<ResourceStatus> {
        let global = GlobalKey {
            cluster: cluster.clone(),
            key: key.clone(),
        };
        let said = |hash: ContentHash, condition: &str, reason: &str, message: &str| ResourceStatus {
            key: key.clone(),
            content_hash: hash,
            condition: condition.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            gone: false,
        };
        if let Some(worst) = self.problems.of(&global).and_then(|problems| problems.first()) {
            return Some(said(
                worst.content_hash,
                worst.kind.label(),
                &worst.reason,
                &worst.message,
            ));
        }
        let stored = self.planner.resources().get(&global)?;
        // Programmed endpoint sets are not told: an answer to every endpoint change would double their traffic.
        let silent = matches!(
            key.kind,
            ResourceKind::EndpointSet | ResourceKind::Node | ResourceKind::ClusterInfo
        );
        if silent {
            return None;
        }
        let mut outcomes = self.made.of(&global).map(|(_, outcome)| outcome).peekable();
        if outcomes.peek().is_none() {
            return Some(said(stored.hash, status::ACCEPTED, status::ACCEPTED, ""));
        }
        let pending = outcomes.any(|outcome| outcome == Some(&Outcome::Pending));
        let condition = if pending { status::PENDING } else { status::PROGRAMMED };
        Some(said(stored.hash, condition, condition, ""))
    }

    fn publish(&mut self) {
        for id in std::mem::take(&mut self.stale_summaries) {
            if let Some(cluster) = self.clusters.get(&id) {
                self.summaries.insert(id, Arc::new(cluster.summary()));
            }
        }
        self.version += 1;
        self.handles.view.store(Arc::new(View {
            version: self.version,
            clusters: self.summaries.clone(),
            resources: self.planner.resources().clone(),
            problems: self.problems.all().clone(),
            desired: self.made.desired().clone(),
            outcomes: self.made.outcomes().clone(),
            target: self.handles.target.borrow().clone(),
            carriers: self.reaching.carriers().clone(),
            demotions: self.planner.demotions().clone(),
        }));
    }
}
