//! The one task that owns the verdict machine: takes evidence and people's orders, publishes decisions.
//!
//! Decides nothing itself. An order is on disk before it acts; verdicts are kept behind, since they are found again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hubline::model::ClusterId;
use imbl::OrdMap;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::decision::{ClusterPaths, Decision, Happened, PathRecord, PathsView};
use super::evidence::{Evidence, Moment};
use super::log::PathLog;
use super::machine::{ConfiguredCluster, PathEffect, PathEvent, PathMachine, Restored};
use super::metrics::PathMetrics;
use super::orders::{Order, OrderId, OrderKind, Refusal};
use super::parameters::HubFailover;
use crate::persist::{PathStore, PathValues};

/// What is decided for each cluster.
pub type Decisions = OrdMap<ClusterId, Arc<Decision>>;

/// A finished probe.
pub type Probed = (ClusterId, Arc<str>, Evidence);

/// Orders on their way: people are few.
const COMMANDS: usize = 16;

/// How long changed verdicts wait for others before they are kept.
const WRITE_BEHIND: Duration = Duration::from_secs(1);

/// What a person wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    /// What is to be done.
    pub order: OrderKind,
    /// Who asks.
    pub who: String,
    /// Why.
    pub why: String,
    /// For how long.
    pub lasts: Duration,
    /// Even if it takes the last usable path or cluster, or pins a path that is down.
    pub force: bool,
}

/// Why an order is not in force.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// It is not allowed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such order.
    #[error("there is no order {0}")]
    Unknown(OrderId),
    /// It could not be kept, and does not act.
    #[error("the order could not be kept, so it does not act: {0}")]
    NotKept(#[from] crate::persist::PersistError),
    /// The hub ends.
    #[error("the hub ends")]
    Ending,
}

#[derive(Debug)]
enum Command {
    Order(OrderRequest, oneshot::Sender<Result<Order, OrderError>>),
    Release(OrderId, oneshot::Sender<Result<Order, OrderError>>),
    Show(oneshot::Sender<PathsView>),
    ShowOne(ClusterId, oneshot::Sender<Option<ClusterPaths>>),
    Orders(oneshot::Sender<Vec<Order>>),
}

/// How the rest of the hub reaches the actor. Cloning shares.
#[derive(Debug, Clone)]
pub struct PathHandle {
    commands: mpsc::Sender<Command>,
    decisions: watch::Receiver<Decisions>,
    log: PathLog,
}

impl PathHandle {
    /// What is decided, now and later.
    #[must_use]
    pub fn decisions(&self) -> watch::Receiver<Decisions> {
        self.decisions.clone()
    }

    /// What happened.
    #[must_use]
    pub fn log(&self) -> &PathLog {
        &self.log
    }

    /// All paths; none when the hub ends.
    pub async fn paths(&self) -> Option<PathsView> {
        let (answer, view) = oneshot::channel();
        self.commands.send(Command::Show(answer)).await.ok()?;
        view.await.ok()
    }

    /// One cluster's paths; none when it has none, or the hub ends.
    pub async fn cluster(&self, cluster: ClusterId) -> Option<ClusterPaths> {
        let (answer, view) = oneshot::channel();
        self.commands.send(Command::ShowOne(cluster, answer)).await.ok()?;
        view.await.ok().flatten()
    }

    /// All orders in force by id, those about clusters that are no longer configured too; none when the hub ends.
    pub async fn orders(&self) -> Option<Vec<Order>> {
        let (answer, orders) = oneshot::channel();
        self.commands.send(Command::Orders(answer)).await.ok()?;
        orders.await.ok()
    }

    /// Orders something; it is kept and in force when this returns.
    ///
    /// # Errors
    /// [`OrderError`]; then nothing changed.
    pub async fn order(&self, request: OrderRequest) -> Result<Order, OrderError> {
        self.ask(|answer| Command::Order(request, answer)).await
    }

    /// Ends an order.
    ///
    /// # Errors
    /// [`OrderError`]; then nothing changed.
    pub async fn release(&self, id: OrderId) -> Result<Order, OrderError> {
        self.ask(|answer| Command::Release(id, answer)).await
    }

    async fn ask(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<Order, OrderError>>) -> Command,
    ) -> Result<Order, OrderError> {
        let (answer, made) = oneshot::channel();
        let sent = self.commands.send(command(answer)).await;
        sent.map_err(|_| OrderError::Ending)?;
        made.await.unwrap_or(Err(OrderError::Ending))
    }
}

/// The operator's word on paths.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PathSettings {
    /// For the hub.
    pub hub: HubFailover,
    /// For clusters.
    pub clusters: Vec<ConfiguredCluster>,
}

/// See the module.
#[derive(Debug)]
pub struct PathActor {
    machine: PathMachine,
    began: Instant,
    settings: watch::Receiver<Arc<PathSettings>>,
    evidence: mpsc::Receiver<Probed>,
    commands: mpsc::Receiver<Command>,
    decisions: watch::Sender<Decisions>,
    log: PathLog,
    metrics: PathMetrics,
    store: PathStore,
    unkept: PathValues,
    keep_at: Option<Instant>,
}

