//! All that a run leaves to chance, from its seed.
//!
//! SplitMix64 (Steele, Lea and Flood 2014): a few lines, so that a seed means the same in every version of every crate.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for one part: what another part draws does not change it.
    pub(crate) fn fork(&self, part: &str) -> Self {
        let mut fork = Self(self.0);
        for byte in part.bytes() {
            fork.0 = fork.0.wrapping_mul(31).wrapping_add(u64::from(byte));
            fork.0 = fork.next();
        }
        fork
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True so many times of a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn between(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    pub(crate) fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.between(range))
    }

    /// Mostly the short one, seldom something up to the long one.
    pub(crate) fn mostly(&mut self, short: u64, long: u64) -> Duration {
        if self.percent(90) {
            self.millis(0..=short)
        } else {
            self.millis(short..=long)
        }
    }

    /// One of several; `of` is not empty.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(of.len() as u64)).unwrap_or_default();
        &of[at]
    }

    /// One of several words.
    pub(crate) fn word(&mut self, of: &[&'static str]) -> &'static str {
        let word: &&str = self.pick(of);
        word
    }
}
