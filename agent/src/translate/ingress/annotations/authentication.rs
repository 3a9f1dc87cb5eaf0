//! `auth-type`: the plugins `key-auth` and `basic-auth`.

use serde_json::json;

use super::reader::Reader;
use super::{known, value};

pub(super) fn read(reader: &mut Reader<'_>) {
    match reader.text(known::AUTH_TYPE) {
        None => {}
        Some("keyAuth") => reader.plugin("key-auth", json!({})),
        Some("basicAuth") => reader.plugin("basic-auth", json!({})),
        Some(other) => {
            let message = format!("{} is neither keyAuth nor basicAuth", value::shown(other));
            reader.refuse(known::AUTH_TYPE, message);
        }
    }
}
