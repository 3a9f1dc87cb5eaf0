//! What one round of probes of a line means. Pure.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::path::evidence::{NoData, ProbeFailure, ProbeResult};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// It failed.
    Bad(ProbeFailure),
    /// It was not asked.
    Nothing(NoData),
}

impl From<ProbeFailure> for Miss {
    fn from(failure: ProbeFailure) -> Self {
        Self::Bad(failure)
    }
}

impl From<NoData> for Miss {
    fn from(reason: NoData) -> Self {
        Self::Nothing(reason)
    }
}

impl From<Miss> for ProbeResult {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Bad(failure) => Self::Bad(failure),
            Miss::Nothing(reason) => Self::Nothing(reason),
        }
    }
}

/// What the echo did; its round trip when it answered as it should.
pub type EchoOutcome = Result<Duration, Miss>;

/// What one endpoint did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleOutcome {
    /// The node that it runs on.
    pub node: Arc<str>,
    /// Where it is.
    pub address: SocketAddr,
    /// How long its word took.
    pub took: Duration,
    /// Whether it let itself be connected to.
    pub result: Result<(), Miss>,
}

/// What a round means: the echo's outcome, and those of the endpoints that were to confirm it.
#[must_use]
pub fn judge_round(echo: &EchoOutcome, samples: &[SampleOutcome]) -> ProbeResult {
    match echo {
        Ok(round_trip) => ProbeResult::Good {
            round_trip: *round_trip,
        },
        // Whatever else answers there is not this cluster's either.
        Err(Miss::Bad(wrong @ ProbeFailure::WrongCluster(_))) => ProbeResult::Bad(wrong.clone()),
        Err(miss) => judge_samples(miss, samples),
    }
}

fn judge_samples(echo: &Miss, samples: &[SampleOutcome]) -> ProbeResult {
    if let Some(round_trip) = fastest(samples, |result| result.is_ok()) {
        return ProbeResult::Good { round_trip };
    }
    if let Some(failure) = worst(samples) {
        return ProbeResult::Bad(failure);
    }
    match fastest(samples, is_refusal) {
        Some(round_trip) => judge_refusals(echo, samples, round_trip),
        None => judge_echo_alone(echo, samples),
    }
}

/// All that were asked refuse. A refusal proves the line (a dead pod), unless everything there refuses.
fn judge_refusals(echo: &Miss, samples: &[SampleOutcome], round_trip: Duration) -> ProbeResult {
    if *echo != Miss::Bad(ProbeFailure::Refused) {
        return ProbeResult::Good { round_trip };
    }
    let refusals = samples.iter().filter(|sample| is_refusal(&sample.result));
    let nodes: BTreeSet<&str> = refusals.map(|sample| sample.node.as_ref()).collect();
    let not_asked = samples.iter().find_map(not_asked);
    match not_asked {
        Some(reason) if nodes.len() < 2 => ProbeResult::Nothing(reason),
        _ => ProbeResult::Bad(ProbeFailure::Refused),
    }
}

/// No endpoint was asked.
fn judge_echo_alone(echo: &Miss, samples: &[SampleOutcome]) -> ProbeResult {
    match (echo, samples.iter().find_map(not_asked)) {
        (Miss::Nothing(reason), _) => ProbeResult::Nothing(*reason),
        (Miss::Bad(_), Some(reason)) => ProbeResult::Nothing(reason),
        // An agent that restarts in an empty cluster looks like this.
        (Miss::Bad(ProbeFailure::Refused), None) => ProbeResult::Nothing(NoData::NothingToProbe),
        (Miss::Bad(failure), None) => ProbeResult::Bad(failure.clone()),
    }
}

fn fastest(samples: &[SampleOutcome], wanted: impl Fn(&Result<(), Miss>) -> bool) -> Option<Duration> {
    let those = samples.iter().filter(|sample| wanted(&sample.result));
    those.map(|sample| sample.took).min()
}

fn is_refusal(result: &Result<(), Miss>) -> bool {
    *result == Err(Miss::Bad(ProbeFailure::Refused))
}

/// A timeout before anything else: it is what a black hole looks like.
fn worst(samples: &[SampleOutcome]) -> Option<ProbeFailure> {
    let failures = samples.iter().filter_map(|sample| match &sample.result {
        Err(Miss::Bad(failure)) if *failure != ProbeFailure::Refused => Some(failure),
        _ => None,
    });
    failures
        .min_by_key(|failure| **failure != ProbeFailure::Timeout)
        .cloned()
}

fn not_asked(sample: &SampleOutcome) -> Option<NoData> {
    match sample.result {
        Err(Miss::Nothing(reason)) => Some(reason),
        _ => None,
    }
}
