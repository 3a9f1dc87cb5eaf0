//! Why a target did not take or give something.

use crate::object::ObjectId;

/// Why a target did not take or give something. Messages hold no bodies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// No answer: what became of a write is unknown.
    #[error("the target cannot be reached: {message}")]
    Unreachable {
        /// What the transport said.
        message: String,
    },
    /// The API key is missing, wrong, or may not write.
    #[error("the target refuses the API key (status {status})")]
    Unauthorized {
        /// 401 or 403.
        status: u16,
    },
    /// The target refuses this content: it stays out until it changes.
    #[error("the target refuses the object (status {status}): {message}")]
    Refused {
        /// Its status.
        status: u16,
        /// Its words, capped and redacted.
        message: String,
    },
    /// Something the object refers to is not there although it was: somebody else removed it.
    #[error("the target misses what the object refers to: {message}")]
    MissingReference {
        /// Its words, capped and redacted.
        message: String,
    },
    /// A diversion would name an upstream that is not at the target: one missing answers 500 to all traffic.
    #[error("{upstream}, over which the diversion would go, is not at the target")]
    Unproven {
        /// Which one.
        upstream: ObjectId,
    },
    /// Somebody else's global rule has the plugin of the diversion: of two, neither runs.
    #[error("global rule {id:?}, which is not this hub's, has plugin traffic-split; with two of them neither runs")]
    ForeignSplit {
        /// Its id.
        id: String,
    },
    /// Somebody else's global rule has a plugin of ours: of two, neither runs.
    #[error("global rule {id:?}, which is not this hub's, has plugin {plugin} as well; with two of them neither runs")]
    ForeignRule {
        /// Its id.
        id: String,
        /// The plugin that both have.
        plugin: String,
    },
    /// The target will not delete it while something refers to it.
    #[error("the target still uses the object: {message}")]
    InUse {
        /// Its words, capped.
        message: String,
    },
    /// The target cannot take writes now (429, 503 and other 5xx): tried again.
    #[error("the target is busy (status {status})")]
    Busy {
        /// Its status.
        status: u16,
    },
    /// Larger than the target takes; not sent.
    #[error("the object has {bytes} bytes, the target takes at most {limit}")]
    TooLarge {
        /// Bytes of its body.
        bytes: usize,
        /// Most that a target takes.
        limit: usize,
    },
    /// It names a plugin that the target does not have; not sent, since a route without it could stand open.
    #[error("plugin {plugin:?} is not enabled at the target")]
    UnknownPlugin {
        /// The plugin.
        plugin: String,
    },
    /// It does not match the target's own schema; not sent.
    #[error("the object does not match the target's schema at {path:?}: {message}")]
    Schema {
        /// Where, as a JSON pointer.
        path: String,
        /// What is wrong, without the value.
        message: String,
    },
    /// The target does not serve this kind.
    #[error("the target does not serve {collection}: {message}")]
    Unsupported {
        /// The kind's collection.
        collection: &'static str,
        /// The target's words.
        message: String,
    },
    /// The answer is not what the Admin API gives.
    #[error("the target's answer cannot be understood: {message}")]
    Malformed {
        /// What about it.
        message: String,
    },
}

/// What to do after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// The content is bad: out until it changes.
    Quarantine,
    /// Try this object again later.
    Retry,
    /// Put again what the object refers to, then the object.
    Repair,
    /// What is at the target is no longer known: look, then go on.
    Observe,
}

impl SinkError {
    /// A word for programs: metric label, and reason of a status.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Refused { .. } => "refused",
            Self::MissingReference { .. } => "missing-reference",
            Self::Unproven { .. } => "unproven",
            Self::ForeignSplit { .. } => "foreign-traffic-split",
            Self::ForeignRule { .. } => "foreign-global-rule",
            Self::InUse { .. } => "in-use",
            Self::Busy { .. } => "busy",
            Self::TooLarge { .. } => "too-large",
            Self::UnknownPlugin { .. } => "unknown-plugin",
            Self::Schema { .. } => "schema",
            Self::Unsupported { .. } => "unsupported",
            Self::Malformed { .. } => "malformed",
        }
    }

    /// What to do after it: decided here and nowhere else.
    #[must_use]
    pub fn consequence(&self) -> Consequence {
        match self {
            Self::Unreachable { .. } | Self::Unauthorized { .. } => Consequence::Observe,
            Self::MissingReference { .. } => Consequence::Repair,
            Self::InUse { .. } | Self::Busy { .. } | Self::Malformed { .. } => Consequence::Retry,
            Self::Refused { .. }
            | Self::Unproven { .. }
            | Self::ForeignSplit { .. }
            | Self::ForeignRule { .. }
            | Self::TooLarge { .. }
            | Self::UnknownPlugin { .. }
            | Self::Schema { .. }
            | Self::Unsupported { .. } => Consequence::Quarantine,
        }
    }
}
