//! What a line that loses packets does to TCP, by chance that a seed decides.
//!
//! Data: each chunk is lost with the line's probability, and again each time it is sent anew. TCP
//! keeps the order, so that what comes behind a lost chunk waits with it. Not imitated: that newer
//! data tells the sender of the loss before its timer does, and that lost acknowledgements cost
//! nothing.
//!
//! Handshakes: time is cut into slots, and in a lost one the port is a black hole. A client's kernel
//! tries again a second later, in another slot.

use std::future::pending;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::State;
use super::settings::Settings;

/// Linux's shortest retransmission timeout, which lines of up to some 100 ms have.
const FIRST_TIMEOUT: Duration = Duration::from_millis(200);

/// Linux's longest.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(120);

/// How often Linux sends anew before it gives up (`tcp_retries2`).
const MOST_LOSSES: u32 = 15;

/// Short against the second after which a handshake is tried again; long enough that 60 lossy links
/// change their ports 300 times a second at most.
const SLOT: Duration = Duration::from_millis(100);

/// How much is lost, and by which chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Loss {
    share: f64,
    seed: u64,
}

impl Loss {
    /// None where nothing is lost.
    pub(super) fn new(share: f64, seed: u64) -> Option<Self> {
        let share = share.clamp(0.0, 1.0);
        (share > 0.0).then_some(Self { share, seed })
    }

