//! The health of one path, out of probes from several vantages: up, degraded or down.
//!
//! Each vantage falls and rises by results in a row; loss and latency are measured over a window. The hub's vantages
//! (the line, else the targets) and APISIX's (the gateways) are then combined: APISIX's is what counts while it is
//! fresh, since the hub's line is not APISIX's. No data means last known, at first up: fail-open.
//!
//! Does not choose between paths (`choice`) and forgets with time, so memory is bounded by vantages, never by probes.

mod combine;
mod grounds;
#[cfg(test)]
mod tests;
mod vantage;
mod window;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use grounds::{Cause, Grounds, Loss, Transition};

use super::evidence::{Evidence, Moment, ProbeResult, Vantage};
use super::parameters::{FEWEST_SAMPLES, HealthParameters, LEAVE_PERCENT};
use combine::Standing;
pub(super) use vantage::VantageHealth;
use window::Figures;

/// Most vantages of one path: more APISIX instances than the largest known installations have. Beyond it, the one
/// that was silent longest is forgotten.
const MOST_VANTAGES: usize = 64;
/// A vantage says nothing after this time without a result: three rounds of a path that is probed with the default
/// back-off of 15 s. A window that is longer counts instead.
const FRESH_FOR: Duration = Duration::from_secs(45);

/// What is held of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It works.
    Up,
    /// It works, but not well.
    Degraded,
    /// It does not.
    Down,
}

impl Verdict {
    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.label())
    }
}

/// The health of one path.
#[derive(Debug, Clone)]
pub struct Health {
    parameters: HealthParameters,
    verdict: Verdict,
    /// Whether evidence of this run of the hub agreed with the verdict.
    verified: bool,
    cause: Cause,
    vantages: Vec<VantageHealth>,
    /// Since when it is up by evidence.
    healthy_since: Option<Moment>,
    last_good: Option<Moment>,
    last_counted: Option<Moment>,
    lossy: bool,
    slow: bool,
}

impl Health {
    /// Nothing is known: taken for up, unverified.
    #[must_use]
    pub fn new(parameters: HealthParameters) -> Self {
        Self {
            parameters,
            verdict: Verdict::Up,
            verified: false,
            cause: Cause::NoData,
            vantages: Vec::new(),
            healthy_since: None,
            last_good: None,
            last_counted: None,
            lossy: false,
            slow: false,
        }
    }

    /// As it was before the hub's restart, unverified.
    #[must_use]
    pub fn restored(parameters: HealthParameters, verdict: Verdict) -> Self {
        Self {
            verdict,
            cause: Cause::Restored,
            lossy: verdict == Verdict::Degraded,
            ..Self::new(parameters)
        }
    }

    /// Other parameters; what was measured stays, except for what a window of another length would mix up.
    pub(super) fn configure(&mut self, parameters: &HealthParameters) {
        if parameters.window != self.parameters.window {
            for vantage in &mut self.vantages {
                vantage.window.clear();
            }
        }
        self.parameters.clone_from(parameters);
    }

    /// Takes one probe's result; tells whether the verdict changed. It never does without a result that counts.
    pub fn on(&mut self, evidence: Evidence, now: Moment) -> Option<Transition> {
        let good = match &evidence.result {
            ProbeResult::Good { .. } | ProbeResult::Lossy { .. } => true,
            ProbeResult::Bad(_) => false,
            ProbeResult::Nothing(_) => return None,
        };
        self.last_counted = Some(now);
        let at = self.place(&evidence.vantage, evidence.sent, now);
        if now.since(self.vantages[at].heard()) > self.fresh_for() {
            self.vantages[at].awake();
        }
        self.vantages[at].take(evidence, now, &self.parameters, self.verdict);
        self.verified |= good == (self.verdict != Verdict::Down);
        let transition = self.judge(now);
        if good && self.verdict == Verdict::Up {
            self.healthy_since.get_or_insert(now);
            self.last_good = Some(now);
        }
        transition
    }

    pub(super) fn parameters(&self) -> &HealthParameters {
        &self.parameters
    }

    /// What is held of the path.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether evidence of this run of the hub agreed with it.
    #[must_use]
    pub fn verified(&self) -> bool {
        self.verified
    }

    /// Why it is held.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Whether a vantage had a result lately.
    #[must_use]
    pub fn fresh(&self, now: Moment) -> bool {
        self.last_counted
            .is_some_and(|then| now.since(then) <= self.fresh_for())
    }

    /// Since when it is up without a break, and until when there was evidence for it.
    pub(super) fn healthy(&self) -> Option<(Moment, Moment)> {
        Some((self.healthy_since?, self.last_good?))
    }

    /// What to show of it.
    pub(super) fn grounds(&self, now: Moment) -> Grounds {
        let figures = self.figures(now);
        let speaker = self.speaker(now);
        Grounds {
            vantage: speaker.map(|vantage| vantage.vantage.clone()),
            in_a_row: speaker.map_or(0, VantageHealth::in_a_row),
            first_bad: speaker.and_then(VantageHealth::first_bad),
            last_failure: speaker.and_then(VantageHealth::last_failure).cloned(),
            loss: figures.loss(),
            round_trip: figures.round_trip(),
        }
    }

