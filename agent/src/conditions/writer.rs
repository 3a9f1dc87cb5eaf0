//! Writes the statuses and events that are due: one at a time, at a bounded rate, by the holder of the Lease.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::api::{Calls, Failure};
use super::ledger::{Facts, Ledger};
use super::notice::{self, Notice};
use super::queue::Queue;
use super::verdict::{self, Verdict};
use super::wanted;
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::publish::Reader;
use crate::source::{Kind, ObjectId, ReportedStatus};
use crate::status::{Addresses, StatusBoard, Statuses};

/// Between two writes: 20 a second, as controller-runtime's clients allow themselves. A cluster of 5,000 Ingresses has its
/// addresses after four minutes; a single change waits for nothing.
const INTERVAL: Duration = Duration::from_millis(50);

/// How long something may wait for the target before it is said: routes go there once a second, so that most changes
/// are `Programmed` without having been `Pending`.
const PENDING: Duration = Duration::from_secs(3);

/// How soon an object is looked at again whose write came too late, should its watch not tell anything.
const OUTDATED: Duration = Duration::from_secs(5);

/// Different things said of one object that are remembered.
const REMEMBERED: usize = 16;

/// What a writer reads.
#[derive(Debug, Clone)]
pub struct Sources {
    /// What is known of each object.
    pub ledger: Ledger,
    /// What is published.
    pub reader: Reader,
    /// What the hub says that counts.
    pub board: StatusBoard,
    /// Whether this replica writes.
    pub leadership: watch::Receiver<Leadership>,
}

/// Who writes.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which replica, for people who read events.
    pub instance: String,
    /// Counters.
    pub metrics: Metrics,
}

/// Writes until `shutdown`.
pub async fn run(client: kube::Client, sources: Sources, options: Options, shutdown: CancellationToken) {
    let writer = Writer {
        said: sources.board.watch(),
        addresses: sources.board.addresses(),
        sources,
        options,
        calls: Calls(client),
        last: Statuses::default(),
        queue: Queue::default(),
        memory: BTreeMap::new(),
        pending: BTreeMap::new(),
        free: Instant::now(),
        holds: false,
    };
    shutdown.run_until_cancelled(writer.run()).await;
}

struct Writer {
    sources: Sources,
    options: Options,
    calls: Calls,
    said: watch::Receiver<Statuses>,
    addresses: watch::Receiver<Addresses>,
    /// What the hub said when objects were last touched for it.
    last: Statuses,
    queue: Queue,
    /// Of objects about which an event was made in this run.
    memory: BTreeMap<ObjectId, Told>,
    /// Since when objects wait for the target.
    pending: BTreeMap<ObjectId, Instant>,
    /// When the next write may go.
    free: Instant,
    holds: bool,
}

/// The events about one object.
#[derive(Debug, Default)]
struct Told {
    /// What is wrong now.
    now: BTreeSet<Notice>,
    /// Everything that was said, with how often.
    ever: BTreeMap<Notice, i32>,
}

impl Writer {
    async fn run(mut self) {
        let mut leadership = self.sources.leadership.clone();
        let ledger = self.sources.ledger.clone();
        loop {
            let holds = leadership.borrow_and_update().holder;
            self.lead(holds);
            self.options.metrics.status_waiting(self.queue.len());
            let due = self.queue.next(Instant::now()).filter(|_| holds);
            let due = due.map(|at| at.max(self.free));
            tokio::select! {
                changed = leadership.changed() => if changed.is_err() { return },
                dirty = ledger.dirty() => dirty.into_iter().for_each(|id| self.queue.touch(id)),
                Ok(()) = self.said.changed() => self.heard(),
                Ok(()) = self.addresses.changed() => self.addressed(),
                () = until(due) => {
                    // A replica that loses the Lease in the middle of a call gives it up.
                    let lost = self.sources.leadership.clone();
                    tokio::select! {
                        () = self.step() => {}
                        () = lost_lease(lost) => {}
                    }
                }
            }
        }
    }

    /// Who begins to hold the Lease looks at everything once: another replica may have written until now.
    fn lead(&mut self, holds: bool) {
        if holds && !self.holds {
            self.memory.clear();
            self.pending.clear();
            self.queue = Queue::default();
            for id in self.sources.ledger.all() {
                self.queue.touch(id);
            }
        }
        self.holds = holds;
    }

    /// The hub said something: what it is about is looked at, at the cost of what changed.
    fn heard(&mut self) {
        let now = self.said.borrow_and_update().clone();
        for item in self.last.diff(&now) {
            let (imbl::ordmap::DiffItem::Add(key, _)
            | imbl::ordmap::DiffItem::Remove(key, _)
            | imbl::ordmap::DiffItem::Update { new: (key, _), .. }) = item;
            for id in self.sources.ledger.users(key) {
                self.queue.touch(id);
            }
        }
        self.last = now;
    }

    fn addressed(&mut self) {
        self.addresses.borrow_and_update();
        let ingress = |id: &ObjectId| id.kind == Kind::Ingress;
        for id in self.sources.ledger.all().into_iter().filter(ingress) {
            self.queue.touch(id);
        }
    }

