//! The only writer to the target: runs what the [`Schedule`] decides.
//!
//! It looks before it writes: at the start, and whenever the target was out of reach or lost its memory, it lists
//! everything and writes only what differs. A marker object is asked for each second; a full listing is rare. Signs of
//! somebody else who writes bring it forward, at growing intervals, and nothing waits for it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::lane::{Lane, LaneResult, optional};
use self::suspicion::Suspicion;
use super::audit::Writes;
use super::metrics::SinkMetrics;
use super::schedule::{Busy, Followed, Occasion, Pace, Schedule};
use super::{FenceToken, Observed, Ownership, Presence, Sink, SinkError};
use crate::desired::DesiredReader;
use crate::object::ObjectId;
use crate::view::{Outcome, TargetSummary};

mod lane;
mod suspicion;

/// What became of objects, latest per object.
pub type Outcomes = Vec<(ObjectId, Outcome)>;

/// Messages of outcomes on their way to the core: what does not fit is merged by object at the driver, so one in hand
/// and one on its way are enough.
pub const OUTCOMES_CAPACITY: usize = 2;

/// How the driver works.
#[derive(Debug, Clone)]
pub struct DriverOptions {
    /// Portions and waits.
    pub pace: Pace,
    /// What marks objects as ours.
    pub ownership: Ownership,
    /// The leadership that it writes under.
    pub fence: FenceToken,
    /// Between two looks at the marker.
    pub probe_interval: Duration,
    /// Failures of the probe after which the target counts as lost.
    pub probe_failures: u32,
    /// Between two routine listings.
    pub observe_interval: Duration,
    /// First wait after a failed listing; doubles.
    pub backoff_min: Duration,
    /// Longest wait after a failed listing.
    pub backoff_max: Duration,
}

impl DriverOptions {
    /// The defaults: a lost target is noticed within a second (DESIGN section 6), a listing every ten minutes is a
    /// safety net. Two failures, since one lost packet shall not cost a listing of everything.
    #[must_use]
    pub fn standard(ownership: Ownership) -> Self {
        Self {
            pace: Pace::standard(),
            ownership,
            fence: FenceToken::default(),
            probe_interval: Duration::from_secs(1),
            probe_failures: 2,
            observe_interval: Duration::from_secs(600),
            backoff_min: Duration::from_millis(250),
            backoff_max: Duration::from_secs(10),
        }
    }
}

/// To whom the driver tells what it does.
#[derive(Debug, Clone)]
pub struct Reports {
    /// What became of desired objects; see [`OUTCOMES_CAPACITY`]. Nothing is said of objects that are not desired.
    pub outcomes: mpsc::Sender<Outcomes>,
    /// The target as people see it.
    pub target: watch::Sender<Arc<TargetSummary>>,
    /// The last writes.
    pub writes: Writes,
    /// Counters.
    pub metrics: SinkMetrics,
}

/// The only writer to the target.
#[derive(Debug)]
pub struct Driver {
    sink: Arc<dyn Sink>,
    reader: DesiredReader,
    options: DriverOptions,
    reports: Reports,
    schedule: Schedule,
    /// When the target was observed whole last.
    observed_at: Option<Instant>,
    /// How long to wait before it is observed again, so that one that is lost over and over is not listed all the time.
    pause: Duration,
    suspicion: Suspicion,
}

/// Why the driver no longer writes.
#[derive(Debug)]
enum Stop {
    Shutdown,
    Lost,
}

/// What is under way.
struct Under<'a> {
    urgent: Option<Lane<'a>>,
    fast: Option<Lane<'a>>,
    slow: Option<Lane<'a>>,
    probe: Option<BoxFuture<'a, Result<Presence, SinkError>>>,
    observation: Option<BoxFuture<'a, Result<Observed, SinkError>>>,
    failures: u32,
}

impl Under<'_> {
    fn busy(&self) -> Busy {
        Busy {
            fast: self.fast.is_some(),
            slow: self.slow.is_some(),
        }
    }
}

impl Driver {
    /// Makes the driver; nothing is done before [`run`](Self::run).
    #[must_use]
    pub fn new(sink: Arc<dyn Sink>, reader: DesiredReader, options: DriverOptions, reports: Reports) -> Self {
        let schedule = Schedule::new(options.pace.clone(), &options.ownership);
        let suspicion = Suspicion::new(options.backoff_max, options.observe_interval);
        Self {
            sink,
            reader,
            options,
            reports,
            schedule,
            observed_at: None,
            pause: Duration::ZERO,
            suspicion,
        }
    }

