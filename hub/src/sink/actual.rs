//! What is at the target, as far as the hub knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hubline::wire::ContentHash;
use serde_json::{Map, Number, Value};

use super::ownership::label;
use super::schedule::Owner;
use crate::few::Few;
use crate::object::{Object, ObjectId, ObjectKind};

/// One object of ours at the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Normalised hash of what the target shows ([`normalised_hash`]).
    pub shown: Option<ContentHash>,
    pub(in crate::sink) content: Content,
}

/// What is known of an object's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink) enum Content {
    /// It is this object's: mostly the one that is desired, so that nothing of it is kept twice.
    Written(Arc<Object>),
    /// An earlier run of the hub wrote it, or somebody else changed it.
    Listed(Box<Listed>),
}

/// What a listing tells of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink) struct Listed {
    /// Objects that it names.
    pub(in crate::sink) references: Vec<ObjectId>,
    /// Of a route: the source object that its labels name.
    owner: Option<Owner>,
}

impl Seen {
    /// What a listing shows.
    #[must_use]
    pub fn listed(kind: ObjectKind, body: &Map<String, Value>) -> Self {
        let listed = Listed {
            references: references(body),
            owner: owner(kind, body),
        };
        Self {
            shown: Some(normalised_hash(kind, body)),
            content: Content::Listed(Box::new(listed)),
        }
    }

    /// What was just written.
    #[must_use]
    pub fn of(object: &Arc<Object>, stored: Option<ContentHash>) -> Self {
        Self {
            shown: stored,
            content: Content::Written(Arc::clone(object)),
        }
    }

    /// Objects that it names.
    #[must_use]
    pub fn references(&self) -> &[ObjectId] {
        match &self.content {
            Content::Written(object) => &object.references,
            Content::Listed(listed) => &listed.references,
        }
    }

    pub(in crate::sink) fn owner(&self) -> Option<Owner> {
        match &self.content {
            Content::Written(_) => None,
            Content::Listed(listed) => listed.owner,
        }
    }

    /// Whether the target has this content. Only what an earlier run wrote costs a look into the body.
    #[must_use]
    pub fn is(&self, object: &Object) -> bool {
        match (&self.content, self.shown) {
            (Content::Written(written), _) => written.hash == object.hash,
            (Content::Listed(_), Some(shown)) => shown == object.hash || Some(shown) == normalised(object),
            (Content::Listed(_), None) => false,
        }
    }
}

/// Objects of ours at the target, with an index of who refers to whom.
#[derive(Debug, Clone, Default)]
pub struct Actual {
    objects: BTreeMap<ObjectId, Seen>,
    referrers: BTreeMap<ObjectId, Few<ObjectId>>,
}

impl Actual {
    /// Of a listing.
    #[must_use]
    pub fn new(objects: BTreeMap<ObjectId, Seen>) -> Self {
        let mut actual = Self::default();
        for (id, seen) in objects {
            actual.insert(id, seen);
        }
        actual
    }

    /// One object.
    #[must_use]
    pub fn get(&self, id: &ObjectId) -> Option<&Seen> {
        self.objects.get(id)
    }

    /// Whether it is there, whatever its content.
    #[must_use]
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.objects.contains_key(id)
    }

    /// All ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = &ObjectId> {
        self.objects.keys()
    }

    /// Ids that begin so, at the cost of these.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a ObjectId> {
        ObjectKind::ALL.into_iter().flat_map(move |kind| {
            let first = ObjectId {
                kind,
                id: prefix.into(),
            };
            let from_there = self.objects.range(first..).map(|(id, _)| id);
            from_there.take_while(move |id| id.kind == kind && id.id.starts_with(prefix))
        })
    }

    /// The target has this object's content, as a look into the body has shown: it need not be looked into again.
    pub fn confirm(&mut self, object: &Arc<Object>) {
        let Some(seen) = self.objects.get(&object.id) else {
            return;
        };
        if !matches!(&seen.content, Content::Written(written) if Arc::ptr_eq(written, object)) {
            self.insert(object.id.clone(), Seen::of(object, seen.shown));
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Whether an object of ours at the target names it.
    #[must_use]
    pub fn is_referred(&self, id: &ObjectId) -> bool {
        self.referrers.contains_key(id)
    }

    /// It is there now, with this content.
    pub fn insert(&mut self, id: ObjectId, seen: Seen) {
        self.remove(&id);
        for reference in seen.references() {
            self.referrers.entry(reference.clone()).or_default().insert(id.clone());
        }
        self.objects.insert(id, seen);
    }

    /// It is gone now.
    pub fn remove(&mut self, id: &ObjectId) -> Option<Seen> {
        let seen = self.objects.remove(id)?;
        for reference in seen.references() {
            if let Some(referrers) = self.referrers.get_mut(reference) {
                referrers.remove(id);
                if referrers.is_empty() {
                    self.referrers.remove(reference);
                }
            }
        }
        Some(seen)
    }
}

fn owner(kind: ObjectKind, body: &Map<String, Value>) -> Option<Owner> {
    let label = |name| label(body, name).unwrap_or_default();
    let route = matches!(kind, ObjectKind::Route | ObjectKind::StreamRoute);
    route.then(|| Owner::of_labels(label("cluster"), label("namespace"), label("name"), label("kind")))
}

/// Hash of a body without what the target adds or hides, and independent of how it writes numbers.
///
/// Left out are the times, which the server adds (`reference/apisix.md`), and private keys: the Admin API gives none
/// back for a single certificate and an encrypted one otherwise. The certificate pins its key, so nothing is missed.
#[must_use]
pub fn normalised_hash(kind: ObjectKind, body: &Map<String, Value>) -> ContentHash {
    let hidden: &[&str] = match kind {
        ObjectKind::Ssl => &["key", "keys"],
        // The name of a consumer is its id, and its schema has no other; data planes add one.
        ObjectKind::Consumer => &["id"],
        _ => &[],
    };
    let kept = body
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "create_time" | "update_time" | "modifiedIndex"))
        .filter(|(name, _)| !hidden.contains(&name.as_str()));
    let kept: Map<String, Value> = kept.map(|(name, value)| (name.clone(), normalise(value))).collect();
    ContentHash::of(Value::Object(kept).to_string().as_bytes())
}

