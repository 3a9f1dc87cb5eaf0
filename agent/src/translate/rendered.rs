//! What the translation of one unit gives: resources and diagnostics.

use std::collections::{BTreeMap, BTreeSet};

use hubline::model::{Diagnostic, Key, Resource, Severity};

use crate::source::{Kind, Name, ObjectId};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    pub(super) entries: BTreeMap<Key, Resource>,
    /// Whether something that it is made with is not known yet: what was published before stays.
    pub(super) held: bool,
    /// As `held`, of single resources.
    pub(super) held_keys: BTreeSet<Key>,
    diagnostics: BTreeSet<Diagnostic>,
}

/// A reason with its sentence: what a [`Diagnostic`] says of a field.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) severity: Severity,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Fault {
    /// Something is left out or does not work.
    pub(super) fn error(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            reason,
            message: message.into(),
        }
    }

    /// It works, but perhaps not as meant.
    pub(super) fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(reason, message)
        }
    }
}

impl Rendered {
    /// Reports a fault of an object's field.
    pub(super) fn report(&mut self, kind: Kind, name: &Name, field: impl Into<String>, fault: Fault) {
        let name = name.clone();
        self.diagnostics.insert(Diagnostic {
            object: ObjectId { kind, name }.reference(),
            field: field.into(),
            severity: fault.severity,
            reason: fault.reason.to_owned(),
            message: fault.message,
        });
    }

    /// All that was reported, sorted.
    pub(super) fn diagnostics(&self) -> Vec<Diagnostic> {
        self.diagnostics.iter().cloned().collect()
    }
}
