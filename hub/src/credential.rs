//! By which fields of a consumer's plugins APISIX finds the consumer of a request.
//!
//! It looks among all consumers that it has, whosever they are, and of two with the same value the one that it read
//! last wins (`apisix/consumer.lua`, `create_consume_cache`). So such a value is a claim, like a host and path.

use std::fmt;

use hubline::model::{Consumer, Plugin};
use serde_json::{Map, Value};

/// Authentication plugins with the fields that they look consumers up by (`find_consumer` and `consumers_kv` in
/// `apisix/plugins`). `hmac-auth` had `access_key` in the place of `key_id` before APISIX 3.11.
const LOOKUPS: [(&str, &[&str]); 8] = [
    ("basic-auth", &["username"]),
    ("hmac-auth", &["key_id", "access_key"]),
    ("jwe-decrypt", &["key"]),
    ("jwt-auth", &["key"]),
    ("key-auth", &["key"]),
    ("ldap-auth", &["user_dn"]),
    ("ldap-auth-advanced", &["user_dn"]),
    ("wolf-rbac", &["appid"]),
];

/// What `wolf-rbac` takes for the `appid` of a consumer that names none.
const NO_APPID: &str = "unset";

/// The plugin that asks several others in turn.
pub(crate) const MULTI: &str = "multi-auth";

/// The plugin that decrypts with the key of any consumer, without saying whose it was.
pub(crate) const DECRYPT: &str = "jwe-decrypt";

/// A value by which APISIX finds a consumer, as far as it can be compared: never the value itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credential {
    plugin: &'static str,
    hash: [u8; 16],
}

impl Credential {
    fn new(plugin: &'static str, value: &str) -> Self {
        // Keyed by the purpose: no other hash of the same value is equal.
        let hash = blake3::derive_key("hubline 2026 claim on a credential", value.as_bytes());
        let mut short = [0; 16];
        short.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self { plugin, hash: short }
    }

    /// The plugin that looks it up.
    #[must_use]
    pub fn plugin(&self) -> &'static str {
        self.plugin
    }
}

/// Without the hash, by which short values could be guessed.
impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Credential({})", self.plugin)
    }
}

/// Whether a plugin looks for consumers where a route has it.
pub(crate) fn looks_for_consumers(plugin: &str) -> bool {
    plugin == MULTI || fields_of(plugin).is_some()
}

