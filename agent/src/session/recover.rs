//! Why a session ended, whether and when another is tried: the one place that knows.

use std::time::Duration;

use hubline::wire::WireError;
use tonic::Code;

use super::connect::{ConnectError, with_causes};

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No address of the hub could be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The hub ended the stream with a status.
    #[error("the hub ended the stream: {}", told(.0))]
    Refused(Box<tonic::Status>),
    /// The hub ended the stream without one.
    #[error("the hub closed the stream")]
    Closed,
    /// Nothing came for three heartbeats.
    #[error("no sign of life from the hub for {0:?}")]
    Silent(Duration),
    /// What was to be sent or acknowledged was not.
    #[error("the hub neither read nor acknowledged anything for {0:?}")]
    Stalled(Duration),
    /// A message that cannot be read.
    #[error("the hub sent a broken message: {0}")]
    Broken(#[from] WireError),
    /// Resyncs that never lead to an acknowledgement.
    #[error("the hub asked for {0} resyncs and acknowledged none")]
    ResyncLoop(u32),
    /// Completeness changed, and the hub compares only at a session's start.
    #[error("the completeness of a group changed, and the hub compares digests only at the start of a session")]
    Reoffer,
    /// Another instance speaks for this cluster.
    #[error("superseded by instance {0:?}")]
    Superseded(String),
}

/// When another session is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Nothing is wrong.
    AtOnce,
    /// After a delay that grows with every failure in a row.
    Backoff,
    /// After a long delay: only people can mend it.
    Slowly,
    /// After a long delay, or with a newer epoch.
    StandBy,
}

/// Code and message, and what lies below: with TLS 1.3 a hub that refuses the certificate says so only after the agent's
/// side of the handshake is done, and all that a status's message says of it is "transport error".
fn told(status: &tonic::Status) -> String {
    let (code, message) = (status.code(), status.message());
    match std::error::Error::source(status).map(with_causes) {
        Some(causes) if causes.starts_with(message) => format!("{code}: {causes}"),
        Some(causes) => format!("{code}: {message}: {causes}"),
        None => format!("{code}: {message}"),
    }
}

impl SessionError {
    /// The value of the metric label.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Connect(error) => error.reason(),
            Self::Refused(status) if is_refusal(status.code()) => "refused",
            Self::Refused(_) => "stream-failed",
            Self::Closed => "closed",
            Self::Silent(_) => "silent",
            Self::Stalled(_) => "stalled",
            Self::Broken(_) => "broken-message",
            Self::ResyncLoop(_) => "resync-loop",
            Self::Reoffer => "reoffer",
            Self::Superseded(_) => "superseded",
        }
    }

    /// When another session is tried.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Connect(ConnectError::Credentials { .. } | ConnectError::Address { .. }) => Retry::Slowly,
            Self::Refused(status) if is_refusal(status.code()) => Retry::Slowly,
            Self::Reoffer => Retry::AtOnce,
            Self::Superseded(_) => Retry::StandBy,
            Self::Connect(_)
            | Self::Refused(_)
            | Self::Closed
            | Self::Silent(_)
            | Self::Stalled(_)
            | Self::Broken(_)
            | Self::ResyncLoop(_) => Retry::Backoff,
        }
    }
}

/// Codes that say "not you" or "not so", which trying again does not change.
fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::Unauthenticated
            | Code::PermissionDenied
            | Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::Unimplemented
    )
}

/// Delays between sessions: doubling from `min` to `max`, the upper half of each by chance,
/// so that the agents of a hub that restarts do not come back in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
}

/// Bounds that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("backoff from {min:?} to {max:?}: the lower bound must be above zero and at most the upper")]
pub struct BackoffError {
    min: Duration,
    max: Duration,
}

impl Default for Backoff {
    /// 250 ms: a hub that restarts is back within a second. 15 s: an outage ends for the agents soon after it ends,
    /// and 1,000 agents make some 70 attempts a second.
    fn default() -> Self {
        Self {
            min: Duration::from_millis(250),
            max: Duration::from_secs(15),
        }
    }
}

impl Backoff {
    /// Checks the bounds.
    ///
    /// # Errors
    /// When the lower bound is zero or above the upper.
    pub fn try_new(min: Duration, max: Duration) -> Result<Self, BackoffError> {
        if min.is_zero() || min > max {
            return Err(BackoffError { min, max });
        }
        Ok(Self { min, max })
    }

    /// The delay after so many failures in a row (from 1); `chance` lies between 0 and 1.
    #[must_use]
    pub fn delay(&self, failures: u32, chance: f64) -> Duration {
        let doubled = self
            .min
            .saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(self.max).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

/// The long delay of [`Retry::Slowly`] and [`Retry::StandBy`]: 30 to 60 s. A person's repair is noticed within a minute,
/// and a standby replica costs its hub two streams a minute at most.
#[must_use]
pub(super) fn long_delay(chance: f64) -> Duration {
    Duration::from_secs(60).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_their_bound() {
        let backoff = Backoff::default();
        for (failures, chance, millis) in [
            (1, 0.0, 125),
            (1, 1.0, 250),
            (2, 1.0, 500),
            (7, 1.0, 15_000),
            (40, 0.5, 11_250),
            (u32::MAX, 1.0, 15_000),
        ] {
            assert_eq!(
                backoff.delay(failures, chance),
                Duration::from_millis(millis),
                "{failures}"
            );
        }
        assert_eq!(long_delay(0.0), Duration::from_secs(30));
        assert_eq!(long_delay(9.0), Duration::from_secs(60));
    }

    #[test]
    fn bounds_are_checked() {
        let second = Duration::from_secs(1);
        assert!(Backoff::try_new(Duration::ZERO, second).is_err());
        let error = Backoff::try_new(second * 2, second).unwrap_err().to_string();
        assert_eq!(
            error,
            "backoff from 2s to 1s: the lower bound must be above zero and at most the upper"
        );
        assert!(Backoff::try_new(second, second).is_ok());
    }

    #[test]
    fn what_people_must_mend_is_tried_slowly() {
        let refused = |code| SessionError::Refused(Box::new(tonic::Status::new(code, "no")));
        for (error, retry, reason) in [
            (refused(Code::PermissionDenied), Retry::Slowly, "refused"),
            (refused(Code::Unauthenticated), Retry::Slowly, "refused"),
            (refused(Code::Unavailable), Retry::Backoff, "stream-failed"),
            (SessionError::Superseded("b".to_owned()), Retry::StandBy, "superseded"),
            (SessionError::Reoffer, Retry::AtOnce, "reoffer"),
            (SessionError::Closed, Retry::Backoff, "closed"),
        ] {
            assert_eq!((error.retry(), error.reason()), (retry, reason));
        }
    }
}
