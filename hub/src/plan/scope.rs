//! What every renderer has at hand, and what it gives back.

use std::collections::BTreeSet;
use std::sync::Arc;

use hubline::model::{GlobalKey, Key, Node, Resource, ResourceKind};
use imbl::OrdMap;
use serde_json::{Map, Value, json};

use super::PlanOptions;
use super::confine::{Authentication, Callers};
use super::consumers::custom_id;
use super::id::{Class, hex};
use super::names::{ByName, KnownName};
use super::overlaps::Overlap;
use super::routing::Routing;
use crate::change::{Stored, of_kind};
use crate::federate::{Claim, Standing};
use crate::few::Few;
use crate::object::{Cause, Object, ObjectId, ObjectKind, canonical};
use crate::path::demotion::Demotions;
use crate::view::{Problem, ProblemKind};

/// Effective resources of all clusters. Persistent, so that readers get them as they are.
pub(super) type Resources = OrdMap<GlobalKey, Stored>;

/// What was made of one resource.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    /// Objects, sorted by id.
    pub(super) objects: Vec<Arc<Object>>,
    /// Services and plugin sets that the objects refer to.
    pub(super) uses: Few<GlobalKey>,
    /// Claims that the objects act on.
    pub(super) claims: Vec<Arc<Claim>>,
    /// What people shall know.
    pub(super) problems: Vec<Problem>,
    /// Names of consumers that it asks for.
    pub(super) wants: Box<[KnownName]>,
    /// Whether it splits traffic by itself, so that a diversion does not move it.
    pub(super) splits: bool,
    /// Whether the resource itself is wrong, so that what was made of it before stays where it can.
    pub(super) refused: bool,
}

/// One resource on its way to becoming objects.
pub(super) struct Scope<'a> {
    pub(super) options: &'a PlanOptions,
    pub(super) resources: &'a Resources,
    pub(super) key: &'a GlobalKey,
    pub(super) stored: &'a Stored,
    pub(super) standing: &'a Standing,
    /// How the resource's cluster is reached.
    pub(super) routing: &'a Routing,
    /// What stands lower in upstreams than its path says.
    pub(super) demotions: &'a Demotions,
    /// What consumers of all clusters are called.
    pub(super) names: &'a ByName,
    /// Whether global rules look for consumers.
    pub(super) everybody: Authentication,
    /// What of its pod networks other clusters have, too.
    pub(super) overlaps: Option<&'a BTreeSet<Overlap>>,
}

