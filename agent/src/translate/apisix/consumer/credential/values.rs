//! Credentials that are written out, as their plugins name the values. What is empty counts as not given.

use hubline::model::SecretText;
use serde_json::{Value, json};

use super::super::methods::Method;
use super::Values;
use crate::source::crd::v2::{AuthParameter, Credential, HmacAuthValue, JwtAuthValue, SecretName};

/// What is written out, and the Secret that is named; nothing where the way is not given at all.
pub(super) fn of(parameter: &AuthParameter, method: Method) -> Option<(Option<Values>, Option<&SecretName>)> {
    match method {
        Method::KeyAuth => parts(parameter.key_auth.as_ref()?, |it| given([("key", secret(&it.key))])),
        Method::BasicAuth => parts(parameter.basic_auth.as_ref()?, |it| {
            given([("username", json!(it.username)), ("password", secret(&it.password))])
        }),
        Method::JwtAuth => parts(parameter.jwt_auth.as_ref()?, jwt),
        Method::WolfRbac => parts(parameter.wolf_rbac.as_ref()?, |it| {
            given([
                ("server", json!(it.server)),
                ("appid", json!(it.appid)),
                ("header_prefix", json!(it.header_prefix)),
            ])
        }),
        Method::HmacAuth => parts(parameter.hmac_auth.as_ref()?, hmac),
        Method::LdapAuth => parts(parameter.ldap_auth.as_ref()?, |it| {
            given([("user_dn", json!(it.user_dn))])
        }),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what is returned")]
fn parts<V>(credential: &Credential<V>, read: impl Fn(&V) -> Values) -> Option<(Option<Values>, Option<&SecretName>)> {
    Some((credential.value.as_ref().map(read), credential.secret_ref.as_ref()))
}

fn jwt(value: &JwtAuthValue) -> Values {
    given([
        ("key", json!(value.key)),
        ("secret", maybe_secret(value.secret.as_ref())),
        ("public_key", json!(value.public_key)),
        ("private_key", maybe_secret(value.private_key.as_ref())),
        ("algorithm", json!(value.algorithm)),
        // 0 says nothing, as in Go.
        ("exp", json!(value.exp.filter(|seconds| *seconds != 0))),
        ("base64_secret", json!(value.base64_secret)),
        ("lifetime_grace_period", json!(value.lifetime_grace_period)),
    ])
}

fn hmac(value: &HmacAuthValue) -> Values {
    given([
        ("key_id", json!(value.key_id)),
        ("secret_key", secret(&value.secret_key)),
        ("access_key", json!(value.access_key)),
        ("algorithm", json!(value.algorithm)),
        ("clock_skew", json!(value.clock_skew)),
        ("signed_headers", json!(value.signed_headers)),
        ("keep_headers", json!(value.keep_headers)),
        ("encode_uri_params", json!(value.encode_uri_params)),
        ("validate_request_body", json!(value.validate_request_body)),
        ("max_req_body", json!(value.max_req_body)),
    ])
}

fn secret(text: &SecretText) -> Value {
    json!(text.expose())
}

fn maybe_secret(text: Option<&SecretText>) -> Value {
    text.map_or(Value::Null, secret)
}

fn given<const N: usize>(fields: [(&str, Value); N]) -> Values {
    let is_given = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
    };
    let given = fields.into_iter().filter(|(_, value)| is_given(value));
    given.map(|(name, value)| (name.to_owned(), value)).collect()
}
