//! The line itself: rounds of echo and confirming probes, and what is remembered from one to the next.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use super::echo::{EchoLine, Question};
use super::judge::{EchoOutcome, Miss, SampleOutcome, judge_round};
use super::losses::{Losses, Told};
use super::names::Names;
use super::rotation::{MOST_SAMPLES, pick};
use super::sockets::{Sockets, connect};
use super::spec::{ProbeSpec, Sample, TimeoutPolicy};
use crate::path::evidence::{NoData, ProbeFailure, ProbeResult};
use crate::path::round_trips::RoundTrips;

/// The longest timeout, whatever the round trip.
const LONGEST: Duration = Duration::from_secs(10);

/// The shortest timeout while no round trip is known: the first of TCP's own (RFC 6298 section 2.1).
const UNKNOWN: Duration = Duration::from_secs(1);

/// Addresses of one echo that are asked: a pod has two at most, an operator may list some more.
const MOST_ECHOES: usize = 4;

/// One path's line.
#[derive(Debug, Default)]
pub(super) struct Line {
    echo: EchoLine,
    pub(super) names: Names,
    cursor: AtomicUsize,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    round_trips: RoundTrips,
    losses: Losses,
    /// Whether the last echo that came to an end failed.
    doubts: bool,
    /// Whether the last round was good without the echo, or said nothing since there is nothing else.
    echo_gone: bool,
    /// Until when it was gone last.
    echo_back: Option<Instant>,
    /// When it answered last.
    echo_answered: Option<Instant>,
    /// Whether a lost packet was found out, and not told yet.
    lost: bool,
}

/// Whether the agent's echo was there since a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EchoSince {
    /// It has answered.
    Answered,
    /// The agent is gone, or was then; the line is not, as far as can be told.
    Gone,
    /// It has not answered yet, and no round has ended that tells why.
    Open,
}

/// What came of one round.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) result: ProbeResult,
    /// Something did not answer in time, which may only have been too short.
    pub(super) timed_out: bool,
}

impl Line {
    /// How long an answer may take now.
    pub(super) fn timeout(&self, spec: &ProbeSpec) -> Duration {
        let TimeoutPolicy::Fixed(fixed) = spec.timeout else {
            let known = self.memory().round_trips.usual().map(|usual| 4 * usual);
            return spec.interval.max(known.unwrap_or(UNKNOWN)).min(LONGEST);
        };
        fixed
    }

    /// What is known of the echo since then.
    ///
    /// That it was gone counts for all that was sent while it was so, whenever that comes to an end.
    pub(super) fn echo_since(&self, sent: Instant) -> EchoSince {
        let memory = self.memory();
        if memory.echo_gone || memory.echo_back.is_some_and(|back| sent < back) {
            return EchoSince::Gone;
        }
        match memory.echo_answered {
            Some(answered) if answered >= sent => EchoSince::Answered,
            _ => EchoSince::Open,
        }
    }

    /// One round. Confirming probes go out with the echo once an echo has failed, else only after it.
    pub(super) async fn round(self: Arc<Self>, spec: Arc<ProbeSpec>, nonce: String, sockets: Sockets) -> Round {
        let timeout = self.timeout(&spec);
        let (echo, samples) = if self.memory().doubts {
            let confirming = std::pin::pin!(self.confirm(&spec, timeout, &sockets));
            self.both(self.ask(&spec, &nonce, timeout, &sockets), confirming).await
        } else {
            let echo = self.ask(&spec, &nonce, timeout, &sockets).await;
            let samples = if self.wants_confirmation(&echo) {
                self.confirm(&spec, timeout, &sockets).await
            } else {
                Vec::new()
            };
            (echo, samples)
        };
        let result = self.remember(&echo, &samples);
        let timed_out = |miss: Option<&Miss>| miss == Some(&Miss::Bad(ProbeFailure::Timeout));
        Round {
            timed_out: timed_out(echo.as_ref().err())
                || samples.iter().any(|sample| timed_out(sample.result.as_ref().err())),
            result,
        }
    }

    /// An answer that comes late may be the agent's doing or the line's: endpoints tell.
    fn wants_confirmation(&self, echo: &EchoOutcome) -> bool {
        match echo {
            Ok(round_trip) => self.memory().round_trips.is_late(*round_trip),
            Err(Miss::Bad(ProbeFailure::WrongCluster(_))) => false,
            Err(_) => true,
        }
    }

    /// A good echo needs no confirmation, so that nobody waits for it.
    async fn both(
        &self,
        echo: impl Future<Output = EchoOutcome>,
        mut confirming: std::pin::Pin<&mut impl Future<Output = Vec<SampleOutcome>>>,
    ) -> (EchoOutcome, Vec<SampleOutcome>) {
        let mut echo = std::pin::pin!(echo);
        tokio::select! {
            biased;
            echo = &mut echo => match echo {
                Ok(round_trip) => (Ok(round_trip), Vec::new()),
                Err(miss) => (Err(miss), confirming.await),
            },
            samples = &mut confirming => (echo.await, samples),
        }
    }

