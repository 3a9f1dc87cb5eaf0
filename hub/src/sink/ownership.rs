//! Which objects at a target are ours.

use std::sync::Arc;

use hubline::wire::ContentHash;
use serde_json::{Map, Value, json};

use crate::object::{Object, ObjectId, ObjectKind, canonical};
use crate::plan::label_value;

/// What marks an object as ours: the id's prefix, and the labels `managed-by` and `hub` where the kind has labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// What ids of ours begin with, up to the first `-`.
    pub prefix: String,
    /// The hub's name.
    pub hub: String,
}

/// Value of the label `managed-by`.
const MANAGED_BY: &str = "hubline";

impl Ownership {
    /// Whether an id is one of those that only we make.
    #[must_use]
    pub fn has_our_id(&self, id: &str) -> bool {
        id.strip_prefix(&self.prefix).is_some_and(|rest| rest.starts_with('-'))
    }

    fn hub_label(&self) -> String {
        label_value(&self.hub)
    }

    /// Whether an object is ours; `managed_by` and `hub` are its labels.
    #[must_use]
    pub fn owns(&self, id: &ObjectId, managed_by: Option<&str>, hub: Option<&str>) -> bool {
        let labelled = managed_by == Some(MANAGED_BY) && hub == Some(&self.hub_label());
        // Global rules have no labels in APISIX's schema.
        self.has_our_id(&id.id) && (labelled || id.kind == ObjectKind::GlobalRule)
    }

    /// The marker: a static upstream without nodes that nothing refers to. While it is there, the target remembers.
    #[must_use]
    pub fn marker(&self) -> Arc<Object> {
        let hash = format!("{:032x}", { ContentHash::of(self.hub.as_bytes()).0 });
        let hex: String = hash.chars().take(10).collect();
        let id = ObjectId {
            kind: ObjectKind::Upstream,
            id: format!("{}-marker-{hex}", self.prefix).into(),
        };
        let (body, hash) = canonical(&self.marker_body(&id.id));
        Arc::new(Object {
            id,
            body,
            hash,
            references: Box::default(),
            causes: Box::default(),
        })
    }

    /// With the fields that APISIX 3.13 and older add by themselves.
    fn marker_body(&self, id: &str) -> Value {
        json!({
            "id": id,
            "name": "marker of a Hubline hub: do not remove",
            "labels": { "managed-by": MANAGED_BY, "hub": self.hub_label() },
            "nodes": [],
            "type": "roundrobin",
            "scheme": "http",
            "hash_on": "vars",
            "pass_host": "pass",
        })
    }
}

/// One label of an object.
pub(super) fn label<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get("labels")?.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_needs_prefix_and_labels() {
        let ours = Ownership {
            prefix: "hl".to_owned(),
            hub: "main".to_owned(),
        };
        let id = |kind, id: &str| ObjectId { kind, id: id.into() };
        let table = [
            (ObjectKind::Route, "hl-1", Some("hubline"), Some("main"), true),
            (ObjectKind::Route, "hl-1", Some("hubline"), Some("other"), false),
            (ObjectKind::Route, "hl-1", Some("someone"), Some("main"), false),
            (ObjectKind::Route, "hl-1", None, None, false),
            (ObjectKind::Route, "hlx-1", Some("hubline"), Some("main"), false),
            (ObjectKind::Route, "1", Some("hubline"), Some("main"), false),
            (ObjectKind::GlobalRule, "hl-1", None, None, true),
            (ObjectKind::GlobalRule, "1", None, None, false),
        ];
        for (kind, name, managed_by, hub, expected) in table {
            assert_eq!(
                ours.owns(&id(kind, name), managed_by, hub),
                expected,
                "{kind:?} {name} {managed_by:?} {hub:?}"
            );
        }
    }

    #[test]
    fn marker_is_ours_and_of_no_cluster() {
        let ours = Ownership {
            prefix: "hl".to_owned(),
            hub: "main".to_owned(),
        };
        let marker = ours.marker();
        assert!(ours.owns(&marker.id, Some("hubline"), Some("main")));
        assert!(marker.id.id.len() <= 64);
    }
}
