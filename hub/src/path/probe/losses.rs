//! Tells lost packets from dead endpoints: one that answers again, or late since its handshake was tried again, was not
//! dead. Pure.
//!
//! A node may have died and come back, so its first return proves nothing, nor does what was sent to it before; nodes
//! that return over and over, or many of them, do. A round in which no endpoint answers says nothing here: it is lost
//! itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::judge::{Miss, SampleOutcome};
use crate::path::evidence::ProbeFailure;

/// After this time a handshake is tried again (RFC 6298 section 2.1, Linux's `TCP_TIMEOUT_INIT`).
const TRIED_AGAIN: Duration = Duration::from_secs(1);

/// Silent so often in a row, an endpoint is not asked again at once: it is dead.
const DEAD_AFTER: u8 = 4;

/// Nodes that may come back at a time: one that was drained, and one that failed.
const MOST_BACK: usize = 2;

/// How long a node's return proves nothing: one that boots again takes longer.
const FORGIVEN_FOR: Duration = Duration::from_secs(60);

/// Endpoints that are remembered, of one path: more than are asked in all the rounds of [`DEAD_AFTER`] that are under
/// way together. Beyond it a loss is not noticed.
const MOST: usize = 256;

/// What is remembered of endpoints that did not answer.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// How often in a row each did not.
    silent: BTreeMap<SocketAddr, u8>,
    /// Nodes that came back, and when.
    back: Vec<(Arc<str>, Instant)>,
}

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
    /// What one round tells, that ends now, of a line with this round trip.
    pub(super) fn saw(&mut self, samples: &[SampleOutcome], usual: Duration, now: Instant) -> Told {
        let mut told = Told::default();
        if !samples.iter().any(answers) {
            return told;
        }
        self.back.retain(|(_, back)| now.duration_since(*back) < FORGIVEN_FOR);
        for sample in samples {
            let sent = now.checked_sub(sample.took).unwrap_or(now);
            let was_dead = self.came_back(&sample.node).is_some_and(|back| sent < back);
            if answers(sample) {
                let was_silent = self.silent.remove(&sample.address).is_some();
                let late = sample.took >= usual + TRIED_AGAIN;
                told.lost |= !was_dead && (was_silent || late) && !self.forgives(&sample.node, now);
            } else if !was_dead && sample.result == Err(Miss::Bad(ProbeFailure::Timeout)) {
                told.open |= self.was_silent(sample.address);
            }
        }
        told
    }

    fn came_back(&self, node: &str) -> Option<Instant> {
        let known = self.back.iter().find(|(known, _)| **known == *node);
        known.map(|(_, back)| *back)
    }

    /// Whether a return may be that of a node that was dead.
    fn forgives(&mut self, node: &Arc<str>, now: Instant) -> bool {
        let forgives = self.back.len() < MOST_BACK && self.came_back(node).is_none();
        if forgives {
            self.back.push((Arc::clone(node), now));
        }
        forgives
    }

    /// Whether it may still be alive.
    fn was_silent(&mut self, endpoint: SocketAddr) -> bool {
        if self.silent.len() >= MOST && !self.silent.contains_key(&endpoint) {
            self.silent.pop_first();
        }
        let times = self.silent.entry(endpoint).or_default();
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
    use super::*;

    /// `+` connects, `l` so late that it was tried again, `-` is silent, `r` refuses, `?` was not asked; one character an
    /// endpoint, two endpoints a node.
    fn round(text: &str) -> Vec<SampleOutcome> {
        let sample = |(at, what): (usize, char)| SampleOutcome {
            node: format!("node-{}", at / 2).into(),
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

    /// For each round, a second after the one before: `l` something was lost, `o` it is open who is dead.
    fn told(losses: &mut Losses, began: Instant, rounds: &[&str]) -> Vec<&'static str> {
        let told = (0..).zip(rounds).map(|(second, text)| {
            let now = began + Duration::from_secs(second);
            losses.saw(&round(text), Duration::from_millis(5), now)
        });
        let words = told.map(|told| match (told.lost, told.open) {
            (true, true) => "lo",
            (true, false) => "l",
            (false, true) => "o",
            (false, false) => "",
        });
        words.collect()
    }

    /// Two other nodes have come back just now, so that every return tells.
    fn told_without_mercy(rounds: &[&str]) -> Vec<&'static str> {
        let began = Instant::now() + Duration::from_secs(10);
        let mut losses = Losses::default();
        assert!(losses.forgives(&"other-1".into(), began) && losses.forgives(&"other-2".into(), began));
        told(&mut losses, began, rounds)
    }

    fn told_anew(rounds: &[&str]) -> Vec<&'static str> {
        told(&mut Losses::default(), Instant::now() + Duration::from_secs(10), rounds)
    }

    #[test]
    fn an_endpoint_that_answers_again_or_late_proves_a_loss() {
        for (rounds, wanted) in [
            // All answer.
            (&["++++", "++++"][..], vec!["", ""]),
            // None does: such a round is lost itself, and the line may only have been gone for a moment.
            (&["----", "----", "++++"], vec!["", "", ""]),
            (&["+--+", "++++"], vec!["o", "l"]),
            (&["+-", "+-", "++"], vec!["o", "o", "l"]),
            (&["+-+", "++-", "+++"], vec!["o", "lo", "l"]),
            // A refusal is an answer.
            (&["+-", "+r"], vec!["o", "l"]),
            (&["+-", "+?", "++"], vec!["o", "", "l"]),
            // The handshake was lost.
            (&["+l+l", "-", "l"], vec!["l", "", "l"]),
            // The last one is not asked again and again: it is dead.
            (&["+-", "+-", "+-", "+-", "+-"], vec!["o", "o", "o", "", ""]),
        ] {
            assert_eq!(told_without_mercy(rounds), wanted, "{rounds:?}");
        }
    }

    #[test]
    fn a_node_that_comes_back_has_lost_nothing() {
        // Both of its endpoints; what was under way comes late, in any order: it was sent before the round before.
        let rounds = ["--+", "--+", "+++", "ll+", "-++", "+++"];
        assert_eq!(told_anew(&rounds), ["o", "o", "", "", "o", "l"]);
        assert_eq!(told_anew(&["++l", "++l", "+++", "++l"]), ["", "", "", "l"]);
        // Two nodes may, a third one not.
        assert_eq!(told_anew(&["--+++", "+++++", "++--+", "+++++"]), ["o", "", "o", ""]);
        assert_eq!(told_anew(&["-+-+-+-+", "++++++++"]), ["o", "l"]);
        // A minute later it may again.
        let mut rounds = vec!["-++", "+++"];
        rounds.extend(["+++"; 59]);
        rounds.extend(["-++", "+++"]);
        assert_eq!(told_anew(&rounds).concat(), "oo");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut losses, now) = (Losses::default(), Instant::now());
        for number in 0..10_000_u16 {
            losses.was_silent(SocketAddr::from(([10, 0, 0, 1], number)));
            losses.forgives(&number.to_string().into(), now);
        }
        assert_eq!((losses.silent.len(), losses.back.len()), (MOST, MOST_BACK));
    }
}
