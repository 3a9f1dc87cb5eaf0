//! What keeps a cluster from changing its path too often: minimum hold, flap damping, cap on switches per hour.
//!
//! Only says what bars a switch and until when; which switches ask is `choice`'s.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use super::decision::HeldBy;
use super::evidence::Moment;
use super::parameters::{DampingParameters, FailoverParameters};

const HOUR: Duration = Duration::from_secs(3600);

/// The switches of one cluster, as far as they bar further ones.
#[derive(Debug, Clone)]
pub(super) struct Guards {
    /// Since when the cluster is on its path.
    active_since: Moment,
    /// The last ones, at most as many as are allowed in an hour.
    switches: VecDeque<Moment>,
    penalty: Penalty,
}

/// The penalty as it was at one time, and what follows from it.
#[derive(Debug, Clone, Copy, Default)]
struct Penalty {
    value: f64,
    at: Moment,
    /// It reached the limit and is above the reuse value until then.
    suppressed_until: Option<Moment>,
}

impl Guards {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            active_since: now,
            switches: VecDeque::new(),
            penalty: Penalty::default(),
        }
    }

    /// A switch by people, or because paths were configured: the hold begins, nothing else counts.
    pub(super) fn moved(&mut self, now: Moment) {
        self.active_since = now;
    }

    /// A switch by the machine itself.
    pub(super) fn switched(&mut self, parameters: &FailoverParameters, now: Moment) {
        self.active_since = now;
        self.switches.push_back(now);
        while self.switches.len() > most(parameters) {
            self.switches.pop_front();
        }
        self.penalty.add(&parameters.damping, now);
    }

    /// What bars a switch that is not urgent, and until when: of several the one that ends last.
    pub(super) fn bar(&self, parameters: &FailoverParameters, now: Moment) -> Option<(HeldBy, Moment)> {
        let bars = [
            (
                HeldBy::MinimumHold,
                Some(self.active_since.after(parameters.minimum_hold)),
            ),
            (HeldBy::Damping, self.penalty.suppressed_until),
            (HeldBy::Cap, self.capped_until(parameters)),
        ];
        bars.into_iter()
            .filter_map(|(by, until)| Some((by, until?)))
            .filter(|(_, until)| *until > now)
            .max_by_key(|(_, until)| *until)
    }

    /// The penalty now, rounded.
    pub(super) fn penalty(&self, parameters: &DampingParameters, now: Moment) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "never negative, and a cast saturates"
        )]
        let rounded = self.penalty.decayed(parameters, now).round() as u32;
        rounded
    }

    /// Until when damping bars switches.
    pub(super) fn suppressed_until(&self, now: Moment) -> Option<Moment> {
        self.penalty.suppressed_until.filter(|until| *until > now)
    }

    /// Switches of the last hour, at most as many as are allowed in one.
    pub(super) fn within_an_hour(&self, now: Moment) -> usize {
        self.switches.iter().filter(|then| now.since(**then) < HOUR).count()
    }

    fn capped_until(&self, parameters: &FailoverParameters) -> Option<Moment> {
        let spare = self.switches.len().checked_sub(most(parameters))?;
        self.switches.get(spare).map(|oldest| oldest.after(HOUR))
    }
}

fn most(parameters: &FailoverParameters) -> usize {
    parameters.max_switches_per_hour.max(1) as usize
}

impl Penalty {
    fn decayed(&self, parameters: &DampingParameters, now: Moment) -> f64 {
        let half_lives = now.since(self.at).as_secs_f64() / parameters.half_life.as_secs_f64();
        self.value * (-half_lives).exp2()
    }

    fn add(&mut self, parameters: &DampingParameters, now: Moment) {
        let reuse = f64::from(parameters.reuse);
        // RFC 2439 4.2: no higher than what decays to the reuse value within the longest suppression.
        let ceiling = reuse * (parameters.max.as_secs_f64() / parameters.half_life.as_secs_f64()).exp2();
        let value = self.decayed(parameters, now) + f64::from(parameters.penalty);
        (self.value, self.at) = (value.min(ceiling), now);
        let still = self.suppressed_until.is_some_and(|until| until > now);
        // Not by the value that the ceiling left: a short longest suppression must not mean none.
        let reached = value >= f64::from(parameters.suppress);
        self.suppressed_until = (still || reached).then(|| now.after(self.until_reuse(parameters)));
    }

    fn until_reuse(&self, parameters: &DampingParameters) -> Duration {
        let half_lives = (self.value / f64::from(parameters.reuse)).log2().max(0.0);
        let seconds = half_lives * parameters.half_life.as_secs_f64();
        // Whole milliseconds, so that what rounding adds is the same everywhere.
        let wait = Duration::try_from_secs_f64((seconds * 1000.0).ceil() / 1000.0);
        wait.map_or(parameters.max, |wait| wait.min(parameters.max))
    }
}