    /// Neighbouring numbers must not have neighbouring luck: the generator mixes its seed.
    fn generator(self, number: u64) -> SmallRng {
        SmallRng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

/// The luck of one direction of one connection.
#[derive(Debug)]
pub(super) struct Luck {
    number: u64,
    now: Option<(Loss, SmallRng)>,
}

impl Luck {
    pub(super) fn new(number: u64) -> Self {
        Self { number, now: None }
    }

    /// By how much the next chunk is late.
    pub(super) fn late_by(&mut self, loss: Option<Loss>) -> Duration {
        let Some(loss) = loss else {
            self.now = None;
            return Duration::ZERO;
        };
        if self.now.as_ref().is_none_or(|(other, _)| *other != loss) {
            self.now = Some((loss, loss.generator(self.number)));
        }
        let Some((_, generator)) = &mut self.now else {
            return Duration::ZERO;
        };
        let losses = (0..MOST_LOSSES).take_while(|_| generator.random_bool(loss.share));
        losses
            .map(|time| (FIRST_TIMEOUT * 2_u32.pow(time)).min(LONGEST_TIMEOUT))
            .sum()
    }
}

/// When handshakes are lost: slot by slot, for the port as a whole.
#[derive(Debug)]
pub(super) struct Handshakes {
    settings: watch::Receiver<Settings>,
    now: Option<(Loss, SmallRng)>,
    state: State,
    /// when the state changes; none: not foreseeably
    due: Option<Instant>,
}

/// The luck of handshakes is not that of any connection's data.
const HANDSHAKES: u64 = u64::MAX;

/// A quarter of an hour: what is not lost, or not let through, for so long never is.
const MOST_SLOTS: u32 = 10_000;

impl Handshakes {
    pub(super) fn new(settings: watch::Receiver<Settings>) -> Self {
        Self {
            settings,
            now: None,
            state: State::Open,
            due: None,
        }
    }

    /// Waits until the port must be in another state, and says in which. May be cancelled.
    pub(super) async fn next(&mut self) -> State {
        loop {
            self.look();
            tokio::select! {
                biased;
                changed = self.settings.changed() => if changed.is_err() {
                    // The link is gone, and this task is about to be.
                    return pending().await;
                },
                () = wait(self.due) => {
                    self.state = if self.state == State::Open { State::BlackHole } else { State::Open };
                    self.foresee(1);
                    return self.state;
                }
            }
        }
    }

    /// Goes on from an open port, which is what the end of a cut leaves.
    pub(super) fn begin_anew(&mut self) {
        self.state = State::Open;
        self.foresee(0);
    }

    /// Takes another loss over as soon as it is set.
    fn look(&mut self) {
        let loss = self.settings.borrow_and_update().loss;
        if self.now.as_ref().map(|(known, _)| *known) == loss {
            return;
        }
        self.now = loss.map(|loss| (loss, loss.generator(HANDSHAKES)));
        self.foresee(0);
    }

    /// Draws slots until one has another state; the first of them begins in `first` slots' time.
    fn foresee(&mut self, first: u32) {
        let now = Instant::now();
        let Some((loss, generator)) = &mut self.now else {
            self.due = (self.state != State::Open).then_some(now);
            return;
        };
        let is_lost = self.state != State::Open;
        let mut slots = first..MOST_SLOTS;
        let other = slots.find(|_| generator.random_bool(loss.share) != is_lost);
        self.due = other.map(|slot| now + SLOT * slot);
    }
}

async fn wait(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(share: f64, seed: u64, number: u64) -> Vec<Duration> {
        let mut luck = Luck::new(number);
        (0..10_000).map(|_| luck.late_by(Loss::new(share, seed))).collect()
    }

    #[test]
    fn chunks_are_late_by_doubling_timeouts_as_often_as_they_are_lost() {
        let late = delays(0.4, 7, 3);
        // 0, 200, 600, 1400 ms: with 60%, 24%, 9.6%, 3.84%.
        for (delay, wanted) in [(0, 6000), (200, 2400), (600, 960), (1400, 384)] {
            let count = late.iter().filter(|late| late.as_millis() == delay).count();
            assert!(count.abs_diff(wanted) < 150, "{delay} ms: {count}");
        }
        assert!(delays(0.0, 7, 3).iter().all(Duration::is_zero));
        // 200 ms doubled nine times, and the longest timeout for the rest.
        let all = Duration::from_millis(200 * 1023) + LONGEST_TIMEOUT * 5;
        assert!(delays(1.0, 7, 3).iter().all(|late| *late == all), "{all:?}");
    }

    #[test]
    fn the_same_seed_has_the_same_luck_and_each_way_its_own() {
        assert_eq!(delays(0.4, 7, 3), delays(0.4, 7, 3));
        assert_ne!(delays(0.4, 7, 3), delays(0.4, 8, 3));
        assert_ne!(delays(0.4, 7, 3), delays(0.4, 7, 4));
    }

    /// The states of the first slots, one letter each.
    async fn slots(share: f64, seed: u64, count: usize) -> String {
        let (settings, observed) = watch::channel(Settings::default());
        let mut handshakes = Handshakes::new(observed);
        settings.send_modify(|settings| settings.loss = Loss::new(share, seed));
        let (start, mut seen, mut state) = (Instant::now(), String::new(), '+');
        while seen.len() < count {
            // Nobody waits so long for a line that never changes.
            let next = tokio::time::timeout(SLOT * MOST_SLOTS, handshakes.next()).await;
            let slot = usize::try_from(start.elapsed().as_millis() / SLOT.as_millis()).unwrap();
            seen.extend(std::iter::repeat_n(state, slot.min(count) - seen.len()));
            state = if next == Ok(State::BlackHole) { '-' } else { '+' };
        }
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn handshakes_are_lost_in_their_share_of_all_slots() {
        let seen = slots(0.4, 7, 5000).await;
        let lost = seen.matches('-').count();
        assert!(lost.abs_diff(2000) < 150, "{lost}");
        assert_eq!(seen, slots(0.4, 7, 5000).await);
        assert_ne!(seen, slots(0.4, 8, 5000).await);
        assert!(!slots(0.0, 7, 50).await.contains('-'));
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_loses_nothing_any_more_opens_its_port() {
        let (settings, observed) = watch::channel(Settings::default());
        let mut handshakes = Handshakes::new(observed);
        settings.send_modify(|settings| settings.loss = Loss::new(1.0, 7));
        assert_eq!(handshakes.next().await, State::BlackHole);
        settings.send_modify(|settings| settings.loss = None);
        assert_eq!(handshakes.next().await, State::Open);
    }
}
