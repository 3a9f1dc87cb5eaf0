//! What is shown of clusters and their paths.

use std::sync::Arc;
use std::time::Duration;

use hubline::model::ClusterId;
use jiff::Timestamp;
use serde::Serialize;

use super::{Decision, HeldBy, millis};
use crate::path::PathKind;
use crate::path::evidence::{ProbeFailure, Vantage};
use crate::path::health::{Cause, Loss, Verdict};
use crate::path::orders::{Order, OrderId};

/// All clusters' paths, to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathsView {
    /// Whether the hub suspects itself, and all switches are frozen.
    pub suspected: bool,
    /// By name.
    pub clusters: Vec<ClusterPaths>,
}

/// One cluster's paths, to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPaths {
    /// Its name.
    pub cluster: ClusterId,
    /// What was decided last.
    #[serde(flatten)]
    pub decision: Decision,
    /// Since when the active path is.
    pub since: Timestamp,
    /// What keeps it there, if another one would be taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Of flap damping, now.
    pub penalty: u32,
    /// Until when damping allows no switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed_until: Option<Timestamp>,
    /// The machine's own switches in the last hour, at most as many as are allowed.
    pub switches_within_an_hour: usize,
    /// The orders about it.
    pub orders: Vec<Order>,
    /// By rank.
    pub paths: Vec<PathView>,
}

/// What keeps a cluster on its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// What.
    pub by: HeldBy,
    /// The path that would be taken; none: there is none that works.
    pub wanted: Option<Arc<str>>,
    /// Until when, if that is known.
    pub until: Option<Timestamp>,
}

/// One path, to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathView {
    /// Its name.
    pub name: Arc<str>,
    /// What kind of line it takes.
    pub kind: PathKind,
    /// 0 is best.
    pub rank: u8,
    /// What is held of it.
    pub verdict: Verdict,
    /// Whether evidence of this run of the hub agreed.
    pub verified: bool,
    /// Why it is held.
    pub cause: Cause,
    /// Since when it is held.
    pub since: Timestamp,
    /// Whether there was a result lately.
    pub fresh: bool,
    /// Loss over the window.
    pub loss: Loss,
    /// Mean over the window.
    #[serde(rename = "roundTripMilliseconds", serialize_with = "millis")]
    pub round_trip: Option<Duration>,
    /// The last failed probe of any vantage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<FailureView>,
    /// The order that drains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drained: Option<OrderId>,
    /// Who looks, and whether the path is down from there.
    pub vantages: Vec<VantageView>,
}

/// A failed probe, to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureView {
    /// From where.
    pub vantage: Vantage,
    /// Why it failed.
    pub failure: ProbeFailure,
    /// When that became known.
    pub at: Timestamp,
}

/// A vantage, to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VantageView {
    /// Which.
    pub vantage: Vantage,
    /// Whether the path is down from there.
    pub down: bool,
}
