//! Plans snapshots from nothing, as `hubline-hub plan` does.

use std::sync::Arc;

use hubline::model::{ClusterId, Entry, GlobalKey, Resource, Snapshot};
use hubline::wire::EncodedResource;

use super::id::{ClusterRegistry, IdError};
use super::{PlanOptions, Planner};
use crate::change::{Change, Stored};
use crate::cluster::{Refusal, check};
use crate::federate::Federation;
use crate::object::Object;
use crate::view::{Problem, ProblemKind};

/// Objects, sorted by id, and problems, sorted by key.
pub type Planned = (Vec<Arc<Object>>, Vec<(GlobalKey, Problem)>);

/// Merges snapshots and plans them, each cluster reached directly.
///
/// # Errors
/// [`IdError::Collision`] when two clusters' ids would mix.
pub fn dry_run(snapshots: Vec<Snapshot>, options: PlanOptions) -> Result<Planned, IdError> {
    let mut registry = ClusterRegistry::default();
    let mut federation = Federation::new();
    let mut planner = Planner::new(options);
    let mut problems = Vec::new();
    for Snapshot { cluster, resources, .. } in snapshots {
        registry.register(&cluster)?;
        let (changes, refused) = judged(&cluster, resources);
        problems.extend(refused);
        apply(&mut federation, &mut planner, &cluster, &changes);
    }
    let planned = planner.problems();
    problems.extend(planned.map(|(key, problem)| (key.clone(), problem.clone())));
    problems.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok((planner.objects(), problems))
}

fn apply(federation: &mut Federation, planner: &mut Planner, cluster: &ClusterId, changes: &[Change]) {
    let verdicts = federation.apply(cluster, changes);
    planner.apply(cluster, changes, &verdicts);
}

/// What a hub would take of a snapshot, and what it would quarantine.
fn judged(cluster: &ClusterId, resources: Vec<Entry>) -> (Vec<Change>, Vec<(GlobalKey, Problem)>) {
    let (mut changes, mut refused) = (Vec::new(), Vec::new());
    for entry in resources {
        // Without its key a certificate cannot be judged; the planner says that it is left out.
        let redacted = matches!(&entry.resource, Resource::Certificate(it) if it.private_key.is_redacted());
        match check(&entry.key, &entry.resource) {
            Err(refusal) if !redacted => refused.push(quarantined(cluster, &entry, refusal)),
            Ok(()) | Err(_) => changes.push(change(entry)),
        }
    }
    (changes, refused)
}

fn quarantined(cluster: &ClusterId, entry: &Entry, refusal: Refusal) -> (GlobalKey, Problem) {
    let problem = Problem {
        kind: ProblemKind::Quarantined,
        reason: refusal.reason.to_owned(),
        message: refusal.message,
        content_hash: EncodedResource::encode(&entry.key, &entry.resource).hash(),
    };
    let key = GlobalKey {
        cluster: cluster.clone(),
        key: entry.key.clone(),
    };
    (key, problem)
}

/// A resource of a snapshot as it would have come from its agent.
fn change(entry: Entry) -> Change {
    let hash = EncodedResource::encode(&entry.key, &entry.resource).hash();
    Change {
        key: entry.key,
        now: Some(Stored {
            hash,
            resource: Arc::new(entry.resource),
        }),
    }
}
