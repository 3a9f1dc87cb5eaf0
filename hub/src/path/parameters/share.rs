//! Shares of a whole.

use serde::{Deserialize, Serialize};

/// A share, 0 to 1, in thousandths: whole numbers, so that comparing is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share {
    thousandths: u16,
}

impl Share {
    /// A share in thousandths; more than 1000 is 1000.
    #[must_use]
    pub fn thousandths(count: u16) -> Self {
        Self {
            thousandths: count.min(1000),
        }
    }

    /// Whether a part is more than this share of a whole.
    #[must_use]
    pub(in crate::path) fn exceeded(self, part: usize, whole: usize) -> bool {
        part as u128 * 1000 > whole as u128 * u128::from(self.thousandths)
    }
}

/// A number that is no share.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is no share; allowed: 0 to 1, as 0.5")]
pub struct ShareError(f64);

impl TryFrom<f64> for Share {
    type Error = ShareError;

    fn try_from(number: f64) -> Result<Self, ShareError> {
        if !(0.0..=1.0).contains(&number) {
            return Err(ShareError(number));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 1000, as just checked"
        )]
        let thousandths = (number * 1000.0).round() as u16;
        Ok(Self { thousandths })
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        Self::from(share.thousandths) / 1000.0
    }
}
