//! Secrets that may hold a certificate. Everything else in them is dropped at once.

use std::collections::BTreeMap;

use hubline::model::SecretText;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1;

use super::created;
use crate::source::object::Secret;

pub(in crate::source) fn secret(full: v1::Secret) -> Secret {
    let data = full.data.unwrap_or_default();
    // `stringData` is never read back from an API server, but files carry it, and it wins over `data`.
    let text = full.string_data.unwrap_or_default();
    Secret {
        created: created(&full.metadata),
        secret_type: full.type_.unwrap_or_else(|| "Opaque".to_owned()).into(),
        chain: field(&data, &text, ["tls.crt", "cert"]).map(Into::into),
        private_key: field(&data, &text, ["tls.key", "key"]).map(SecretText::new),
    }
}

/// The first field that is there. What is no UTF-8 is no PEM either, and reads as a text that says so.
fn field(data: &BTreeMap<String, ByteString>, text: &BTreeMap<String, String>, names: [&str; 2]) -> Option<String> {
    names.iter().find_map(|name| {
        let bytes = || {
            data.get(*name)
                .map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned())
        };
        text.get(*name).cloned().or_else(bytes)
    })
}
