//! A cluster's API server as its agent sees it: one listing and watch a kind, each in its own time, and Secrets by name.
//!
//! The same events in the same order as `hubline_agent::source::kube` makes of a real one; its failures too: a listing
//! that fails in the middle, a kind that is forbidden, a watch that ends and is taken up again, or begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hubline::model::ClusterId;
use hubline_agent::source::{Coverage, Fetch, Kind, Name, Object, ObjectId, SourceEvent};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::chance::Chance;
use crate::truth::{Change, Truth};

/// As `source::kube::secrets` has them.
const AGAIN: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_secs(5);

/// Where one kind's watch is.
pub(crate) struct Watch {
    pub(crate) cluster: ClusterId,
    pub(crate) kind: Kind,
    pub(crate) truth: Truth,
    pub(crate) chance: Chance,
    pub(crate) events: mpsc::Sender<SourceEvent>,
    /// Whether the run is quiet by now: no watch ends by chance any more.
    pub(crate) quiet: watch::Receiver<bool>,
    /// What this watch has shown and not deleted.
    pub(crate) shown: BTreeSet<ObjectId>,
    /// What of it could be read.
    pub(crate) read: BTreeMap<ObjectId, Object>,
}

/// Why a listing or watch ended.
enum End {
    /// Nobody reads the events.
    Unread,
    Refused(String),
    /// The version is too old: list anew, without a word.
    Expired,
}

impl Watch {
    /// Follows the kind for ever, or until nobody reads.
    pub(crate) async fn follow(mut self) {
        let mut pause = 500;
        loop {
            match self.once().await {
                End::Unread => return,
                End::Expired => {}
                End::Refused(reason) => {
                    let kind = self.kind;
                    if self.tell(SourceEvent::Failed { kind, reason }).await.is_err() {
                        return;
                    }
                }
            }
            sleep(self.chance.millis(pause / 2..=pause)).await;
            pause = (pause * 2).min(8_000);
        }
    }

    async fn once(&mut self) -> End {
        match self.list().await {
            Ok(position) => self.watch(position).await,
            Err(end) => end,
        }
    }

    async fn list(&mut self) -> Result<usize, End> {
        self.tell(SourceEvent::Begin(self.kind)).await?;
        sleep(self.chance.mostly(30, 3_000)).await;
        self.check()?;
        let (objects, position) = self.truth.list(&self.cluster, self.kind);
        self.shown.clear();
        for object in objects {
            if !self.shows(&object) {
                continue;
            }
            if self.chance.percent(10) {
                sleep(self.chance.mostly(20, 1_000)).await;
                self.check()?;
            }
            self.shown.insert(object.id());
            let event = self.read(object, SourceEvent::Listed);
            self.tell(event).await?;
        }
        let coverage = match self.kind.field_selector() {
            Some(_) => Coverage::Selected,
            None => Coverage::All,
        };
        let kind = self.kind;
        self.tell(SourceEvent::End { kind, coverage }).await?;
        Ok(position)
    }

    async fn watch(&mut self, mut position: usize) -> End {
        let mut versions = self.truth.watch(&self.cluster);
        loop {
            versions.borrow_and_update();
            if let Err(end) = self.check() {
                return end;
            }
            if let Some(change) = self.truth.change(&self.cluster, self.kind, position) {
                sleep(self.chance.mostly(20, 2_000)).await;
                if let Err(end) = self.check() {
                    return end;
                }
                position += 1;
                if !*self.quiet.borrow() && self.chance.percent(2) {
                    return End::Expired;
                }
                if self.follow_change(change).await.is_err() {
                    return End::Unread;
                }
            } else if versions.changed().await.is_err() {
                return End::Unread;
            }
        }
    }

    async fn follow_change(&mut self, change: Change) -> Result<(), End> {
        let id = change.id();
        let event = match change {
            Change::Apply(object) if self.shows(&object) => {
                self.shown.insert(id);
                self.read(object, SourceEvent::Apply)
            }
            // What a selector shows no longer is deleted to the watch, and of what it never showed it says nothing.
            Change::Apply(_) | Change::Delete(_) if self.shown.remove(&id) => {
                self.read.remove(&id);
                SourceEvent::Delete(id)
            }
            Change::Apply(_) | Change::Delete(_) => return Ok(()),
        };
        self.tell(event).await
    }

    /// An object as an event, if it can be read.
    fn read(&mut self, object: Object, event: impl FnOnce(Box<Object>) -> SourceEvent) -> SourceEvent {
        let id = object.id();
        if self.truth.is_garbled(&self.cluster, &id) {
            if self.read.get(&id).is_some_and(|before| *before != object) {
                self.truth.missed(&self.cluster, &id);
            }
            let reason = "garbled".to_owned();
            return SourceEvent::Malformed { id, reason };
        }
        self.read.insert(id, object.clone());
        event(Box::new(object))
    }

    /// Of Secrets only those of type TLS are watched.
    fn shows(&self, object: &Object) -> bool {
        match object {
            Object::Secret(_, secret) => &*secret.secret_type == "kubernetes.io/tls",
            _ => true,
        }
    }

    fn check(&self) -> Result<(), End> {
        match self.truth.refusal(&self.cluster, self.kind) {
            Some(reason) => Err(End::Refused(reason)),
            None => Ok(()),
        }
    }

    async fn tell(&self, event: SourceEvent) -> Result<(), End> {
        self.events.send(event).await.map_err(|_| End::Unread)
    }
}

/// Fetches Secrets by name, as `source::kube::secrets` does.
pub(crate) async fn fetch(
    cluster: ClusterId,
    truth: Truth,
    mut chance: Chance,
    mut wanted: watch::Receiver<BTreeSet<Name>>,
    events: mpsc::Sender<SourceEvent>,
) {
    let mut answered = BTreeSet::new();
    let mut round = Instant::now() + AGAIN;
    loop {
        let names = wanted.borrow_and_update().clone();
        answered.retain(|name| names.contains(name));
        let open: Vec<Name> = names.difference(&answered).cloned().collect();
        let mut retry = round;
        for name in open {
            sleep(chance.mostly(20, 1_000)).await;
            let outcome = ask(&cluster, &truth, &name);
            match outcome {
                Fetch::Failed(_) => retry = round.min(Instant::now() + RETRY),
                Fetch::Found(_) | Fetch::NotFound => drop(answered.insert(name.clone())),
            }
            if events.send(SourceEvent::Fetched { name, outcome }).await.is_err() {
                return;
            }
        }
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            () = sleep_until(retry) => {}
        }
        if Instant::now() >= round {
            answered.clear();
            round = Instant::now() + AGAIN;
        }
    }
}

fn ask(cluster: &ClusterId, truth: &Truth, name: &Name) -> Fetch {
    match truth.refusal(cluster, Kind::Secret) {
        Some(reason) => Fetch::Failed(reason),
        None => truth.secret(cluster, name).map_or(Fetch::NotFound, Fetch::Found),
    }
}
