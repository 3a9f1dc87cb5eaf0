//! `enable-cors` and `cors-*`: the plugin `cors`.
//!
//! Without the plugin browsers let no other origin read anything, so that a value which is wrong takes the plugin away
//! and leaves the route.

use serde_json::{Map, Value, json};

use super::reader::Reader;
use super::{known, value};

const PARTS: [&str; 3] = [
    known::CORS_ALLOW_ORIGIN,
    known::CORS_ALLOW_HEADERS,
    known::CORS_ALLOW_METHODS,
];

pub(super) fn read(reader: &mut Reader<'_>) {
    if !reader.flag(known::ENABLE_CORS) {
        return reader.all_idle(&PARTS, "unless enable-cors is \"true\"");
    }
    let parts = [
        joined(reader, known::CORS_ALLOW_ORIGIN, "allow_origins", value::line),
        joined(reader, known::CORS_ALLOW_HEADERS, "allow_headers", value::line),
        joined(reader, known::CORS_ALLOW_METHODS, "allow_methods", value::line),
    ];
    let mut config = Map::new();
    for part in parts {
        match part {
            Ok(Some((field, text))) => drop(config.insert(field.to_owned(), json!(text))),
            Ok(None) => {}
            Err((name, message)) => return reader.leave_out(name, format!("{message}; so there is no cors plugin")),
        }
    }
    if let Some(Value::String(origins)) = config.get("allow_origins")
        && let Err(message) = check_origins(origins)
    {
        return reader.leave_out(
            known::CORS_ALLOW_ORIGIN,
            format!("{message}; so there is no cors plugin"),
        );
    }
    reader.plugin("cors", Value::Object(config));
}

type Part = Result<Option<(&'static str, String)>, (&'static str, String)>;

/// A list as APISIX wants it: joined by commas without blanks.
fn joined(
    reader: &Reader<'_>,
    name: &'static str,
    field: &'static str,
    parse: fn(&str) -> Result<String, String>,
) -> Part {
    let parts = reader.list(name, parse).map_err(|message| (name, message))?;
    Ok(parts.map(|parts| (field, parts.join(","))))
}

/// `*`, `**`, `null`, or origins as `https://a.example.com`.
fn check_origins(origins: &str) -> Result<(), String> {
    if matches!(origins, "*" | "**" | "null") {
        return Ok(());
    }
    let is_origin = |origin: &str| {
        origin.split_once("://").is_some_and(|(scheme, host)| {
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            !scheme.is_empty() && scheme.bytes().all(word) && !host.is_empty()
        })
    };
    match origins.split(',').find(|origin| !is_origin(origin)) {
        None => Ok(()),
        Some(origin) => Err(format!(
            "{} is no origin: \"*\", \"**\" or \"null\" alone, or some like https://a.example.com are allowed",
            value::shown(origin)
        )),
    }
}
