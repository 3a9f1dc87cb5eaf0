//! The three calls to the API server: a status, an event, an event once more.

use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::source::kube::words;
use crate::source::{FIELD_MANAGER, KindVisitor, ObjectId, Reported, ReportedStatus, Watched};

/// How long a call may take: an API server that takes longer is tried again later.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The object is gone, or was changed in between: its watch will tell.
    Outdated,
    /// Such an event is there already.
    Exists,
    /// Anything else, in few words.
    Other(String),
}

/// Writes with the rights of the agent.
#[derive(Clone)]
pub(super) struct Calls(pub(super) Client);

impl Calls {
    /// Writes a status, unless the object is another than `based_on` by now; tells what it says then.
    pub(super) async fn status(&self, id: &ObjectId, based_on: &Reported, status: &Value) -> Result<Reported, Failure> {
        let api: Api<DynamicObject> = match &*id.name.namespace {
            "" => Api::all_with(self.0.clone(), &id.kind.visit(Resource)),
            namespace => Api::namespaced_with(self.0.clone(), namespace, &id.kind.visit(Resource)),
        };
        let body = json!({"metadata": {"resourceVersion": based_on.version}, "status": status});
        let (params, patch) = (PatchParams::apply(FIELD_MANAGER), Patch::Merge(&body));
        let call = api.patch_status(&id.name.name, &params, &patch);
        let written = in_time(call).await?;
        let status = ReportedStatus::of(id.kind, &written.data["status"]);
        Ok(Reported::new(&written.metadata, status))
    }

    /// Makes an event.
    pub(super) async fn event(&self, event: &Event) -> Result<(), Failure> {
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        in_time(self.events(event).create(&params, event)).await.map(drop)
    }

    /// Says that an event happened again.
    pub(super) async fn again(&self, event: &Event) -> Result<(), Failure> {
        let body = json!({"series": event.series});
        let (params, patch) = (PatchParams::apply(FIELD_MANAGER), Patch::Merge(&body));
        let (api, name) = (self.events(event), event.name_any());
        in_time(api.patch(&name, &params, &patch)).await.map(drop)
    }

    fn events(&self, event: &Event) -> Api<Event> {
        Api::namespaced(self.0.clone(), event.metadata.namespace.as_deref().unwrap_or_default())
    }
}

async fn in_time<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    match timeout(PATIENCE, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(failure(&error)),
        Err(_) => Err(Failure::Other(format!("no answer within {PATIENCE:?}"))),
    }
}

fn failure(error: &kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) if status.reason == "AlreadyExists" => Failure::Exists,
        kube::Error::Api(status) if matches!(status.code, 404 | 409) => Failure::Outdated,
        other => Failure::Other(words(other)),
    }
}

/// How the API server names a kind.
struct Resource;

impl KindVisitor for Resource {
    type Output = ApiResource;

    fn visit<K: Watched>(self) -> ApiResource {
        ApiResource::erase::<K>(&())
    }
}
