//! The annotations `k8s.apisix.apache.org/*` of an Ingress: how its routes behave.
//!
//! Their meaning is that of apisix-ingress-controller's own documentation (`docs/annotations.md` has the table, and
//! where we differ and why). Nothing is dropped silently: unknown names, empty values and annotations without effect
//! are reported, and so is every value that is not understood. What then becomes of the routes depends on what the
//! annotation is for:
//! - one that decides who may ask, or what a request reaches, is **refused**: every route of the Ingress answers 503
//!   until it is right. The route stays, since without it a wider one (`/` beside `/admin`) would take its requests, and
//!   what was to be protected would be open.
//! - any other is left out.
//!
//! One file for each subject; [`reader`] is what they share.

mod authentication;
mod cors;
mod csrf;
mod forward_auth;
mod ip_restriction;
mod known;
mod methods;
mod reader;
mod redirect;
mod references;
mod response_rewrite;
mod rewrite;
#[cfg(test)]
mod tests;
mod upstream;

use hubline::model::Plugin;

use super::super::rendered::Fault;
use super::super::{TranslateOptions, plugin, value};
use crate::index::SettingsOverride;
use crate::source::Name;
use crate::source::object::{ANNOTATION_PREFIX, Annotations};
use reader::Reader;

/// What the annotations of one Ingress say of all its routes.
#[derive(Debug, Default)]
pub(super) struct Directives {
    /// Whether paths of type `ImplementationSpecific` are regular expressions.
    pub(super) regex: bool,
    /// Whether connections may be upgraded, whatever the service says.
    pub(super) websocket: bool,
    /// How services are spoken to, where that differs from what they say themselves.
    pub(super) settings: SettingsOverride,
    /// Sorted by name.
    pub(super) plugins: Vec<Plugin>,
    /// An ApisixPluginConfig whose plugins act on the routes as well.
    pub(super) plugin_config: Option<Name>,
    /// Where services are looked for, if not beside the Ingress.
    pub(super) service_namespace: Option<Box<str>>,
    /// Whether something was refused, so that no request may get through.
    pub(super) closed: bool,
}

impl Directives {
    /// Reads them all, and says what is wrong: the field of the Ingress, and the fault.
    pub(super) fn read(
        options: &TranslateOptions,
        ingress: &Name,
        annotations: &Annotations,
    ) -> (Self, Vec<(String, Fault)>) {
        if annotations.is_empty() {
            return Default::default();
        }
        let mut reader = Reader::new(annotations);
        known::check(&mut reader);
        let mut read = Self {
            regex: reader.guarding_flag(known::USE_REGEX),
            websocket: reader.flag(known::ENABLE_WEBSOCKET),
            settings: upstream::settings(&mut reader),
            plugin_config: references::plugin_config(&mut reader, ingress),
            service_namespace: references::service_namespace(&mut reader, options, ingress),
            ..Self::default()
        };
        plugins(&mut reader);
        let (plugins, faults, closed) = reader.finish();
        read.plugins = if closed { vec![plugin::closing()] } else { plugins };
        read.closed = closed;
        read.plugin_config = read.plugin_config.filter(|_| !closed);
        (read, faults)
    }
}

/// Whether a path is a regular expression, as far as can be told.
pub(super) fn check_regex(path: &str) -> Result<(), String> {
    value::regex(path).map(|_| ())
}

/// Where an ApisixPluginConfig is named.
pub(super) fn plugin_config_field() -> String {
    field(known::PLUGIN_CONFIG_NAME)
}

/// What is said of `use-regex` where no path can be one.
pub(super) fn no_regex_path() -> (String, Fault) {
    let message = "does nothing: it is for paths of type ImplementationSpecific, and there is none";
    (field(known::USE_REGEX), Fault::warning("UnsupportedValue", message))
}

fn plugins(reader: &mut Reader<'_>) {
    authentication::read(reader);
    cors::read(reader);
    csrf::read(reader);
    forward_auth::read(reader);
    ip_restriction::read(reader);
    methods::read(reader);
    redirect::read(reader);
    response_rewrite::read(reader);
    rewrite::read(reader);
}

/// How diagnostics name an annotation.
fn field(name: &str) -> String {
    format!("metadata.annotations[{ANNOTATION_PREFIX}{name}]")
}
