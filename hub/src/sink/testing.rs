//! Objects for tests.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::object::{Object, ObjectId, ObjectKind, canonical};

/// The name of an object.
pub(crate) fn id(kind: ObjectKind, id: &str) -> ObjectId {
    ObjectId { kind, id: id.into() }
}

/// An object; `id` is added to the body.
pub(crate) fn object(kind: ObjectKind, name: &str, mut body: Value, references: &[&ObjectId]) -> Arc<Object> {
    body["id"] = json!(name);
    let (body, hash) = canonical(&body);
    Arc::new(Object {
        id: id(kind, name),
        body,
        hash,
        references: references.iter().map(|id| (*id).clone()).collect(),
        causes: Box::default(),
    })
}

/// The labels of the hub in tests.
pub(crate) fn labels() -> Value {
    json!({"managed-by": "hubline", "hub": "main"})
}

/// An upstream of cluster `hl-c` with one node.
pub(crate) fn upstream(name: &str, node: u16) -> Arc<Object> {
    let nodes = json!([{"host": "10.0.0.1", "port": node, "weight": 1}]);
    let body = json!({"labels": labels(), "nodes": nodes, "type": "roundrobin"});
    object(ObjectKind::Upstream, &format!("hl-c{name}"), body, &[])
}

/// A route of cluster `hl-c` to an upstream of [`upstream`]'s names.
pub(crate) fn route(name: &str, upstream: &str, version: u16) -> Arc<Object> {
    let target = id(ObjectKind::Upstream, &format!("hl-c{upstream}"));
    let body = json!({"labels": labels(), "uri": format!("/{name}"), "priority": version, "upstream_id": &*target.id});
    object(ObjectKind::Route, &format!("hl-c{name}"), body, &[&target])
}

pub(crate) mod fake;