fn normalised(object: &Object) -> Option<ContentHash> {
    let body: Map<String, Value> = serde_json::from_str(object.body.expose()).ok()?;
    Some(normalised_hash(object.id.kind, &body))
}

/// Lua has one kind of number: 6.0 comes back as 6.
fn normalise(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(integral(number)),
        Value::Array(items) => items.iter().map(normalise).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), normalise(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

fn integral(number: &Number) -> Number {
    let whole = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0);
    let text = whole.map(|float| format!("{float:.0}"));
    text.and_then(|text| text.parse::<i64>().ok())
        .map_or_else(|| number.clone(), Number::from)
}

/// Every object that a body names: in its own fields, and in the `traffic-split` of its plugins.
fn references(body: &Map<String, Value>) -> Vec<ObjectId> {
    let fields = [
        ("upstream_id", ObjectKind::Upstream),
        ("service_id", ObjectKind::Service),
        ("plugin_config_id", ObjectKind::PluginConfig),
        ("group_id", ObjectKind::ConsumerGroup),
    ];
    let own = fields
        .into_iter()
        .filter_map(|(field, kind)| named(body.get(field)?, kind));
    let rules = body
        .get("plugins")
        .and_then(|plugins| plugins.get("traffic-split")?.get("rules")?.as_array());
    let split = rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule.get("weighted_upstreams")?.as_array());
    let split = split
        .flatten()
        .filter_map(|entry| named(entry.get("upstream_id")?, ObjectKind::Upstream));
    let tls = body
        .get("tls")
        .and_then(|tls| named(tls.get("client_cert_id")?, ObjectKind::Ssl));
    let all: BTreeSet<ObjectId> = own.chain(split).chain(tls).collect();
    all.into_iter().collect()
}

/// Ids may be numbers in APISIX.
fn named(value: &Value, kind: ObjectKind) -> Option<ObjectId> {
    let id = match value {
        Value::String(text) => text.as_str().into(),
        Value::Number(number) => number.to_string().into(),
        _ => return None,
    };
    Some(ObjectId { kind, id })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sink::testing::object;

    fn map(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn times_and_number_forms_are_no_drift() {
        let object = object(
            ObjectKind::Upstream,
            "hl-a",
            json!({"timeout": {"connect": 6.0, "read": 0.5}}),
            &[],
        );
        let read = json!({"id": "hl-a", "timeout": {"connect": 6, "read": 0.5}, "create_time": 1, "update_time": 2});
        assert!(Seen::listed(ObjectKind::Upstream, &map(read)).is(&object));
        let other = json!({"id": "hl-a", "timeout": {"connect": 7, "read": 0.5}});
        assert!(!Seen::listed(ObjectKind::Upstream, &map(other)).is(&object));
    }

    #[test]
    fn hidden_private_keys_are_no_drift_but_a_new_certificate_is() {
        let object = object(
            ObjectKind::Ssl,
            "hl-a",
            json!({"cert": "C", "key": "K", "snis": ["a"]}),
            &[],
        );
        let hidden = json!({"id": "hl-a", "cert": "C", "snis": ["a"]});
        assert!(Seen::listed(ObjectKind::Ssl, &map(hidden)).is(&object));
        let other = json!({"id": "hl-a", "cert": "D", "key": "K", "snis": ["a"]});
        assert!(!Seen::listed(ObjectKind::Ssl, &map(other)).is(&object));
    }

    #[test]
    fn every_way_of_referring_is_found() {
        let body = json!({
            "upstream_id": "u1", "service_id": 7, "plugin_config_id": "p1", "group_id": "g1",
            "plugins": {"traffic-split": {"rules": [{"weighted_upstreams": [{"upstream_id": "u2"}, {"weight": 1}]}]}},
        });
        let found: Vec<String> = references(&map(body)).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "upstreams/u1",
                "upstreams/u2",
                "plugin_configs/p1",
                "services/7",
                "consumer_groups/g1"
            ]
        );
    }

    /// A hub of 100,000 routes has 200,000.
    #[test]
    fn what_was_seen_is_small() {
        assert_eq!(size_of::<Seen>(), 40);
    }

    #[test]
    fn referrers_follow_changes() {
        let mut actual = Actual::default();
        let a = object(ObjectKind::Upstream, "hl-a", json!({}), &[]);
        let route = object(ObjectKind::Route, "hl-r", json!({}), &[&a.id]);
        actual.insert(a.id.clone(), Seen::of(&a, None));
        actual.insert(route.id.clone(), Seen::of(&route, None));
        assert!(actual.is_referred(&a.id));
        let moved = object(ObjectKind::Route, "hl-r", json!({"x": 1}), &[]);
        actual.insert(route.id.clone(), Seen::of(&moved, None));
        assert!(!actual.is_referred(&a.id));
    }
}
