//! Configuration: defaults, then a YAML file, then the environment, then flags; the later one wins, key by key.
//!
//! Lists are replaced whole. Every error names the key, where it was set, and what is allowed. It shows no value,
//! which may be a secret, unless the type of the field shows it itself. What values mean together is checked by their
//! owner.

pub mod duration;
mod environment;
mod error;
mod origin;
#[cfg(test)]
mod tests;
mod yaml;

use std::path::Path;

use figment::Figment;
use figment::providers::Serialized;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use error::ConfigError;
pub use origin::Origin;

use environment::Environment;
use origin::Origins;
use yaml::Document;

/// Loads a configuration of the process's environment.
///
/// Environment variables are named `env_prefix`, then the path in upper case with `_` between words and `__` between
/// levels: with the prefix `HUBLINE_HUB__`, `HUBLINE_HUB__TLS__CERTIFICATE` sets `tls.certificate`. The prefix ends
/// with `__` because Kubernetes itself sets `HUBLINE_HUB_SERVICE_HOST` beside a Service of that name.
/// A value that begins with `[` or `{` is read as YAML, any other is a text, number or truth value as the key asks.
/// Flags are dotted paths with their values.
///
/// # Errors
/// [`ConfigError`] names the key, where it was set, and what is allowed.
pub fn load<T: Serialize + DeserializeOwned>(
    defaults: &T,
    file: Option<&Path>,
    env_prefix: &str,
    flags: Vec<(String, Value)>,
) -> Result<T, ConfigError> {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    load_from(defaults, file, env_prefix, variables, flags)
}

/// As [`load`], with the environment given.
///
/// # Errors
/// [`ConfigError`] names the key, where it was set, and what is allowed.
pub fn load_from<T: Serialize + DeserializeOwned>(
    defaults: &T,
    file: Option<&Path>,
    env_prefix: &str,
    environment: impl Iterator<Item = (String, String)>,
    flags: Vec<(String, Value)>,
) -> Result<T, ConfigError> {
    let document = file.map(Document::read).transpose()?.unwrap_or_default();
    let environment = Environment::read(env_prefix, environment)?;
    merge(defaults, document, environment, flags)
}

/// Reads a YAML text over the defaults and nothing else; errors call it `name`.
///
/// # Errors
/// [`ConfigError`] names the key, its line, and what is allowed.
pub fn parse<T: Serialize + DeserializeOwned>(defaults: &T, name: &str, text: &str) -> Result<T, ConfigError> {
    let document = Document::parse(name, text)?;
    merge(defaults, document, Environment::default(), Vec::new())
}

fn merge<T: Serialize + DeserializeOwned>(
    defaults: &T,
    document: Document,
    environment: Environment,
    flags: Vec<(String, Value)>,
) -> Result<T, ConfigError> {
    let figment = Figment::new()
        .merge(Serialized::defaults(defaults))
        .merge(Serialized::defaults(document.value))
        .merge(Serialized::defaults(environment.value))
        .merge(Serialized::defaults(nested(&flags)));
    let origins = Origins {
        flags: flags.into_iter().map(|(path, _)| path).collect(),
        variables: environment.names,
        file: document.name,
        lines: document.lines,
    };
    figment.extract_lossy().map_err(|error| error::explain(error, &origins))
}

/// Dotted paths as one tree.
fn nested(flags: &[(String, Value)]) -> Value {
    let mut root = Map::new();
    for (path, value) in flags {
        insert(&mut root, path, value.clone());
    }
    Value::Object(root)
}

/// Puts a value at a dotted path; what stood in the way is replaced.
fn insert(root: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(root.insert(path.to_owned(), value)),
        Some((first, rest)) => {
            let child = root.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if !child.is_object() {
                *child = Value::Object(Map::new());
            }
            if let Value::Object(map) = child {
                insert(map, rest, value);
            }
        }
    }
}
