//! `/v1/writes`: the last writes to the target, each with its cause.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;

use super::desired::CauseBody;
use super::query::Parameters;
use super::refusal::Refusal;
use super::{ApiState, answer};
use crate::object::{Cause, ObjectId};

/// The last writes, at most so many, the newest first. The sink's audit ring stands behind it.
pub type WriteLog = Arc<dyn Fn(usize) -> Vec<WriteBody> + Send + Sync>;

/// Most writes of one answer.
const MAX_WRITES: usize = 10_000;
/// Writes of an answer when no number is asked for.
const DEFAULT_WRITES: usize = 100;

/// One write.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteBody {
    at: String,
    /// `put` or `delete`.
    operation: &'static str,
    object: String,
    /// Milliseconds until the answer.
    milliseconds: u64,
    /// The target's status; none when it was not reached.
    status: Option<u16>,
    /// Why it failed; none when it did not.
    error: Option<String>,
    causes: Vec<CauseBody>,
}

impl WriteBody {
    /// A write at a moment; what came of it is added by [`Self::answered`] and [`Self::failed`].
    #[must_use]
    pub fn new(at: Timestamp, operation: &'static str, object: &ObjectId, causes: &[Cause]) -> Self {
        Self {
            at: at.to_string(),
            operation,
            object: object.to_string(),
            milliseconds: 0,
            status: None,
            error: None,
            causes: causes.iter().map(CauseBody::from).collect(),
        }
    }

    /// The target answered with a status, after a time.
    #[must_use]
    pub fn answered(mut self, status: Option<u16>, took: Duration) -> Self {
        self.status = status;
        self.milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// It failed, for a reason that shows no secret.
    #[must_use]
    pub fn failed(mut self, error: impl Into<String>) -> Self {
        self.error = Some(error.into());
        self
    }
}

pub(super) async fn list(State(state): State<ApiState>, uri: Uri) -> Result<Response, Refusal> {
    let parameters = Parameters::read(&uri, &["limit"])?;
    let limit = parameters.number("limit", MAX_WRITES)?.unwrap_or(DEFAULT_WRITES);
    let writes = Arc::clone(&state.writes);
    answer::list(state, move |_| writes(limit)).await
}
