//! GET of one object or of a list, with filters and pages.

use regex::Regex;
use serde_json::{Value, json};

use super::{Answer, Context, Target};
use crate::apisix::kind::Kind;
use crate::apisix::store::Object;
use crate::apisix::uri::Query;

pub(super) fn get(context: &Context<'_>, target: &Target) -> Result<Answer, Answer> {
    match target.id.as_deref() {
        Some(id) => get_one(context, target, id),
        None => list(context, target),
    }
}

fn get_one(context: &Context<'_>, target: &Target, id: &str) -> Result<Answer, Answer> {
    let id = target.stored_id(id);
    let object = context
        .state
        .store
        .get(target.kind, &id)
        .ok_or_else(Answer::not_found)?;
    Ok(Answer::json(200, shown(target.kind, &id, object)))
}

fn shown(kind: Kind, id: &str, object: &Object) -> Value {
    let mut value = (*object.value).clone();
    if let (Kind::Ssl, Some(fields)) = (kind, value.as_object_mut()) {
        fields.remove("key");
        fields.remove("keys");
    }
    json!({
        "key": kind.key(id),
        "modifiedIndex": object.modified,
        "value": value,
        "createdIndex": object.created,
    })
}

fn list(context: &Context<'_>, target: &Target) -> Result<Answer, Answer> {
    let prefix = target.owner.as_ref().map(|_| target.stored_id(""));
    let objects = context.state.store.list(target.kind).iter();
    let filters = Filters::new(&context.query);
    let mut found: Vec<(&String, &Object)> = objects
        .filter(|(id, _)| prefix.as_ref().is_none_or(|prefix| id.starts_with(prefix)))
        .filter(|(_, object)| filters.pass(target.kind, &object.value))
        .collect();
    let total = found.len();
    if let Some(page) = Page::parse(&context.query)? {
        found.sort_by_key(|(_, object)| object.created);
        found = found.into_iter().skip(page.skip).take(page.size).collect();
    }
    let found = found.into_iter().map(|(id, object)| shown(target.kind, id, object));
    Ok(Answer::json(
        200,
        json!({ "total": total, "list": found.collect::<Vec<_>>() }),
    ))
}

/// `page` and `page_size`, which count only together.
struct Page {
    skip: usize,
    size: usize,
}

impl Page {
    fn parse(query: &Query) -> Result<Option<Self>, Answer> {
        let number = |name: &str| query.get(name)?.parse::<f64>().ok();
        let (Some(page), Some(size)) = (number("page"), number("page_size")) else {
            return Ok(None);
        };
        if !(10.0..=500.0).contains(&size) {
            let answer = Answer::text(400, "page_size must be between 10 and 500");
            return Err(answer);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "both are at least 1 here, and `as` saturates"
        )]
        let (page, size) = (page.max(1.0) as usize, size as usize);
        Ok(Some(Self {
            skip: page.saturating_sub(1).saturating_mul(size),
            size,
        }))
    }
}

/// The arguments that narrow a list.
struct Filters<'a> {
    name: Option<Option<Regex>>,
    label: Option<&'a str>,
    uri: Option<Option<Regex>>,
    /// `filter=service_id%3D1`
    fields: Query,
}

impl<'a> Filters<'a> {
    fn new(query: &'a Query) -> Self {
        let pattern = |name: &str| query.get(name).map(|pattern| Regex::new(pattern).ok());
        Self {
            name: pattern("name"),
            label: query.get("label"),
            uri: pattern("uri"),
            fields: Query::parse(query.get("filter").unwrap_or_default()),
        }
    }

    fn pass(&self, kind: Kind, value: &Value) -> bool {
        self.name
            .as_ref()
            .is_none_or(|pattern| matches(pattern.as_ref(), &value["name"]))
            && self.label.is_none_or(|label| value["labels"].get(label).is_some())
            && self.uri.as_ref().is_none_or(|pattern| {
                let several = value["uris"].as_array().into_iter().flatten();
                several.chain([&value["uri"]]).any(|uri| matches(pattern.as_ref(), uri))
            })
            && self.fields_pass(kind, value)
    }

    fn fields_pass(&self, kind: Kind, value: &Value) -> bool {
        let filtered = matches!(kind, Kind::Route | Kind::StreamRoute);
        let known = |field: &str| filtered && matches!(field, "service_id" | "upstream_id");
        self.fields
            .pairs()
            .filter(|(field, _)| known(field))
            .all(|(field, wanted)| value[field] == wanted)
    }
}

fn matches(pattern: Option<&Regex>, value: &Value) -> bool {
    pattern
        .zip(value.as_str())
        .is_some_and(|(pattern, text)| pattern.is_match(text))
}
