//! `/v1/orders` and `/v1/orders/{id}`: what people order of paths. Who orders is what the connection says.

mod body;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use serde::Serialize;

use super::path::{configured, ending};
use super::peer::Peer;
use super::query::Parameters;
use super::refusal::Refusal;
use super::{ApiState, answer};
use crate::path::actor::{OrderError, PathHandle};
use crate::path::orders::{OrderId, Refusal as OrderRefusal};

/// Most bytes of a request: a reason of 500 letters, all of them escaped, takes 6,000.
pub(super) const MAX_BYTES: usize = 8_192;

#[derive(Debug, Serialize)]
struct ListBody<T> {
    version: u64,
    items: Vec<T>,
}

pub(super) async fn list(State(state): State<ApiState>, uri: Uri) -> Result<Response, Refusal> {
    Parameters::read(&uri, &[])?;
    let items = state.paths()?.orders().await.ok_or_else(ending)?;
    let version = state.view.load().version;
    respond(&state, StatusCode::OK, &ListBody { version, items })
}

pub(super) async fn make(
    State(state): State<ApiState>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    Parameters::read(&uri, &[])?;
    says_json(&headers)?;
    let body = body.map_err(|rejection| unreadable(&rejection))?;
    let request = body::read(&body, peer.who())?;
    let handle = state.paths()?;
    match handle.order(request).await {
        Ok(order) => respond(&state, StatusCode::CREATED, &order),
        Err(error) => Err(refused(handle, error).await),
    }
}

pub(super) async fn release(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    Parameters::read(&uri, &[])?;
    let handle = state.paths()?;
    let id = id.parse().map(OrderId).map_err(|_| {
        let reason = format!("{id:?} is no id of an order");
        Refusal::new(StatusCode::BAD_REQUEST, "InvalidValue", reason, &["a number"])
    })?;
    match handle.release(id).await {
        Ok(order) => respond(&state, StatusCode::OK, &order),
        Err(error) => Err(refused(handle, error).await),
    }
}

fn respond(state: &ApiState, status: StatusCode, body: &impl Serialize) -> Result<Response, Refusal> {
    let body = serde_json::to_vec(body).map_err(|error| Refusal::internal(&error))?;
    Ok(answer::json(status, state.view.load().version, body))
}

/// A page in a browser on this machine may send a body here without asking first, but not as JSON.
fn says_json(headers: &HeaderMap) -> Result<(), Refusal> {
    const JSON: &str = "application/json";
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(JSON) {
        return Ok(());
    }
    let reason = format!("content-type is {given:?}; an order is JSON");
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Err(Refusal::new(status, "WrongContentType", reason, &[JSON]))
}

fn unreadable(rejection: &BytesRejection) -> Refusal {
    let status = rejection.status();
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let allowed = [format!("at most {MAX_BYTES} bytes")];
        return Refusal::new(status, "BodyTooLarge", "the order is too long", &allowed);
    }
    let none: [&str; 0] = [];
    Refusal::new(status, "InvalidBody", rejection.body_text(), &none)
}

async fn refused(handle: &PathHandle, error: OrderError) -> Refusal {
    let reason = error.to_string();
    let none: [&str; 0] = [];
    match error {
        OrderError::Refused(refusal) => {
            let allowed = allowed(handle, &refusal).await;
            Refusal::new(status(&refusal), refusal.label(), reason, &allowed).with_force(refusal.can_be_forced())
        }
        OrderError::Unknown(_) => {
            let orders = handle.orders().await.unwrap_or_default();
            let known: Vec<_> = orders.iter().map(|order| order.id).collect();
            Refusal::new(StatusCode::NOT_FOUND, "unknown-order", reason, &known)
        }
        OrderError::NotKept(error) => {
            tracing::error!(%error, "an order could not be kept");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "not-kept", reason, &none)
        }
        OrderError::Ending => ending(),
    }
}

fn status(refusal: &OrderRefusal) -> StatusCode {
    match refusal {
        OrderRefusal::UnknownCluster(_) | OrderRefusal::UnknownPath { .. } => StatusCode::NOT_FOUND,
        OrderRefusal::TimeLimit { .. } | OrderRefusal::NoReason => StatusCode::BAD_REQUEST,
        OrderRefusal::PathDown { .. }
        | OrderRefusal::Contradicts { .. }
        | OrderRefusal::LastUsablePath { .. }
        | OrderRefusal::LastUsableCluster(_) => StatusCode::CONFLICT,
    }
}

async fn allowed(handle: &PathHandle, refusal: &OrderRefusal) -> Vec<String> {
    match refusal {
        OrderRefusal::UnknownCluster(_) => {
            let known = configured(handle).await.unwrap_or_default();
            known.iter().map(ToString::to_string).collect()
        }
        OrderRefusal::UnknownPath { known, .. } => known.split(", ").map(str::to_owned).collect(),
        OrderRefusal::TimeLimit { .. } => vec!["a time of at most 168h (7 days), as 30m".to_owned()],
        OrderRefusal::NoReason
        | OrderRefusal::PathDown { .. }
        | OrderRefusal::Contradicts { .. }
        | OrderRefusal::LastUsablePath { .. }
        | OrderRefusal::LastUsableCluster(_) => Vec::new(),
    }
}
