//! Why a verdict is what it is, in the words of log, API and metrics.

use std::time::Duration;

use serde::Serialize;

use super::Verdict;
use crate::path::decision::millis;
use crate::path::evidence::{Moment, ProbeFailure, Vantage};

/// Why a verdict is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Nothing was heard yet.
    NoData,
    /// It was so before the hub's restart.
    Restored,
    /// Enough good probes in a row, and few lost.
    Rose,
    /// Enough bad probes in a row from the hub, and none of APISIX's came through since.
    Fell,
    /// No APISIX instance comes through.
    GatewaysDown,
    /// The hub does not come through, but APISIX does: the hub's line is broken, APISIX's is not.
    HubLineDown,
    /// Too many probes are lost.
    Loss,
    /// Answers take too long.
    Latency,
}

/// Probes lost of those that were sent, within the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Without a good answer.
    pub lost: u32,
    /// All that had a result.
    pub of: u32,
}

/// The evidence of a verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grounds {
    /// The vantage that decided; none: none said anything lately.
    pub vantage: Option<Vantage>,
    /// Its last results of one kind in a row.
    pub in_a_row: u32,
    /// When the first of the bad probes that took it down was sent.
    #[serde(skip)]
    pub first_bad: Option<Moment>,
    /// Why its last bad probe failed.
    pub last_failure: Option<ProbeFailure>,
    /// Loss by the vantage that counts.
    pub loss: Loss,
    /// Mean round trip by the vantage that counts; none: no answer within the window.
    #[serde(rename = "roundTripMilliseconds", serialize_with = "millis")]
    pub round_trip: Option<Duration>,
}

/// A verdict changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// What it was.
    pub from: Verdict,
    /// What it is.
    pub to: Verdict,
    /// Why.
    pub cause: Cause,
    /// By which evidence.
    pub grounds: Grounds,
}