    /// The vantages, with whether each is down, by its name.
    pub(super) fn vantages(&self) -> impl Iterator<Item = &VantageHealth> {
        self.vantages.iter()
    }

    /// Loss and latency by the vantage that counts: APISIX's, if there is enough of it, else the hub's.
    pub(super) fn figures(&self, now: Moment) -> Figures {
        self.sums(|vantage| vantage.window.figures(now, self.parameters.window))
    }

    /// Without the lost probes at the end of each row: if more follow it is an outage, which rise and fall tell, and
    /// no lossy line. An outage must not begin with a move because of loss.
    fn settled_figures(&self, now: Moment) -> Figures {
        self.sums(|vantage| {
            let figures = vantage.window.figures(now, self.parameters.window);
            figures.without(vantage.bad_in_a_row())
        })
    }

    fn sums(&self, of: impl Fn(&VantageHealth) -> Figures) -> Figures {
        let sum = |such: fn(&Vantage) -> bool| {
            let such = self.vantages.iter().filter(|known| such(&known.vantage));
            such.map(&of).fold(Figures::default(), Figures::plus)
        };
        let gateways = sum(|vantage| matches!(vantage, Vantage::Gateway(_)));
        let line = sum(|vantage| matches!(vantage, Vantage::Line));
        if gateways.total() >= FEWEST_SAMPLES {
            // TCP hides from APISIX that packets are lost: its answers only come late, as they do when the agent is
            // slow. Where the hub's packets are lost too it is the line.
            return match self.loses(line) {
                true => gateways.with_late_as_lost(),
                false => gateways,
            };
        }
        if line.total() > 0 {
            return line;
        }
        sum(|vantage| matches!(vantage, Vantage::Target(_)))
    }

    /// Whether more is lost than may be, with separate values for entering and leaving. A few lost ones that would not
    /// take the path down in a row do not degrade it either.
    fn loses(&self, figures: Figures) -> bool {
        let enough = self.lossy || figures.loss().lost >= self.parameters.fall;
        let measured = figures.total() >= FEWEST_SAMPLES;
        measured && enough && figures.loses_more(self.parameters.loss_percent, hysteresis(self.lossy))
    }

    fn fresh_for(&self) -> Duration {
        self.parameters.window.max(FRESH_FOR)
    }

    /// Where a vantage stands; a new one of a path that was restored as down has to rise as the path has.
    fn place(&mut self, vantage: &Vantage, sent: Moment, now: Moment) -> usize {
        let found = self.vantages.binary_search_by(|known| known.vantage.cmp(vantage));
        let at = match found {
            Ok(at) => return at,
            Err(at) if self.vantages.len() < MOST_VANTAGES => at,
            Err(_) => self.forget_one(vantage),
        };
        let down = self.verdict == Verdict::Down && !self.verified;
        let new = VantageHealth::new(vantage.clone(), down.then_some(sent), now);
        self.vantages.insert(at, new);
        at
    }

    fn forget_one(&mut self, instead: &Vantage) -> usize {
        let silent = self.vantages.iter().enumerate().min_by_key(|(_, known)| known.heard());
        if let Some((at, _)) = silent {
            self.vantages.remove(at);
        }
        self.vantages.partition_point(|known| known.vantage < *instead)
    }

    fn judge(&mut self, now: Moment) -> Option<Transition> {
        let (verdict, cause) = match self.standing(now)? {
            Standing::Down(cause) => (Verdict::Down, cause),
            Standing::HubLineDown => (Verdict::Degraded, Cause::HubLineDown),
            Standing::Up => self.quality(now),
        };
        if verdict == self.verdict {
            if verdict == Verdict::Degraded {
                self.cause = cause;
            }
            return None;
        }
        Some(self.turn(verdict, cause, now))
    }

    fn turn(&mut self, verdict: Verdict, cause: Cause, now: Moment) -> Transition {
        let from = std::mem::replace(&mut self.verdict, verdict);
        (self.verified, self.cause) = (true, cause);
        if verdict != Verdict::Up {
            self.healthy_since = None;
        }
        if verdict == Verdict::Down {
            (self.lossy, self.slow) = (false, false);
        }
        Transition {
            from,
            to: verdict,
            cause,
            grounds: self.grounds(now),
        }
    }

    /// Loss and latency, with separate values for entering and leaving.
    fn quality(&mut self, now: Moment) -> (Verdict, Cause) {
        let figures = self.settled_figures(now);
        if figures.total() >= FEWEST_SAMPLES {
            self.lossy = self.loses(figures);
            let (limit, share) = (self.parameters.latency, hysteresis(self.slow));
            self.slow = limit.is_some_and(|limit| figures.slower(limit, share));
        }
        match (self.lossy, self.slow) {
            (true, _) => (Verdict::Degraded, Cause::Loss),
            (false, true) => (Verdict::Degraded, Cause::Latency),
            (false, false) => (Verdict::Up, Cause::Rose),
        }
    }
}

/// The share of a limit that counts, in percent: all of it to enter, less to leave.
fn hysteresis(entered: bool) -> u64 {
    if entered { LEAVE_PERCENT } else { 100 }
}
