//! Answers made from one version of the view.

use std::sync::Arc;

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::refusal::Refusal;
use super::{ApiState, VERSION_HEADER};
use crate::view::View;

/// A list with the version that it shows.
#[derive(Debug, Serialize)]
pub(super) struct List<T> {
    /// Version of the view.
    pub(super) version: u64,
    /// In a fixed order.
    pub(super) items: Vec<T>,
}

/// Builds an answer beside the asynchronous tasks, a few at a time: a long list keeps nobody waiting but its reader.
pub(super) async fn build<T, F>(state: ApiState, make: F) -> Result<Response, Refusal>
where
    T: Serialize,
    F: FnOnce(&View) -> Result<T, Refusal> + Send + 'static,
{
    let _permit = Arc::clone(&state.builds)
        .acquire_owned()
        .await
        .map_err(|error| Refusal::internal(&error))?;
    let view = state.view.load_full();
    let version = view.version;
    let body = tokio::task::spawn_blocking(move || {
        let value = make(&view)?;
        serde_json::to_vec(&value).map_err(|error| Refusal::internal(&error))
    })
    .await
    .map_err(|error| Refusal::internal(&error))??;
    Ok(json(StatusCode::OK, version, body))
}

/// Builds a list.
pub(super) async fn list<T, F>(state: ApiState, make: F) -> Result<Response, Refusal>
where
    T: Serialize,
    F: FnOnce(&View) -> Vec<T> + Send + 'static,
{
    build(state, |view| {
        Ok(List {
            version: view.version,
            items: make(view),
        })
    })
    .await
}

/// A JSON body with the version it shows.
pub(super) fn json(status: StatusCode, version: u64, body: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (HeaderName::from_static(VERSION_HEADER), version.to_string()),
    ];
    (status, headers, body).into_response()
}
