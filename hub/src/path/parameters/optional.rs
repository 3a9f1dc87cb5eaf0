//! Durations that may be left out. For fields: `#[serde(with = "optional")]`.

use std::time::Duration;

use hubline::config::duration;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Text(#[serde(with = "duration")] Duration);

#[expect(clippy::ref_option, reason = "serde's own signature")]
pub(super) fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(Text).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<Text>::deserialize(deserializer)?.map(|Text(time)| time))
}
