//! How paths are probed, when one is down, and when a cluster changes its path: the operator's numbers.
//!
//! The defaults are the proposals of `reference/failover-parameters.md`, which compares them with other products'.
//! Nothing here decides anything.

mod optional;
mod share;
mod validate;

use std::time::Duration;

use hubline::config::duration;
use serde::{Deserialize, Serialize};

pub use share::{Share, ShareError};

use super::PathKind;

/// By how much an interval between probes varies: always, so that probes don't fall into step. 20 %.
pub const JITTER_PERCENT: u32 = 20;
/// Fewest probes in the window by which loss and latency are judged: one lost of 20 is just 5 %, the default limit, so
/// that a single lost probe never degrades a path.
pub const FEWEST_SAMPLES: u32 = 20;
/// A path stops being degraded at this share of the value that made it so.
pub(super) const LEAVE_PERCENT: u64 = 70;

/// How one path is probed: `probe` of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProbeParameters {
    /// Between two rounds, 50ms to 1m. Default: 250ms on a private line with echo (as BFD does on lines), else 1s.
    #[serde(with = "optional", skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// Until a probe counts as lost, 10ms to 10s. Default: four times the smoothed round trip, at least the interval.
    #[serde(with = "optional", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Slower probing of a path that stays down.
    pub back_off: BackOff,
}

/// Slower probing of a path that stays down: `probe.backOff`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BackOff {
    /// Down for so long, 0s to 24h. Default: 5m.
    #[serde(with = "duration")]
    pub after: Duration,
    /// Then between two rounds, 1s to 15s. Default: 15s (F5's retry).
    #[serde(with = "duration")]
    pub interval: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        Self {
            after: Duration::from_secs(300),
            interval: Duration::from_secs(15),
        }
    }
}

/// [`ProbeParameters`] with what follows from the path's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolvedProbe {
    /// Between two rounds where the agent's echo answers.
    pub interval: Duration,
    /// Between two rounds where there is no echo.
    pub interval_without_echo: Duration,
    /// Until a probe counts as lost; none: by the round trip.
    pub timeout: Option<Duration>,
    /// Slower probing of a path that stays down.
    pub back_off: BackOff,
}

impl ProbeParameters {
    /// Fills in what follows from the path's kind.
    #[must_use]
    pub fn resolved(&self, kind: PathKind) -> ResolvedProbe {
        let slow = Duration::from_secs(1);
        let by_kind = match kind {
            PathKind::PrivateLine => Duration::from_millis(250),
            PathKind::PublicNetwork => slow,
        };
        ResolvedProbe {
            interval: self.interval.unwrap_or(by_kind),
            interval_without_echo: self.interval.unwrap_or(slow),
            timeout: self.timeout,
            back_off: self.back_off,
        }
    }
}

/// When a path is down or degraded: `health` of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HealthParameters {
    /// Good probes in a row that bring a path up, 1 to 100. Default: 5, slower up than down.
    pub rise: u32,
    /// Bad probes in a row that take it down, 1 to 100. Default: 3, as Route 53.
    pub fall: u32,
    /// Over which loss and latency are measured, 1s to 1h, and at least 20 intervals. Default: 30s.
    #[serde(with = "duration")]
    pub window: Duration,
    /// Degraded when more of the window's probes were lost, in percent, 1 to 100; no longer at 70 % of it. Default: 5.
    pub loss_percent: u32,
    /// Degraded when the window's mean round trip is longer, 1ms to 10s; no longer at 70 % of it. Default: no limit.
    #[serde(with = "optional", skip_serializing_if = "Option::is_none")]
    pub latency: Option<Duration>,
}

impl Default for HealthParameters {
    fn default() -> Self {
        Self {
            rise: 5,
            fall: 3,
            window: Duration::from_secs(30),
            loss_percent: 5,
            latency: None,
        }
    }
}

