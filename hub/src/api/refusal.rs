//! What a wrong request gets: a word, a sentence, and what is allowed.

use axum::Json;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::PATHS;

/// A refused request.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Body,
}

#[derive(Debug, Serialize)]
struct Body {
    /// A word for programs.
    error: &'static str,
    /// A sentence for people.
    reason: String,
    /// What would be accepted instead.
    allowed: Vec<String>,
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
            },
        }
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
    let reason = format!(
        "method {} is not allowed on {:?}",
        request.method(),
        request.uri().path()
    );
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "UnknownMethod",
        reason,
        &["GET", "HEAD"],
    )
}

/// No path takes a body yet.
pub(super) async fn no_body(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let none: [&str; 0] = [];
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "UnexpectedBody",
        "no path of this API takes a body",
        &none,
    )
    .into_response()
}
