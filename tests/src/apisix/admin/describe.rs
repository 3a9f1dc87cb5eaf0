//! What the Admin API tells about itself: schemas, plugins.

use serde_json::{Value, json};

use super::{Answer, Context, parse_body};
use crate::apisix::contract::{self, PluginSchema};
use crate::apisix::kind::Kind;
use crate::apisix::schema;

/// The answer, if the path is one of these.
pub(super) fn handle(
    context: &Context<'_>,
    method: &str,
    segments: &[&str],
    body: &[u8],
) -> Result<Option<Answer>, Answer> {
    let stream = context.query.get("subsystem") == Some("stream");
    let answer = match (method, segments) {
        ("GET", ["plugins", "list"]) => plugin_names(stream),
        ("PUT", ["plugins", "reload"]) => Answer::text(200, "done"),
        (_, ["plugins", "reload"]) => {
            let message = format!("please use PUT method to reload the plugins, {method} method is not allowed.");
            return Err(Answer::error(405, &message).unversioned());
        }
        ("POST", ["schema", "validate", collection]) => validate(collection, body)?,
        ("GET", ["plugins"]) if context.query.get("all") == Some("true") => {
            Answer::json(200, contract::plugins(stream))
        }
        ("GET", ["plugins", name] | ["schema", "plugins", name]) => plugin(context, name)?,
        ("GET", ["schema", name]) => match contract::schema_named(name) {
            Some(found) => Answer::json(200, found.clone()),
            None => return Err(Answer::error(400, &format!("not found schema: {name}"))),
        },
        (_, ["plugins" | "schema", ..]) => {
            return Err(Answer::error(404, "not found").unversioned());
        }
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

fn plugin_names(stream: bool) -> Answer {
    let names = if stream {
        contract::stream_plugin_names()
    } else {
        contract::plugin_names()
    };
    Answer::json(200, json!(names)).unversioned()
}

fn plugin(context: &Context<'_>, name: &str) -> Result<Answer, Answer> {
    let consumer = context.query.get("schema_type") == Some("consumer");
    let which = if consumer {
        PluginSchema::Consumer
    } else {
        PluginSchema::Main
    };
    match contract::plugin_schema(name, which) {
        Some(found) => Ok(Answer::json(200, found.clone())),
        None => Err(Answer::error(404, "plugin not found in subsystem http")),
    }
}

fn validate(collection: &str, body: &[u8]) -> Result<Answer, Answer> {
    let Some(kind) = Kind::from_collection(collection) else {
        let message = format!("Unsupported resource type: {collection}");
        return Err(Answer::error(404, &message).unversioned());
    };
    let mut value = parse_body(body)?.unwrap_or(Value::Null);
    let checked = contract::schema(kind).map_or(Ok(()), |wanted| schema::check(wanted, &mut value));
    match checked {
        Ok(()) => Ok(Answer::text(200, "")),
        Err(message) => Err(Answer::error(400, &message).unversioned()),
    }
}
