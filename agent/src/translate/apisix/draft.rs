//! One custom resource while it is translated.

use crate::index::secret::{Lookup, Slot};
use crate::index::{Demand, Index};
use crate::source::{Kind, Name};
use crate::translate::rendered::{Fault, Rendered};

/// See the module.
pub(super) struct Draft<'a> {
    pub(super) index: &'a Index,
    pub(super) kind: Kind,
    pub(super) name: &'a Name,
    pub(super) rendered: Rendered,
    pub(super) demand: Demand,
}

/// A value that is made of what other objects say.
pub(in crate::translate) enum Made<T> {
    /// It is there.
    Good(T),
    /// It is wrong, and was reported.
    Refused,
    /// Something that it is made with is not known yet.
    Unknown,
}

impl<'a> Draft<'a> {
    pub(super) fn new(index: &'a Index, kind: Kind, name: &'a Name) -> Self {
        Self {
            index,
            kind,
            name,
            rendered: Rendered::default(),
            demand: Demand::default(),
        }
    }

    pub(super) fn report(&mut self, field: impl Into<String>, fault: Fault) {
        self.rendered.report(self.kind, self.name, field, fault);
    }

    /// A value that cannot be used, so that something is left out or closed.
    pub(super) fn wrong(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.report(field, Fault::error("UnsupportedValue", message));
    }

    /// A value that has no effect, or not all that it might seem to have.
    pub(super) fn warn(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.report(field, Fault::warning("UnsupportedValue", message));
    }

    /// What a Secret holds.
    pub(super) fn secret(&mut self, field: &str, name: &Name) -> Made<&'a Slot> {
        self.demand.secrets.insert(name.clone());
        match self.index.secret(name) {
            Lookup::Known(slot) => Made::Good(slot),
            Lookup::NotFound => {
                let message = format!("Secret {name} does not exist");
                self.report(field, Fault::error("SecretNotFound", message));
                Made::Refused
            }
            Lookup::Failed(reason) => {
                let message = format!("Secret {name} cannot be read: {reason}; what was made with it stays in force");
                self.report(field, Fault::error("SecretNotFound", message));
                Made::Unknown
            }
            Lookup::Pending => Made::Unknown,
        }
    }

    pub(super) fn done(self) -> (Rendered, Demand) {
        (self.rendered, self.demand)
    }
}
