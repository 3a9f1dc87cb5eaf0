//! Probers: the evidence on which verdicts rest, from every vantage of a path.
//!
//! One task a path ([`probe_path`]) asks the agent's echo over one kept connection, confirms what it does not answer by
//! a few of the cluster's endpoints, and asks the configured targets and the probe route of each APISIX instance.
//! What one round of probes means is pure ([`judge_round`]).
//! *Deliberately absent:* verdicts. A prober has no opinion on a path; it only knows when it must look more closely.
//!
//! Nothing outside [`ProbeSpec::allowed`] is ever connected to. Only the gateways are exempt: they are not the
//! cluster's, and no agent can name them.

mod echo;
mod gateway;
mod get;
mod grpc;
mod judge;
mod line;
mod losses;
mod names;
mod outbox;
mod pace;
mod rotation;
mod slots;
mod sockets;
mod spec;
mod target;
mod targets;
mod task;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;

use hubline::model::ClusterId;

pub use judge::{EchoOutcome, Miss, SampleOutcome, judge_round};
pub use rotation::{MOST_SAMPLES, pick};
pub use sockets::{Sockets, answers};
pub use spec::{GatewayProbe, ProbeSpec, Sample, Samples, TimeoutPolicy};
pub use target::{GrpcCheck, HttpCheck, StatusRange, TargetError, TargetKind, TargetProbe, TlsCheck};
pub use task::{ProbeContext, probe_path};

use super::evidence::Evidence;

/// One piece of evidence: of which cluster, of which of its paths.
pub type Finding = (ClusterId, Arc<str>, Evidence);
