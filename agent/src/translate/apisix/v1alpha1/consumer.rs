//! Consumer → consumers: the first credential of each type makes one, each further one of a type another, whose section
//! is the credential's name. What is wrong takes only the credential out that it stands in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::consumer::{self, Method, from_secret};
use super::super::draft::Made;
use super::super::{Draft, plugins};
use super::plugin_config::named;
use crate::index::{Demand, Index};
use crate::source::crd::v1alpha1::Credential;
use crate::source::{Kind, Name};
use crate::translate::rendered::{Fault, Rendered};
use crate::translate::value;

/// Types that a credential may have.
const METHODS: [Method; 4] = [Method::JwtAuth, Method::BasicAuth, Method::KeyAuth, Method::HmacAuth];

/// Translates one Consumer; nothing comes out when it is gone.
pub(in crate::translate) fn render(index: &Index, name: &Name) -> (Rendered, Demand) {
    let mut draft = Draft::new(index, Kind::Consumer, name);
    let listed = index.listings.is_listed(Kind::Consumer);
    let Some(object) = index.custom.consumers.get(name).filter(|_| listed) else {
        return draft.done();
    };
    if object.spec.credentials.is_empty() && object.spec.plugins.is_empty() {
        let message = "names no credential; one is needed, so that somebody can call";
        draft.report("spec.credentials", Fault::error("InvalidCredential", message));
        return draft.done();
    }
    let plugins = plugins::read(&mut draft, "spec.plugins", &named(&object.spec.plugins));
    let sections = sections(&mut draft, &object.spec.credentials);
    match (plugins, sections) {
        (Made::Good(plugins), Made::Good(sections)) => {
            for (section, credentials) in sections {
                let configs = credentials.into_iter().chain(plugins.clone()).collect();
                consumer::publish(&mut draft, section, &configs, object.created);
            }
        }
        // Without its plugins it could do more than was meant.
        (Made::Refused, _) | (_, Made::Refused) => {}
        (Made::Unknown, _) | (_, Made::Unknown) => draft.rendered.held = true,
    }
    draft.done()
}

/// Credentials by section: which one is where depends on nothing that is wrong or missing.
fn sections<'a>(draft: &mut Draft<'_>, credentials: &'a [Credential]) -> Made<BTreeMap<&'a str, plugins::Configs>> {
    let mut sections = BTreeMap::<&str, plugins::Configs>::new();
    if credentials.is_empty() {
        sections.insert("", plugins::Configs::new());
    }
    let mut taken = BTreeSet::new();
    let mut unknown = false;
    for (at, credential) in credentials.iter().enumerate() {
        let field = format!("spec.credentials[{at}]");
        let Some(method) = METHODS.into_iter().find(|method| method.plugin() == credential.method) else {
            let known = METHODS.map(Method::plugin).join(", ");
            let shown = value::shown(&credential.method);
            draft.wrong(
                format!("{field}.type"),
                format!("{shown} is none of {known}; the credential is left out"),
            );
            continue;
        };
        let Some(section) = section(draft, &field, method, credential, &mut taken) else {
            continue;
        };
        match config(draft, &field, method, credential) {
            Made::Good(config) => {
                let configs = sections.entry(section).or_default();
                configs.insert(method.plugin().to_owned(), config);
            }
            Made::Refused => {}
            Made::Unknown => unknown = true,
        }
    }
    if unknown { Made::Unknown } else { Made::Good(sections) }
}

/// None for a further one whose name does not tell it apart.
fn section<'a>(
    draft: &mut Draft<'_>,
    field: &str,
    method: Method,
    credential: &'a Credential,
    taken: &mut BTreeSet<(&'a str, Method)>,
) -> Option<&'a str> {
    if taken.insert(("", method)) {
        return Some("");
    }
    let name = credential.name.as_deref().unwrap_or_default();
    let plugin = method.plugin();
    let message = if name.is_empty() {
        format!("is needed, since there is another credential of type {plugin}; the credential is left out")
    } else if taken.insert((name, method)) {
        return Some(name);
    } else {
        format!("stands at an earlier credential of type {plugin}, which counts; this one is left out")
    };
    draft.wrong(format!("{field}.name"), message);
    None
}

fn config(draft: &mut Draft<'_>, field: &str, method: Method, credential: &Credential) -> Made<Value> {
    let Some(reference) = &credential.secret_ref else {
        return in_object(draft, field, method, credential);
    };
    let name = match reference.namespace.as_deref().unwrap_or_default() {
        "" => draft.name.sibling(&reference.name),
        namespace => Name::new(namespace, &reference.name),
    };
    from_secret(draft, &format!("{field}.secretRef"), method, &name)
}

fn in_object(draft: &mut Draft<'_>, field: &str, method: Method, credential: &Credential) -> Made<Value> {
    match credential.config.as_ref().map(|config| config.expose()) {
        Some(Value::Object(config)) => consumer::written_out(draft, &format!("{field}.config"), method, config.clone()),
        Some(_) | None => {
            let message = format!(
                "{} needs an object here or the name of a Secret; the credential is left out",
                method.plugin()
            );
            draft.report(format!("{field}.config"), Fault::error("InvalidCredential", message));
            Made::Refused
        }
    }
}