    async fn ask(&self, spec: &ProbeSpec, nonce: &str, timeout: Duration, sockets: &Sockets) -> EchoOutcome {
        let outcome = self.ask_within(spec, nonce, timeout, sockets).await;
        let mut memory = self.memory();
        memory.doubts = outcome.is_err();
        if outcome.is_ok() {
            memory.echo_answered = Some(Instant::now());
        }
        drop(memory);
        outcome
    }

    async fn ask_within(&self, spec: &ProbeSpec, nonce: &str, timeout: Duration, sockets: &Sockets) -> EchoOutcome {
        let addresses = self.echoes(spec, timeout).await?;
        let question = Question {
            addresses: &addresses,
            expected: &spec.expected_cluster,
            nonce,
            timeout,
        };
        self.echo.ask(question, sockets).await
    }

    /// Where the echo is, of those that may be asked.
    async fn echoes(&self, spec: &ProbeSpec, patience: Duration) -> Result<Vec<std::net::SocketAddr>, Miss> {
        let mut found = Vec::new();
        let mut missed = Miss::Nothing(NoData::NothingToProbe);
        for target in spec.echo.iter().take(MOST_ECHOES) {
            let resolving = self.names.resolve(target, Some(&spec.allowed));
            match tokio::time::timeout(patience, resolving).await {
                Ok(Ok(addresses)) => found.extend(addresses),
                Ok(Err(miss)) => missed = miss,
                Err(_) => missed = NoData::Unresolved.into(),
            }
        }
        found.truncate(MOST_ECHOES);
        if found.is_empty() { Err(missed) } else { Ok(found) }
    }

    /// Connects to the next few endpoints; to the same ones again while it is open whether some of them are dead.
    async fn confirm(&self, spec: &ProbeSpec, timeout: Duration, sockets: &Sockets) -> Vec<SampleOutcome> {
        let all = Arc::clone(&spec.samples.borrow());
        let first = self.cursor.load(Ordering::Relaxed);
        let (picked, next) = pick(&all, first, MOST_SAMPLES);
        self.cursor.store(next, Ordering::Relaxed);
        let permitted = |sample: &Sample| spec.allowed.address(sample.address.ip());
        let picked = picked.into_iter().filter(permitted);
        let outcomes = join_all(picked.map(|sample| knock(sample, timeout, sockets))).await;
        let mut memory = self.memory();
        let usual = memory.round_trips.usual().unwrap_or_default();
        let Told { lost, open } = memory.losses.saw(&outcomes, usual, Instant::now());
        memory.lost |= lost;
        if open {
            self.cursor.store(first, Ordering::Relaxed);
        }
        outcomes
    }

    /// What the round means, after what was seen before.
    fn remember(&self, echo: &EchoOutcome, samples: &[SampleOutcome]) -> ProbeResult {
        let result = judge_round(echo, samples);
        let mut memory = self.memory();
        let not_the_line = result.round_trip().is_some() || result == ProbeResult::Nothing(NoData::NothingToProbe);
        let gone = echo.is_err() && not_the_line;
        if memory.echo_gone && !gone {
            memory.echo_back = Some(Instant::now());
        }
        memory.echo_gone = gone;
        if let Some(round_trip) = result.round_trip() {
            memory.round_trips.saw(round_trip);
        }
        match result {
            ProbeResult::Good { round_trip } if std::mem::take(&mut memory.lost) => ProbeResult::Lossy { round_trip },
            result => result,
        }
    }

    /// Finds out whether a line that seems dead is only slower than the timeout: asks once more with the longest one.
    /// What comes of it is no evidence, only a longer timeout.
    pub(super) async fn learn(self: Arc<Self>, spec: Arc<ProbeSpec>, nonce: String, sockets: Sockets) {
        let round_trip = match self.echoes(&spec, LONGEST).await {
            Ok(addresses) => {
                let question = Question {
                    addresses: &addresses,
                    expected: &spec.expected_cluster,
                    nonce: &nonce,
                    timeout: LONGEST,
                };
                self.echo.ask_anew(question, &sockets).await.ok()
            }
            Err(_) => {
                let outcomes = self.confirm(&spec, LONGEST, &sockets).await;
                let connected = outcomes.iter().filter(|outcome| outcome.result.is_ok());
                connected.map(|outcome| outcome.took).min()
            }
        };
        if let Some(round_trip) = round_trip {
            self.memory().round_trips.saw(round_trip);
        }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects and goes away again.
async fn knock(sample: Sample, timeout: Duration, sockets: &Sockets) -> SampleOutcome {
    let node = sample.node_name();
    let began = Instant::now();
    let result = match sockets.place_now() {
        Ok(_place) => connect(sample.address, began + timeout).await.map(drop),
        Err(miss) => Err(miss),
    };
    SampleOutcome {
        node,
        address: sample.address,
        took: began.elapsed(),
        result,
    }
}
