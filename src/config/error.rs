//! Errors that name the key, where it was set, and what is allowed.

use std::io;
use std::path::PathBuf;

use figment::error::{Actual, Kind};

use super::origin::{Origin, Origins};

/// Why a configuration is not taken. Shows keys, never values.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is not YAML.
    #[error("{name}{}: not YAML: {reason}", line.map(|line| format!(":{line}")).unwrap_or_default())]
    Yaml {
        /// File or variable.
        name: String,
        /// Line, from 1.
        line: Option<u64>,
        /// The parser's words.
        reason: String,
    },
    /// The text is YAML of the wrong shape.
    #[error("{name}: the configuration is no mapping of keys to values")]
    NotAMapping {
        /// File.
        name: String,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown key {key}{}; allowed here: {}", hint(nearest.as_deref()), allowed.join(", "))]
    UnknownKey {
        /// Dotted path.
        key: String,
        /// Where it was set.
        origin: Origin,
        /// The allowed key that is most like it.
        nearest: Option<String>,
        /// What is allowed beside it.
        allowed: Vec<String>,
    },
    /// A value of the wrong type, or one that is not allowed.
    #[error("{origin}: {key}: {reason}")]
    Value {
        /// Dotted path.
        key: String,
        /// Where it was set.
        origin: Origin,
        /// What is there and what is allowed.
        reason: String,
    },
    /// A key that is needed and not set.
    #[error("{origin}: {key} is missing")]
    Missing {
        /// Dotted path.
        key: String,
        /// Where what holds it was set.
        origin: Origin,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|key| format!(", did you mean {key}?")).unwrap_or_default()
}

/// Puts figment's error into words that name key and origin.
pub(super) fn explain(error: figment::Error, origins: &Origins) -> ConfigError {
    let key = error.path.join(".");
    let origin = origins.of(&key);
    match error.kind {
        Kind::UnknownField(found, allowed) => ConfigError::UnknownKey {
            nearest: nearest(&found, allowed),
            allowed: allowed.iter().map(|key| (*key).to_owned()).collect(),
            key,
            origin,
        },
        Kind::MissingField(field) if key.is_empty() => ConfigError::Missing {
            key: field.into_owned(),
            origin,
        },
        Kind::MissingField(field) => ConfigError::Missing {
            key: format!("{key}.{field}"),
            origin,
        },
        kind => ConfigError::Value {
            key,
            origin,
            reason: reason(kind),
        },
    }
}

fn reason(kind: Kind) -> String {
    match kind {
        Kind::InvalidType(found, allowed) => format!("found {}, allowed: {}", shape(&found), expected(&allowed)),
        Kind::InvalidValue(_, allowed) => format!("value is not allowed; allowed: {}", expected(&allowed)),
        Kind::InvalidLength(found, allowed) => format!("found {found} items, allowed: {}", expected(&allowed)),
        Kind::UnknownVariant(_, allowed) => format!("value is not allowed; allowed: {}", allowed.join(", ")),
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => "number is out of range".to_owned(),
        Kind::Message(message) => message,
        other => other.to_string(),
    }
}

/// What is there, without its value.
fn shape(found: &Actual) -> &'static str {
    match found {
        Actual::Bool(_) => "a truth value",
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) | Actual::Bytes(_) => "a text",
        Actual::Unit | Actual::Option => "nothing",
        Actual::Seq => "a list",
        Actual::Map => "a mapping",
        _ => "something else",
    }
}

/// Rust's words in a reader's.
fn expected(allowed: &str) -> String {
    let text = match allowed {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i32" | "i64" => "a whole number",
        "a nonzero u16" => "a whole number from 1 to 65535",
        "a boolean" => "true or false",
        "a string" | "path string" => "a text",
        "a sequence" => "a list",
        other if other.starts_with("struct ") => "a mapping of keys to values",
        other => other,
    };
    text.to_owned()
}

/// The allowed key that is most like the one found, if any is like it at all.
fn nearest(found: &str, allowed: &[&str]) -> Option<String> {
    let found = found.to_ascii_lowercase().replace(['_', '-'], "");
    let distance = |key: &&&str| edits(&found, &key.to_ascii_lowercase());
    let best = allowed.iter().min_by_key(distance)?;
    // When more than half of its letters differ a word is another word.
    let limit = (best.len() / 2).max(1);
    (distance(&best) <= limit).then(|| (*best).to_owned())
}

/// How many letters must be changed, added or left out (Levenshtein).
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, letter) in left.chars().enumerate() {
        let mut diagonal = at;
        row[0] = at + 1;
        for (column, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
