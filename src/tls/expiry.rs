//! When certificates end, and when that is to be said.

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::model::UnixSeconds;

/// One day, in seconds.
const DAY: i64 = 24 * 60 * 60;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// One side's own.
    Certificate,
    /// An authority's.
    Authority,
}

impl Role {
    /// Its name for people and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Authority => "ca",
        }
    }

    /// The longest time before its end that is called near. 7 days: when the alert for client certificates of the
    /// Kubernetes mixin begins to warn. An authority's successor must reach every agent first, so a month.
    fn near(self) -> i64 {
        match self {
            Self::Certificate => 7 * DAY,
            Self::Authority => 30 * DAY,
        }
    }
}

/// How far a certificate is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Far.
    Valid,
    /// Time to renew it.
    Near,
    /// It has ended.
    Ended,
}

/// From when until when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: UnixSeconds,
    /// Last second.
    pub not_after: UnixSeconds,
}

impl Validity {
    /// Of a certificate (DER); none when it is not X.509.
    #[must_use]
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some(Self {
            not_before: UnixSeconds(validity.not_before.timestamp()),
            not_after: UnixSeconds(validity.not_after.timestamp()),
        })
    }

    /// Of the one that ends first; none when none is X.509.
    #[must_use]
    pub fn first_to_end(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let all = chain.iter().filter_map(|it| Self::of_certificate(it));
        all.min_by_key(|it| it.not_after.0)
    }

    /// How far it is from its end. A sixth of its life before is near, too: cert-manager renews after two thirds, so by
    /// then half of the time that it has is gone, and something does not renew.
    #[must_use]
    pub fn stage(&self, role: Role, now: UnixSeconds) -> Stage {
        let left = self.not_after.0 - now.0;
        let sixth = (self.not_after.0 - self.not_before.0) / 6;
        if left < 0 {
            Stage::Ended
        } else if left < sixth.min(role.near()) {
            Stage::Near
        } else {
            Stage::Valid
        }
    }
}

/// When one side's files end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The chain's certificate that ends first.
    pub certificate: Option<Validity>,
    /// The authority that ends first.
    pub authority: Option<Validity>,
}

impl Expiry {
    pub(super) fn of(chain: &[CertificateDer<'_>], authorities: &[CertificateDer<'_>]) -> Self {
        Self {
            certificate: Validity::first_to_end(chain),
            authority: Validity::first_to_end(authorities),
        }
    }

    /// Each with its role.
    pub(super) fn roles(&self) -> [(Role, Option<Validity>); 2] {
        [(Role::Certificate, self.certificate), (Role::Authority, self.authority)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasting(days: i64) -> Validity {
        Validity {
            not_before: UnixSeconds(0),
            not_after: UnixSeconds(days * DAY),
        }
    }

    #[test]
    fn an_end_is_near_a_week_before_or_in_the_last_sixth() {
        let table = [
            // A year: a week.
            (365, Role::Certificate, 365 * DAY - 7 * DAY, Stage::Valid),
            (365, Role::Certificate, 365 * DAY - 7 * DAY + 1, Stage::Near),
            // A day: four hours.
            (1, Role::Certificate, DAY - DAY / 6, Stage::Valid),
            (1, Role::Certificate, DAY - DAY / 6 + 1, Stage::Near),
            // An authority's ten years: a month.
            (3650, Role::Authority, 3650 * DAY - 30 * DAY, Stage::Valid),
            (3650, Role::Authority, 3650 * DAY - 30 * DAY + 1, Stage::Near),
            // Its last second still counts.
            (365, Role::Certificate, 365 * DAY, Stage::Near),
            (365, Role::Certificate, 365 * DAY + 1, Stage::Ended),
        ];
        for (days, role, now, stage) in table {
            let shown = format!("{days} {role:?} {now}");
            assert_eq!(lasting(days).stage(role, UnixSeconds(now)), stage, "{shown}");
        }
    }
}
