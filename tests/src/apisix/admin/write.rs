//! PUT, POST, PATCH and DELETE.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::check::{Times, WantsId, check};
use super::{Answer, Context, Target, patch as patching};
use crate::apisix::contract;
use crate::apisix::encryption::encrypt;
use crate::apisix::kind::Kind;

pub(super) fn put(
    context: &mut Context<'_>,
    target: &Target,
    body: Option<Value>,
    time_to_live: Option<f64>,
) -> Result<Answer, Answer> {
    let mut value = body.ok_or_else(missing_configurations)?;
    let id = check(context.state, target, &mut value, WantsId::Yes, Times::Forbidden)?;
    let stored_id = stored_id(target, &id);
    if target.kind == Kind::Credential {
        require_consumer(context, target)?;
    }
    let old = context.state.store.get(target.kind, &stored_id);
    let created = old.and_then(|old| old.value.get("create_time").cloned());
    if target.kind == Kind::PluginMetadata {
        value["id"] = json!(id);
    } else {
        value["create_time"] = created.unwrap_or(json!(context.time));
        value["update_time"] = json!(context.time);
    }
    Ok(store(context, target.kind, &stored_id, value, time_to_live))
}

/// A secret's checked id has its manager in front already.
fn stored_id(target: &Target, id: &str) -> String {
    if target.kind == Kind::Secret {
        id.to_owned()
    } else {
        target.stored_id(id)
    }
}

fn missing_configurations() -> Answer {
    Answer::error(400, "missing configurations")
}

fn require_consumer(context: &Context<'_>, target: &Target) -> Result<(), Answer> {
    let consumer = target.owner.as_deref().unwrap_or_default();
    match context.state.store.get(Kind::Consumer, consumer) {
        Some(_) => Ok(()),
        None => Err(Answer::error(404, "consumer not found")),
    }
}

pub(super) fn post(
    context: &mut Context<'_>,
    target: &Target,
    body: Option<Value>,
    time_to_live: Option<f64>,
) -> Result<Answer, Answer> {
    let mut value = body.ok_or_else(missing_configurations)?;
    check(context.state, target, &mut value, WantsId::No, Times::Forbidden)?;
    let id = context.state.store.generate_id();
    value["id"] = json!(id);
    value["create_time"] = json!(context.time);
    value["update_time"] = json!(context.time);
    Ok(store(context, target.kind, &id, value, time_to_live))
}

pub(super) fn patch(
    context: &mut Context<'_>,
    target: &Target,
    body: Option<Value>,
    time_to_live: Option<f64>,
) -> Result<Answer, Answer> {
    let id = target.id.as_deref().ok_or_else(|| target.missing_id())?;
    let change = body.ok_or_else(|| Answer::error(400, "missing new configuration"))?;
    if target.rest.is_empty() && !change.is_object() && !change.is_array() {
        return Err(Answer::error(400, "invalid configuration"));
    }
    let stored_id = target.stored_id(id);
    let old = context
        .state
        .store
        .get(target.kind, &stored_id)
        .ok_or_else(Answer::not_found)?;
    let mut value = (*old.value).clone();
    let keeps_time = target.rest.is_empty() && change.get("update_time").is_some();
    if target.rest.is_empty() {
        patching::merge(&mut value, change);
    } else {
        patching::set(&mut value, &target.rest, change).map_err(|message| Answer::error(400, &message))?;
    }
    if !keeps_time {
        value["update_time"] = json!(context.time);
    }
    check(context.state, target, &mut value, WantsId::Yes, Times::Allowed)?;
    Ok(store(context, target.kind, &stored_id, value, time_to_live))
}

fn store(context: &mut Context<'_>, kind: Kind, id: &str, value: Value, time_to_live: Option<f64>) -> Answer {
    let shown = shown_after_write(kind, value.clone());
    let expires = time_to_live.and_then(|seconds| expiry(context.now, seconds));
    let created = context.state.put(kind, id, value, expires);
    let status = if created { 201 } else { 200 };
    Answer::json(status, json!({ "key": kind.key(id), "value": shown }))
}

fn expiry(now: Instant, seconds: f64) -> Option<Instant> {
    now.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

/// Answers to writes show what is written to etcd: secrets encrypted.
fn shown_after_write(kind: Kind, mut value: Value) -> Value {
    if kind == Kind::Ssl {
        encrypt_at(&mut value, "/key");
        for key in value
            .get_mut("keys")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            encrypt_in_place(key);
        }
    }
    encrypt_at(&mut value, "/tls/client_key");
    encrypt_at(&mut value, "/upstream/tls/client_key");
    let plugins = value.get_mut("plugins").and_then(Value::as_object_mut);
    for (name, configuration) in plugins.into_iter().flatten() {
        for field in contract::encrypted_fields(name) {
            encrypt_at(configuration, &format!("/{field}"));
        }
    }
    value
}

fn encrypt_at(value: &mut Value, pointer: &str) {
    if let Some(field) = value.pointer_mut(pointer) {
        encrypt_in_place(field);
    }
}

/// Values that point to a secret elsewhere stay readable.
fn encrypt_in_place(field: &mut Value) {
    if let Value::String(text) = field
        && !text.starts_with('$')
    {
        *text = encrypt(text);
    }
}

pub(super) fn delete(context: &mut Context<'_>, target: &Target) -> Result<Answer, Answer> {
    let id = target.id.as_deref().ok_or_else(|| target.missing_id())?;
    let stored_id = target.stored_id(id);
    let forced = context.query.get("force") == Some("true");
    let objection = context.state.references.objection(target.kind, &stored_id);
    if let Some(message) = objection.filter(|_| !forced) {
        return Err(Answer::error(400, &message));
    }
    if target.kind == Kind::Consumer {
        remove_credentials(context, id);
    }
    match context.state.remove(target.kind, &stored_id) {
        Some(_) => {
            let key = target.kind.key(&stored_id);
            Ok(Answer::json(200, json!({ "deleted": "1", "key": key })))
        }
        None => Err(Answer::not_found()),
    }
}

fn remove_credentials(context: &mut Context<'_>, consumer: &str) {
    let prefix = format!("{consumer}/credentials/");
    let credentials = context.state.store.list(Kind::Credential);
    let ids: Vec<String> = credentials
        .keys()
        .filter(|id| id.starts_with(&prefix))
        .cloned()
        .collect();
    for id in ids {
        context.state.remove(Kind::Credential, &id);
    }
}
