//! Global rules, of which each change may concern every route.

use std::collections::BTreeSet;

use hubline::model::{ClusterId, GlobalKey, Resource, ResourceKind};

use super::{Dirty, Output, Planner};
use crate::plan::PlanOutput;
use crate::plan::everybody::merge;
use crate::plan::scope::Rendered;

impl Planner {
    /// Takes which clusters may set plugins for everybody's traffic.
    pub fn grant(&mut self, grants: BTreeSet<ClusterId>) -> PlanOutput {
        let mut dirty = Dirty {
            everybody: self.options.grants != grants,
            ..Dirty::default()
        };
        self.options.grants = grants;
        dirty.everybody &= !self.rules.is_empty();
        self.render(dirty).into()
    }

    pub(super) fn take_rule(&mut self, key: &GlobalKey, now: Option<&Resource>, dirty: &mut Dirty) {
        dirty.everybody = true;
        match now {
            Some(_) => drop(self.rules.insert(key.clone())),
            None => drop(self.rules.remove(key)),
        }
    }

    /// Merges all rules again, of which there are few. Routes are concerned where these begin or cease to look for
    /// consumers.
    pub(super) fn merge_everybody(&mut self, dirty: &mut Dirty, output: &mut Output) {
        let mut now = merge(&self.options, &self.resources, &self.names, &self.rules);
        let before = std::mem::take(&mut self.everybody);
        output.differ(&before.objects, &now.objects);
        if before.authentication != now.authentication {
            let routes = self.resources.keys().filter(|key| key.key.kind == ResourceKind::Route);
            dirty.owners.extend(routes.cloned());
        }
        let gone = before.problems.into_keys().filter(|key| !self.rules.contains(key));
        let gone: Vec<_> = gone.map(|key| (key, Rendered::default())).collect();
        let problems = std::mem::take(&mut now.problems);
        let there = problems.iter().map(|(key, problems)| {
            let rendered = Rendered {
                problems: problems.clone(),
                wants: now.wants.get(key).cloned().unwrap_or_default().into(),
                ..Rendered::default()
            };
            (key.clone(), rendered)
        });
        for (key, rendered) in there.chain(gone).collect::<Vec<_>>() {
            self.keep(key, rendered, output);
        }
        now.problems = problems;
        now.wants.clear();
        self.everybody = now;
    }
}
