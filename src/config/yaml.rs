//! YAML as a tree, with the line of every key.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::ConfigError;

/// The largest file that is read. A list of 1,000 clusters with several paths each takes less than 1 MiB.
const MAX_BYTES: u64 = 16 << 20;

/// A YAML document.
#[derive(Debug)]
pub(super) struct Document {
    /// What it is called in errors; none for no document.
    pub(super) name: Option<String>,
    /// A mapping, unless it was read by [`Document::parse_value`].
    pub(super) value: Value,
    /// Lines, from 1, by dotted path.
    pub(super) lines: BTreeMap<String, u64>,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            name: None,
            value: Value::Object(Map::new()),
            lines: BTreeMap::new(),
        }
    }
}

impl Document {
    /// Reads a file; an empty one sets nothing.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        let length = std::fs::metadata(path).map_err(failed)?.len();
        if length > MAX_BYTES {
            return Err(failed(std::io::Error::other(format!(
                "it has {length} bytes, at most {MAX_BYTES} are allowed"
            ))));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Parses a text that must be a mapping or empty.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        let mut document = Self::parse_value(name, text)?;
        match document.value {
            Value::Object(_) => Ok(document),
            Value::Null => {
                document.value = Value::Object(Map::new());
                Ok(document)
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(ConfigError::NotAMapping { name: name.to_owned() })
            }
        }
    }

    /// Parses a text of any shape.
    pub(super) fn parse_value(name: &str, text: &str) -> Result<Self, ConfigError> {
        // The parser's own excerpt would quote the file, and the file may hold a key.
        let node: Option<Spanned<Node>> = serde_saphyr::from_str(text).map_err(|error| ConfigError::Yaml {
            name: name.to_owned(),
            line: error.location().map(|location| location.line()),
            reason: reason(&error),
        })?;
        let mut lines = BTreeMap::new();
        let value = node.map_or(Value::Null, |node| node.value.into_value("", &mut lines));
        Ok(Self {
            name: Some(name.to_owned()),
            value,
            lines,
        })
    }
}

/// The parser's words without its excerpt and position.
fn reason(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// A YAML value whose keys know their lines.
#[derive(Debug)]
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Mapping(Vec<(Spanned<String>, Node)>),
}

impl Node {
    fn into_value(self, path: &str, lines: &mut BTreeMap<String, u64>) -> Value {
        match self {
            Self::Scalar(value) => value,
            Self::List(items) => {
                let items = items.into_iter().enumerate().map(|(at, item)| {
                    let path = join(path, &at.to_string());
                    lines.insert(path.clone(), item.defined.line());
                    item.value.into_value(&path, lines)
                });
                Value::Array(items.collect())
            }
            Self::Mapping(entries) => {
                let entries = entries.into_iter().map(|(key, node)| {
                    let path = join(path, &key.value);
                    lines.insert(path.clone(), key.defined.line());
                    (key.value, node.into_value(&path, lines))
                });
                Value::Object(entries.collect())
            }
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a YAML value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("number is not finite"))?;
        Ok(Node::Scalar(Value::Number(number)))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Value::String(value.to_owned())))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Mapping(entries))
    }
}
