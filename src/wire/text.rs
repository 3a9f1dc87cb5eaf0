//! Texts for people on the wire: shortened, and counted, so that no message grows beyond its bound for their sake.

use super::limits::{MAX_TEXT_BYTES, TEXTS_BYTES};
use super::{Held, ResourceStatus};
use crate::model::{Diagnostic, Key};

/// What a shortened text ends with.
const MARKER: &str = "…";

/// Bytes that a message of several fields takes besides its texts: tags, lengths and a hash.
const OVERHEAD: usize = 64;

/// The text, at most [`MAX_TEXT_BYTES`] long; one that was cut ends with an ellipsis. Shortening twice is shortening.
#[must_use]
pub fn shortened(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES - MARKER.len()));
        text.push_str(MARKER);
    }
    text
}

/// How many of these, from the first on, travel in one message: at most `count`, and at most [`TEXTS_BYTES`] together,
/// but one in any case.
#[must_use]
pub fn fitting<T: OnWire>(items: &[T], count: usize) -> usize {
    let mut bytes = 0;
    let fits = |item: &&T| {
        bytes += item.most_bytes();
        bytes <= TEXTS_BYTES
    };
    let fitting = items.iter().take(count).take_while(fits).count();
    fitting.max(1).min(items.len())
}

/// Something that travels in numbers.
pub trait OnWire {
    /// An upper bound of its bytes.
    fn most_bytes(&self) -> usize;
}

impl OnWire for Diagnostic {
    fn most_bytes(&self) -> usize {
        let object = &self.object;
        let named = object.source.group.len() + object.source.kind.len();
        OVERHEAD
            + named
            + texts([
                &object.namespace,
                &object.name,
                &self.field,
                &self.reason,
                &self.message,
            ])
    }
}

impl OnWire for ResourceStatus {
    fn most_bytes(&self) -> usize {
        OVERHEAD + key(&self.key) + texts([&self.condition, &self.reason, &self.message])
    }
}

impl OnWire for Held {
    fn most_bytes(&self) -> usize {
        OVERHEAD + key(&self.key) + texts([&self.reason, &self.message])
    }
}

fn key(key: &Key) -> usize {
    OVERHEAD + key.texts().into_iter().map(str::len).sum::<usize>()
}

fn texts<const N: usize>(texts: [&String; N]) -> usize {
    texts.into_iter().map(|text| text.len().min(MAX_TEXT_BYTES)).sum()
}
