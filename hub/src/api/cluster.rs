//! `/v1/clusters` and `/v1/clusters/{name}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use hubline::model::{ClusterId, Completeness, GroupState, ResourceKind};
use serde::Serialize;

use super::certificate::{CertificateBody, Certificates};
use super::problem::{ProblemBody, problems_of_cluster};
use super::query::{Parameters, cluster_id};
use super::refusal::Refusal;
use super::{ApiState, answer, name};
use crate::view::{ClusterSummary, View};

/// A cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterBody {
    name: String,
    /// `Unknown`, `Syncing`, `Live` or `Stale`.
    phase: &'static str,
    /// Whether the configuration lists it.
    configured: bool,
    uid: Option<String>,
    /// The agent that speaks now.
    instance: Option<String>,
    /// The run of the agent whose state this is.
    epoch: String,
    revision: u64,
    last_seen: Option<String>,
    /// What the agent showed last; none when none spoke since the hub's start.
    certificate: Option<CertificateBody>,
    /// Effective resources by kind.
    resources: BTreeMap<String, u64>,
    /// What could not be listed: of it the last good is in force.
    unknown: Vec<UnknownBody>,
    /// How many problems `/v1/problems` shows.
    problems: u64,
}

/// What could not be listed.
#[derive(Debug, Serialize)]
struct UnknownBody {
    kind: String,
    source: String,
    reason: String,
}

/// A cluster with its problems.
#[derive(Debug, Serialize)]
struct DetailBody {
    version: u64,
    #[serde(flatten)]
    cluster: ClusterBody,
    details: Vec<ProblemBody>,
}

pub(super) async fn list(State(state): State<ApiState>, uri: Uri) -> Result<Response, Refusal> {
    Parameters::read(&uri, &[])?;
    let certificates = state.certificates.clone();
    answer::list(state, move |view| {
        let mut counts = count(view);
        let body = |(id, summary): (&ClusterId, &Arc<ClusterSummary>)| {
            body(view, summary, counts.remove(id).unwrap_or_default(), &certificates)
        };
        view.clusters.iter().map(body).collect()
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
    let certificates = state.certificates.clone();
    answer::build(state, move |view| {
        let summary = view.clusters.get(&id).ok_or_else(|| no_such_cluster(view, &id))?;
        Ok(DetailBody {
            version: view.version,
            cluster: body(
                view,
                summary,
                count(view).remove(&id).unwrap_or_default(),
                &certificates,
            ),
            details: problems_of_cluster(view, &certificates, &id),
        })
    })
    .await
}

fn no_such_cluster(view: &View, id: &ClusterId) -> Refusal {
    let known: Vec<String> = view.clusters.keys().map(ToString::to_string).collect();
    let reason = format!("the hub knows no cluster {id}");
    Refusal::new(StatusCode::NOT_FOUND, "UnknownCluster", reason, &known)
}

type Counts = BTreeMap<ResourceKind, u64>;

/// Resources by cluster and kind.
fn count(view: &View) -> BTreeMap<ClusterId, Counts> {
    let mut counts: BTreeMap<ClusterId, Counts> = BTreeMap::new();
    for key in view.resources.keys() {
        if !counts.contains_key(&key.cluster) {
            counts.insert(key.cluster.clone(), Counts::new());
        }
        if let Some(kinds) = counts.get_mut(&key.cluster) {
            *kinds.entry(key.key.kind).or_default() += 1;
        }
    }
    counts
}

fn body(view: &View, summary: &ClusterSummary, counts: Counts, certificates: &Certificates) -> ClusterBody {
    let problems = problems_of_cluster(view, certificates, &summary.id).len() as u64;
    ClusterBody {
        name: summary.id.to_string(),
        phase: summary.phase.label(),
        configured: summary.configured,
        uid: summary.uid.clone(),
        instance: summary.instance.clone(),
        epoch: format!("{}-{:016x}", summary.epoch.counter, summary.epoch.random),
        revision: summary.revision,
        last_seen: summary.last_seen.map(|moment| moment.to_string()),
        certificate: certificates.body(&summary.id),
        resources: counts
            .into_iter()
            .map(|(kind, count)| (kind.to_string(), count))
            .collect(),
        unknown: summary.groups.iter().filter_map(unknown).collect(),
        problems: problems + summary.diagnostics_omitted,
    }
}

fn unknown(state: &GroupState) -> Option<UnknownBody> {
    match &state.completeness {
        Completeness::Complete => None,
        Completeness::Unknown { reason } => Some(UnknownBody {
            kind: state.group.kind.to_string(),
            source: name::source(&state.group.source),
            reason: reason.clone(),
        }),
    }
}
