//! An order as it is asked for, read field by field, so that a refusal names the field and what is allowed.

use axum::http::StatusCode;
use hubline::config::duration;
use hubline::model::ClusterId;
use serde_json::{Map, Value};

use crate::api::query::cluster_id;
use crate::api::refusal::Refusal;
use crate::path::actor::OrderRequest;
use crate::path::orders::OrderKind;

/// Longest reason, in letters: some lines of a ticket, not the ticket.
const LONGEST_WHY: usize = 500;

const FIELDS: [&str; 4] = ["order", "why", "lasts", "force"];
const KINDS: [&str; 3] = ["pin", "drain", "freeze"];

/// Reads `{"order": {"kind", "cluster", "path"}, "why", "lasts", "force"}`.
pub(super) fn read(bytes: &[u8], who: String) -> Result<OrderRequest, Refusal> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        refuse(
            "InvalidBody",
            format!("the body is no JSON: {error}"),
            &["a JSON object"],
        )
    })?;
    let mut fields = Fields::of("", value, &FIELDS)?;
    let order = fields.take("order").ok_or_else(|| fields.missing("order"))?;
    let order = kind(order)?;
    let why = why(fields.needed_text("why")?)?;
    let lasts = fields.needed_text("lasts")?;
    let lasts = duration::parse(&lasts).map_err(|error| {
        refuse(
            "InvalidValue",
            format!("field \"lasts\": {error}"),
            &["30m", "2h", "168h"],
        )
    })?;
    let force = match fields.take("force") {
        None => false,
        Some(Value::Bool(force)) => force,
        Some(other) => return Err(wrong("force", &other, &["true", "false"])),
    };
    Ok(OrderRequest {
        order,
        who,
        why,
        lasts,
        force,
    })
}

fn kind(value: Value) -> Result<OrderKind, Refusal> {
    let word = value["kind"].clone();
    let allowed: &[&str] = match word.as_str() {
        Some("pin" | "drain") => &["kind", "cluster", "path"],
        Some("freeze") => &["kind", "cluster"],
        Some(_) => return Err(wrong("order.kind", &word, &KINDS)),
        None => &["kind"],
    };
    let mut fields = Fields::of("order.", value, allowed)?;
    let kind = fields.needed_text("kind")?;
    let cluster: ClusterId = cluster_id(&fields.needed_text("cluster")?)?;
    let path = fields.text("path")?;
    Ok(match (kind.as_str(), path) {
        ("pin", Some(path)) => OrderKind::Pin { cluster, path },
        ("pin", None) => return Err(fields.missing("path")),
        ("drain", path) => OrderKind::Drain { cluster, path },
        _ => OrderKind::Freeze { cluster },
    })
}

fn why(text: String) -> Result<String, Refusal> {
    if text.chars().count() > LONGEST_WHY || text.chars().any(char::is_control) {
        let allowed = [format!("one line of at most {LONGEST_WHY} letters")];
        let reason = "field \"why\" is too long or has control characters";
        return Err(refuse("InvalidValue", reason.to_owned(), &allowed));
    }
    Ok(text)
}

/// The fields of an object; each is known.
struct Fields {
    /// What stands before their names: empty, or `order.`.
    within: &'static str,
    fields: Map<String, Value>,
}

impl Fields {
    fn of(within: &'static str, value: Value, allowed: &[&str]) -> Result<Self, Refusal> {
        let Value::Object(fields) = value else {
            let name = within.trim_end_matches('.');
            return Err(wrong(
                if name.is_empty() { "the body" } else { name },
                &value,
                &["an object"],
            ));
        };
        match fields.keys().find(|name| !allowed.contains(&name.as_str())) {
            Some(name) => Err(refuse(
                "UnknownField",
                format!("field {:?} is unknown here", format!("{within}{name}")),
                allowed,
            )),
            None => Ok(Self { within, fields }),
        }
    }

    /// A field that is there and not null.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(&format!("{}{name}", self.within), &other, &["a text"])),
        }
    }

    fn needed_text(&mut self, name: &str) -> Result<String, Refusal> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Refusal {
        let name = format!("{}{name}", self.within);
        let allowed: &[&str] = match name.as_str() {
            "order" => &["{\"kind\": \"pin\", \"cluster\": NAME, \"path\": NAME}"],
            "order.kind" => &KINDS,
            "why" => &["the reason of the order"],
            "lasts" => &["30m", "2h", "168h"],
            _ => &["a name"],
        };
        refuse("MissingField", format!("field {name:?} is missing"), allowed)
    }
}

fn wrong(name: &str, value: &Value, allowed: &[&str]) -> Refusal {
    let reason = format!("field {name:?} has the value {value}, which is not allowed");
    refuse("InvalidValue", reason, allowed)
}

fn refuse<S: ToString>(error: &'static str, reason: String, allowed: &[S]) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, error, reason, allowed)
}
