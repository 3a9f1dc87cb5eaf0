//! What the translation of one unit gives: resources and diagnostics.

use std::collections::{BTreeMap, BTreeSet};

use hubline::model::{Backend, Diagnostic, Key, Resource, Severity};

use crate::output::{Declared, Standing};
use crate::source::{Kind, Name, ObjectId};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    pub(super) entries: BTreeMap<Key, Resource>,
    /// Whether something that it is made with is not known yet: what was published before stays.
    pub(super) held: bool,
    /// As `held`, of single resources.
    pub(super) held_keys: BTreeSet<Key>,
    /// Resources of other objects that its work depends on, besides those that its routes name.
    pub(super) leans_on: BTreeSet<Key>,
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

    /// What is said of an object that is ours.
    pub(super) fn declared(&self, published: impl Fn(&Key) -> bool) -> Declared {
        let mut keys = self.leans_on.clone();
        for (key, resource) in &self.entries {
            keys.insert(key.clone());
            keys.extend(references(resource).cloned());
        }
        let whole = !self.held && self.held_keys.is_empty() && self.entries.keys().all(published);
        Declared {
            standing: Standing::Ours,
            keys: keys.into_iter().collect(),
            whole,
            ..Declared::default()
        }
    }

    /// All that was reported, sorted.
    pub(super) fn diagnostics(&self) -> Vec<Diagnostic> {
        self.diagnostics.iter().cloned().collect()
    }
}

/// The resources without which one does not work.
fn references(resource: &Resource) -> impl Iterator<Item = &Key> {
    let (backends, sets): (&[Backend], &[Key]) = match resource {
        Resource::Route(route) => (&route.backends, &route.plugin_sets),
        Resource::StreamRoute(route) => (&route.backends, &[]),
        _ => (&[], &[]),
    };
    backends.iter().map(|backend| &backend.service).chain(sets)
}
