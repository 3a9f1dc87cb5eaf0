//! What was measured, and whether it is as it must be.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::fleet::MessageBytes;
use super::stages::number;
use super::wire::Passed;
use crate::usage::Usage;

/// Both sizes.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub(super) small: SizeFigures,
    pub(super) large: SizeFigures,
}

/// One size.
#[derive(Debug, Serialize)]
pub(super) struct SizeFigures {
    pub(super) agents: usize,
    pub(super) routes: usize,
    pub(super) endpoints: usize,
    pub(super) fill: Fill,
    pub(super) idle_cpu_seconds_per_second: f64,
    pub(super) single: Single,
    pub(super) reconnects: Vec<Reconnect>,
}

/// From nothing to everything at the target.
#[derive(Debug, Serialize)]
pub(super) struct Fill {
    pub(super) planned_seconds: f64,
    pub(super) planned_cpu_seconds: f64,
    pub(super) programmed_seconds: f64,
    /// The hub's, after everything has settled.
    pub(super) usage: Usage,
    pub(super) writes: u64,
    pub(super) passed: Passed,
    pub(super) messages: MessageBytes,
}

/// Single endpoint changes.
#[derive(Debug, Serialize)]
pub(super) struct Single {
    pub(super) changes: usize,
    pub(super) seconds: f64,
    /// From publishing at the agent to the call at the target.
    pub(super) end_to_end: Percentiles,
    /// From the delta at the hub to the call handed out, by the hub's own histogram.
    pub(super) inside: Percentiles,
    /// All of the hub's CPU beyond idling.
    pub(super) cpu_microseconds_per_change: f64,
}

/// A restart of the hub.
#[derive(Debug, Serialize)]
pub(super) struct Reconnect {
    pub(super) signal: String,
    pub(super) restored_seconds: f64,
    pub(super) in_step_seconds: f64,
    pub(super) programmed_seconds: f64,
    /// Messages by which all agents said what they have, before compression.
    pub(super) hellos_bytes: u64,
    /// Resources that were sent again.
    pub(super) resent_bytes: f64,
    /// On the line, TLS handshakes included.
    pub(super) passed: Passed,
    pub(super) writes: u64,
    pub(super) usage: Usage,
}

/// In milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
}

pub(super) fn percentiles(mut durations: Vec<Duration>) -> Percentiles {
    durations.sort();
    let at = |percent: usize| {
        let rank = (durations.len() * percent).div_ceil(100).max(1) - 1;
        durations.get(rank).map_or(f64::NAN, |it| it.as_secs_f64() * 1e3)
    };
    Percentiles {
        p50_ms: at(50),
        p99_ms: at(99),
        max_ms: at(100),
    }
}

/// The upper bound of the bucket in which a share of all observations is reached; buckets are cumulative.
pub(super) fn quantile(buckets: &[(f64, f64)], share: f64) -> f64 {
    let all = buckets.last().map_or(0.0, |(_, count)| *count);
    let reached = buckets.iter().find(|(_, count)| all > 0.0 && *count >= all * share);
    reached.map_or(f64::NAN, |(bound, _)| *bound)
}

pub(super) fn since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64()
}

/// One figure that must hold.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) what: &'static str,
    pub(super) measured: f64,
    pub(super) limit: f64,
    pub(super) unit: &'static str,
    pub(super) holds: bool,
}

impl Verdict {
    fn at_most(what: &'static str, measured: f64, limit: f64, unit: &'static str) -> Self {
        Self {
            what,
            measured,
            limit,
            unit,
            // Written so that what is no number does not hold.
            holds: measured <= limit,
        }
    }
}

/// What the scale run must hold.
pub(super) fn judge(figures: &Figures) -> Vec<Verdict> {
    let Figures { small, large } = figures;
    let of_endpoints = |bytes: u64| float(bytes) / number(large.endpoints.max(1));
    let used = &large.fill.usage;
    let ratio = large.single.cpu_microseconds_per_change / small.single.cpu_microseconds_per_change;
    let said =
        |it: &Reconnect| (float(it.hellos_bytes) + it.resent_bytes) / float(large.fill.messages.snapshots.max(1));
    let said = large.reconnects.iter().map(said).fold(0.0, f64::max);
    let writes = large.reconnects.iter().map(|it| it.writes).sum();
    vec![
        Verdict::at_most(
            "memory of an endpoint, settled",
            of_endpoints(used.memory_bytes),
            1024.0,
            "B",
        ),
        Verdict::at_most(
            "memory of an endpoint, peak",
            of_endpoints(used.peak_memory_bytes),
            1024.0,
            "B",
        ),
        Verdict::at_most(
            "single change inside the hub, p99",
            large.single.inside.p99_ms,
            10.0,
            "ms",
        ),
        Verdict::at_most("its CPU cost by that at the smaller size", ratio, 1.2, "times"),
        Verdict::at_most("messages of a reconnect by snapshots", said * 100.0, 1.0, "%"),
        Verdict::at_most("writes after restarts", float(writes), 0.0, ""),
    ]
}

/// Bytes and counts are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_observations() {
        let durations: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        let of = percentiles(durations);
        assert_eq!((of.p50_ms, of.p99_ms, of.max_ms), (100.0, 198.0, 200.0));
        assert!(percentiles(Vec::new()).p50_ms.is_nan());
    }

    #[test]
    fn quantiles_are_bounds_of_buckets() {
        let buckets = [(1.0, 0.0), (2.0, 50.0), (4.0, 99.0), (8.0, 100.0)];
        let at = [0.5, 0.99, 1.0].map(|share| quantile(&buckets, share));
        assert_eq!(at, [2.0, 4.0, 8.0]);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn what_was_not_measured_does_not_hold() {
        assert!(!Verdict::at_most("x", f64::NAN, 1.0, "").holds);
    }
}
