//! `/v1/problems`: what is not in force, or not as it was declared, and why.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use hubline::model::{ClusterId, Diagnostic, GlobalKey, GroupKind, Key, ResourceKind, Severity};
use serde::Serialize;

use super::certificate::{Certificates, Warning};
use super::name::{self, NameBody};
use super::query::Parameters;
use super::refusal::Refusal;
use super::{ApiState, answer};
use crate::view::{ClusterSummary, Problem, View};

/// One problem.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProblemBody {
    #[serde(flatten)]
    name: NameBody,
    /// `Quarantined`, `Conflict`, `Refused`, `Unresolved`, `Diagnostic` for what the agent found, or `Certificate` for
    /// its own.
    kind: &'static str,
    /// `Error` or `Warning`.
    severity: &'static str,
    /// Path of the field; empty when it is about the whole.
    field: String,
    /// A word for programs.
    reason: String,
    /// A sentence for people.
    message: String,
    /// Hash of the content it speaks of; none for what the agent found.
    content_hash: Option<String>,
}

/// A problem at its resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProblemSummary {
    kind: &'static str,
    reason: String,
    message: String,
}

pub(super) async fn list(State(state): State<ApiState>, uri: Uri) -> Result<Response, Refusal> {
    let parameters = Parameters::read(&uri, &["cluster", "namespace"])?;
    let cluster = parameters.cluster()?;
    let namespace = parameters.text("namespace").map(str::to_owned);
    let certificates = state.certificates.clone();
    answer::list(state, move |view| {
        let clusters = view
            .clusters
            .keys()
            .filter(|id| cluster.as_ref().is_none_or(|cluster| cluster == *id));
        let problems = clusters.flat_map(|id| problems_of_cluster(view, &certificates, id));
        problems
            .filter(|problem| {
                namespace
                    .as_ref()
                    .is_none_or(|namespace| *namespace == problem.name.namespace)
            })
            .collect()
    })
    .await
}

/// All problems of a cluster: the hub's own by key, then the agent's in its order, then its certificate.
pub(super) fn problems_of_cluster(view: &View, certificates: &Certificates, cluster: &ClusterId) -> Vec<ProblemBody> {
    let own = view.problems.range(first_of(cluster)..);
    let own = own.take_while(|(key, _)| key.cluster == *cluster);
    let own = own.flat_map(|(key, problems)| problems.iter().map(|problem| of_resource(key, problem)));
    let summary = view.clusters.get(cluster);
    let found = summary.into_iter().flat_map(|summary| {
        let bodies = summary
            .diagnostics
            .iter()
            .map(|diagnostic| of_diagnostic(summary, diagnostic));
        bodies.collect::<Vec<_>>()
    });
    let certificate = certificates.warning(cluster).map(|it| of_certificate(cluster, it));
    own.chain(found).chain(certificate).collect()
}

/// The smallest key that a cluster can have.
fn first_of(cluster: &ClusterId) -> GlobalKey {
    GlobalKey {
        cluster: cluster.clone(),
        key: Key::new(ResourceKind::Route, &GroupKind::new("", ""), "", "", ""),
    }
}

/// The problems of one resource, in short.
pub(super) fn of(view: &View, key: &GlobalKey) -> Vec<ProblemSummary> {
    let problems = view.problems.get(key).map(|problems| problems.iter());
    let summary = |problem: &Problem| ProblemSummary {
        kind: problem.kind.label(),
        reason: problem.reason.clone(),
        message: problem.message.clone(),
    };
    problems.into_iter().flatten().map(summary).collect()
}

fn of_resource(key: &GlobalKey, problem: &Problem) -> ProblemBody {
    ProblemBody {
        name: NameBody::from(key),
        kind: problem.kind.label(),
        severity: "Error",
        field: String::new(),
        reason: problem.reason.clone(),
        message: problem.message.clone(),
        content_hash: Some(problem.content_hash.to_string()),
    }
}

fn of_certificate(cluster: &ClusterId, warning: Warning) -> ProblemBody {
    ProblemBody {
        name: NameBody {
            cluster: cluster.to_string(),
            source: "Agent".to_owned(),
            namespace: String::new(),
            name: cluster.to_string(),
            section: String::new(),
        },
        kind: "Certificate",
        severity: warning.severity,
        field: "tls.certificate".to_owned(),
        reason: warning.reason.to_owned(),
        message: warning.message,
        content_hash: None,
    }
}

fn of_diagnostic(summary: &ClusterSummary, diagnostic: &Diagnostic) -> ProblemBody {
    ProblemBody {
        name: NameBody {
            cluster: summary.id.to_string(),
            source: name::source(&diagnostic.object.source),
            namespace: diagnostic.object.namespace.clone(),
            name: diagnostic.object.name.clone(),
            section: String::new(),
        },
        kind: "Diagnostic",
        severity: match diagnostic.severity {
            Severity::Error => "Error",
            Severity::Warning => "Warning",
        },
        field: diagnostic.field.clone(),
        reason: diagnostic.reason.clone(),
        message: diagnostic.message.clone(),
        content_hash: None,
    }
}
