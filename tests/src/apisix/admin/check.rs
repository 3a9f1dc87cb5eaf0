//! Decides whether an object may be written.
//!
//! Three steps, as at the real one: its id, fields that only the server sets, then the rules of
//! its kind: schema, references, plugins.

use serde_json::{Map, Value};

use super::{Answer, Target, plugins};
use crate::apisix::certificates;
use crate::apisix::contract::{self, PluginSchema};
use crate::apisix::expression::Expression;
use crate::apisix::kind::Kind;
use crate::apisix::references::id_text;
use crate::apisix::schema;
use crate::apisix::state::State;

mod references;
mod upstream;

/// Whether the request must name an id (PUT, PATCH) or must not (POST).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WantsId {
    Yes,
    No,
}

/// Whether `create_time` and `update_time` may be there: stored values that PATCH changed have
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Forbidden,
    Allowed,
}

/// Checks a value and puts its id into it; returns the id to store it under.
pub(super) fn check(
    state: &State,
    target: &Target,
    value: &mut Value,
    wants_id: WantsId,
    times: Times,
) -> Result<String, Answer> {
    // An empty table is an object as well as an array in Lua.
    if value.as_array().is_some_and(Vec::is_empty) {
        *value = Value::Object(Map::new());
    }
    let id = check_id(target, value, wants_id)?;
    if times == Times::Forbidden {
        check_times(value)?;
    }
    let refuse = |message: String| Answer::error(400, &message);
    check_kind(state, target, id.as_deref(), value).map_err(refuse)?;
    Ok(match target.kind {
        Kind::Consumer => value.get("username").and_then(id_text).unwrap_or_default(),
        _ => id.unwrap_or_default(),
    })
}

fn check_id(target: &Target, value: &mut Value, wants_id: WantsId) -> Result<Option<String>, Answer> {
    let named = target.named_id();
    if !target.kind.has_id() {
        return Ok(named);
    }
    let noun = target.kind.noun();
    let own = value.get("id").and_then(id_text);
    let Some(id) = named.clone().or_else(|| own.clone()) else {
        return if wants_id == WantsId::Yes {
            Err(target.missing_id())
        } else {
            Ok(None)
        };
    };
    if wants_id == WantsId::No {
        return Err(Answer::error(400, &format!("wrong {noun} id, do not need it")));
    }
    if own.is_some_and(|own| own != id) {
        return Err(Answer::error(400, &format!("wrong {noun} id")));
    }
    if let (Some(named), Some(fields)) = (named, value.as_object_mut()) {
        fields.insert("id".to_owned(), Value::String(named));
    }
    Ok(Some(id))
}

fn check_times(value: &Value) -> Result<(), Answer> {
    for (inside, shown) in [("", ""), ("/upstream", "upstream."), ("/plugins", "plugins.")] {
        for field in ["create_time", "update_time"] {
            if value.pointer(&format!("{inside}/{field}")).is_some() {
                let message = format!("the property is forbidden:  {shown}{field}");
                return Err(Answer::error(400, &message));
            }
        }
    }
    Ok(())
}

fn check_kind(state: &State, target: &Target, id: Option<&str>, value: &Value) -> Result<(), String> {
    match target.kind {
        Kind::Route => check_route(state, value),
        Kind::Service | Kind::StreamRoute => check_service(state, target.kind, value),
        Kind::Upstream => upstream::check(state, value),
        Kind::Consumer => check_consumer(state, id, value),
        Kind::Credential => check_credential(value),
        Kind::ConsumerGroup | Kind::PluginConfig => check_plugins_of(target.kind, value),
        Kind::GlobalRule => check_global_rule(state, id, value),
        Kind::PluginMetadata => check_metadata(id, value),
        Kind::Secret => check_secret(target, value),
        Kind::Proto => check_proto(value),
        Kind::Ssl => check_ssl(value),
    }
}

fn check_schema(kind: Kind, value: &Value) -> Result<(), String> {
    let Some(wanted) = contract::schema(kind) else {
        return Ok(());
    };
    configuration(schema::check(wanted, &mut value.clone()))
}

fn configuration(checked: Result<(), String>) -> Result<(), String> {
    checked.map_err(|error| format!("invalid configuration: {error}"))
}

fn check_plugins(value: &Value) -> Result<(), String> {
    value
        .get("plugins")
        .map_or(Ok(()), |all| plugins::check(all, PluginSchema::Main))
}

fn check_route(state: &State, value: &Value) -> Result<(), String> {
    for (one, several) in [("host", "hosts"), ("remote_addr", "remote_addrs")] {
        if value.get(one).is_some() && value.get(several).is_some() {
            return Err(format!("only one of {one} or {several} is allowed"));
        }
    }
    check_schema(Kind::Route, value)?;
    value
        .get("upstream")
        .map_or(Ok(()), |inline| upstream::check(state, inline))?;
    references::check(state, value, &["upstream_id", "service_id", "plugin_config_id"])?;
    check_plugins(value)?;
    if let Some(vars) = value.get("vars") {
        Expression::compile(vars).map_err(|error| format!("failed to validate the 'vars' expression: {error}"))?;
    }
    Ok(())
}

