//! A resource as it came, read and judged; made in the session's task so that the core need not.

use std::sync::Arc;

use hubline::model::{Key, Resource};
use hubline::wire::{ContentHash, DecodedResource, EncodedResource, Names, WireError};

use super::check::{Refusal, check};

/// A resource as it came.
#[derive(Debug, Clone)]
pub struct Received {
    pub(super) encoded: EncodedResource,
    pub(super) key: Key,
    pub(super) content: Content,
}

/// What its bytes say.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A valid resource.
    Good(Arc<Resource>),
    /// Of a kind that a newer agent knows: counted, hashed and kept, otherwise ignored.
    Opaque,
    /// Invalid.
    Refused(Refusal),
}

impl Received {
    /// Reads and checks what an agent sent; `names` are those of its earlier resources.
    ///
    /// # Errors
    /// When not even the key can be read: the message as a whole is broken then.
    pub fn read(encoded: EncodedResource, names: &mut Names) -> Result<Self, WireError> {
        let DecodedResource { key, resource } = encoded.decode_with(names)?;
        let content = match resource {
            Ok(None) => Content::Opaque,
            Ok(Some(resource)) => match check(&key, &resource) {
                Ok(()) => Content::Good(Arc::new(resource)),
                Err(refusal) => Content::Refused(refusal),
            },
            Err(error) => Content::Refused(Refusal::unreadable(&error)),
        };
        Ok(Self { encoded, key, content })
    }

    /// Reads what was good when it was stored. It is not judged again: a newer hub's stricter check must not
    /// take out of force what is in force.
    ///
    /// # Errors
    /// When the bytes cannot be read any more.
    pub fn stored(encoded: EncodedResource, names: &mut Names) -> Result<Self, WireError> {
        let DecodedResource { key, resource } = encoded.decode_with(names)?;
        let content = resource?.map_or(Content::Opaque, |resource| Content::Good(Arc::new(resource)));
        Ok(Self { encoded, key, content })
    }

    /// Its name.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Hash of its bytes as sent.
    #[must_use]
    pub fn hash(&self) -> ContentHash {
        self.encoded.hash()
    }

    /// Why it is refused, if it is.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.content {
            Content::Refused(refusal) => Some(refusal),
            Content::Good(_) | Content::Opaque => None,
        }
    }
}