    /// Looks at the next object, and writes what it lacks.
    async fn step(&mut self) {
        let Some(id) = self.queue.pop(Instant::now()) else {
            return;
        };
        let Some(facts) = self.sources.ledger.facts(&id) else {
            self.queue.succeeded(&id);
            self.memory.remove(&id);
            self.pending.remove(&id);
            return;
        };
        let verdict = self.verdict(&id, &facts);
        match self.write(&id, &facts, &verdict).await {
            Ok(()) => self.queue.succeeded(&id),
            Err(Failure::Outdated | Failure::Exists) => {
                self.queue.succeeded(&id);
                self.queue.look_again(id, Instant::now() + OUTDATED);
            }
            Err(Failure::Other(reason)) => {
                warn!(kind = id.kind.name(), object = %id.name, reason, "status or event cannot be written");
                self.options.metrics.status_failed(id.kind.name());
                self.queue.failed(id, Instant::now());
            }
        }
    }

    /// What the hub says of an object; what is pending only for a short time is not said.
    fn verdict(&mut self, id: &ObjectId, facts: &Facts) -> Verdict {
        let reader = &self.sources.reader;
        let said = self.said.borrow().clone();
        let verdict = verdict::of(id, &facts.declared, |key| reader.hash(key), &said);
        if verdict != Verdict::Pending {
            self.pending.remove(id);
            return verdict;
        }
        let now = Instant::now();
        let said_at = *self.pending.entry(id.clone()).or_insert(now) + PENDING;
        if said_at <= now {
            return verdict;
        }
        self.queue.look_again(id.clone(), said_at);
        Verdict::Unknown
    }

    async fn write(&mut self, id: &ObjectId, facts: &Facts, verdict: &Verdict) -> Result<(), Failure> {
        let addresses = self.addresses.borrow().clone();
        let status = wanted::status(facts, verdict, addresses.as_deref(), Timestamp::now());
        if let Some(status) = status {
            self.claim();
            let written = self.calls.status(id, &facts.reported, &status).await?;
            self.say(id, facts);
            self.sources.ledger.wrote(id, &facts.reported.version, written);
        }
        self.notify(id, facts, notice::of(facts, verdict)).await
    }

    fn say(&self, id: &ObjectId, facts: &Facts) {
        let what = match &facts.reported.status {
            ReportedStatus::Addresses(_) => "addresses",
            ReportedStatus::Conditions(_) => "conditions",
            ReportedStatus::Ancestors(_) => "ancestors",
            ReportedStatus::Absent => return,
        };
        debug!(kind = id.kind.name(), object = %id.name, what, "status written");
        self.options.metrics.status_written(id.kind.name());
    }

    /// Tells what is wrong and was not told, once.
    async fn notify(&mut self, id: &ObjectId, facts: &Facts, notices: Vec<Notice>) -> Result<(), Failure> {
        if let Some(told) = self.memory.get_mut(id) {
            told.now.retain(|notice| notices.contains(notice));
        }
        for notice in notices {
            let told = self.memory.entry(id.clone()).or_default();
            if told.now.contains(&notice) {
                continue;
            }
            let before = told.ever.get(&notice).copied();
            self.tell(id, facts, &notice, before).await?;
            self.memory.entry(id.clone()).or_default().note(notice);
        }
        Ok(())
    }

    /// Makes an event. One that is there already, and was not made in this run, was made before a restart: that says
    /// nothing new.
    async fn tell(
        &mut self,
        id: &ObjectId,
        facts: &Facts,
        notice: &Notice,
        before: Option<i32>,
    ) -> Result<(), Failure> {
        let now = Timestamp::now();
        let mut event = notice.event(id, facts, &self.options.instance, now);
        self.claim();
        match self.calls.event(&event).await {
            Ok(()) => {}
            Err(Failure::Exists) if before.is_none() => return Ok(()),
            Err(Failure::Exists) => {
                event.series = before.map(|count| notice::again(count + 1, now));
                self.calls.again(&event).await?;
            }
            Err(other) => return Err(other),
        }
        info!(kind = id.kind.name(), object = %id.name, reason = notice.reason, note = notice.note, "event");
        self.options.metrics.status_written("Event");
        Ok(())
    }

    /// The next write waits.
    fn claim(&mut self) {
        self.free = Instant::now() + INTERVAL;
    }
}

impl Told {
    fn note(&mut self, notice: Notice) {
        *self.ever.entry(notice.clone()).or_default() += 1;
        self.now.insert(notice);
        while self.ever.len() > REMEMBERED {
            let forgotten = self.ever.keys().find(|known| !self.now.contains(*known)).cloned();
            let Some(forgotten) = forgotten else { return };
            self.ever.remove(&forgotten);
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

async fn lost_lease(mut leadership: watch::Receiver<Leadership>) {
    // Whoever elects is gone when the agent ends; the call may end in order.
    if leadership.wait_for(|it| !it.holder).await.is_err() {
        pending().await
    }
}
