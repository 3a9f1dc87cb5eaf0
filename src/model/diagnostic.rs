//! What is wrong with an object, for people.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::GroupKind;

/// The object a diagnostic is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectRef {
    /// Group and kind; for a file that is no object, `("", "File")`.
    pub source: GroupKind,
    /// Namespace; empty for objects of the whole cluster.
    #[serde(default)]
    pub namespace: String,
    /// Name; for a file its path within the manifest directory.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ", self.source.kind)?;
        if self.namespace.is_empty() {
            out.write_str(&self.name)
        } else {
            write!(out, "{}/{}", self.namespace, self.name)
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Something was left out or does not work.
    Error,
    /// It works, but perhaps not as meant.
    Warning,
}

/// One fault of one object: names the object, the field, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Diagnostic {
    /// The object.
    pub object: ObjectRef,
    /// Path of the field, as `spec.rules[0].http.paths[1].backend`; empty when it is about the whole object.
    #[serde(default)]
    pub field: String,
    /// How bad.
    pub severity: Severity,
    /// A word for programs, in the Gateway API's vocabulary where it has one.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.object)?;
        if !self.field.is_empty() {
            write!(out, " {}", self.field)?;
        }
        write!(out, ": {} ({})", self.message, self.reason)
    }
}