/// When a cluster changes its path: `failover` of a cluster. A path that is hard down is left at once, whatever these
/// say, if another one is usable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FailoverParameters {
    /// Least time on a path, 1s to 24h. Default: 30s (Envoy's base ejection time).
    #[serde(with = "duration")]
    pub minimum_hold: Duration,
    /// When a better path is taken again. Default: after 300s of continuous health.
    pub failback: Failback,
    /// Fewer changes for a cluster that changes often.
    pub damping: DampingParameters,
    /// Most switches in any hour, 1 to 60. Default: 4.
    pub max_switches_per_hour: u32,
    /// In steps rather than at once on failback. Default: at once.
    pub ramp: RampParameters,
    /// Least gain for which a degraded path is left.
    pub variance: VarianceParameters,
}

impl Default for FailoverParameters {
    fn default() -> Self {
        Self {
            minimum_hold: Duration::from_secs(30),
            failback: Failback::default(),
            damping: DampingParameters::default(),
            max_switches_per_hour: 4,
            ramp: RampParameters::default(),
            variance: VarianceParameters::default(),
        }
    }
}

/// When a better path is taken again: `{delay: 300s}` or `manual`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Failback {
    /// After so long of continuous health, 0s to 24h.
    Delay(#[serde(with = "duration")] Duration),
    /// Only when people say so, by pinning the path.
    Manual,
}

impl Default for Failback {
    /// 300 s: k8gb goes back at once, and its users complain of flips.
    fn default() -> Self {
        Self::Delay(Duration::from_secs(300))
    }
}

/// Flap damping in the way of RFC 2439: each switch adds to a penalty that halves with time; from `suppress` on the
/// cluster stays where it is, until `reuse`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DampingParameters {
    /// For each switch, 1 to 1000000. Default: 1000, as BGP.
    pub penalty: u32,
    /// Time in which the penalty halves, 1s to 24h. Default: 5m.
    #[serde(with = "duration")]
    pub half_life: Duration,
    /// From this penalty on no more changes, more than `reuse`. Default: 3000; routers' 2000 punished normal convergence.
    pub suppress: u32,
    /// Down to this one, 1 and more. Default: 1000.
    pub reuse: u32,
    /// Longest suppression after a switch, 1s to 24h. Default: 30m.
    #[serde(with = "duration")]
    pub max: Duration,
}

impl Default for DampingParameters {
    fn default() -> Self {
        Self {
            penalty: 1000,
            half_life: Duration::from_secs(300),
            suppress: 3000,
            reuse: 1000,
            max: Duration::from_secs(1800),
        }
    }
}

/// In steps rather than at once: `failover.ramp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RampParameters {
    /// Shares of the traffic, in percent, that the returning path gets one after the other; at most 10 of 1 to 99,
    /// rising. After the last it gets all. Default: none, all at once.
    pub percents: Vec<u32>,
    /// Time on each, 1s to 1h. Default: 30s.
    #[serde(with = "duration")]
    pub step: Duration,
}

impl Default for RampParameters {
    fn default() -> Self {
        Self {
            percents: Vec::new(),
            step: Duration::from_secs(30),
        }
    }
}

/// Least gain for which a degraded path is left for one that is up (Cisco's variance).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VarianceParameters {
    /// In percent of the value of the path that would be left, 0 to 99. Default: 20.
    pub percent: u32,
    /// And, of round trips, at least so much, up to 10s. Default: 10ms.
    #[serde(with = "duration")]
    pub at_least: Duration,
}

impl Default for VarianceParameters {
    fn default() -> Self {
        Self {
            percent: 20,
            at_least: Duration::from_millis(10),
        }
    }
}

/// When the hub suspects itself: `failover` at the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HubFailover {
    /// When the active paths of more than this share of all clusters go down within the window, all switches are
    /// frozen; at least 3 clusters count. 0.1 to 1. Default: 0.5 (kube's unhealthy-zone-threshold is 0.55).
    pub suspicion_share: Share,
    /// The window, 1s to 1h. Default: 30s, that of loss.
    #[serde(with = "duration")]
    pub suspicion_window: Duration,
}

impl Default for HubFailover {
    fn default() -> Self {
        Self {
            suspicion_share: Share::thousandths(500),
            suspicion_window: Duration::from_secs(30),
        }
    }
}
