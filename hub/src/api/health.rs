//! Whether the hub lives, whether it is ready, and its metrics.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hubline::telemetry::METRICS_CONTENT_TYPE;
use serde::Serialize;

use super::query::Parameters;
use super::refusal::Refusal;
use super::{ApiState, answer};
use crate::view::View;

#[derive(Debug, Serialize)]
pub(super) struct Live {
    status: &'static str,
}

/// Whether the hub does what it is there for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    ready: bool,
    /// Why not; empty when ready.
    reasons: Vec<Reason>,
    target: Target,
}

#[derive(Debug, Serialize)]
struct Reason {
    /// A word for programs.
    reason: &'static str,
    /// A sentence for people.
    message: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    name: String,
    /// Whether all that is there was seen since it was last lost.
    observed: bool,
    error: Option<String>,
    foreign: Vec<Foreign>,
}

/// How many objects of others there are.
#[derive(Debug, Serialize)]
struct Foreign {
    collection: String,
    count: u64,
}

pub(super) async fn live(uri: Uri) -> Result<Json<Live>, Refusal> {
    Parameters::read(&uri, &[])?;
    Ok(Json(Live { status: "ok" }))
}

pub(super) async fn ready(State(state): State<ApiState>, uri: Uri) -> Result<Response, Refusal> {
    Parameters::read(&uri, &[])?;
    let view = state.view.load_full();
    let reasons = reasons(&view, *state.restored.borrow());
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = Ready {
        ready: reasons.is_empty(),
        reasons,
        target: target(&view),
    };
    let body = serde_json::to_vec(&body).map_err(|error| Refusal::internal(&error))?;
    Ok(answer::json(status, view.version, body))
}

fn reasons(view: &View, restored: bool) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !restored {
        reasons.push(Reason {
            reason: "NotRestored",
            message: "the last good states are still being read".to_owned(),
        });
    }
    if !view.target.observed {
        let why = view.target.error.as_deref().unwrap_or("its first listing is under way");
        reasons.push(Reason {
            reason: "TargetNotObserved",
            message: format!("target {} was not read whole yet: {why}", view.target.id),
        });
    }
    reasons
}

fn target(view: &View) -> Target {
    let foreign = view.target.foreign.iter().map(|(collection, count)| Foreign {
        collection: collection.clone(),
        count: *count,
    });
    Target {
        name: view.target.id.clone(),
        observed: view.target.observed,
        error: view.target.error.clone(),
        foreign: foreign.collect(),
    }
}

pub(super) async fn metrics(State(state): State<ApiState>, uri: Uri) -> Result<Response, Refusal> {
    Parameters::read(&uri, &[])?;
    Ok(([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], state.metrics.encode()).into_response())
}
