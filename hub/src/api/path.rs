//! `/v1/paths` and `/v1/paths/{name}`: every cluster's paths, which of them carries its traffic, by what, and why.

use std::net::SocketAddr;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use hubline::model::{ClusterId, GlobalKey};
use serde::Serialize;

use super::query::{Parameters, cluster_id};
use super::refusal::Refusal;
use super::{ApiState, answer};
use crate::path::actor::PathHandle;
use crate::path::decision::ClusterPaths;
use crate::path::demotion::Demoted;
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
    /// What stands lower in upstreams than its path says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    demotions: Vec<DemotionBody>,
}

/// What is demoted of one service or endpoint set.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DemotionBody {
    kind: String,
    namespace: String,
    name: String,
    section: String,
    /// All its nodes over this path.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// These of its endpoints, as paths reach them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    endpoints: Vec<SocketAddr>,
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
        demotions: demotions(view, &paths.cluster),
        paths,
    }
}

fn demotions(view: &View, cluster: &ClusterId) -> Vec<DemotionBody> {
    let of_cluster = view.demotions.iter().filter(|(key, _)| key.cluster == *cluster);
    let body = |(GlobalKey { key, .. }, demoted): (&GlobalKey, &Demoted)| DemotionBody {
        kind: key.kind.to_string(),
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
        section: key.section.to_string(),
        path: match demoted {
            Demoted::Path(path) => Some(path.to_string()),
            Demoted::Endpoints(_) => None,
        },
        endpoints: match demoted {
            Demoted::Path(_) => Vec::new(),
            Demoted::Endpoints(endpoints) => endpoints.iter().copied().collect(),
        },
    };
    of_cluster.map(body).collect()
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
