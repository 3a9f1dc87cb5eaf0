//! Ids of objects at APISIX, from the key alone: `{prefix}-{cluster}-{class}-{rest}`.
//!
//! 40 bits of a hash of the cluster, so that one pattern names all of a cluster; a class letter, so that a diversion
//! names just what it may move; 128 bits of a hash of the rest of the key. At most 16 + 1 + 10 + 1 + 1 + 1 + 32 = 62
//! characters of APISIX's 64, from the alphabet of consumer names, the narrowest of all.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use hubline::model::{ClusterId, Key};

/// What an object is to a diversion; its letter stands in the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A route that a diversion may move.
    Route,
    /// A route of several clusters.
    FederatedRoute,
    /// A route with a traffic split of its own, which always wins over a diversion.
    SplitRoute,
    /// A stream route.
    StreamRoute,
    /// An upstream.
    Upstream,
    /// A certificate.
    Certificate,
    /// A plugin config.
    PluginConfig,
    /// A consumer.
    Consumer,
    /// The group of a cluster's consumers.
    ConsumerGroup,
    /// A global rule.
    GlobalRule,
    /// A reserved route to an agent's echo over one path, and its upstream: no diversion moves it.
    Probe,
}

impl Class {
    /// Its letter in ids.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Route => 'r',
            Self::FederatedRoute => 'f',
            Self::SplitRoute => 'o',
            Self::StreamRoute => 's',
            Self::Upstream => 'u',
            Self::Certificate => 'c',
            Self::PluginConfig => 'p',
            Self::Consumer => 'n',
            Self::ConsumerGroup => 'm',
            Self::GlobalRule => 'g',
            Self::Probe => 'e',
        }
    }
}

/// Why ids cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The hub's prefix would not fit into ids.
    #[error("id prefix {0:?} is not 1 to 16 of a-z and 0-9")]
    Prefix(String),
    /// Two clusters have the same 40 bits.
    #[error("cluster {new} has the same 40-bit hash as cluster {known}: their ids would mix; rename one of them")]
    Collision {
        /// The one that came later.
        new: ClusterId,
        /// The one that has the hash.
        known: ClusterId,
    },
}

/// The first part of every id that one hub writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(Arc<str>);

impl Default for Prefix {
    fn default() -> Self {
        Self("hl".into())
    }
}

impl Prefix {
    /// Checks a prefix.
    ///
    /// # Errors
    /// [`IdError::Prefix`] when it is not 1 to 16 of a-z and 0-9.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let letters = text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        // 16: with the 46 characters of the rest an id stays within APISIX's 64.
        if letters && (1..=16).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(IdError::Prefix(text.to_owned()))
        }
    }

    /// How all ids of this hub begin.
    #[must_use]
    pub fn hub_prefix(&self) -> String {
        format!("{}-", self.0)
    }

    /// How all ids of a cluster begin.
    #[must_use]
    pub fn cluster_prefix(&self, cluster: &ClusterId) -> String {
        format!("{}-{}-", self.0, cluster_hash(cluster))
    }

    /// How the ids of what belongs to paths and no resource begin; "paths" is no hash of a cluster.
    #[must_use]
    pub fn paths_prefix(&self) -> String {
        format!("{}-paths-", self.0)
    }

    /// How the ids of what acts on everybody's traffic begin; "all" is no hash of a cluster.
    #[must_use]
    pub fn everybody_prefix(&self) -> String {
        format!("{}-all-", self.0)
    }

    /// The id of the one group that all consumers of a cluster are in.
    #[must_use]
    pub fn consumer_group(&self, cluster: &ClusterId) -> Arc<str> {
        let letter = Class::ConsumerGroup.letter();
        let rest = hex(blake3::hash(b"consumers"), 16);
        format!("{}{letter}-{rest}", self.cluster_prefix(cluster)).into()
    }

    /// The username that no consumer of a cluster ever has.
    #[must_use]
    pub(super) fn nobody(&self, cluster: &ClusterId) -> String {
        format!("{}nobody", self.cluster_prefix(cluster))
    }

    /// A PCRE pattern for the ids of all routes of a cluster that a diversion may move.
    #[must_use]
    pub fn route_pattern(&self, cluster: &ClusterId) -> String {
        format!("^{}{}-", self.cluster_prefix(cluster), Class::Route.letter())
    }

    /// The id of an object made from a resource; `part` tells several objects of one resource apart.
    #[must_use]
    pub fn id(&self, cluster: &ClusterId, class: Class, key: &Key, part: &str) -> Arc<str> {
        let rest = key_hash(key, part);
        format!("{}{}-{rest}", self.cluster_prefix(cluster), class.letter()).into()
    }
}

