//! Where a cluster's declarations come from: its API server ([`kube`]) or a directory of YAML ([`manifest`]).
//!
//! Both send the same [`SourceEvent`]s, with the same begin and end of a listing, over one bounded channel.
//! Objects are cut down to what translate reads ([`object`]) the moment they arrive.
//! Nothing here decides what an object means: that is translate's.

pub mod crd;
mod kind;
pub mod kube;
pub mod manifest;
pub mod object;
mod reported;
mod slim;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use hubline::model::Diagnostic;

pub use kind::{Kind, KindVisitor, Object, Watched};
pub use object::{Name, ObjectId};
pub use reported::{CONTROLLER, FIELD_MANAGER, Reported, ReportedStatus, Reports};

/// What a source tells, in the order in which it learned it.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceEvent {
    /// A listing of a kind begins; what was known stays in force until its end.
    Begin(Kind),
    /// An object of the listing.
    Listed(Box<Object>),
    /// The listing is complete: what was known before and was not listed is gone.
    End {
        /// Which kind.
        kind: Kind,
        /// Whether the listing covered all objects of the kind.
        coverage: Coverage,
    },
    /// An object was created or changed.
    Apply(Box<Object>),
    /// What an object's own status says now, where agents write one; comes right before the object itself.
    Reported(ObjectId, Box<Reported>),
    /// An object was deleted.
    Delete(ObjectId),
    /// A kind could not be listed or watched. Nothing is gone by this: an error is not an empty list.
    Failed {
        /// Which kind.
        kind: Kind,
        /// The server's or system's words.
        reason: String,
    },
    /// One object could not be read. The rest of its kind goes on, and its own last good form stays; an object that
    /// was never read has none, and its kind is not known whole while that lasts.
    Malformed {
        /// Which object.
        id: ObjectId,
        /// What is wrong; never shows a secret's content.
        reason: String,
    },
    /// What became of a Secret that was asked for by name.
    Fetched {
        /// Which.
        name: Name,
        /// What became of it.
        outcome: Fetch,
    },
    /// Kinds of which objects may stand in files that were broken when they were first read and still are: these have
    /// no last good form. Each with the first such file; replaces what was said before. Comes before the listing that
    /// lacks the objects, and after the objects that mend it.
    Unread(BTreeMap<Kind, String>),
    /// Everything that is wrong with the source itself (files); replaces what was said before.
    Problems(Vec<Diagnostic>),
    /// Version of the API server.
    Version(String),
}

/// Whether a listing covers a kind whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// What was not listed does not exist.
    All,
    /// Only a selection was listed; others are asked for by name.
    Selected,
}

/// What became of a request for one Secret.
#[derive(Debug, Clone, PartialEq)]
pub enum Fetch {
    /// Here it is.
    Found(object::Secret),
    /// It does not exist (404).
    NotFound,
    /// Nobody knows (403, any other error).
    Failed(String),
}

/// Why a source could not even begin.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The manifest directory cannot be read.
    #[error("manifest directory {path} cannot be read: {reason}")]
    Directory {
        /// As configured.
        path: String,
        /// The system's words.
        reason: String,
    },
}

/// Whether a parser's words about an object that may hold credentials are safe to show: they name a field that is
/// missing, and nothing that is there.
fn quotes_nothing(words: &str) -> bool {
    // JSON's parser writes it small, that of API servers' answers large.
    let words = words.get(..13).unwrap_or_default();
    words.eq_ignore_ascii_case("missing field")
}
