//! The one task that translates and publishes, and starts and stops sessions.
//!
//! Coalescing needs no timer: the first change goes at once, and what arrives while it is translated is taken together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hubline::wire::Epoch;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::edges::{Edges, Random, StageOptions};
use super::{EVENTS, Sessions};
use crate::conditions::Ledger;
use crate::health::Readiness;
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::output::Declared;
use crate::publish::Publisher;
use crate::source::{Kind, Name, ObjectId, Reported, SourceEvent};
use crate::status::StatusBoard;
use crate::translate::Translator;

/// What an event tells of statuses.
enum Noted {
    Reported(ObjectId, Box<Reported>),
    Gone(ObjectId),
    Listed(Kind),
}

impl Noted {
    fn of(event: &SourceEvent) -> Option<Self> {
        Some(match event {
            SourceEvent::Reported(id, reported) => Self::Reported(id.clone(), reported.clone()),
            SourceEvent::Delete(id) => Self::Gone(id.clone()),
            SourceEvent::End { kind, .. } => Self::Listed(*kind),
            _ => return None,
        })
    }
}

/// All of an agent between its edges: what a source tells goes in, sessions with hubs come out.
#[derive(Debug)]
pub struct Stage {
    translator: Translator,
    publisher: Publisher,
    sessions: Sessions,
    metrics: Metrics,
    events: mpsc::Receiver<SourceEvent>,
    wanted: watch::Sender<BTreeSet<Name>>,
    leadership: watch::Receiver<Leadership>,
    ledger: Option<Ledger>,
    /// [`crate::publish::Version::diagnostics`] that the ledger has.
    diagnosed: u64,
    readiness: watch::Sender<Readiness>,
    grace: Duration,
    random: Random,
}

impl Stage {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(options: StageOptions, edges: Edges) -> Self {
        let publisher = Publisher::new(Epoch::default());
        Self {
            translator: Translator::new(options.translate),
            sessions: Sessions::new(
                options.hubs,
                options.speaker,
                publisher.reader(),
                options.metrics.clone(),
            ),
            publisher,
            metrics: options.metrics,
            events: edges.events,
            wanted: edges.wanted,
            leadership: edges.leadership,
            ledger: edges.ledger,
            diagnosed: 0,
            readiness: edges.readiness,
            grace: options.grace,
            random: options.random,
        }
    }

    /// What is published.
    #[must_use]
    pub fn reader(&self) -> crate::publish::Reader {
        self.publisher.reader()
    }

    /// What each hub says, in the order of the options' hubs.
    #[must_use]
    pub fn boards(&self) -> Vec<StatusBoard> {
        self.sessions.boards()
    }

    /// Runs until `shutdown`, or until the source ends.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let grace_ends = Instant::now() + self.grace;
        let mut electing = true;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                event = self.events.recv() => match event {
                    Some(event) => self.take(event),
                    None => break,
                },
                changed = self.leadership.changed(), if electing => electing = changed.is_ok(),
                () = sleep_until(grace_ends), if !self.translator.is_settled() => {
                    warn!(waited = ?self.grace, "not every kind was listed; those count as unknown");
                    self.translator.stop_waiting();
                    self.publish();
                }
            }
            self.lead().await;
        }
        self.sessions.stop().await;
    }

    /// Takes one event and those that wait behind it: no more than fit the channel, or a source that is quicker than
    /// this would never be published.
    fn take(&mut self, event: SourceEvent) {
        let mut noted = Vec::new();
        self.take_in(event, &mut noted);
        for _ in 1..EVENTS {
            let Ok(event) = self.events.try_recv() else { break };
            self.take_in(event, &mut noted);
        }
        self.publish();
        // After what was made of the objects: a verdict on it is a verdict on the generation that is noted here.
        self.note(noted);
    }

    fn take_in(&mut self, event: SourceEvent, noted: &mut Vec<Noted>) {
        if self.ledger.is_some() && self.translator.concerns(&event) {
            noted.extend(Noted::of(&event));
        }
        self.translator.apply(event);
    }

    fn note(&self, noted: Vec<Noted>) {
        let Some(ledger) = &self.ledger else { return };
        for noted in noted {
            match noted {
                Noted::Reported(id, reported) if self.translator.knows(&id) => ledger.report(&id, Some(*reported)),
                // It is gone again, or was never good.
                Noted::Reported(..) => {}
                Noted::Gone(id) => ledger.report(&id, None),
                Noted::Listed(kind) => ledger.listed(kind, |id| self.translator.knows(id)),
            }
        }
    }

    /// What was made of objects, for whoever writes their statuses.
    fn declare(&mut self, declared: Vec<(ObjectId, Option<Arc<Declared>>)>) {
        let Some(ledger) = &self.ledger else { return };
        let (diagnostics, version) = self.publisher.reader().all_diagnostics();
        if std::mem::replace(&mut self.diagnosed, version) != version {
            ledger.diagnose(diagnostics);
        }
        ledger.declare(declared);
    }

    fn publish(&mut self) {
        let mut output = self.translator.drain();
        let declared = std::mem::take(&mut output.declared);
        let wanted = self.translator.wanted_secrets();
        self.wanted.send_if_modified(|last| {
            let changed = *last != wanted;
            *last = wanted;
            changed
        });
        if output.is_empty() {
            return self.declare(declared);
        }
        for fault in output.diagnostics.iter().flatten() {
            debug!(object = %fault.object, reason = fault.reason, "{fault}");
        }
        let revision = self.publisher.apply(output);
        self.metrics.published(&self.publisher.reader());
        self.declare(declared);
        if self.readiness.send_replace(Readiness::Ready) == Readiness::Starting {
            let resources = self.publisher.reader().len();
            info!(revision, resources, "published for the first time");
        }
    }

    /// Sessions run while this replica holds the lease and there is something to say.
    async fn lead(&mut self) {
        let Leadership { holder, transitions } = *self.leadership.borrow_and_update();
        self.metrics.leader(holder);
        let published = *self.readiness.borrow() == Readiness::Ready;
        let running = self.publisher.reader().version().epoch.counter == transitions && self.sessions.running.is_some();
        if holder && published && !running {
            self.sessions.stop().await;
            self.translator.doubt_failed();
            self.publish();
            self.publisher.begin_epoch(Epoch {
                counter: transitions,
                random: self.random.next(),
            });
            self.sessions.start();
        }
        if !holder {
            self.sessions.stop().await;
        }
    }
}
