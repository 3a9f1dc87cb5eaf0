//! What probers tell the verdict machine: one finished probe at a time.
//!
//! Says nothing about what follows from it; that is `health`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// A point in time on the clock that nobody sets: what has passed since the hub's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub Duration);

impl Moment {
    /// What has passed since an earlier moment; zero if that one is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment after some time.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

/// Where a probe looked from, and at what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vantage {
    /// The hub's own look at the line: the agent's echo, confirmed by a sample of endpoints.
    Line,
    /// A target that the operator configured, by its name.
    Target(Arc<str>),
    /// The reserved probe route, asked for through one APISIX instance (its address).
    Gateway(Arc<str>),
}

impl fmt::Display for Vantage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line => out.write_str("line"),
            Self::Target(name) => write!(out, "target {name}"),
            Self::Gateway(address) => write!(out, "gateway {address}"),
        }
    }
}

impl Serialize for Vantage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One finished probe (for [`Vantage::Line`]: one round, confirming probes included).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Where it looked from.
    pub vantage: Vantage,
    /// When it was sent, on the machine's clock.
    pub sent: Moment,
    /// What came of it.
    pub result: ProbeResult,
}

impl Evidence {
    /// Whether it says anything for or against the path.
    #[must_use]
    pub fn counts(&self) -> bool {
        !matches!(self.result, ProbeResult::Nothing(_))
    }
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeResult {
    /// It was answered as it should be.
    Good {
        /// From sending to the answer.
        round_trip: Duration,
    },
    /// It was, but it is known now that packets are lost.
    Lossy {
        /// From sending to the answer.
        round_trip: Duration,
    },
    /// It was not.
    Bad(ProbeFailure),
    /// Nothing can be said: never counts for or against.
    Nothing(NoData),
}

impl ProbeResult {
    /// How long an answer took; none: there was none.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        match self {
            Self::Good { round_trip } | Self::Lossy { round_trip } => Some(*round_trip),
            Self::Bad(_) | Self::Nothing(_) => None,
        }
    }
}

/// Why a probe failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeFailure {
    /// No answer in time.
    Timeout,
    /// The connection was refused.
    Refused,
    /// There is no way there; the system's own words.
    Unreachable(String),
    /// Another cluster answered; its name.
    WrongCluster(String),
    /// TLS could not be agreed on; why.
    Tls(String),
    /// An answer that is not the expected one; what it was.
    Answer(String),
}

impl ProbeFailure {
    /// The value of the metric label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::WrongCluster(_) => "wrong-cluster",
            Self::Tls(_) => "tls",
            Self::Answer(_) => "answer",
        }
    }
}

impl fmt::Display for ProbeFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => out.write_str("no answer in time"),
            Self::Refused => out.write_str("connection refused"),
            Self::Unreachable(why) => write!(out, "unreachable: {why}"),
            Self::WrongCluster(name) => write!(out, "answered by another cluster: {name}"),
            Self::Tls(why) => write!(out, "tls: {why}"),
            Self::Answer(what) => write!(out, "unexpected answer: {what}"),
        }
    }
}

impl Serialize for ProbeFailure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why nothing can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoData {
    /// The cluster has nothing that could be probed.
    NothingToProbe,
    /// The APISIX instance that was to look does not answer itself.
    GatewayGone,
    /// The APISIX instance does not have the probe route (yet), or answers something of its own.
    NoProbeRoute,
    /// The agent's echo is not there while the line is good: what goes through it says nothing of the path.
    EchoGone,
    /// No address of it is one that the operator allows to be probed.
    NotAllowed,
    /// Its name has no address.
    Unresolved,
    /// The hub itself has no socket for it.
    HubBusy,
    /// The certificates to ask with cannot be read.
    Certificates,
}

impl NoData {
    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::NothingToProbe => "nothing-to-probe",
            Self::GatewayGone => "gateway-gone",
            Self::NoProbeRoute => "no-probe-route",
            Self::EchoGone => "echo-gone",
            Self::NotAllowed => "not-allowed",
            Self::Unresolved => "unresolved",
            Self::HubBusy => "hub-busy",
            Self::Certificates => "certificates",
        }
    }
}
