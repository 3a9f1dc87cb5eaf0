//! Who holds a lease, as a state machine: what was seen and when, and what to do next.

use std::time::Duration;

use tokio::time::Instant;

use super::Leadership;

/// How long a lease lasts that is not renewed: Kubernetes' own components use 15 s.
pub const DURATION: Duration = Duration::from_secs(15);

/// When a holder that cannot renew stops to publish: 5 s before others may take over,
/// so that its last messages are on their way before theirs.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);

/// How often it is renewed: twice within the deadline.
pub const RENEW_INTERVAL: Duration = Duration::from_secs(5);

/// What a lease says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; nobody when it was given back.
    pub holder: Option<String>,
    /// How often it changed hands.
    pub transitions: u64,
    /// How long it lasts without renewal.
    pub duration: Duration,
    /// Changes with every write.
    pub version: String,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Another holds it.
    Wait,
    /// There is none: make one.
    Create {
        /// To write.
        transitions: u64,
    },
    /// Take or renew it.
    Write {
        /// To write.
        transitions: u64,
    },
}

/// What one candidate knows.
#[derive(Debug, Clone)]
pub struct Election {
    identity: String,
    /// The last record, and when it was first seen as it is.
    seen: Option<(Record, Instant)>,
    /// When the last successful write began.
    renewed: Option<Instant>,
}

impl Election {
    /// A candidate whose name no other run shares.
    #[must_use]
    pub fn new(identity: String) -> Self {
        Self {
            identity,
            seen: None,
            renewed: None,
        }
    }

    /// The candidate's name.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// What to do about the lease as it is.
    pub fn decide(&mut self, record: Option<Record>, now: Instant) -> Action {
        let Some(record) = record else {
            // Never fewer than were seen: a lease that was deleted must not make the epoch older.
            let transitions = self.seen.as_ref().map_or(0, |(last, _)| last.transitions + 1);
            return Action::Create { transitions };
        };
        if self.seen.as_ref().is_none_or(|(last, _)| *last != record) {
            self.seen = Some((record.clone(), now));
        }
        let since = self.seen.as_ref().map_or(now, |(_, since)| *since);
        match record.holder {
            Some(holder) if holder == self.identity => Action::Write {
                transitions: record.transitions,
            },
            Some(_) if now < since + record.duration => {
                self.renewed = None;
                Action::Wait
            }
            Some(_) | None => Action::Write {
                transitions: record.transitions + 1,
            },
        }
    }

    /// Our write, begun at `began`, was taken.
    pub fn written(&mut self, record: Record, began: Instant) {
        self.seen = Some((record, began));
        self.renewed = Some(began);
    }

    /// Another's write was taken instead, or we give it up.
    pub fn lost(&mut self) {
        self.renewed = None;
    }

    /// Whether this candidate publishes.
    #[must_use]
    pub fn leadership(&self, now: Instant) -> Leadership {
        let transitions = self.seen.as_ref().map_or(0, |(record, _)| record.transitions);
        let holder = self.deadline(now).is_some();
        Leadership { holder, transitions }
    }

    /// When this candidate stops to publish unless it renews; none when it does not publish.
    #[must_use]
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let deadline = self.renewed.map(|renewed| renewed + RENEW_DEADLINE);
        deadline.filter(|deadline| now < *deadline)
    }

    /// When to look again: at the next renewal, or when another's lease runs out.
    #[must_use]
    pub fn pause(&self, now: Instant) -> Duration {
        let runs_out = |(record, since): &(Record, Instant)| (*since + record.duration).saturating_duration_since(now);
        match &self.seen {
            Some(seen) if self.renewed.is_none() => runs_out(seen).clamp(Duration::from_millis(200), RENEW_INTERVAL),
            _ => RENEW_INTERVAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(holder: &str, transitions: u64, version: &str) -> Record {
        Record {
            holder: (!holder.is_empty()).then(|| holder.to_owned()),
            transitions,
            duration: DURATION,
            version: version.to_owned(),
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_taken_only_when_nobody_holds_it() {
        let now = Instant::now();
        for (seen, expected) in [
            (None, Action::Create { transitions: 0 }),
            (Some(record("", 4, "1")), Action::Write { transitions: 5 }),
            (Some(record("me", 4, "1")), Action::Write { transitions: 4 }),
            (Some(record("other", 4, "1")), Action::Wait),
        ] {
            assert_eq!(
                Election::new("me".to_owned()).decide(seen.clone(), now),
                expected,
                "{seen:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_holder_is_followed_after_its_time_as_seen_here() {
        let start = Instant::now();
        let mut election = Election::new("me".to_owned());
        assert_eq!(election.decide(Some(record("other", 4, "1")), start), Action::Wait);
        // Renewed meanwhile: its time begins anew.
        assert_eq!(
            election.decide(Some(record("other", 4, "2")), start + seconds(14)),
            Action::Wait
        );
        assert_eq!(
            election.decide(Some(record("other", 4, "2")), start + seconds(28)),
            Action::Wait
        );
        let next = election.decide(Some(record("other", 4, "2")), start + seconds(29));
        assert_eq!(next, Action::Write { transitions: 5 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_cannot_renew_stops_before_others_begin() {
        let start = Instant::now();
        let mut election = Election::new("me".to_owned());
        election.decide(None, start);
        election.written(record("me", 0, "1"), start);
        assert!(election.leadership(start + seconds(9)).holder);
        assert!(!election.leadership(start + RENEW_DEADLINE).holder);
        assert!(RENEW_DEADLINE < DURATION);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_race_is_no_leadership() {
        let start = Instant::now();
        let mut election = Election::new("me".to_owned());
        election.written(record("me", 0, "1"), start);
        election.lost();
        assert!(!election.leadership(start).holder);
        election.written(record("me", 1, "3"), start);
        // Someone took it by force.
        assert_eq!(election.decide(Some(record("other", 2, "4")), start), Action::Wait);
        assert_eq!(
            election.leadership(start),
            Leadership {
                holder: false,
                transitions: 2
            }
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_deleted_lease_does_not_make_the_epoch_older() {
        let now = Instant::now();
        let mut election = Election::new("me".to_owned());
        election.written(record("me", 7, "1"), now);
        assert_eq!(election.decide(None, now), Action::Create { transitions: 8 });
    }
}
