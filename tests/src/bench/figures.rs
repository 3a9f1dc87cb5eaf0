//! What was measured.

use std::time::Duration;

use serde::Serialize;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    /// Cargo's profile of agent and hub.
    pub(super) profile: String,
    /// Writes a second that the stand-in takes from eight connections: the limit that is not to be ours.
    pub(super) target_calls_per_second: f64,
    pub(super) sizes: Vec<SizeFigures>,
}

/// At one number of Ingresses.
#[derive(Debug, Serialize)]
pub(super) struct SizeFigures {
    pub(super) size: usize,
    pub(super) cold: Cold,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) single: Option<Single>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) churn: Option<Churn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restarts: Option<Restarts>,
}

impl SizeFigures {
    pub(super) fn new(size: usize, cold: Cold) -> Self {
        Self {
            size,
            cold,
            single: None,
            churn: None,
            restarts: None,
        }
    }
}

/// What a process has used since its start.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Usage {
    pub(super) cpu_seconds: f64,
    pub(super) peak_memory_bytes: u64,
}

impl From<crate::usage::Usage> for Usage {
    fn from(usage: crate::usage::Usage) -> Self {
        Self {
            cpu_seconds: usage.cpu_seconds,
            peak_memory_bytes: usage.peak_memory_bytes,
        }
    }
}

/// From the agent's start to the last object at the target.
#[derive(Debug, Serialize)]
pub(super) struct Cold {
    pub(super) seconds: f64,
    /// Until the target saw the first write.
    pub(super) first_write_seconds: f64,
    /// Calls that asked the target for a change.
    pub(super) writes: usize,
    /// Objects that are there afterwards.
    pub(super) objects: usize,
    /// Bodies of those calls, together.
    pub(super) target_bytes: usize,
    /// What the agent sent to the hub; none when `ss` does not tell.
    pub(super) uplink_bytes: Option<u64>,
    pub(super) agent: Usage,
    /// Since the hub's own start, which came before.
    pub(super) hub: Usage,
}

/// Endpoint changes, one after another.
#[derive(Debug, Serialize)]
pub(super) struct Single {
    /// From the request to Kubernetes to the call at the target.
    pub(super) latency: Percentiles,
    /// From that request to its answer.
    pub(super) kubernetes_write: Percentiles,
    pub(super) writes: usize,
    pub(super) target_bytes_per_change: f64,
    pub(super) uplink_bytes_per_change: Option<f64>,
}

/// 50 endpoint changes a second.
#[derive(Debug, Serialize)]
pub(super) struct Churn {
    pub(super) changes: usize,
    /// Slices that were changed, some of them more than once.
    pub(super) slices: usize,
    /// Those of which the target has the last state.
    pub(super) right: usize,
    /// From the last request to Kubernetes to the last call at the target.
    pub(super) behind_ms: f64,
    /// From each request to Kubernetes to the call that carried it, or a later change of the same slice.
    pub(super) lag: Percentiles,
    pub(super) writes: usize,
    pub(super) agent_cpu_seconds: f64,
    pub(super) hub_cpu_seconds: f64,
    pub(super) agent_peak_memory_bytes: u64,
    pub(super) hub_peak_memory_bytes: u64,
}

/// Starting again while nothing changed.
#[derive(Debug, Serialize)]
pub(super) struct Restarts {
    pub(super) agent: Restart,
    pub(super) hub: Restart,
}

/// One of them.
#[derive(Debug, Serialize)]
pub(super) struct Restart {
    /// Until agent and hub agree again.
    pub(super) seconds: f64,
    pub(super) writes: usize,
}

/// Of many durations, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
}

impl Percentiles {
    /// Nearest rank; all zero of nothing.
    pub(super) fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort();
        let at = |share: usize| {
            let rank = (durations.len() * share).div_ceil(100).max(1);
            durations.get(rank - 1).map_or(0.0, |it| milliseconds(*it))
        };
        Self {
            p50_ms: at(50),
            p99_ms: at(99),
            max_ms: at(100),
        }
    }
}

/// As a number of them.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// A count as a number to divide by; exact up to 2^32, which no count here reaches.
pub(super) fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let of = |count: u64| Percentiles::of((1..=count).rev().map(Duration::from_millis).collect());
        let shown = |it: Percentiles| [it.p50_ms, it.p99_ms, it.max_ms];
        assert_eq!(shown(of(200)), [100.0, 198.0, 200.0]);
        assert_eq!(shown(of(3)), [2.0, 3.0, 3.0]);
        assert_eq!(shown(of(0)), [0.0, 0.0, 0.0]);
    }
}