impl PathActor {
    /// An actor that begins with what was kept: its first decisions are there before it runs. Moments count from
    /// `began`, with probers as with it.
    #[must_use]
    pub fn new(
        began: Instant,
        settings: watch::Receiver<Arc<PathSettings>>,
        evidence: mpsc::Receiver<Probed>,
        store: PathStore,
        restored: Restored,
        metrics: PathMetrics,
    ) -> (Self, PathHandle) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let decisions = watch::Sender::new(Decisions::new());
        let log = PathLog::default();
        let handle = PathHandle {
            commands: sender,
            decisions: decisions.subscribe(),
            log: log.clone(),
        };
        let mut actor = Self {
            machine: PathMachine::new(Moment(began.elapsed()), Timestamp::now()),
            began,
            settings,
            evidence,
            commands,
            decisions,
            log,
            metrics,
            store,
            unkept: PathValues::default(),
            keep_at: None,
        };
        actor.on(PathEvent::Restored(restored));
        actor.configured();
        (actor, handle)
    }

    /// Runs until `shutdown`; what is not kept then is written before it returns.
    pub async fn run(mut self, shutdown: CancellationToken) {
        // Orders end by the wall clock, which somebody may set.
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.machine.next_deadline().map(|moment| self.began + moment.0);
            let now = Instant::now();
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(command) = self.commands.recv() => self.command(command).await,
                Some((cluster, path, evidence)) = self.evidence.recv() => {
                    self.metrics.probe(&cluster, &path, &evidence);
                    self.on(PathEvent::Evidence { cluster, path, evidence });
                }
                Ok(()) = self.settings.changed() => self.configured(),
                () = sleep_until(due.unwrap_or(now)), if due.is_some() => self.tick(),
                () = sleep_until(self.keep_at.unwrap_or(now)), if self.keep_at.is_some() => self.keep().await,
                _ = ticks.tick() => self.tick(),
            }
        }
        self.keep().await;
    }

    fn now(&self) -> Moment {
        Moment(self.began.elapsed())
    }

    fn tick(&mut self) {
        self.on(PathEvent::Tick { wall: Timestamp::now() });
    }

    fn configured(&mut self) {
        let settings = self.settings.borrow_and_update().clone();
        let PathSettings { hub, clusters } = settings.as_ref().clone();
        self.on(PathEvent::Configured { hub, clusters });
    }

    fn on(&mut self, event: PathEvent) {
        let now = self.now();
        let mut decided = BTreeMap::new();
        for effect in self.machine.on(event, now) {
            match effect {
                PathEffect::Decide(cluster, decision) => drop(decided.insert(cluster, Arc::new(decision))),
                PathEffect::Happened(record) => self.happened(record),
                PathEffect::Persist(cluster, state) => self.unkept.cluster(&cluster, &state),
            }
        }
        if !decided.is_empty() {
            // What is at the target soon must be on disk soon, or a restart would undo it.
            self.keep_at = Some(Instant::now());
            self.decisions.send_modify(|decisions| decisions.extend(decided));
        }
        if !self.unkept.is_empty() {
            self.keep_at.get_or_insert(Instant::now() + WRITE_BEHIND);
        }
    }

    fn happened(&mut self, record: PathRecord) {
        if let Happened::OrderEnded { order, .. } = &record.what {
            self.unkept.forget_order(order.id);
        }
        super::say::say(&record);
        self.metrics.happened(&record);
        self.log.push(record);
    }

    async fn keep(&mut self) {
        self.keep_at = None;
        let values = std::mem::take(&mut self.unkept);
        if let Err(error) = self.store.write(values.clone()).await {
            tracing::error!(%error, "verdicts could not be kept");
            self.unkept.put_back(values);
            self.keep_at = Some(Instant::now() + WRITE_BEHIND);
        }
    }

    async fn command(&mut self, command: Command) {
        // Who asked may have given up waiting.
        match command {
            Command::Order(request, answer) => drop(answer.send(self.order(request).await)),
            Command::Release(id, answer) => drop(answer.send(self.release(id).await)),
            Command::Show(answer) => drop(answer.send(self.machine.view(self.now()))),
            Command::ShowOne(cluster, answer) => drop(answer.send(self.machine.summary(&cluster, self.now()))),
            Command::Orders(answer) => drop(answer.send(self.machine.orders().cloned().collect())),
        }
    }

    async fn order(&mut self, request: OrderRequest) -> Result<Order, OrderError> {
        let since = Timestamp::now();
        let order = Order {
            id: self.next_id(),
            kind: request.order,
            who: request.who,
            why: request.why,
            since,
            until: since.saturating_add(request.lasts).unwrap_or(Timestamp::MAX),
            force: request.force,
        };
        self.machine.judge(&order, self.now())?;
        let mut values = PathValues::default();
        values.order(&order);
        self.store.write(values).await?;
        self.on(PathEvent::Order(order.clone()));
        Ok(order)
    }

    async fn release(&mut self, id: OrderId) -> Result<Order, OrderError> {
        let found = self.machine.orders().find(|order| order.id == id).cloned();
        let order = found.ok_or(OrderError::Unknown(id))?;
        let mut values = PathValues::default();
        values.forget_order(id);
        self.store.write(values).await?;
        self.on(PathEvent::Release(id));
        Ok(order)
    }

    /// From the clock, so that a number is not used again after a restart; and later than any that is known.
    fn next_id(&self) -> OrderId {
        let clock = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
        let last = self.machine.orders().map(|order| order.id.0).max().unwrap_or_default();
        OrderId(clock.max(last + 1))
    }
}
