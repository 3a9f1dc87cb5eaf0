//! Plugins of APISIX, as the model has them.

use hubline::model::{Plugin, SecretText};
use serde_json::{Value, json};

/// A plugin with its configuration.
pub(super) fn plugin(name: &str, config: &Value) -> Plugin {
    Plugin {
        name: name.to_owned(),
        config: SecretText::new(config.to_string()),
    }
}

/// Answers every request by itself with 503, before any other plugin: for what must not get through and has to stay,
/// since without it a wider route would take its requests.
pub(super) fn closing() -> Plugin {
    plugin("fault-injection", &json!({"abort": {"http_status": 503}}))
}
