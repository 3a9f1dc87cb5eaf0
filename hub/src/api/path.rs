//! `/v1/paths` and `/v1/paths/{name}`: every cluster's paths, which of them carries its traffic, by what, and why.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use hubline::model::ClusterId;
use serde::Serialize;

use super::query::{Parameters, cluster_id};
use super::refusal::Refusal;
use super::{ApiState, answer};
use crate::path::actor::PathHandle;
use crate::path::decision::ClusterPaths;
use crate::view::{Carrier, View};

/// All clusters' paths.
#[derive(Debug, Serialize)]
struct ListBody {
    version: u64,
    /// Whether the hub suspects itself: nothing is switched then.
    suspected: bool,
    /// By name.
    items: Vec<PathsBody>,
}

/// A cluster's paths.
#[derive(Debug, Serialize)]
struct PathsBody {
    #[serde(flatten)]
    paths: ClusterPaths,
    /// What carries its traffic over the path that was decided; none until the core took the decision up.
    carrier: Option<Carrier>,
}

/// One cluster's paths.
#[derive(Debug, Serialize)]
struct OneBody {
    version: u64,
    #[serde(flatten)]
    body: PathsBody,
}

pub(super) async fn list(State(state): State<ApiState>, uri: Uri) -> Result<Response, Refusal> {
    Parameters::read(&uri, &[])?;
    let paths = state.paths()?.paths().await.ok_or_else(ending)?;
    answer::build(state, move |view| {
        Ok(ListBody {
            version: view.version,
            suspected: paths.suspected,
            items: paths.clusters.into_iter().map(|paths| body(view, paths)).collect(),
        })
    })
    .await
}

pub(super) async fn one(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    Parameters::read(&uri, &[])?;
    let id = cluster_id(&name)?;
    let handle = state.paths()?;
    let Some(paths) = handle.cluster(id.clone()).await else {
        return Err(no_such_cluster(handle, &id).await);
    };
    answer::build(state, move |view| {
        Ok(OneBody {
            version: view.version,
            body: body(view, paths),
        })
    })
    .await
}

fn body(view: &View, paths: ClusterPaths) -> PathsBody {
    PathsBody {
        carrier: view.carriers.get(&paths.cluster).cloned(),
        paths,
    }
}

async fn no_such_cluster(handle: &PathHandle, id: &ClusterId) -> Refusal {
    let Some(known) = configured(handle).await else {
        return ending();
    };
    let reason = format!("the hub has no paths of cluster {id}: it is not configured");
    Refusal::new(StatusCode::NOT_FOUND, "UnknownCluster", reason, &known)
}

/// Names of the clusters that have paths; none when the hub ends.
pub(super) async fn configured(handle: &PathHandle) -> Option<Vec<ClusterId>> {
    let paths = handle.paths().await?;
    Some(paths.clusters.into_iter().map(|paths| paths.cluster).collect())
}

/// The hub ends, or serves no paths.
pub(super) fn ending() -> Refusal {
    let none: [&str; 0] = [];
    let reason = "the hub ends and says no more of paths; ask again when it is back";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Ending", reason, &none)
}
