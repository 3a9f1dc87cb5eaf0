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
    let text = serde_saphyr::to_string(&sections).map_err(|error| RenderError::Yaml(error.to_string()))?;
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
