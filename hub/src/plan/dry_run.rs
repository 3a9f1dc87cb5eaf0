//! Plans snapshots from nothing, as `hubline-hub plan` does.

use std::sync::Arc;

use hubline::model::{ClusterId, Entry, GlobalKey, Snapshot};
use hubline::wire::EncodedResource;

use super::id::{ClusterRegistry, IdError};
use super::{PlanOptions, Planner};
use crate::change::{Change, Stored};
use crate::federate::Federation;
use crate::object::Object;
use crate::path::Path;
use crate::view::Problem;

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
    for snapshot in snapshots {
        registry.register(&snapshot.cluster)?;
        let changes: Vec<_> = snapshot.resources.into_iter().map(change).collect();
        apply(&mut federation, &mut planner, &snapshot.cluster, &changes);
    }
    let problems = planner.problems();
    let problems = problems.map(|(key, problem)| (key.clone(), problem.clone())).collect();
    Ok((planner.objects(), problems))
}

fn apply(federation: &mut Federation, planner: &mut Planner, cluster: &ClusterId, changes: &[Change]) {
    let verdicts = federation.apply(cluster, changes);
    planner.apply(cluster, changes, &verdicts, &[Path::direct()]);
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
