//! Environment variables as one more layer.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::yaml::Document;
use super::{ConfigError, insert};

/// What the environment sets.
#[derive(Debug)]
pub(super) struct Environment {
    /// As a tree.
    pub(super) value: Value,
    /// The variable behind each dotted path.
    pub(super) names: BTreeMap<String, String>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            value: Value::Object(Map::new()),
            names: BTreeMap::new(),
        }
    }
}

impl Environment {
    /// Keeps the variables that begin with the prefix.
    pub(super) fn read(prefix: &str, variables: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut ours: Vec<_> = variables.filter(|(name, _)| name.starts_with(prefix)).collect();
        ours.sort();
        let mut root = Map::new();
        let mut names = BTreeMap::new();
        for (name, text) in ours {
            let path = path(name.strip_prefix(prefix).unwrap_or(&name));
            insert(&mut root, &path, value(&name, text)?);
            names.insert(path, name);
        }
        Ok(Self {
            value: Value::Object(root),
            names,
        })
    }
}

/// `TLS__SERVER_NAME` is `tls.serverName`.
fn path(name: &str) -> String {
    name.split("__").map(camel_case).collect::<Vec<_>>().join(".")
}

fn camel_case(name: &str) -> String {
    let mut text = String::new();
    for word in name.split('_').filter(|word| !word.is_empty()) {
        let lower = word.to_ascii_lowercase();
        if text.is_empty() {
            text.push_str(&lower);
        } else {
            let mut letters = lower.chars();
            text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            text.extend(letters);
        }
    }
    text
}

fn value(name: &str, text: String) -> Result<Value, ConfigError> {
    if text.starts_with(['[', '{']) {
        let document = Document::parse_value(&format!("environment variable {name}"), &text)?;
        return Ok(document.value);
    }
    Ok(Value::String(text))
}
