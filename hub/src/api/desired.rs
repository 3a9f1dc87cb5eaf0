//! `/v1/desired`: the objects as they shall be at the target, without their secrets.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::index::{State as TargetState, state as target_state};
use super::name::NameBody;
use super::query::Parameters;
use super::redact::redacted;
use super::refusal::Refusal;
use super::{ApiState, answer};
use crate::object::{Cause, Object, ObjectKind};
use crate::view::{Outcome, View};

/// An object as it shall be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DesiredBody {
    /// Its collection in the Admin API.
    kind: &'static str,
    id: String,
    /// Hash of the true body.
    hash: String,
    state: TargetState,
    /// The target's words when it refused it.
    message: Option<String>,
    /// Objects that must be there before it.
    references: Vec<String>,
    /// The resources it was made from.
    causes: Vec<CauseBody>,
    /// Secrets are fingerprints here.
    body: Value,
}

/// A resource that an object was made from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CauseBody {
    kind: String,
    #[serde(flatten)]
    name: NameBody,
    content_hash: String,
}

impl From<&Cause> for CauseBody {
    fn from(cause: &Cause) -> Self {
        Self {
            kind: cause.key.key.kind.to_string(),
            name: NameBody::from(&cause.key),
            content_hash: cause.content_hash.to_string(),
        }
    }
}

pub(super) async fn list(State(state): State<ApiState>, uri: Uri) -> Result<Response, Refusal> {
    let parameters = Parameters::read(&uri, &["kind", "cluster", "namespace"])?;
    let kinds = ObjectKind::ALL.map(|kind| (kind.collection(), kind));
    let kind = parameters.choice("kind", &kinds)?;
    let cluster = parameters.cluster()?;
    let namespace = parameters.text("namespace").map(str::to_owned);
    answer::list(state, move |view| {
        let by_cause = |object: &&Object| {
            let wanted = |cause: &Cause| {
                cluster.as_ref().is_none_or(|cluster| *cluster == cause.key.cluster)
                    && namespace
                        .as_ref()
                        .is_none_or(|namespace| **namespace == *cause.key.key.namespace)
            };
            (cluster.is_none() && namespace.is_none()) || object.causes.iter().any(wanted)
        };
        let objects = view.desired.values().map(AsRef::as_ref);
        let objects = objects.filter(|object| kind.is_none_or(|kind| kind == object.id.kind));
        objects.filter(by_cause).map(|object| body(view, object)).collect()
    })
    .await
}

fn body(view: &View, object: &Object) -> DesiredBody {
    DesiredBody {
        kind: object.id.kind.collection(),
        id: object.id.id.to_string(),
        hash: object.hash.to_string(),
        state: target_state(view, object),
        message: message(view, object),
        references: object.references.iter().map(ToString::to_string).collect(),
        causes: object.causes.iter().map(CauseBody::from).collect(),
        body: redacted(object),
    }
}

fn message(view: &View, object: &Object) -> Option<String> {
    match view.outcomes.get(&object.id)? {
        Outcome::Refused(it) if it.hash == object.hash => Some(format!("{}: {}", it.reason, it.message)),
        Outcome::Refused(_) | Outcome::Pending | Outcome::Programmed(_) => None,
    }
}
