//! Objects of APISIX: what plan makes and sinks write.

use std::fmt;
use std::sync::Arc;

use hubline::model::{GlobalKey, SecretText};
use hubline::wire::ContentHash;

/// The kinds of objects that Hubline writes, in the order in which they may refer to each other:
/// what comes later may name what comes earlier, so creates go in this order and removals in reverse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// `/upstreams`
    Upstream,
    /// `/ssls`
    Ssl,
    /// `/plugin_configs`
    PluginConfig,
    /// `/services`
    Service,
    /// `/consumer_groups`
    ConsumerGroup,
    /// `/consumers`
    Consumer,
    /// `/routes`
    Route,
    /// `/stream_routes`
    StreamRoute,
    /// `/global_rules`
    GlobalRule,
}

impl ObjectKind {
    /// Every kind, in order.
    pub const ALL: [Self; 9] = [
        Self::Upstream,
        Self::Ssl,
        Self::PluginConfig,
        Self::Service,
        Self::ConsumerGroup,
        Self::Consumer,
        Self::Route,
        Self::StreamRoute,
        Self::GlobalRule,
    ];

    /// Its collection in the Admin API, in etcd and in `apisix.yaml`.
    #[must_use]
    pub fn collection(self) -> &'static str {
        match self {
            Self::Upstream => "upstreams",
            Self::Ssl => "ssls",
            Self::PluginConfig => "plugin_configs",
            Self::Service => "services",
            Self::ConsumerGroup => "consumer_groups",
            Self::Consumer => "consumers",
            Self::Route => "routes",
            Self::StreamRoute => "stream_routes",
            Self::GlobalRule => "global_rules",
        }
    }

    /// The kind of a collection.
    #[must_use]
    pub fn of_collection(collection: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.collection() == collection)
    }

    /// Whether a change of it makes APISIX rebuild its router (routes and services do: `reference/apisix.md`,
    /// apache/apisix issue 12466), so that such changes go in batches.
    #[must_use]
    pub fn rebuilds_router(self) -> bool {
        matches!(self, Self::Service | Self::Route | Self::StreamRoute)
    }
}

/// Names one object at a target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its id: at most 64 of `[a-zA-Z0-9_-]`.
    pub id: Arc<str>,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.kind.collection(), self.id)
    }
}

/// An object as it shall be at the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub id: ObjectId,
    /// The body as canonical JSON: sorted keys, no blanks, with `id` (of a consumer: `username`); holds private keys and
    /// credentials.
    pub body: SecretText,
    /// Hash of `body`.
    pub hash: ContentHash,
    /// Objects of ours that must be there before it, sorted.
    pub references: Box<[ObjectId]>,
    /// The resources it was made from, sorted: whom to tell what became of it.
    pub causes: Box<[Cause]>,
}

/// From where an object comes: every write names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// The resource.
    pub key: GlobalKey,
    /// Its content.
    pub content_hash: ContentHash,
}

/// Canonical JSON of a body with its hash. Keys are sorted because `serde_json::Map` is a `BTreeMap` here
/// (its feature `preserve_order` is off; a test keeps it so).
#[must_use]
pub fn canonical(body: &serde_json::Value) -> (SecretText, ContentHash) {
    let text = body.to_string();
    let hash = ContentHash::of(text.as_bytes());
    (SecretText::new(text), hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_json_sorts_keys() {
        let (body, _) = canonical(&serde_json::json!({"b": 1, "a": {"d": 1, "c": 2}}));
        assert_eq!(body.expose(), r#"{"a":{"c":2,"d":1},"b":1}"#);
    }
}
