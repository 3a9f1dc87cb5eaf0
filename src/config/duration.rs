//! Durations in configuration: `250ms`, `30s`, `5m`, `1.5h`. For fields: `#[serde(with = "hubline::config::duration")]`.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;

/// Units with their length in nanoseconds; `ms` before `m` and `s`, which it ends or begins with.
const UNITS: [(&str, f64); 4] = [("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3_600e9)];

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no duration; allowed: a number with one of the units ms, s, m, h, as \"250ms\", \"30s\", \"1.5h\"")]
pub struct DurationError(String);

/// Reads a duration.
///
/// # Errors
/// [`DurationError`] unless it is a number, not negative, with a unit; at most a hundred years.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let refused = || DurationError(text.to_owned());
    let (number, unit) = UNITS
        .iter()
        .find_map(|(unit, length)| Some((text.strip_suffix(unit)?, length)))
        .ok_or_else(refused)?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = number.parse().ok().filter(|_| digits).ok_or_else(refused)?;
    let seconds = number * unit / 1e9;
    // A hundred years, so that adding it to a moment never overflows.
    if seconds > 36_525.0 * 86_400.0 {
        return Err(refused());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| refused())
}

/// Writes a duration in the largest unit that gives a whole number; rounded up to milliseconds.
#[must_use]
pub fn format(duration: Duration) -> String {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    for (unit, length) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis >= length && millis.is_multiple_of(length) {
            return format!("{}{unit}", millis / length);
        }
    }
    format!("{millis}ms")
}

/// For serde.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// For serde.
///
/// # Errors
/// What is no text, or one that [`parse`] refuses.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(DurationVisitor)
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a duration with its unit, as \"250ms\", \"30s\", \"5m\" or \"1h\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(E::custom)
    }
}
