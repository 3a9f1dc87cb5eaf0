//! What the Admin API answers, before it becomes HTTP.

use serde_json::{Value, json};

/// A body and its type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Json(Value),
    Text(String),
    Page(String),
    Empty,
}

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Body,
    /// has the header `X-API-VERSION: v3`
    pub(crate) versioned: bool,
    /// has the headers of an answer to OPTIONS
    pub(crate) options: bool,
}

impl Answer {
    fn new(status: u16, body: Body) -> Self {
        Self {
            status,
            body,
            versioned: true,
            options: false,
        }
    }

    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self::new(status, Body::Json(body))
    }

    pub(crate) fn error(status: u16, message: &str) -> Self {
        Self::json(status, json!({ "error_msg": message }))
    }

    pub(super) fn not_found() -> Self {
        Self::json(404, json!({ "message": "Key not found" }))
    }

    pub(super) fn unauthorized(reason: &str) -> Self {
        let body = json!({ "error_msg": "failed to check token", "description": reason });
        Self::json(401, body).unversioned()
    }

    pub(super) fn text(status: u16, text: &str) -> Self {
        Self::new(status, Body::Text(text.to_owned())).unversioned()
    }

    pub(crate) fn page(status: u16) -> Self {
        Self::new(status, Body::Page(html_page(status))).unversioned()
    }

    pub(super) fn options() -> Self {
        Self {
            options: true,
            ..Self::text(200, "")
        }
    }

    pub(super) fn bad_json(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let message = format!("invalid request body: {}", json_complaint(&text));
        Self::json(400, json!({ "error_msg": message, "req_body": text })).unversioned()
    }

    pub(crate) fn unversioned(self) -> Self {
        Self {
            versioned: false,
            ..self
        }
    }

    pub(super) fn not_modified(self) -> Self {
        Self {
            status: 304,
            body: Body::Empty,
            ..self
        }
    }
}

/// lua-cjson's complaint, exact for the commonest mistake: no quoted key after an opening brace.
fn json_complaint(text: &str) -> String {
    let place = serde_json::from_str::<Value>(text)
        .err()
        .map_or(1, |error| error.column().max(1));
    let after_brace = text.trim_start().strip_prefix('{').map(str::trim_start);
    if after_brace.is_some_and(|rest| !rest.starts_with(['"', '}'])) {
        format!("Expected object key string but found invalid token at character {place}")
    } else {
        format!("Expected value but found invalid token at character {place}")
    }
}

/// nginx's error page, in APISIX's version.
pub(crate) fn html_page(status: u16) -> String {
    let reason = match status {
        400 => "Bad Request",
        404 => "Not Found",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        _ => "",
    };
    let lines = [
        "<html>".to_owned(),
        format!("<head><title>{status} {reason}</title></head>"),
        "<body>".to_owned(),
        format!("<center><h1>{status} {reason}</h1></center>"),
        "<hr><center>openresty</center>".to_owned(),
        "<p><em>Powered by <a href=\"https://apisix.apache.org/\">APISIX</a>.</em></p></body>".to_owned(),
        "</html>".to_owned(),
        String::new(),
    ];
    lines.join("\r\n")
}