    /// Writes until it is told to stop; a write that is under way then is finished first.
    pub async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let looked = shutdown.run_until_cancelled(self.look()).await;
            if looked.is_none() || matches!(self.write(&shutdown).await, Stop::Shutdown) {
                return;
            }
        }
    }

    /// Lists everything, for as long as it takes to get an answer.
    async fn look(&mut self) {
        let mut wait = self.options.backoff_min;
        self.pause = self.next_pause();
        sleep(self.pause).await;
        loop {
            self.schedule.begin_observation();
            match self.sink.observe().await {
                Ok(observed) => {
                    // What is wanted now, not what was wanted before an outage.
                    self.on_desired();
                    self.observed_at = Some(Instant::now());
                    return self.on_observed(observed, Occasion::Lost);
                }
                Err(error) => self.on_look_failed(&error, wait),
            }
            sleep(wait).await;
            wait = wait.saturating_mul(2).min(self.options.backoff_max);
        }
    }

    /// None after the first loss in a while: then everything goes back at once.
    fn next_pause(&self) -> Duration {
        let again = self
            .observed_at
            .is_some_and(|at| at.elapsed() < self.pause + self.options.backoff_max);
        if again {
            let doubled = self.pause.saturating_mul(2);
            doubled.clamp(self.options.backoff_min, self.options.backoff_max)
        } else {
            Duration::ZERO
        }
    }

    fn on_look_failed(&mut self, error: &SinkError, wait: Duration) {
        warn!(target = %self.sink.target(), reason = error.reason(), %error, retry_in = ?wait, "target not observed");
        self.schedule.abandon_observation();
        self.reports.metrics.observation(Occasion::Lost, error.reason());
        self.on_lost(error);
    }

    fn on_lost(&self, error: &SinkError) {
        self.reports.metrics.up(false);
        self.reports.target.send_modify(|summary| {
            let mut lost = summary.as_ref().clone();
            lost.id = self.sink.target().to_string();
            lost.observed = false;
            lost.error = Some(error.to_string());
            *summary = Arc::new(lost);
        });
    }

    fn on_observed(&mut self, observed: Observed, occasion: Occasion) {
        let foreign = observed
            .foreign
            .iter()
            .map(|(kind, count)| (kind.collection().to_owned(), *count));
        let summary = TargetSummary {
            id: self.sink.target().to_string(),
            observed: true,
            foreign: foreign.collect(),
            foreign_split: observed.foreign_split.clone(),
            error: None,
        };
        let n_ours = observed.objects.len();
        let drift = self.schedule.on_observed(observed, occasion, Instant::now());
        if occasion == Occasion::Lost || drift > 0 {
            let n_held = self.schedule.n_held();
            info!(target = %self.sink.target(), n_ours, n_held, drift, ?occasion, "target observed");
        }
        self.reports.target.send_replace(Arc::new(summary));
        self.reports.metrics.observed(occasion, drift);
        self.reports.metrics.up(true);
    }

    /// Writes until the target is lost or the hub stops; then waits for what is under way.
    async fn write(&mut self, shutdown: &CancellationToken) -> Stop {
        let sink = self.sink.clone();
        let mut under = Under {
            urgent: None,
            fast: None,
            slow: None,
            probe: None,
            observation: None,
            failures: 0,
        };
        let stop = self.write_until_stopped(&*sink, &mut under, shutdown).await;
        // Probes and listings change nothing and are dropped; the result of a write must be known.
        self.schedule.abandon_observation();
        for lane in [under.urgent.take(), under.fast.take(), under.slow.take()]
            .into_iter()
            .flatten()
        {
            self.on_lane(lane.await);
        }
        stop
    }

    async fn write_until_stopped<'a>(
        &mut self,
        sink: &'a dyn Sink,
        under: &mut Under<'a>,
        shutdown: &CancellationToken,
    ) -> Stop {
        let now = Instant::now();
        let mut probes = interval_at(now + self.options.probe_interval, self.options.probe_interval);
        let mut routine = interval_at(now + self.options.observe_interval, self.options.observe_interval);
        probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        routine.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let outcomes = self.reports.outcomes.clone();
        loop {
            self.start_lanes(sink, under);
            let wake_at = self.schedule.wake_at(under.busy());
            let suspect_at = self.suspicion.due().filter(|_| under.observation.is_none());
            let lost = tokio::select! {
                () = shutdown.cancelled() => return Stop::Shutdown,
                () = self.reader.changed() => self.on_desired(),
                result = optional(&mut under.urgent) => self.on_lane(result),
                result = optional(&mut under.fast) => self.on_lane(result),
                result = optional(&mut under.slow) => self.on_lane(result),
                result = optional(&mut under.probe) => self.on_probe(result, &mut under.failures),
                result = optional(&mut under.observation) => self.on_routine(result),
                permit = outcomes.reserve(), if self.schedule.has_outcomes() && !outcomes.is_closed() => {
                    send_outcomes(permit.ok(), &mut self.schedule)
                }
                _ = probes.tick(), if under.probe.is_none() => self.start_probe(sink, under),
                _ = routine.tick(), if under.observation.is_none() => self.start_routine(sink, under),
                () = sleep_until(suspect_at.unwrap_or(now)), if suspect_at.is_some() => self.start_routine(sink, under),
                () = sleep_until(wake_at.unwrap_or(now)), if wake_at.is_some() => None,
            };
            if let Some(error) = lost {
                warn!(target = %self.sink.target(), reason = error.reason(), %error, "target lost");
                self.on_lost(&error);
                return Stop::Lost;
            }
        }
    }

    fn start_lanes<'a>(&mut self, sink: &'a dyn Sink, under: &mut Under<'a>) {
        let (now, fence) = (Instant::now(), self.options.fence);
        self.schedule.tick(now);
        if under.urgent.is_none() {
            under.urgent = lane::start(sink, fence, self.schedule.next_urgent(now));
        }
        if under.fast.is_none() {
            let stage = self.schedule.next_fast(now);
            for since in stage.iter().filter_map(|operation| self.schedule.since(operation.id())) {
                self.reports.metrics.handed_out(now.saturating_duration_since(since));
            }
            under.fast = lane::start(sink, fence, stage);
        }
        if under.slow.is_none() {
            under.slow = lane::start(sink, fence, self.schedule.next_slow(now));
        }
        self.reports.metrics.counts(self.schedule.counts());
    }

    fn start_probe<'a>(&mut self, sink: &'a dyn Sink, under: &mut Under<'a>) -> Option<SinkError> {
        // Before the marker was written for the first time its absence says nothing.
        if self.schedule.is_marked() {
            let marker = self.schedule.marker().clone();
            under.probe = Some(Box::pin(async move { sink.probe(&marker).await }));
        }
        None
    }

    fn start_routine<'a>(&mut self, sink: &'a dyn Sink, under: &mut Under<'a>) -> Option<SinkError> {
        self.schedule.begin_observation();
        self.suspicion.looked(Instant::now());
        under.observation = Some(sink_observation(sink));
        None
    }

    fn on_desired(&mut self) -> Option<SinkError> {
        let changes = self.reader.take();
        self.schedule.on_desired(changes, Instant::now());
        None
    }

    fn on_lane(&mut self, (stage, results): LaneResult) -> Option<SinkError> {
        for (operation, result) in stage.iter().zip(&results) {
            let (target, fence) = (self.sink.target(), self.options.fence);
            self.reports.writes.record(target, fence, operation, result);
            self.reports.metrics.write(operation, result);
        }
        let Followed {
            programmed,
            lost,
            drifted,
        } = self.schedule.on_results(stage, results, Instant::now());
        if drifted {
            self.suspicion.raise(Instant::now());
        }
        for after in programmed {
            self.reports.metrics.programmed(after);
        }
        lost
    }

    fn on_probe(&mut self, result: Result<Presence, SinkError>, failures: &mut u32) -> Option<SinkError> {
        match result {
            Ok(Presence::Present) => {
                *failures = 0;
                self.reports.metrics.up(true);
                None
            }
            Ok(Presence::Absent) => {
                self.reports.metrics.memory_lost();
                let message = format!("the marker {} is gone", self.schedule.marker());
                Some(SinkError::MissingReference { message })
            }
            // It answers, so it is there; what it remembers is asked again.
            Err(SinkError::Busy { .. }) => {
                self.reports.metrics.up(false);
                None
            }
            Err(error) => {
                *failures += 1;
                (*failures >= self.options.probe_failures).then_some(error)
            }
        }
    }

    fn on_routine(&mut self, result: Result<Observed, SinkError>) -> Option<SinkError> {
        match result {
            Ok(observed) => self.on_observed(observed, Occasion::Routine),
            Err(error) => {
                warn!(target = %self.sink.target(), reason = error.reason(), %error, "routine listing failed");
                self.schedule.abandon_observation();
                self.reports.metrics.observation(Occasion::Routine, error.reason());
            }
        }
        None
    }
}

fn sink_observation(sink: &dyn Sink) -> BoxFuture<'_, Result<Observed, SinkError>> {
    sink.observe()
}

/// A core that is gone needs no outcomes.
fn send_outcomes(permit: Option<mpsc::Permit<'_, Outcomes>>, schedule: &mut Schedule) -> Option<SinkError> {
    let outcomes = schedule.take_outcomes();
    if let Some(permit) = permit {
        permit.send(outcomes);
    }
    None
}

#[cfg(test)]
mod tests;
