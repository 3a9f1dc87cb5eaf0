//! What a [`Stage`](super::Stage) is given: how it works, and what it is joined to.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::conditions::Ledger;
use crate::health::Readiness;
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::session::{Connect, Speaker};
use crate::source::{Name, SourceEvent};
use crate::translate::TranslateOptions;

/// One hub, and the way to it.
#[derive(Debug, Clone)]
pub struct HubLine {
    /// Its addresses, tried in this order.
    pub addresses: Vec<String>,
    /// Connects to them.
    pub connect: Arc<dyn Connect>,
}

/// How a stage works.
#[derive(Debug)]
pub struct StageOptions {
    /// How is translated.
    pub translate: TranslateOptions,
    /// Who speaks.
    pub speaker: Speaker,
    /// To whom.
    pub hubs: Vec<HubLine>,
    /// Counters.
    pub metrics: Metrics,
    /// How long kinds may take to be listed before they count as unknown.
    pub grace: Duration,
    /// Where the random parts of epochs come from.
    pub random: Random,
}

/// What a stage is joined to.
#[derive(Debug)]
pub struct Edges {
    /// What the source tells; see [`super::EVENTS`] for how many may wait.
    pub events: mpsc::Receiver<SourceEvent>,
    /// Secrets that the source is to fetch.
    pub wanted: watch::Sender<BTreeSet<Name>>,
    /// Whether this replica publishes.
    pub leadership: watch::Receiver<Leadership>,
    /// Where what is known of objects goes, for whoever writes their statuses; none when nobody does.
    pub ledger: Option<Ledger>,
    /// For kubelet.
    pub readiness: watch::Sender<Readiness>,
}

/// A source of random numbers. All that an agent leaves to chance follows from them.
pub struct Random(Box<dyn FnMut() -> u64 + Send>);

impl Random {
    /// Of the system's own.
    #[must_use]
    pub fn of_the_system() -> Self {
        Self(Box::new(rand::random))
    }

    /// Of a given one, as a simulation needs it to do the same twice.
    pub fn of(source: impl FnMut() -> u64 + Send + 'static) -> Self {
        Self(Box::new(source))
    }

    pub(super) fn next(&mut self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Random")
    }
}