fn check_service(state: &State, kind: Kind, value: &Value) -> Result<(), String> {
    check_schema(kind, value)?;
    value
        .get("upstream")
        .map_or(Ok(()), |inline| upstream::check(state, inline))?;
    references::check(state, value, &["upstream_id", "service_id"])?;
    // Stream routes have plugins of their own, of which the contract knows three.
    if kind == Kind::Service {
        check_plugins(value)
    } else {
        Ok(())
    }
}

fn check_consumer(state: &State, id: Option<&str>, value: &Value) -> Result<(), String> {
    check_schema(Kind::Consumer, value)?;
    if id.is_some_and(|id| value["username"] != id) {
        return Err("wrong username".to_owned());
    }
    check_consumer_plugins(value)?;
    references::check(state, value, &["group_id"])
}

fn check_consumer_plugins(value: &Value) -> Result<(), String> {
    let Some(all) = value.get("plugins") else {
        return Ok(());
    };
    plugins::check(all, PluginSchema::Consumer).map_err(|error| format!("invalid plugins configuration: {error}"))
}

fn check_credential(value: &Value) -> Result<(), String> {
    check_schema(Kind::Credential, value)?;
    check_consumer_plugins(value)?;
    value.get("plugins").map_or(Ok(()), plugins::check_credential)
}

fn check_plugins_of(kind: Kind, value: &Value) -> Result<(), String> {
    check_schema(kind, value)?;
    check_plugins(value)
}

fn check_global_rule(state: &State, id: Option<&str>, value: &Value) -> Result<(), String> {
    check_plugins_of(Kind::GlobalRule, value)?;
    let names: Vec<&String> = value["plugins"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|p| p.0)
        .collect();
    for (other, rule) in state.store.list(Kind::GlobalRule) {
        let taken = names
            .iter()
            .find(|name| rule.value["plugins"].get(name.as_str()).is_some());
        if let Some(name) = taken.filter(|_| Some(other.as_str()) != id) {
            let message = format!("plugin '{name}' already exists in global rule with id '{other}'");
            return Err(message);
        }
    }
    Ok(())
}

fn check_metadata(id: Option<&str>, value: &Value) -> Result<(), String> {
    let name = id.ok_or("missing plugin name")?;
    let plugin = contract::plugin(name).ok_or("invalid plugin name")?;
    match plugin.get("metadata_schema") {
        Some(wanted) => configuration(schema::check(wanted, &mut value.clone())),
        None => Ok(()),
    }
}

fn check_secret(target: &Target, value: &Value) -> Result<(), String> {
    let manager = target.owner.as_deref().ok_or("missing secret type")?;
    let wanted = contract::secret_schema(manager).ok_or_else(|| format!("invalid secret manager: {manager}"))?;
    configuration(schema::check(wanted, &mut value.clone()))
}

/// The words that may begin a statement of a `.proto` file.
const PROTO_STATEMENTS: [&str; 9] = [
    "syntax", "edition", "import", "package", "option", "message", "enum", "service", "extend",
];

fn check_proto(value: &Value) -> Result<(), String> {
    check_schema(Kind::Proto, value)?;
    let content = value["content"].as_str().unwrap_or_default();
    let first = content.split_whitespace().next().unwrap_or_default();
    let known = first.starts_with("//") || first.starts_with("/*") || first.is_empty();
    let word: String = first.chars().take_while(char::is_ascii_alphabetic).collect();
    if known || PROTO_STATEMENTS.contains(&word.as_str()) {
        return Ok(());
    }
    let column = content.find(first).unwrap_or(0) + first.len() + 2;
    Err(format!(
        "invalid content: filename for loaded:1:{column}: unknown keyword '{word}'"
    ))
}

fn check_ssl(value: &Value) -> Result<(), String> {
    check_schema(Kind::Ssl, value)?;
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    let list = |field: &str| value.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    certificates::check(text("cert"), text("key"))?;
    let (more, keys) = (list("certs"), list("keys"));
    if more.len() != keys.len() {
        return Err("mismatched number of certs and keys".to_owned());
    }
    for (index, (certificate, key)) in more.iter().zip(&keys).enumerate() {
        certificates::check(certificate.as_str(), key.as_str())
            .map_err(|error| format!("failed to handle cert-key pair[{}]: {error}", index + 1))?;
    }
    let authority = value.pointer("/client/ca").and_then(Value::as_str);
    certificates::check(authority, None).map_err(|error| format!("failed to validate client_cert: {error}"))
}
