//! What one batch changed, on its way out.

use std::collections::BTreeMap;
use std::sync::Arc;

use hubline::model::GlobalKey;

use crate::object::{Object, ObjectId};
use crate::plan::PlanOutput;
use crate::view::Problem;

/// The latest of each object and of each resource's problems.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) objects: BTreeMap<ObjectId, Option<Arc<Object>>>,
    pub(super) problems: BTreeMap<GlobalKey, Vec<Problem>>,
}

impl Output {
    /// Some objects are otherwise now.
    pub(super) fn differ(&mut self, before: &BTreeMap<ObjectId, Arc<Object>>, now: &BTreeMap<ObjectId, Arc<Object>>) {
        let gone = before.keys().filter(|id| !now.contains_key(id));
        self.objects.extend(gone.map(|id| (id.clone(), None)));
        let new = now.iter().filter(|(id, object)| before.get(id) != Some(object));
        self.objects
            .extend(new.map(|(id, object)| (id.clone(), Some(Arc::clone(object)))));
    }
}

impl From<Output> for PlanOutput {
    fn from(output: Output) -> Self {
        Self {
            objects: output.objects.into_iter().collect(),
            problems: output.problems.into_iter().collect(),
        }
    }
}
