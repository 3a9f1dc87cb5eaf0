//! `enable-response-rewrite` and `response-rewrite-*`: the plugin `response-rewrite`.

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::reader::Reader;
use super::{known, value};

const PARTS: [&str; 6] = [
    known::RESPONSE_REWRITE_STATUS_CODE,
    known::RESPONSE_REWRITE_BODY,
    known::RESPONSE_REWRITE_BODY_BASE64,
    known::RESPONSE_REWRITE_ADD_HEADER,
    known::RESPONSE_REWRITE_SET_HEADER,
    known::RESPONSE_REWRITE_REMOVE_HEADER,
];

/// What the plugin's schema takes for a status.
const STATUSES: std::ops::RangeInclusive<u32> = 200..=598;

/// A part that is wrong is left out, and the others stay: each says something of its own.
pub(super) fn read(reader: &mut Reader<'_>) {
    if !reader.flag(known::ENABLE_RESPONSE_REWRITE) {
        return reader.all_idle(&PARTS, "unless enable-response-rewrite is \"true\"");
    }
    let mut config = Map::new();
    if let Some(status) = status(reader) {
        config.insert("status_code".to_owned(), json!(status));
    }
    body(reader, &mut config);
    let headers = headers(reader);
    if !headers.is_empty() {
        config.insert("headers".to_owned(), Value::Object(headers));
    }
    if config.is_empty() {
        let message = "does nothing: no status, body or header is given that could be used";
        return reader.idle(known::ENABLE_RESPONSE_REWRITE, message);
    }
    reader.plugin("response-rewrite", Value::Object(config));
}

fn status(reader: &mut Reader<'_>) -> Option<u32> {
    let name = known::RESPONSE_REWRITE_STATUS_CODE;
    let text = reader.text(name)?;
    let status = value::number(text).filter(|status| STATUSES.contains(status));
    if status.is_none() {
        let (first, last) = (STATUSES.start(), STATUSES.end());
        let message = format!("{} is not between {first} and {last}", value::shown(text));
        reader.leave_out(name, message);
    }
    status
}

/// A body as written, blanks and line ends included; in base64 without them.
fn body(reader: &mut Reader<'_>, config: &mut Map<String, Value>) {
    let encoded = reader.flag(known::RESPONSE_REWRITE_BODY_BASE64);
    let Some(body) = reader.raw(known::RESPONSE_REWRITE_BODY) else {
        let name = known::RESPONSE_REWRITE_BODY_BASE64;
        return reader.all_idle(&[name], "without response-rewrite-body");
    };
    if !encoded {
        config.insert("body".to_owned(), json!(body));
        return;
    }
    let body = body.trim();
    if base64::engine::general_purpose::STANDARD.decode(body).is_err() {
        let message = "is not base64, as response-rewrite-body-base64 says";
        return reader.leave_out(known::RESPONSE_REWRITE_BODY, message);
    }
    config.insert("body".to_owned(), json!(body));
    config.insert("body_base64".to_owned(), json!(true));
}

fn headers(reader: &mut Reader<'_>) -> Map<String, Value> {
    let mut headers = Map::new();
    let add = part(reader, known::RESPONSE_REWRITE_ADD_HEADER, |text| {
        let (name, value) = header(text)?;
        addable(&value).map(|()| format!("{name}:{value}"))
    });
    if let Some(add) = add {
        headers.insert("add".to_owned(), json!(add));
    }
    if let Some(set) = part(reader, known::RESPONSE_REWRITE_SET_HEADER, header) {
        let set: Map<_, _> = set.into_iter().map(|(name, value)| (name, json!(value))).collect();
        headers.insert("set".to_owned(), Value::Object(set));
    }
    if let Some(remove) = part(reader, known::RESPONSE_REWRITE_REMOVE_HEADER, value::token) {
        headers.insert("remove".to_owned(), json!(remove));
    }
    headers
}

fn part<T>(reader: &mut Reader<'_>, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
    match reader.list(name, parse) {
        Ok(parts) => parts,
        Err(message) => {
            reader.leave_out(name, message);
            None
        }
    }
}

/// `NAME:VALUE`, with or without blanks around the value.
fn header(text: &str) -> Result<(String, String), String> {
    let Some((name, value)) = text.split_once(':') else {
        return Err(format!("{} is not NAME:VALUE", value::shown(text)));
    };
    Ok((value::token(name.trim())?, value::line(value.trim())?))
}

/// The plugin takes headers to add as one text, in which a value has no colon and does not end with a slash.
fn addable(value: &str) -> Result<(), String> {
    if !value.is_empty() && !value.contains(':') && !value.ends_with('/') {
        return Ok(());
    }
    Err(format!(
        "{} cannot be added: APISIX takes no empty value there, none with a colon, and none that ends with a slash; \
         response-rewrite-set-header takes them",
        value::shown(value)
    ))
}
