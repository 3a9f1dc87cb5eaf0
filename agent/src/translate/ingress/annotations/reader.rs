//! Takes values out of annotations, and notes what is wrong with them.

use std::collections::BTreeMap;

use hubline::model::Plugin;
use serde_json::Value;

use super::super::super::rendered::Fault;
use super::{field, plugin, value};
use crate::source::object::Annotations;

/// Annotations being read.
pub(super) struct Reader<'a> {
    annotations: &'a Annotations,
    plugins: BTreeMap<&'static str, Value>,
    faults: Vec<(String, Fault)>,
    closed: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(annotations: &'a Annotations) -> Self {
        Self {
            annotations,
            plugins: BTreeMap::new(),
            faults: Vec::new(),
            closed: false,
        }
    }

    /// All of them.
    pub(super) fn annotations(&self) -> &'a Annotations {
        self.annotations
    }

    /// Plugins sorted by name, what is wrong, and whether something was refused.
    pub(super) fn finish(self) -> (Vec<Plugin>, Vec<(String, Fault)>, bool) {
        let plugins = self.plugins.iter().map(|(name, config)| plugin::plugin(name, config));
        (plugins.collect(), self.faults, self.closed)
    }

    /// A value as written; none when it is absent or blank.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        self.annotations.get(name).filter(|value| !value.trim().is_empty())
    }

    /// A value without blanks around it; none when it is absent or blank.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.raw(name).map(str::trim)
    }

    /// `true` or `false`, which is the default; anything else is left out.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        match self.text(name).map(value::flag) {
            Some(Err(message)) => {
                self.leave_out(name, message);
                false
            }
            read => read.is_some_and(|flag| flag == Ok(true)),
        }
    }

    /// As [`Self::flag`], but anything else is refused.
    pub(super) fn guarding_flag(&mut self, name: &str) -> bool {
        match self.text(name).map(value::flag) {
            Some(Err(message)) => {
                self.refuse(name, message);
                false
            }
            read => read.is_some_and(|flag| flag == Ok(true)),
        }
    }

    /// The parts of a value between its commas, each read by `parse`; none when it is absent.
    ///
    /// # Errors
    /// The first part that is wrong, or that there is none at all.
    pub(super) fn list<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<Vec<T>>, String> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let parts: Vec<T> = parts.map(parse).collect::<Result<_, _>>()?;
        if parts.is_empty() {
            return Err("has nothing but commas".to_owned());
        }
        Ok(Some(parts))
    }

    /// The routes get this plugin.
    pub(super) fn plugin(&mut self, name: &'static str, config: Value) {
        self.plugins.insert(name, config);
    }

    pub(super) fn report(&mut self, name: &str, fault: Fault) {
        self.faults.push((field(name), fault));
    }

    /// A value that must not be passed over: the routes answer 503 until it is right.
    pub(super) fn refuse(&mut self, name: &str, message: impl AsRef<str>) {
        self.refuse_as("UnsupportedValue", name, message);
    }

    /// As [`Self::refuse`], with another word for programs.
    pub(super) fn refuse_as(&mut self, reason: &'static str, name: &str, message: impl AsRef<str>) {
        let message = format!(
            "{}; until this is put right all routes of the Ingress answer 503",
            message.as_ref()
        );
        self.closed = true;
        self.report(name, Fault::error(reason, message));
    }

    /// A value without which the routes do no harm.
    pub(super) fn leave_out(&mut self, name: &str, message: impl AsRef<str>) {
        let message = format!("{}; it is left out", message.as_ref());
        self.report(name, Fault::error("UnsupportedValue", message));
    }

    /// An annotation that has no effect as things are.
    pub(super) fn idle(&mut self, name: &str, message: impl Into<String>) {
        self.report(name, Fault::warning("UnsupportedValue", message));
    }

    /// Says of each that is there that it does nothing.
    pub(super) fn all_idle(&mut self, names: &[&str], why: &str) {
        for name in names {
            if self.raw(name).is_some() {
                self.idle(name, format!("does nothing {why}"));
            }
        }
    }
}