impl Scope<'_> {
    /// The global key of a resource of the same cluster.
    pub(super) fn sibling(&self, key: &Key) -> GlobalKey {
        GlobalKey {
            cluster: self.key.cluster.clone(),
            key: key.clone(),
        }
    }

    /// A resource of the same cluster.
    pub(super) fn find(&self, key: &Key) -> Option<&Stored> {
        self.resources.get(&self.sibling(key))
    }

    /// A service of the same cluster is there.
    pub(super) fn has_service(&self, key: &Key) -> bool {
        self.find(key)
            .is_some_and(|stored| matches!(*stored.resource, Resource::Service(_)))
    }

    /// The consumers of the same cluster, by name.
    pub(super) fn callers(&self) -> Callers<'_> {
        Callers::new(self.options, &self.key.cluster, self.names)
    }

    /// What is to be said of the names that were asked for.
    pub(super) fn unresolved(&self, callers: &Callers<'_>) -> Vec<Problem> {
        let problem = |message: &String| self.problem(ProblemKind::Unresolved, "ConsumerNotFound", message.clone());
        callers.unresolved.iter().map(problem).collect()
    }

    /// The nodes of the same cluster by name; none where no path needs them.
    pub(super) fn nodes(&self) -> Vec<(&str, &Node)> {
        if !self.routing.uses_nodes() {
            return Vec::new();
        }
        let nodes = of_kind(self.resources, &self.key.cluster, ResourceKind::Node).filter_map(|(key, stored)| {
            match stored.resource.as_ref() {
                Resource::Node(node) => Some((&*key.key.name, node.as_ref())),
                _ => None,
            }
        });
        nodes.collect()
    }

    /// The id of an object of a resource of the same cluster.
    pub(super) fn id(&self, kind: ObjectKind, class: Class, key: &Key, part: &str) -> ObjectId {
        ObjectId {
            kind,
            id: self.options.prefix.id(&self.key.cluster, class, key, part),
        }
    }

    /// This resource as the cause of an object.
    pub(super) fn cause(&self) -> Cause {
        Cause {
            key: self.key.clone(),
            content_hash: self.stored.hash,
        }
    }

    /// A sibling as a further cause.
    pub(super) fn cause_of(&self, key: &Key) -> Option<Cause> {
        self.find(key).map(|stored| Cause {
            key: self.sibling(key),
            content_hash: stored.hash,
        })
    }

    /// Something wrong with this resource.
    pub(super) fn problem(&self, kind: ProblemKind, reason: &str, message: String) -> Problem {
        Problem {
            kind,
            reason: reason.to_owned(),
            message,
            content_hash: self.stored.hash,
        }
    }

    /// Nothing was made, and what was made before stays where it can.
    pub(super) fn refuse(&self, reason: &str, message: String) -> Rendered {
        Rendered {
            problems: vec![self.problem(ProblemKind::Refused, reason, message)],
            refused: true,
            ..Rendered::default()
        }
    }

    /// Nothing was made, and nothing stays.
    pub(super) fn withhold(&self, kind: ProblemKind, reason: &str, message: String) -> Rendered {
        Rendered {
            problems: vec![self.problem(kind, reason, message)],
            ..Rendered::default()
        }
    }

    /// Claims that others hold.
    pub(super) fn conflicts(&self) -> Vec<Problem> {
        let lost = self.standing.lost.iter();
        lost.map(|conflict| self.problem(ProblemKind::Conflict, "Conflict", conflict.to_string()))
            .collect()
    }

    /// `Ingress shop/web of cluster a`: how messages name this resource.
    pub(super) fn subject(&self) -> String {
        subject(self.key)
    }

    /// A name for people: `cluster_namespace_name_` and the beginning of the id's hash.
    pub(super) fn name(&self, id: &ObjectId) -> String {
        let key = &self.key.key;
        let hash = id.id.rsplit('-').next().unwrap_or_default();
        let parts = [self.key.cluster.as_str(), &key.namespace, &key.name];
        let readable: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        // 100: the limit of older schemas (3.16's is 256); 91 + '_' + 8 digits.
        let readable: String = readable.join("_").chars().take(91).collect();
        let short: String = hash.chars().take(8).collect();
        format!("{readable}_{short}")
    }

    /// Labels that say whose an object is.
    pub(super) fn labels(&self) -> Value {
        let key = &self.key.key;
        let labels = [
            ("managed-by", "hubline"),
            ("hub", self.options.hub.as_str()),
            ("cluster", self.key.cluster.as_str()),
            ("namespace", &*key.namespace),
            ("name", key.name.as_str()),
            ("kind", &*key.source.kind),
        ];
        let filled = labels.into_iter().filter(|(_, value)| !value.is_empty());
        filled
            .map(|(label, value)| (label.to_owned(), Value::String(label_value(value))))
            .collect::<Map<_, _>>()
            .into()
    }

    /// A whole object with its id, name and labels.
    pub(super) fn object(&self, id: ObjectId, mut body: Map<String, Value>, references: BTreeSet<ObjectId>) -> Object {
        let mut labels = self.labels();
        // What names a consumer is its username, and the schema has neither id nor name.
        if id.kind == ObjectKind::Consumer {
            labels["custom_id"] = custom_id(self).into();
        } else {
            body.insert("id".to_owned(), json!(*id.id));
        }
        body.insert("labels".to_owned(), labels);
        // Nor has that of certificates a name.
        if !matches!(id.kind, ObjectKind::Consumer | ObjectKind::Ssl) {
            body.insert("name".to_owned(), self.name(&id).into());
        }
        let (body, hash) = canonical(&Value::Object(body));
        Object {
            id,
            body,
            hash,
            references: references.into_iter().collect(),
            causes: [self.cause()].into(),
        }
    }
}

/// How messages name a resource by its source object.
pub(super) fn subject(key: &GlobalKey) -> String {
    let GlobalKey { cluster, key } = key;
    let slash = if key.namespace.is_empty() { "" } else { "/" };
    format!(
        "{} {}{slash}{} of cluster {cluster}",
        key.source.kind, key.namespace, key.name
    )
}

/// A value that the schema takes for a label: 1 to 256 characters without blanks.
pub(crate) fn label_value(value: &str) -> String {
    let clean: String = value.chars().map(|c| if c.is_whitespace() { '_' } else { c }).collect();
    if clean.chars().count() <= 256 {
        return clean;
    }
    // 239 + '-' + 16 digits: cut, and still told apart.
    let begin: String = clean.chars().take(239).collect();
    format!("{begin}-{}", hex(blake3::hash(value.as_bytes()), 8))
}

/// The fields of a JSON object written with `json!`.
pub(super) fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_fit_the_schema() {
        assert_eq!(label_value("a b\tc"), "a_b_c");
        let long = label_value(&"x".repeat(300));
        assert_eq!(long.len(), 256);
        assert_ne!(long, label_value(&"x".repeat(301)));
    }
}
