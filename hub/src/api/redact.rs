//! Bodies of objects without their secrets.
//!
//! What is secret is decided by where it stands, not by how it looks: plugin configurations whole (credentials stand in
//! them under any name), private keys of certificates, client keys. Fields whose names say that they are secret are
//! left out as well, wherever they stand.

use hubline::model::SecretText;
use serde_json::{Map, Value};

use crate::object::{Object, ObjectKind};

/// Fields that hold mappings of plugins to their configurations.
const PLUGINS: [&str; 2] = ["plugins", "plugin_config"];
/// Parts of the names of secret fields, in lower case.
const SECRET_NAMES: [&str; 6] = ["client_key", "private", "secret", "password", "token", "credential"];

/// The body of an object with fingerprints where secrets stand; only a text when it is no JSON.
pub(super) fn redacted(object: &Object) -> Value {
    match serde_json::from_str(object.body.expose()) {
        Ok(Value::Object(body)) => Value::Object(mapping(object.id.kind, body)),
        Ok(_) | Err(_) => Value::String(object.body.fingerprint()),
    }
}

fn mapping(kind: ObjectKind, body: Map<String, Value>) -> Map<String, Value> {
    let field = |(name, value): (String, Value)| {
        let value = if PLUGINS.contains(&name.as_str()) {
            plugins(value)
        } else if is_secret(kind, &name) {
            fingerprint(&value)
        } else {
            nested(kind, value)
        };
        (name, value)
    };
    body.into_iter().map(field).collect()
}

/// Below the first level as well: the TLS client key stands in an upstream's `tls`.
fn nested(kind: ObjectKind, value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(mapping(kind, map)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| nested(kind, item)).collect()),
        Value::String(text) if text.contains("PRIVATE KEY") => fingerprint(&Value::String(text)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// `key` is a private key in a certificate and the variable that is hashed in an upstream.
fn is_secret(kind: ObjectKind, name: &str) -> bool {
    let of_certificate = kind == ObjectKind::Ssl && matches!(name, "key" | "keys");
    let name = name.to_ascii_lowercase();
    of_certificate || SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// Names of plugins stay, configurations become fingerprints.
fn plugins(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let plugin = |(name, config): (String, Value)| (name, fingerprint(&config));
            Value::Object(map.into_iter().map(plugin).collect())
        }
        other => fingerprint(&other),
    }
}

fn fingerprint(value: &Value) -> Value {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Value::String(SecretText::new(text).fingerprint())
}