fn fields_of(plugin: &str) -> Option<(&'static str, &'static [&'static str])> {
    LOOKUPS.into_iter().find(|(name, _)| *name == plugin)
}

/// All values by which a consumer is found.
#[must_use]
pub fn credentials_of(consumer: &Consumer) -> Vec<Credential> {
    let configured = consumer.plugins.iter().filter_map(|plugin| {
        let config = serde_json::from_str(plugin.config.expose()).ok()?;
        Some(credentials(&plugin.name, &config))
    });
    configured.flatten().collect()
}

/// The values by which one plugin of a consumer finds it.
pub(crate) fn credentials(plugin: &str, config: &Map<String, Value>) -> Vec<Credential> {
    let Some((plugin, fields)) = fields_of(plugin) else {
        return Vec::new();
    };
    let values: Vec<_> = fields
        .iter()
        .filter_map(|field| config.get(*field)?.as_str())
        .map(|value| Credential::new(plugin, value))
        .collect();
    if values.is_empty() && plugin == "wolf-rbac" {
        return vec![Credential::new(plugin, NO_APPID)];
    }
    values
}

/// Whether the hub knows by which value a plugin of a consumer is found.
///
/// # Errors
/// Which field is wrong and what is allowed; never the value.
pub(crate) fn check(plugin: &Plugin, config: &Map<String, Value>) -> Result<(), String> {
    let Some((_, fields)) = fields_of(&plugin.name) else {
        return Ok(());
    };
    for field in fields {
        match config.get(*field) {
            None => {}
            Some(Value::String(value)) if value.is_empty() => {
                return Err(format!("{}.{field} is empty", plugin.name));
            }
            Some(Value::String(value)) if is_reference(value) => {
                return Err(format!(
                    "{}.{field} is a reference to a secret of APISIX; the hub must see the value itself, since two \
                     consumers of one value would be mixed up",
                    plugin.name
                ));
            }
            Some(Value::String(_)) => {}
            Some(_) => return Err(format!("{}.{field} is not a text", plugin.name)),
        }
    }
    if credentials(&plugin.name, config).is_empty() {
        return Err(format!("{} has no {}", plugin.name, fields.join(" and no ")));
    }
    Ok(())
}

/// `$secret://`, `$env://` and `$ENV://`: APISIX replaces these by what its secret managers and environment hold.
fn is_reference(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value.starts_with("$secret://") || value.starts_with("$env://")
}

#[cfg(test)]
mod tests {
    use hubline::model::SecretText;
    use serde_json::json;

    use super::*;

    fn plugin(name: &str, config: &Value) -> Plugin {
        Plugin {
            name: name.to_owned(),
            config: SecretText::new(config.to_string()),
        }
    }

    fn found(name: &str, config: &Value) -> Vec<Credential> {
        let consumer = Consumer {
            plugins: vec![plugin(name, config)],
            created: None,
        };
        credentials_of(&consumer)
    }

    #[test]
    fn a_credential_is_plugin_and_value_and_nothing_else() {
        let jack = found("key-auth", &json!({"key": "jack", "_meta": {}}));
        assert_eq!(jack.len(), 1);
        assert_eq!(jack, found("key-auth", &json!({"key": "jack"})));
        assert_ne!(jack, found("key-auth", &json!({"key": "rose"})));
        assert_ne!(jack, found("jwt-auth", &json!({"key": "jack"})));
        let basic = |password: &str| found("basic-auth", &json!({"username": "jack", "password": password}));
        assert_eq!(basic("a"), basic("b"), "the password finds nobody");
        assert_eq!(found("limit-count", &json!({"key": "jack"})), []);
        let both = found("hmac-auth", &json!({"key_id": "one", "access_key": "two"}));
        assert_eq!(both.len(), 2, "each of them finds it");
        assert_eq!(
            found("wolf-rbac", &json!({})),
            found("wolf-rbac", &json!({"appid": "unset"}))
        );
    }

    #[test]
    fn secrets_stay_secret_in_debug() {
        let shown = format!("{:?}", found("key-auth", &json!({"key": "jack"})));
        assert_eq!(shown, "[Credential(key-auth)]");
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let table = [
            ("key-auth", json!({"key": "k"}), None),
            ("key-auth", json!({}), Some("key-auth has no key")),
            ("key-auth", json!({"key": ""}), Some("key-auth.key is empty")),
            ("key-auth", json!({"key": 7}), Some("key-auth.key is not a text")),
            ("key-auth", json!({"key": "$env://K"}), Some("reference to a secret")),
            (
                "basic-auth",
                json!({"username": "$ENV://K"}),
                Some("reference to a secret"),
            ),
            (
                "jwt-auth",
                json!({"key": "$secret://vault/1/a"}),
                Some("reference to a secret"),
            ),
            ("jwt-auth", json!({"key": "k", "secret": "$secret://vault/1/a"}), None),
            ("hmac-auth", json!({}), Some("no key_id and no access_key")),
            ("wolf-rbac", json!({}), None),
            ("limit-count", json!({"key": 7}), None),
        ];
        for (name, config, wanted) in table {
            let config_fields = config.as_object().unwrap();
            let fault = check(&plugin(name, &config), config_fields).err();
            let as_wanted = match (&fault, wanted) {
                (Some(fault), Some(wanted)) => fault.contains(wanted),
                (None, None) => true,
                _ => false,
            };
            assert!(as_wanted, "{name} {config}: {fault:?}");
        }
    }
}
