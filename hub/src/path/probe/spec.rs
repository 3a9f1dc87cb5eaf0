//! What is to be probed of one path.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hubline::model::ClusterId;
use tokio::sync::watch;

use super::target::TargetProbe;
use crate::path::Allowed;
use crate::path::parameters::BackOff;

/// All that a prober needs of one path. Replaced as a whole.
#[derive(Debug, Clone)]
pub struct ProbeSpec {
    /// Whose path it is.
    pub cluster: ClusterId,
    /// Its name.
    pub path: Arc<str>,
    /// Between two probes of the line, and of each target; ±20 %.
    pub interval: Duration,
    /// Between two looks through one APISIX instance while the line is good; ±20 %.
    pub gateway_interval: Duration,
    /// What becomes of the intervals when there is nothing but bad results.
    pub back_off: BackOff,
    /// How long an answer may take.
    pub timeout: TimeoutPolicy,
    /// `HOST:PORT` of the agent's echo as this path reaches it; the first four count.
    pub echo: Vec<String>,
    /// What the echo must call itself.
    pub expected_cluster: ClusterId,
    /// What the operator wants probed.
    pub targets: Vec<TargetProbe>,
    /// The cluster's endpoints as this path reaches them.
    pub samples: Samples,
    /// The APISIX instances that look too.
    pub gateways: Vec<GatewayProbe>,
    /// What may be connected to, but for the gateways.
    pub allowed: Allowed,
}

/// Endpoints to confirm the line by; may be many, and may change all the time.
pub type Samples = watch::Receiver<Arc<[Sample]>>;

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// Where it is on this path.
    pub address: SocketAddr,
    /// The node that it runs on; without one its own address stands for it.
    pub node: Option<Arc<str>>,
}

/// One APISIX instance, and what to ask it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayProbe {
    /// `HOST:PORT` where it takes traffic; the name of the vantage.
    pub instance: Arc<str>,
    /// The `Host` header to ask with.
    pub host: String,
    /// The probe route's path without its last segment, as `/hubline/echo/room-a/leased-line`; a nonce comes behind it.
    pub path: String,
    /// What the answer must call itself.
    pub expected_cluster: ClusterId,
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutPolicy {
    /// The interval, or four times the usual round trip where that is more; at most 10 s.
    Auto,
    /// Just that.
    Fixed(Duration),
}
