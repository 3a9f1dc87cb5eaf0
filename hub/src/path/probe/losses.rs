//! Tells a lost packet from a dead endpoint: one that answers again, or late, was not dead. Pure.
//!
//! A round in which no endpoint answers says nothing here: it is lost itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::judge::{Miss, SampleOutcome};
use crate::path::evidence::ProbeFailure;

/// After this time a handshake is tried again (RFC 6298 section 2.1, Linux's `TCP_TIMEOUT_INIT`).
const TRIED_AGAIN: Duration = Duration::from_secs(1);

/// Silent so often in a row, an endpoint is held for dead: when it answers again (its node has booted), the line has
/// lost nothing.
const DEAD_AFTER: u8 = 4;

/// Endpoints that are remembered, of one path: more than are asked in all the rounds of [`DEAD_AFTER`] that are under
/// way together. Beyond it a loss is not noticed.
const MOST: usize = 256;

/// Endpoints that did not answer, and how often in a row.
#[derive(Debug, Default)]
pub(super) struct Losses(BTreeMap<SocketAddr, u8>);

/// What the endpoints of a round tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// Whether a packet is known to have been lost, now that its endpoint answers. How many says little: a line that is
    /// gone for a moment loses all that are under way.
    pub(super) lost: bool,
    /// Whether some endpoint answers and another may be dead, or may not: to ask the same ones again will tell.
    pub(super) open: bool,
}

impl Losses {
    /// What one round tells of a line with this round trip.
    pub(super) fn saw(&mut self, samples: &[SampleOutcome], usual: Duration) -> Told {
        let mut told = Told::default();
        if !samples.iter().any(answers) {
            return told;
        }
        for sample in samples {
            if answers(sample) {
                let late = sample.took >= usual + TRIED_AGAIN;
                told.lost |= late | self.was_alive(sample.address);
            } else if sample.result == Err(Miss::Bad(ProbeFailure::Timeout)) {
                told.open |= self.was_silent(sample.address);
            }
        }
        told
    }

    /// Whether one that answers now was silent before, and not dead.
    fn was_alive(&mut self, endpoint: SocketAddr) -> bool {
        self.0.remove(&endpoint).is_some_and(|times| times < DEAD_AFTER)
    }

    /// Whether it may still be alive.
    fn was_silent(&mut self, endpoint: SocketAddr) -> bool {
        if self.0.len() >= MOST && !self.0.contains_key(&endpoint) {
            self.0.pop_first();
        }
        let times = self.0.entry(endpoint).or_default();
        *times = times.saturating_add(1);
        *times < DEAD_AFTER
    }
}

/// A refusal is an answer.
fn answers(sample: &SampleOutcome) -> bool {
    matches!(sample.result, Ok(()) | Err(Miss::Bad(ProbeFailure::Refused)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// `+` connects, `l` so late that it was tried again, `-` is silent, `r` refuses, `?` was not asked; one character an endpoint.
    fn round(text: &str) -> Vec<SampleOutcome> {
        let sample = |(at, what): (usize, char)| SampleOutcome {
            node: "one".into(),
            address: format!("10.0.0.{at}:80").parse().unwrap(),
            took: Duration::from_millis(if what == 'l' { 1_005 } else { 900 }),
            result: match what {
                '+' | 'l' => Ok(()),
                '-' => Err(ProbeFailure::Timeout.into()),
                'r' => Err(ProbeFailure::Refused.into()),
                _ => Err(crate::path::evidence::NoData::HubBusy.into()),
            },
        };
        text.chars().enumerate().map(sample).collect()
    }

    /// For each round: `l` something was lost, `o` it is open who is dead.
    fn told(rounds: &[&str]) -> Vec<&'static str> {
        let mut losses = Losses::default();
        let told = rounds
            .iter()
            .map(|text| losses.saw(&round(text), Duration::from_millis(5)));
        let words = told.map(|told| match (told.lost, told.open) {
            (true, true) => "lo",
            (true, false) => "l",
            (false, true) => "o",
            (false, false) => "",
        });
        words.collect()
    }

    #[test]
    fn only_an_endpoint_that_answers_again_proves_a_loss() {
        for (rounds, wanted) in [
            // All answer.
            (&["++++", "++++"][..], vec!["", ""]),
            // None does: such a round is lost itself, and the line may only have been gone for a moment.
            (&["----", "----", "++++"], vec!["", "", ""]),
            // Two were lost.
            (&["+--+", "++++"], vec!["o", "l"]),
            (&["+-", "+-", "++"], vec!["o", "o", "l"]),
            (&["+-+", "++-", "+++"], vec!["o", "lo", "l"]),
            // A refusal is an answer.
            (&["+-", "+r"], vec!["o", "l"]),
            (&["+-", "+?", "++"], vec!["o", "", "l"]),
            // The handshake was lost.
            (&["+l+l", "-", "l"], vec!["l", "", "l"]),
        ] {
            assert_eq!(told(rounds), wanted, "{rounds:?}");
        }
    }

    #[test]
    fn a_node_that_boots_again_has_lost_nothing() {
        let rounds = ["+-", "+-", "+-", "+-", "+-", "++", "+-", "++"];
        assert_eq!(told(&rounds), ["o", "o", "o", "", "", "", "o", "l"]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut losses = Losses::default();
        for number in 0..10_000_u16 {
            let address = SocketAddr::from(([10, 0, 0, 1], number));
            losses.was_silent(address);
        }
        assert_eq!(losses.0.len(), MOST);
    }
}