/// Refuses clusters whose hashes collide: 40 bits make that a one in two million chance among a thousand.
#[derive(Debug, Clone, Default)]
pub struct ClusterRegistry {
    known: BTreeMap<String, ClusterId>,
}

impl ClusterRegistry {
    /// Registers a cluster; again is fine.
    ///
    /// # Errors
    /// [`IdError::Collision`] when another cluster has the same hash.
    pub fn register(&mut self, cluster: &ClusterId) -> Result<(), IdError> {
        self.register_hash(cluster_hash(cluster), cluster)
    }

    fn register_hash(&mut self, hash: String, cluster: &ClusterId) -> Result<(), IdError> {
        let known = self.known.entry(hash).or_insert_with(|| cluster.clone());
        if known == cluster {
            return Ok(());
        }
        Err(IdError::Collision {
            new: cluster.clone(),
            known: known.clone(),
        })
    }
}

/// 10 hex digits: 40 bits of a cluster's name.
fn cluster_hash(cluster: &ClusterId) -> String {
    hex(blake3::hash(cluster.as_str().as_bytes()), 5)
}

/// 32 hex digits: 128 bits of a key and a part of what it makes.
fn key_hash(key: &Key, part: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&key.kind.number().to_le_bytes());
    let texts = [
        &*key.source.group,
        &*key.source.kind,
        &key.namespace,
        &key.name,
        &key.section,
        part,
    ];
    for text in texts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hasher
            .update(&(text.len() as u64).to_le_bytes())
            .update(text.as_bytes());
    }
    hex(hasher.finalize(), 16)
}

/// The first bytes of a hash as hex digits.
pub(super) fn hex(hash: blake3::Hash, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes.saturating_mul(2));
    for byte in hash.as_bytes().iter().take(bytes) {
        // Writing to a String cannot fail.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use hubline::model::{GroupKind, ResourceKind};

    use super::*;

    fn key(name: &str, section: &str) -> Key {
        Key::new(ResourceKind::Route, &GroupKind::new("g", "K"), "ns", name, section)
    }

    #[test]
    fn ids_fit_and_keep_their_form() {
        let cluster = ClusterId::new("a").unwrap();
        for prefix in ["hl", "x", "0123456789abcdef"] {
            let prefix = Prefix::new(prefix).unwrap();
            let id = prefix.id(&cluster, Class::Route, &key("web", "a|/"), "");
            assert!(id.len() <= 64, "{id}");
            assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            let pattern = prefix.route_pattern(&cluster);
            assert!(id.starts_with(pattern.strip_prefix('^').unwrap()), "{id} {pattern}");
        }
        // Frozen: an id that changes rewrites everything at every target.
        let id = Prefix::default().id(&cluster, Class::Upstream, &key("web", "80"), "");
        assert_eq!(&*id, "hl-17762fddd9-u-64798e554401cbebf0aea3c88c18b4d4");
    }

    #[test]
    fn prefixes_are_checked() {
        for bad in ["", "A", "a-b", "a_b", "12345678901234567", "ä"] {
            assert_eq!(Prefix::new(bad), Err(IdError::Prefix(bad.to_owned())));
        }
    }

    #[test]
    fn parts_of_a_key_do_not_run_together() {
        let cluster = ClusterId::new("a").unwrap();
        let id = |key: &Key, part: &str| Prefix::default().id(&cluster, Class::Route, key, part);
        assert_ne!(id(&key("ab", "c"), ""), id(&key("a", "bc"), ""));
        assert_ne!(id(&key("a", "b"), "c"), id(&key("a", "bc"), ""));
        let other = ClusterId::new("b").unwrap();
        assert_ne!(
            id(&key("a", "b"), ""),
            Prefix::default().id(&other, Class::Route, &key("a", "b"), "")
        );
    }

    #[test]
    fn a_collision_is_refused_at_registration() {
        let (a, b) = (ClusterId::new("a").unwrap(), ClusterId::new("b").unwrap());
        let mut registry = ClusterRegistry::default();
        registry.register(&a).unwrap();
        registry.register(&a).unwrap();
        registry.register(&b).unwrap();
        let refused = registry.register_hash(cluster_hash(&a), &b);
        assert_eq!(refused, Err(IdError::Collision { new: b, known: a }));
    }
}
