//! Tells a lost packet from a dead endpoint: one that answers again, or late, was not dead. Pure.

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
    /// Packets that are known to have been lost, now that their endpoint answers.
    pub(super) lost: u32,
    /// Whether some endpoint answers and another may be dead, or may not: to ask the same ones again will tell.
    pub(super) open: bool,
}

impl Losses {
    /// What one round tells of a line with this round trip.
    pub(super) fn saw(&mut self, samples: &[SampleOutcome], usual: Duration) -> Told {
        let mut told = Told::default();
        let (mut answers, mut doubtful) = (false, false);
        for sample in samples {
            match &sample.result {
                Ok(()) | Err(Miss::Bad(ProbeFailure::Refused)) => {
                    answers = true;
                    told.lost += self.answered(sample.address);
                    told.lost += u32::from(sample.took >= usual + TRIED_AGAIN);
                }
                Err(Miss::Bad(ProbeFailure::Timeout)) => doubtful |= self.was_silent(sample.address),
                Err(_) => {}
            }
        }
        told.open = answers && doubtful;
        told
    }

    fn answered(&mut self, endpoint: SocketAddr) -> u32 {
        let silent = self.0.remove(&endpoint).filter(|times| *times < DEAD_AFTER);
        silent.map_or(0, u32::from)
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

    fn told(rounds: &[&str]) -> Vec<(u32, bool)> {
        let mut losses = Losses::default();
        let told = rounds
            .iter()
            .map(|text| losses.saw(&round(text), Duration::from_millis(5)));
        told.map(|told| (told.lost, told.open)).collect()
    }

    #[test]
    fn only_an_endpoint_that_answers_again_proves_a_loss() {
        for (rounds, wanted) in [
            // All answer, or none does.
            (&["++++", "++++"][..], vec![(0, false), (0, false)]),
            (&["----", "----"], vec![(0, false), (0, false)]),
            // Two were lost.
            (&["+--+", "++++"], vec![(0, true), (2, false)]),
            (&["+-", "+-", "++"], vec![(0, true), (0, true), (2, false)]),
            // A refusal is an answer.
            (&["+-", "+r"], vec![(0, true), (1, false)]),
            (&["+-", "+?", "++"], vec![(0, true), (0, false), (1, false)]),
            // The handshake was lost.
            (&["+l+l", "-", "l"], vec![(2, false), (0, false), (2, false)]),
            // After an outage in which nothing answered.
            (&["--", "++"], vec![(0, false), (2, false)]),
        ] {
            assert_eq!(told(rounds), wanted, "{rounds:?}");
        }
    }

    #[test]
    fn a_node_that_boots_again_has_lost_nothing() {
        let rounds = ["+-", "+-", "+-", "+-", "+-", "++", "+-", "++"];
        let wanted = [
            (0, true),
            (0, true),
            (0, true),
            (0, false),
            (0, false),
            (0, false),
            (0, true),
            (1, false),
        ];
        assert_eq!(told(&rounds), wanted);
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
