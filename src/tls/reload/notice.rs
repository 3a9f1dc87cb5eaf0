//! What is said of certificates: metrics, and warnings before their end.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;
use tracing::{error, warn};

use super::AGAIN;
use crate::model::UnixSeconds;
use crate::tls::expiry::{Expiry, Role, Stage, Validity};
use crate::tls::files::Files;

type Label = [(&'static str, &'static str); 1];

/// Cloning shares.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsMetrics {
    not_after: Family<Label, Gauge>,
    reloads: Family<Label, Counter>,
}

impl TlsMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let it = Self::default();
        let registry = registry.sub_registry_with_prefix("hubline_tls");
        registry.register_with_unit(
            "certificate_not_after_timestamp",
            "When the certificates in force end, by role, as a Unix time",
            Unit::Seconds,
            it.not_after.clone(),
        );
        registry.register("reloads", "Changed certificate files, by result", it.reloads.clone());
        it
    }

    pub(super) fn in_force(&self, expiry: Expiry) {
        for (role, validity) in expiry.roles() {
            if let Some(validity) = validity {
                let gauge = self.not_after.get_or_create(&[("role", role.label())]);
                gauge.set(validity.not_after.0);
            }
        }
    }

    pub(super) fn reloaded(&self, result: &'static str) {
        self.reloads.get_or_create(&[("result", result)]).inc();
    }
}

/// What was said last of each role.
#[derive(Debug, Default)]
pub(super) struct Notices {
    certificate: Option<Said>,
    authority: Option<Said>,
}

#[derive(Debug, Clone, Copy)]
struct Said {
    of: Validity,
    stage: Stage,
    at: Instant,
}

impl Notices {
    /// Says what ends soon or has ended: once, and again daily.
    pub(super) fn say(&mut self, expiry: Expiry, files: &Files) {
        for (role, validity) in expiry.roles() {
            let Some((validity, stage)) = validity.and_then(|it| self.due(role, it, now())) else {
                continue;
            };
            let (role, ends) = (role.label(), date(validity.not_after));
            let file = match role {
                "ca" => files.ca.display(),
                _ => files.certificate.display(),
            };
            if stage == Stage::Ended {
                error!(role, %file, ends, "certificate has ended");
            } else {
                warn!(role, %file, ends, "certificate ends soon");
            }
        }
    }

    fn due(&mut self, role: Role, of: Validity, now: UnixSeconds) -> Option<(Validity, Stage)> {
        let said = match role {
            Role::Certificate => &mut self.certificate,
            Role::Authority => &mut self.authority,
        };
        let stage = of.stage(role, now);
        let fresh = |said: &Said| said.of == of && said.stage == stage && said.at.elapsed() < AGAIN;
        if stage == Stage::Valid || said.as_ref().is_some_and(fresh) {
            return None;
        }
        *said = Some(Said {
            of,
            stage,
            at: Instant::now(),
        });
        Some((of, stage))
    }
}

fn now() -> UnixSeconds {
    UnixSeconds(jiff::Timestamp::now().as_second())
}

/// A moment for people.
pub(super) fn date(moment: UnixSeconds) -> String {
    jiff::Timestamp::from_second(moment.0).map_or_else(|_| moment.0.to_string(), |it| it.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn until(not_after: i64) -> Validity {
        Validity {
            not_before: UnixSeconds(0),
            not_after: UnixSeconds(not_after),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_said_once_a_day_and_at_once_when_it_comes_or_changes() {
        let mut notices = Notices::default();
        let mut due = |of, now| {
            notices
                .due(Role::Certificate, of, UnixSeconds(now))
                .map(|(_, stage)| stage)
        };
        assert_eq!(due(until(600), 100), None);
        assert_eq!(due(until(600), 501), Some(Stage::Near));
        assert_eq!(due(until(600), 502), None, "not every second");
        tokio::time::advance(23 * HOUR).await;
        assert_eq!(due(until(600), 502), None);
        tokio::time::advance(HOUR).await;
        assert_eq!(due(until(600), 502), Some(Stage::Near), "again after a day");
        assert_eq!(due(until(600), 601), Some(Stage::Ended), "what comes is said at once");
        assert_eq!(due(until(606), 602), Some(Stage::Near), "of another one, too");
        assert_eq!(due(until(6000), 602), None);
    }
}
