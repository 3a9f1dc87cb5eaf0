//! The names that are known, and what is said of all others.

use super::super::super::rendered::Fault;
use super::reader::Reader;

macro_rules! names {
    ($($constant:ident = $name:literal;)*) => {
        $(pub(super) const $constant: &str = $name;)*
        /// Every annotation that is read.
        pub(super) const ALL: &[&str] = &[$($name),*];
    };
}

names! {
    ALLOWLIST_SOURCE_RANGE = "allowlist-source-range";
    AUTH_CLIENT_HEADERS = "auth-client-headers";
    AUTH_REQUEST_HEADERS = "auth-request-headers";
    AUTH_SSL_VERIFY = "auth-ssl-verify";
    AUTH_TYPE = "auth-type";
    AUTH_UPSTREAM_HEADERS = "auth-upstream-headers";
    AUTH_URI = "auth-uri";
    BLOCKLIST_SOURCE_RANGE = "blocklist-source-range";
    CORS_ALLOW_HEADERS = "cors-allow-headers";
    CORS_ALLOW_METHODS = "cors-allow-methods";
    CORS_ALLOW_ORIGIN = "cors-allow-origin";
    CSRF_KEY = "csrf-key";
    ENABLE_CORS = "enable-cors";
    ENABLE_CSRF = "enable-csrf";
    ENABLE_RESPONSE_REWRITE = "enable-response-rewrite";
    ENABLE_WEBSOCKET = "enable-websocket";
    HTTP_ALLOW_METHODS = "http-allow-methods";
    // As the documentation of 1.8 spells it, though its code does not read it.
    HTTP_BLOCK_METHOD = "http-block-method";
    HTTP_BLOCK_METHODS = "http-block-methods";
    HTTP_REDIRECT = "http-redirect";
    HTTP_REDIRECT_CODE = "http-redirect-code";
    HTTP_TO_HTTPS = "http-to-https";
    PLUGIN_CONFIG_NAME = "plugin-config-name";
    RESPONSE_REWRITE_ADD_HEADER = "response-rewrite-add-header";
    RESPONSE_REWRITE_BODY = "response-rewrite-body";
    RESPONSE_REWRITE_BODY_BASE64 = "response-rewrite-body-base64";
    RESPONSE_REWRITE_REMOVE_HEADER = "response-rewrite-remove-header";
    RESPONSE_REWRITE_SET_HEADER = "response-rewrite-set-header";
    RESPONSE_REWRITE_STATUS_CODE = "response-rewrite-status-code";
    REWRITE_TARGET = "rewrite-target";
    REWRITE_TARGET_REGEX = "rewrite-target-regex";
    REWRITE_TARGET_REGEX_TEMPLATE = "rewrite-target-regex-template";
    SVC_NAMESPACE = "svc-namespace";
    UPSTREAM_CONNECT_TIMEOUT = "upstream-connect-timeout";
    UPSTREAM_READ_TIMEOUT = "upstream-read-timeout";
    UPSTREAM_RETRIES = "upstream-retries";
    UPSTREAM_SCHEME = "upstream-scheme";
    UPSTREAM_SEND_TIMEOUT = "upstream-send-timeout";
    USE_REGEX = "use-regex";
}

/// How alike a name must be to be offered: two thirds of its letters.
const ALIKE: f64 = 0.66;

/// Reports names that are not known, and values that are empty.
pub(super) fn check(reader: &mut Reader<'_>) {
    for (name, value) in reader.annotations().iter() {
        if !ALL.contains(&name) {
            let nearest = nearest(name).map(|nearest| format!(", did you mean {nearest}?"));
            let message = format!(
                "is not known and does nothing{}",
                nearest.unwrap_or_else(|| "; docs/annotations.md has those that are".to_owned())
            );
            reader.report(name, Fault::error("UnsupportedValue", message));
        } else if value.trim().is_empty() {
            reader.idle(name, "is empty, which is the same as if it was not there");
        }
    }
}

/// By letters a whitelist is nearer to the blocklist, which is the opposite.
const SYNONYMS: [(&str, &str); 3] = [
    ("whitelist", "allowlist"),
    ("blacklist", "blocklist"),
    ("denylist", "blocklist"),
];

fn nearest(name: &str) -> Option<&'static str> {
    let translated = |name: String, (word, ours): (&str, &str)| name.replace(word, ours);
    let name = &SYNONYMS.into_iter().fold(name.to_owned(), translated);
    let rated = ALL
        .iter()
        .map(|known| (strsim::normalized_levenshtein(name, known), *known));
    let (alike, known) = rated.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (alike >= ALIKE).then_some(known)
}
