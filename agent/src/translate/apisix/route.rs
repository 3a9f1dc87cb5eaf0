//! ApisixRoute → routes, one per rule, and stream routes.
//!
//! Sections are the rules' names. A rule whose match cannot be expressed is left out, since it would take requests that
//! are not meant for it; one whose plugins or authentication are wrong stays and answers 503.

mod backend;
mod http;
mod matching;
mod stream;

pub(super) use http::{priority, timeouts};

use hubline::model::{Key, ResourceKind};

use super::Draft;
use crate::index::{Demand, Index};
use crate::source::{Kind, Name};
use crate::translate::rendered::{Fault, Rendered};
use crate::translate::{TranslateOptions, class, value};

/// Longest name of a rule, in bytes: it becomes part of a key.
const LONGEST_NAME: usize = 253;

/// Translates one ApisixRoute; nothing comes out when it is gone or not ours.
pub(in crate::translate) fn render(index: &Index, options: &TranslateOptions, name: &Name) -> (Rendered, Demand) {
    let mut draft = Draft::new(index, Kind::ApisixRoute, name);
    let listed = [Kind::ApisixRoute, Kind::IngressClass]
        .iter()
        .all(|kind| index.listings.is_listed(*kind));
    let route = index.custom.apisix_routes.get(name).filter(|_| listed);
    let Some(route) = route.filter(|it| class::is_custom_ours(index, options, it.spec.ingress_class_name.as_deref()))
    else {
        return draft.done();
    };
    for (at, rule) in route.spec.http.iter().enumerate() {
        let field = format!("spec.http[{at}]");
        if let Some(key) = key(&mut draft, ResourceKind::Route, &field, &rule.name) {
            http::rule(&mut draft, &field, key, rule, route.created);
        }
    }
    for (at, rule) in route.spec.stream.iter().enumerate() {
        let field = format!("spec.stream[{at}]");
        if let Some(key) = key(&mut draft, ResourceKind::StreamRoute, &field, &rule.name) {
            stream::rule(&mut draft, &field, key, rule, route.created);
        }
    }
    draft.done()
}

/// The key of a rule; none for a name that cannot be, or that an earlier rule has.
fn key(draft: &mut Draft<'_>, kind: ResourceKind, field: &str, rule: &str) -> Option<Key> {
    let field = format!("{field}.name");
    if rule.is_empty() || rule.len() > LONGEST_NAME {
        let message = format!(
            "{} is no name of a rule: 1 to {LONGEST_NAME} bytes are allowed; the rule is left out",
            value::shown(rule)
        );
        draft.wrong(field, message);
        return None;
    }
    let source = Kind::ApisixRoute.group_kind();
    let key = Key::new(kind, &source, &draft.name.namespace, &draft.name.name, rule);
    if draft.rendered.entries.contains_key(&key) {
        let message = "is the name of an earlier rule, which stays in force; this one is left out";
        draft.report(field, Fault::error("DuplicateMatch", message));
        return None;
    }
    Some(key)
}
