//! `http-allow-methods` and `http-block-methods`: which methods are answered with 405, by the plugin `fault-injection`.
//!
//! Not the route's own `methods`: a request that does not match is none of this route's, and a wider one would take it.

use serde_json::{Value, json};

use super::reader::Reader;
use super::{known, value};

pub(super) fn read(reader: &mut Reader<'_>) {
    let blocking = if reader.raw(known::HTTP_BLOCK_METHODS).is_some() {
        known::HTTP_BLOCK_METHODS
    } else {
        known::HTTP_BLOCK_METHOD
    };
    if reader.raw(known::HTTP_ALLOW_METHODS).is_some() {
        let blocked = [known::HTTP_BLOCK_METHODS, known::HTTP_BLOCK_METHOD];
        reader.all_idle(&blocked, "beside http-allow-methods, which goes first");
        if let Some(methods) = methods(reader, known::HTTP_ALLOW_METHODS) {
            abort(reader, &json!(["request_method", "!", "in", methods]));
        }
    } else if let Some(methods) = methods(reader, blocking) {
        abort(reader, &json!(["request_method", "in", methods]));
    }
}

/// In upper case, in which methods are written.
fn methods(reader: &mut Reader<'_>, name: &str) -> Option<Vec<String>> {
    match reader.list(name, |text| value::token(&text.to_ascii_uppercase())) {
        Ok(methods) => methods,
        Err(message) => {
            reader.refuse(name, message);
            None
        }
    }
}

fn abort(reader: &mut Reader<'_>, condition: &Value) {
    let config = json!({"abort": {"http_status": 405, "vars": [[condition]]}});
    reader.plugin("fault-injection", config);
}
