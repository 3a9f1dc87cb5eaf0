//! The usual round trip of a line, by answers that waited for no packet to be sent again. Pure.

use std::time::Duration;

/// After this time TCP sends a lost packet again at the earliest (Linux's `TCP_RTO_MIN`): what comes so much later than
/// usual was most likely lost once.
const SENT_AGAIN: Duration = Duration::from_millis(200);

/// So many late answers in a row, and the line has become slower: where packets are lost, of 16 answers one comes on
/// time, even if 60 % are late (0.6 to the 16th is 0.03 %).
const BELIEVED: u32 = 16;

/// What is known of a line's round trip.
///
/// Smoothed as TCP does (RFC 6298): an eighth of each new one. What was sent again tells nothing of it (Karn's
/// algorithm, section 3 there), else a line that loses packets would look like a slow one, which is given more time.
#[derive(Debug, Clone, Default)]
pub(super) struct RoundTrips {
    usual: Option<Duration>,
    late_in_a_row: u32,
    /// The fastest of those.
    fastest_late: Duration,
}

impl RoundTrips {
    /// None: nothing was answered yet.
    pub(super) fn usual(&self) -> Option<Duration> {
        self.usual
    }

    /// Whether an answer that took so long waited for a packet to be sent again.
    pub(super) fn is_late(&self, round_trip: Duration) -> bool {
        self.usual.is_some_and(|usual| round_trip >= usual + SENT_AGAIN)
    }

    /// Takes the time of one answer; tells whether it was late.
    pub(super) fn saw(&mut self, round_trip: Duration) -> bool {
        if self.is_late(round_trip) {
            self.saw_late(round_trip);
            return true;
        }
        let usual = self.usual.unwrap_or(round_trip);
        // The usual one was itself a late one.
        let mistaken = usual >= round_trip + SENT_AGAIN;
        self.usual = Some(if mistaken {
            round_trip
        } else {
            (7 * usual + round_trip) / 8
        });
        self.late_in_a_row = 0;
        false
    }

    fn saw_late(&mut self, round_trip: Duration) {
        let first = self.late_in_a_row == 0;
        self.fastest_late = if first {
            round_trip
        } else {
            self.fastest_late.min(round_trip)
        };
        self.late_in_a_row += 1;
        if self.late_in_a_row >= BELIEVED {
            (self.usual, self.late_in_a_row) = (Some(self.fastest_late), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(millis: &[u64]) -> (RoundTrips, Vec<bool>) {
        let mut known = RoundTrips::default();
        let late = millis.iter().map(|millis| known.saw(Duration::from_millis(*millis)));
        let late = late.collect();
        (known, late)
    }

    fn usual(millis: &[u64]) -> Option<u128> {
        after(millis).0.usual().map(|usual| usual.as_millis())
    }

    #[test]
    fn what_was_sent_again_tells_nothing() {
        assert_eq!(usual(&[]), None);
        assert_eq!(usual(&[10]), Some(10));
        assert_eq!(usual(&[10, 90]), Some(20), "an eighth of each new one");
        assert_eq!(usual(&[10, 210, 410, 900]), Some(10));
        assert_eq!(after(&[10, 209, 234, 10]).1, [false; 4]);
        assert_eq!(after(&[10, 210, 10, 1_000]).1, [false, true, false, true]);
        // The first one was the late one.
        assert_eq!(usual(&[410, 10]), Some(10));
    }

    #[test]
    fn a_line_that_becomes_slower_is_believed() {
        let slower = |late: usize| [vec![10], vec![300; late]].concat();
        assert_eq!(usual(&slower(15)), Some(10));
        assert_eq!(usual(&slower(16)), Some(300));
        let with_one_on_time = [slower(15), vec![10], vec![300; 15]].concat();
        assert_eq!(usual(&with_one_on_time), Some(10));
        let all_but_the_fastest = [vec![10], vec![900; 15], vec![310]].concat();
        assert_eq!(usual(&all_but_the_fastest), Some(310));
    }
}
