//! Consumers: the group of each cluster's, and who asks for one by its name.

use std::sync::Arc;

use hubline::model::{ClusterId, GlobalKey, Resource, ResourceKind};

use super::{Dirty, Output, Planner};
use crate::change::first_key;
use crate::object::Object;
use crate::plan::consumers;
use crate::plan::names::{KnownName, known, name_of};

impl Planner {
    /// Who asks for a consumer by its name holds only its id, as above.
    pub(super) fn take_consumer(
        &mut self,
        key: &GlobalKey,
        before: Option<&Resource>,
        now: Option<&Resource>,
        dirty: &mut Dirty,
    ) {
        dirty.owners.insert(key.clone());
        if before.is_some() == now.is_some() {
            return;
        }
        let name = known(&name_of(&key.key));
        self.dirty_wanting(&key.cluster, &name, dirty);
        match now {
            Some(_) => self.names.insert(name, key),
            None => self.names.remove(name, key),
        }
    }

    fn dirty_wanting(&self, cluster: &ClusterId, name: &KnownName, dirty: &mut Dirty) {
        for key in self.wanted.get(cluster, name) {
            match key.key.kind {
                ResourceKind::GlobalRule => dirty.everybody = true,
                ResourceKind::PluginSet => drop(dirty.shared.insert(key.clone())),
                _ => drop(dirty.owners.insert(key.clone())),
            }
        }
    }

    /// The group of a cluster's consumers, caused by the first of those that are made.
    pub(super) fn render_group(&mut self, cluster: ClusterId, output: &mut Output) {
        let from_there = self.rendered.range(first_key(&cluster, ResourceKind::Consumer)..);
        let mut consumers =
            from_there.take_while(|(key, _)| key.cluster == cluster && key.key.kind == ResourceKind::Consumer);
        let cause = consumers.find_map(|(_, rendered)| rendered.objects.first()?.causes.first().cloned());
        let now = cause.map(|cause| consumers::group(&self.options, &cluster, cause));
        let before = match &now {
            Some(group) => self.groups.insert(cluster, Arc::clone(group)),
            None => self.groups.remove(&cluster),
        };
        let by_id = |group: Option<Arc<Object>>| group.into_iter().map(|group| (group.id.clone(), group)).collect();
        output.differ(&by_id(before), &by_id(now));
    }

    /// Whom a resource asks for, before and now.
    pub(super) fn keep_wants(&mut self, key: &GlobalKey, now: &[KnownName]) {
        let before = self
            .rendered
            .get(key)
            .map(|rendered| rendered.wants.clone())
            .unwrap_or_default();
        for gone in before.iter().filter(|name| !now.contains(name)) {
            self.wanted.remove(Arc::clone(gone), key);
        }
        for new in now.iter().filter(|name| !before.contains(name)) {
            self.wanted.insert(Arc::clone(new), key);
        }
    }
}
