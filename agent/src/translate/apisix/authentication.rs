//! `authentication` of a rule: the plugin that asks who calls.

use serde_json::{Map, Value, json};

use super::Draft;
use crate::source::crd::v2::Authentication;
use crate::translate::value;

/// The plugin with its configuration; nothing where nobody is asked. What is not understood is refused, since the route
/// would be open without it.
pub(super) fn read(
    draft: &mut Draft<'_>,
    field: &str,
    authentication: &Authentication,
) -> Result<Option<(&'static str, Value)>, ()> {
    if !authentication.enable {
        return Ok(None);
    }
    let plugin = match authentication.method.as_deref().unwrap_or_default() {
        "keyAuth" => {
            let settings = authentication.key_auth.as_ref();
            let header = settings.and_then(|it| it.header.as_deref());
            ("key-auth", given([("header", header)]))
        }
        "jwtAuth" => {
            let settings = authentication.jwt_auth.as_ref();
            let fields = settings.map(|it| {
                [
                    ("header", it.header.as_deref()),
                    ("query", it.query.as_deref()),
                    ("cookie", it.cookie.as_deref()),
                ]
            });
            ("jwt-auth", fields.map_or_else(|| json!({}), given))
        }
        // Without a type apisix-ingress-controller takes this one.
        "basicAuth" | "" => ("basic-auth", json!({})),
        "wolfRBAC" => ("wolf-rbac", json!({})),
        "hmacAuth" => ("hmac-auth", json!({})),
        "ldapAuth" => ("ldap-auth", ldap(authentication)),
        other => {
            let message = format!(
                "{} is none of keyAuth, basicAuth, jwtAuth, wolfRBAC, hmacAuth, ldapAuth; until this is put right the route answers 503",
                value::shown(other)
            );
            draft.wrong(format!("{field}.type"), message);
            return Err(());
        }
    };
    Ok(Some(plugin))
}

fn ldap(authentication: &Authentication) -> Value {
    let Some(settings) = &authentication.ldap_auth else {
        return json!({});
    };
    let mut config = given([
        ("base_dn", settings.base_dn.as_deref()),
        ("ldap_uri", settings.ldap_uri.as_deref()),
        ("uid", settings.uid.as_deref()),
    ]);
    if let (Some(tls), Value::Object(config)) = (settings.use_tls, &mut config) {
        config.insert("use_tls".to_owned(), json!(tls));
    }
    config
}

fn given<const N: usize>(fields: [(&str, Option<&str>); N]) -> Value {
    let given = fields.into_iter().filter_map(|(name, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some((name.to_owned(), json!(value)))
    });
    Value::Object(given.collect::<Map<_, _>>())
}
