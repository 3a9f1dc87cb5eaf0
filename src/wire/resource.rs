//! A resource as it travels: bytes that both sides hash.

use bytes::Bytes;
use prost::Message;

use super::limits::{MAX_KEY_PART_BYTES, MAX_RESOURCE_BYTES};
use super::{ContentHash, Names, codec, proto};
use crate::model::{Key, Resource};

/// Why bytes are not what they should be. Names the field and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not protobuf at all, or cut short.
    #[error("not a message of hubline.v1: {0}")]
    Malformed(String),
    /// A field is wrong.
    #[error("field {field}: {problem}")]
    Field {
        /// Path of the field.
        field: String,
        /// What is wrong and what is allowed.
        problem: String,
    },
    /// Larger than its bound.
    #[error("{what} has {size}, at most {limit} are allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large.
        size: u64,
        /// The bound.
        limit: u64,
    },
}

impl WireError {
    /// The error of one field.
    pub(crate) fn field(field: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self::Field {
            field: field.into(),
            problem: problem.to_string(),
        }
    }

    /// The error of an absent field.
    pub(crate) fn missing(field: impl Into<String>) -> Self {
        Self::field(field, "is missing")
    }

    /// Stable word for metrics and nacks.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Field { .. } => "invalid-field",
            Self::TooLarge { .. } => "too-large",
        }
    }
}

/// A resource's bytes as sent, with their hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedResource {
    bytes: Bytes,
    hash: ContentHash,
}

/// What a resource's bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedResource {
    /// Its name; readable even when the body is not.
    pub key: Key,
    /// Itself; none when its kind is not known here (it is counted and hashed all the same), an error when it is invalid.
    pub resource: Result<Option<Resource>, WireError>,
}

impl EncodedResource {
    /// Encodes a resource. The same value always gives the same bytes.
    #[must_use]
    pub fn encode(key: &Key, resource: &Resource) -> Self {
        Self::from_bytes(codec::encode::resource(key, resource).encode_to_vec().into())
    }

    /// Takes bytes as they came.
    #[must_use]
    pub fn from_bytes(bytes: Bytes) -> Self {
        let hash = ContentHash::of(&bytes);
        Self { bytes, hash }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Hash of the bytes.
    #[must_use]
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// Reads key and body.
    ///
    /// # Errors
    /// When not even the key can be read: then nothing can be said of one resource, and the message is broken.
    pub fn decode(&self) -> Result<DecodedResource, WireError> {
        self.decode_with(&mut Names::default())
    }

    /// As [`Self::decode`], sharing what the same sender's other resources name too.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_with(&self, names: &mut Names) -> Result<DecodedResource, WireError> {
        let size = self.bytes.len();
        if size > MAX_RESOURCE_BYTES {
            return Err(too_large("a resource's bytes", size, MAX_RESOURCE_BYTES));
        }
        let message =
            proto::Resource::decode(self.bytes.clone()).map_err(|error| WireError::Malformed(error.to_string()))?;
        let key = codec::decode::key(message.key.ok_or_else(|| WireError::missing("key"))?, names)?;
        let resource = codec::decode::body(&key, message.body, names);
        Ok(DecodedResource { key, resource })
    }
}

pub(crate) fn too_large(what: &'static str, size: usize, limit: usize) -> WireError {
    WireError::TooLarge {
        what,
        size: size as u64,
        limit: limit as u64,
    }
}

/// Refuses a part of a key that is longer than [`MAX_KEY_PART_BYTES`].
pub(crate) fn key_part(field: &'static str, text: &str) -> Result<(), WireError> {
    if text.len() <= MAX_KEY_PART_BYTES {
        return Ok(());
    }
    Err(WireError::field(
        field,
        format!("has {} bytes, at most {MAX_KEY_PART_BYTES} are allowed", text.len()),
    ))
}
