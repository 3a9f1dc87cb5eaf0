//! What a wrong request gets: a word, a sentence, and what is allowed.

use axum::Json;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::PATHS;

/// What takes a body.
const ORDERS: &str = "/v1/orders";

/// A refused request.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Body,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    /// A word for programs.
    error: &'static str,
    /// A sentence for people.
    reason: String,
    /// What would be accepted instead.
    allowed: Vec<String>,
    /// Of an order: whether it would be taken with `force`.
    #[serde(skip_serializing_if = "Option::is_none")]
    can_be_forced: Option<bool>,
}

impl Refusal {
    pub(super) fn new<S: ToString>(
        status: StatusCode,
        error: &'static str,
        reason: impl Into<String>,
        allowed: &[S],
    ) -> Self {
        Self {
            status,
            body: Body {
                error,
                reason: reason.into(),
                allowed: allowed.iter().map(ToString::to_string).collect(),
                can_be_forced: None,
            },
        }
    }

    /// Says whether `force` would help.
    pub(super) fn with_force(mut self, can_be_forced: bool) -> Self {
        self.body.can_be_forced = Some(can_be_forced);
        self
    }

    pub(super) fn internal(reason: &dyn std::fmt::Display) -> Self {
        tracing::error!(reason = %reason, "answer could not be built");
        let none: [&str; 0] = [];
        let reason = "the answer could not be built; the hub's log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", reason, &none)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

pub(super) async fn no_such_path(uri: Uri) -> Refusal {
    let reason = format!("there is no path {:?}", uri.path());
    Refusal::new(StatusCode::NOT_FOUND, "UnknownPath", reason, &PATHS)
}

pub(super) async fn no_such_method(request: Request) -> Refusal {
    let path = request.uri().path();
    let reason = format!("method {} is not allowed on {path:?}", request.method());
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "UnknownMethod", reason, methods(path))
}

fn methods(path: &str) -> &'static [&'static str] {
    match path.strip_prefix(ORDERS) {
        Some("") => &["GET", "HEAD", "POST"],
        Some(id) if id.starts_with('/') => &["DELETE"],
        _ => &["GET", "HEAD"],
    }
}

/// Only an order has a body.
pub(super) async fn no_body(request: Request, next: Next) -> Response {
    let is_order = request.method() == Method::POST && request.uri().path() == ORDERS;
    if is_order || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let none: [&str; 0] = [];
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "UnexpectedBody",
        format!("nothing but POST {ORDERS} takes a body"),
        &none,
    )
    .into_response()
}
