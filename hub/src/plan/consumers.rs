//! Consumers, and the group that all of one cluster's are in.

use std::collections::BTreeSet;
use std::sync::Arc;

use hubline::model::{ClusterId, Consumer};
use serde_json::{Map, Value, json};

use super::PlanOptions;
use super::id::Class;
use super::names::name_of;
use super::plugins::of_cluster;
use super::scope::{Rendered, Scope, fields, label_value};
use crate::credential::credentials;
use crate::federate::Claim;
use crate::object::{Cause, Object, ObjectId, ObjectKind, canonical};

/// Renders a consumer with those of its credentials that are in force.
pub(super) fn render(scope: &Scope<'_>, consumer: &Consumer) -> Rendered {
    let mut rendered = make(scope, consumer);
    rendered.problems.extend(scope.conflicts());
    rendered
}

fn make(scope: &Scope<'_>, consumer: &Consumer) -> Rendered {
    let mut plugins = match of_cluster(scope, &consumer.plugins) {
        Ok(plugins) => plugins,
        Err(message) => return scope.refuse("InvalidPlugin", message),
    };
    let before = plugins.len();
    plugins.retain(|name, config| !is_lost(scope, name, config));
    // One that had none is who is meant by requests without credentials; one that lost them all is nobody.
    if plugins.len() < before && !plugins.iter().any(|(name, config)| is_credential(name, config)) {
        return Rendered::default();
    }
    Rendered {
        objects: vec![object(scope, &plugins).into()],
        claims: scope.standing.granted.clone(),
        ..Rendered::default()
    }
}

/// An older consumer, of any cluster, has the same credential.
fn is_lost(scope: &Scope<'_>, plugin: &str, config: &Value) -> bool {
    let credentials = config.as_object().map(|config| credentials(plugin, config));
    let lost = |claim: Claim| scope.standing.lost.iter().any(|conflict| *conflict.claim == claim);
    credentials.into_iter().flatten().map(Claim::Credential).any(lost)
}

fn is_credential(plugin: &str, config: &Value) -> bool {
    config
        .as_object()
        .is_some_and(|config| !credentials(plugin, config).is_empty())
}

fn object(scope: &Scope<'_>, plugins: &Map<String, Value>) -> Object {
    let id = scope.id(ObjectKind::Consumer, Class::Consumer, &scope.key.key, "");
    let group = group_id(scope.options, &scope.key.cluster);
    let body = fields(json!({"username": *id.id, "group_id": *group.id, "plugins": plugins}));
    scope.object(id, body, BTreeSet::from([group]))
}

/// What upstreams get in `X-Consumer-Custom-Id`: the name that people know, since `X-Consumer-Username` is the hub's id.
pub(super) fn custom_id(scope: &Scope<'_>) -> String {
    label_value(&name_of(&scope.key.key))
}

fn group_id(options: &PlanOptions, cluster: &ClusterId) -> ObjectId {
    ObjectId {
        kind: ObjectKind::ConsumerGroup,
        id: options.prefix.consumer_group(cluster),
    }
}

/// The group of a cluster's consumers, of whom `cause` is one.
pub(super) fn group(options: &PlanOptions, cluster: &ClusterId, cause: Cause) -> Arc<Object> {
    let id = group_id(options, cluster);
    let labels = json!({
        "managed-by": "hubline",
        "hub": label_value(&options.hub),
        "cluster": cluster.as_str(),
    });
    let description = format!("all consumers of cluster {cluster}");
    let (body, hash) = canonical(&json!({"id": *id.id, "desc": description, "labels": labels, "plugins": {}}));
    Arc::new(Object {
        id,
        body,
        hash,
        references: Box::default(),
        causes: [cause].into(),
    })
}
