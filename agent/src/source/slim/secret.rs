//! Secrets: a certificate, and whatever else they hold. Only those of certificates are listed; others are there because
//! something refers to them.

use std::collections::BTreeMap;

use hubline::model::SecretText;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1;

use super::created;
use crate::source::object::{Content, Secret};

/// Type of Secrets that hold a certificate.
const TLS: &str = "kubernetes.io/tls";

pub(in crate::source) fn secret(full: v1::Secret) -> Secret {
    let data = full.data.unwrap_or_default();
    // `stringData` is never read back from an API server, but files carry it, and it wins over `data`.
    let text = full.string_data.unwrap_or_default();
    let secret_type = full.type_.unwrap_or_else(|| "Opaque".to_owned());
    Secret {
        content: content(&secret_type, &data, &text).into(),
        created: created(&full.metadata),
        secret_type: secret_type.into(),
        chain: field(&data, &text, ["tls.crt", "cert"]).map(Into::into),
        private_key: field(&data, &text, ["tls.key", "key"]).map(SecretText::new),
    }
}

/// The fields of a TLS Secret that make its certificate are not kept twice.
fn content(secret_type: &str, data: &BTreeMap<String, ByteString>, text: &BTreeMap<String, String>) -> Content {
    let known = |name: &str| secret_type == TLS && matches!(name, "tls.crt" | "tls.key");
    let bytes = data.iter().filter_map(|(name, value)| {
        let value = std::str::from_utf8(&value.0).ok()?;
        Some((name, value))
    });
    let texts = text.iter().map(|(name, value)| (name, value.as_str()));
    let fields = bytes.chain(texts).filter(|(name, _)| !known(name));
    fields
        .map(|(name, value)| (name.as_str().into(), SecretText::new(value.to_owned())))
        .collect()
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
