//! `enable-csrf` and `csrf-key`: the plugin `csrf`. The key is a secret and stands in no message.

use serde_json::json;

use super::known;
use super::reader::Reader;

pub(super) fn read(reader: &mut Reader<'_>) {
    if !reader.guarding_flag(known::ENABLE_CSRF) {
        return reader.all_idle(&[known::CSRF_KEY], "unless enable-csrf is \"true\"");
    }
    match reader.raw(known::CSRF_KEY) {
        Some(key) => reader.plugin("csrf", json!({"key": key})),
        None => reader.refuse(
            known::CSRF_KEY,
            "is needed where enable-csrf is \"true\", and missing or empty",
        ),
    }
}
