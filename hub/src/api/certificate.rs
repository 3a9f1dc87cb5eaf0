//! The certificates that agents showed: when they end, and what is to be done about it.

use std::sync::Arc;

use hubline::model::{ClusterId, UnixSeconds};
use hubline::tls::{Role, Stage, Validity};
use jiff::Timestamp;
use serde::Serialize;

use crate::ingest::Sessions;

/// An agent's certificate.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CertificateBody {
    /// The last second in which it is valid.
    not_after: String,
}

/// An end that is near or was.
#[derive(Debug)]
pub(super) struct Warning {
    pub(super) severity: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Where agents' certificates are found. Cloning shares.
#[derive(Debug, Clone, Default)]
pub(super) struct Certificates(Option<Arc<Sessions>>);

impl Certificates {
    pub(super) fn of(sessions: Arc<Sessions>) -> Self {
        Self(Some(sessions))
    }

    pub(super) fn body(&self, cluster: &ClusterId) -> Option<CertificateBody> {
        let not_after = date(self.find(cluster)?)?;
        Some(CertificateBody { not_after })
    }

    pub(super) fn warning(&self, cluster: &ClusterId) -> Option<Warning> {
        let now = UnixSeconds(Timestamp::now().as_second());
        warning(self.find(cluster)?, now)
    }

    fn find(&self, cluster: &ClusterId) -> Option<Validity> {
        self.0.as_ref()?.certificate(cluster)
    }
}

fn warning(certificate: Validity, now: UnixSeconds) -> Option<Warning> {
    let ends = date(certificate)?;
    match certificate.stage(Role::Certificate, now) {
        Stage::Valid => None,
        Stage::Near => Some(Warning {
            severity: "Warning",
            reason: "CertificateEndsSoon",
            message: format!("the agent's certificate ends at {ends}: put a new one into its files"),
        }),
        Stage::Ended => Some(Warning {
            severity: "Error",
            reason: "CertificateEnded",
            message: format!("the agent's last certificate ended at {ends}: it is let in with a new one"),
        }),
    }
}

fn date(certificate: Validity) -> Option<String> {
    let ends = Timestamp::from_second(certificate.not_after.0).ok()?;
    Some(ends.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_near_or_was_is_a_problem() {
        let certificate = Validity {
            not_before: UnixSeconds(0),
            not_after: UnixSeconds(600),
        };
        let at = |now| warning(certificate, UnixSeconds(now)).map(|it| (it.severity, it.reason, it.message));
        assert_eq!(at(500), None);
        let (severity, reason, message) = at(501).unwrap();
        assert_eq!((severity, reason), ("Warning", "CertificateEndsSoon"));
        assert!(message.contains("1970-01-01T00:10:00Z"), "{message}");
        let (severity, reason, _) = at(601).unwrap();
        assert_eq!((severity, reason), ("Error", "CertificateEnded"));
    }
}
