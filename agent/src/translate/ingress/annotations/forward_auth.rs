//! `auth-uri` and its like: the plugin `forward-auth`.

use serde_json::{Map, Value, json};

use super::reader::Reader;
use super::{known, value};

const HEADERS: [(&str, &str); 3] = [
    (known::AUTH_REQUEST_HEADERS, "request_headers"),
    (known::AUTH_UPSTREAM_HEADERS, "upstream_headers"),
    (known::AUTH_CLIENT_HEADERS, "client_headers"),
];

pub(super) fn read(reader: &mut Reader<'_>) {
    let Some(uri) = reader.text(known::AUTH_URI) else {
        let parts = [
            known::AUTH_SSL_VERIFY,
            known::AUTH_REQUEST_HEADERS,
            known::AUTH_UPSTREAM_HEADERS,
            known::AUTH_CLIENT_HEADERS,
        ];
        return reader.all_idle(&parts, "without auth-uri: nobody is asked");
    };
    // The value may hold a password, and is not shown.
    if !is_address(uri) {
        reader.refuse(known::AUTH_URI, "is no address that begins with http:// or https://");
    }
    let mut config = Map::new();
    config.insert("uri".to_owned(), json!(uri));
    config.insert("ssl_verify".to_owned(), json!(verify(reader)));
    for (name, field) in HEADERS {
        match reader.list(name, value::token) {
            Ok(Some(names)) => drop(config.insert(field.to_owned(), json!(names))),
            Ok(None) => {}
            Err(message) => reader.refuse(name, message),
        }
    }
    reader.plugin("forward-auth", Value::Object(config));
}

fn is_address(text: &str) -> bool {
    let parsed = text.parse::<http::Uri>().ok();
    parsed.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

/// The certificate of the authentication server is verified unless that is switched off.
fn verify(reader: &mut Reader<'_>) -> bool {
    match reader.text(known::AUTH_SSL_VERIFY).map(value::flag) {
        None => true,
        Some(Ok(verify)) => verify,
        Some(Err(message)) => {
            reader.refuse(known::AUTH_SSL_VERIFY, message);
            true
        }
    }
}
