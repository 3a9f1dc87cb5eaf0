//! Objects in the form of APISIX's `apisix.yaml`, and as JSON.
//!
//! The output holds private keys and credentials in clear where the objects do: it is what APISIX loads.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::object::{Object, ObjectKind};

/// Why objects cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A body is not the JSON it should be.
    #[error("the body of {id} is not JSON: {source}")]
    Body {
        /// Which object.
        id: crate::object::ObjectId,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// YAML could not be written.
    #[error("cannot write YAML: {0}")]
    Yaml(String),
    /// JSON could not be written.
    #[error("cannot write JSON: {0}")]
    Json(#[source] serde_json::Error),
}

/// Bodies by section, each sorted by id.
type Sections = BTreeMap<&'static str, Vec<Value>>;

fn sections(objects: &[Arc<Object>]) -> Result<Sections, RenderError> {
    let mut sections = Sections::new();
    for kind in ObjectKind::ALL {
        for object in objects.iter().filter(|object| object.id.kind == kind) {
            let body = serde_json::from_str(object.body.expose()).map_err(|source| RenderError::Body {
                id: object.id.clone(),
                source,
            })?;
            sections.entry(kind.collection()).or_default().push(body);
        }
    }
    Ok(sections)
}

/// The objects as one `apisix.yaml`, with the end marker without which APISIX ignores the file.
///
/// # Errors
/// See [`RenderError`].
pub fn yaml(objects: &[Arc<Object>]) -> Result<String, RenderError> {
    let sections = sections(objects)?;
    if sections.is_empty() {
        return Ok("#END\n".to_owned());
    }
    // Every text is quoted: APISIX's parser takes YAML 1.1's word for what is a boolean, a number or a time.
    let options = serde_saphyr::ser_options! { quote_all: true };
    let text = serde_saphyr::to_string_with_options(&sections, options);
    let text = text.map_err(|error| RenderError::Yaml(error.to_string()))?;
    Ok(format!("{}\n#END\n", text.trim_end()))
}

/// The objects as indented JSON, by section.
///
/// # Errors
/// See [`RenderError`].
pub fn json(objects: &[Arc<Object>]) -> Result<String, RenderError> {
    let mut text = serde_json::to_string_pretty(&sections(objects)?).map_err(RenderError::Json)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{ObjectId, canonical};

    /// Texts that a YAML 1.1 parser, or one that folds lines, could take for something else.
    #[test]
    fn texts_stay_texts() {
        let texts = [
            "yes",
            "on",
            "y",
            "~",
            "null",
            "~~",
            "==",
            "=",
            "!",
            "<<",
            "1e3",
            "0x1f",
            "012",
            "1_000",
            "12:30:00",
            "- a",
            "a: b",
            "#END",
            " a ",
            "a\nb\n",
            "'",
            "\"",
            "\\",
            "*.a.b",
            "&a",
            "%",
            "@",
            "`",
            "",
            "{}",
            "[]",
            "2024-01-01",
        ];
        let long = format!("{} {}", "x".repeat(100), "y\n".repeat(30));
        let texts: Vec<_> = texts.into_iter().map(str::to_owned).chain([long]).collect();
        let (body, hash) = canonical(&serde_json::json!({"id": "1", "texts": texts}));
        let id = ObjectId {
            kind: ObjectKind::Route,
            id: "1".into(),
        };
        let object = Object {
            id,
            body,
            hash,
            references: Box::default(),
            causes: Box::default(),
        };
        let text = yaml(&[object.into()]).unwrap();
        let back: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back["routes"][0]["texts"], serde_json::json!(texts));
        let plain = text.lines().filter(|line| line.trim_start().starts_with("- "));
        for line in plain.filter(|line| !line.contains("id:")) {
            let value = line.trim_start().trim_start_matches("- ");
            assert!(value.starts_with(['\'', '"']), "{line}");
        }
    }

    #[test]
    fn nothing_is_still_a_whole_file() {
        assert_eq!(yaml(&[]).unwrap(), "#END\n");
    }
}
