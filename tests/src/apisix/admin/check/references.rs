//! What an object refers to must be there.

use serde_json::Value;

use crate::apisix::kind::Kind;
use crate::apisix::references::id_text;
use crate::apisix::state::State;

const FIELDS: [(&str, Kind, &str); 4] = [
    ("upstream_id", Kind::Upstream, "upstream"),
    ("service_id", Kind::Service, "service"),
    ("plugin_config_id", Kind::PluginConfig, "plugin config"),
    ("group_id", Kind::ConsumerGroup, "consumer group"),
];

/// Checks the references that `fields` name, in their order.
pub(super) fn check(state: &State, value: &Value, fields: &[&str]) -> Result<(), String> {
    for (field, kind, word) in FIELDS.iter().filter(|(field, ..)| fields.contains(field)) {
        let Some(id) = value.get(*field).and_then(id_text) else {
            continue;
        };
        if state.store.get(*kind, &id).is_none() {
            return Err(missing(word, &id));
        }
    }
    Ok(())
}

pub(super) fn missing(word: &str, id: &str) -> String {
    format!("failed to fetch {word} info by {word} id [{id}], response code: 404")
}
