//! Plugins of custom resources: switched, and completed from Secrets.

use std::collections::BTreeMap;

use hubline::model::{Plugin, SecretText};
use serde_json::{Map, Value};

use super::Draft;
use super::draft::Made;
use crate::index::secret::Slot;
use crate::source::Name;
use crate::source::crd::SwitchedPlugin;
use crate::translate::plugin::plugin;

/// Configurations by plugin.
pub(super) type Configs = BTreeMap<String, Value>;

/// The plugins that are switched on; of two of one name the later counts, as with apisix-ingress-controller.
pub(super) fn read(draft: &mut Draft<'_>, field: &str, plugins: &[SwitchedPlugin]) -> Made<Configs> {
    let mut configs = Configs::new();
    let (mut refused, mut unknown) = (false, false);
    for (at, entry) in plugins.iter().enumerate() {
        let field = format!("{field}[{at}]");
        if !entry.is_enabled() {
            continue;
        }
        if entry.name.is_empty() {
            draft.wrong(format!("{field}.name"), "names no plugin; what it is for is closed");
            refused = true;
            continue;
        }
        match one(draft, &field, entry) {
            Made::Good(config) => {
                if configs.insert(entry.name.clone(), config).is_some() {
                    let message = format!("plugin {} stands here more than once; the last counts", entry.name);
                    draft.warn(field, message);
                }
            }
            Made::Refused => refused = true,
            Made::Unknown => unknown = true,
        }
    }
    match (refused, unknown) {
        (true, _) => Made::Refused,
        (false, true) => Made::Unknown,
        (false, false) => Made::Good(configs),
    }
}

fn one(draft: &mut Draft<'_>, field: &str, entry: &SwitchedPlugin) -> Made<Value> {
    let Some(mut config) = object(entry.config.as_ref().map(|config| config.expose())) else {
        let message = format!("the configuration of plugin {} is no object", entry.name);
        draft.wrong(format!("{field}.config"), message);
        return Made::Refused;
    };
    let Some(secret) = entry.secret_ref.as_deref().filter(|name| !name.is_empty()) else {
        return Made::Good(Value::Object(config));
    };
    let name: Name = draft.name.sibling(secret);
    match draft.secret(&format!("{field}.secretRef"), &name) {
        Made::Good(slot) => {
            complete(&mut config, slot);
            Made::Good(Value::Object(config))
        }
        Made::Refused => Made::Refused,
        Made::Unknown => Made::Unknown,
    }
}

/// An object; an empty one where nothing is given.
fn object(config: Option<&Value>) -> Option<Map<String, Value>> {
    match config {
        None | Some(Value::Null) => Some(Map::new()),
        Some(Value::Object(config)) => Some(config.clone()),
        Some(_) => None,
    }
}

/// Adds the fields of a Secret; dots in their names lead into objects, as with apisix-ingress-controller.
fn complete(config: &mut Map<String, Value>, slot: &Slot) {
    for (name, value) in slot.content.iter() {
        insert(config, name, value);
    }
}

fn insert(config: &mut Map<String, Value>, name: &str, value: &SecretText) {
    let Some((outer, inner)) = name.split_once('.') else {
        config.insert(name.to_owned(), Value::String(value.expose().to_owned()));
        return;
    };
    let nested = config
        .entry(outer)
        .and_modify(|it| {
            if !it.is_object() {
                *it = Value::Object(Map::new());
            }
        })
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(nested) = nested {
        insert(nested, inner, value);
    }
}

/// As the model has them, sorted by name.
pub(super) fn model(configs: &Configs) -> Vec<Plugin> {
    configs.iter().map(|(name, config)| plugin(name, config)).collect()
}
