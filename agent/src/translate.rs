//! Kubernetes → model. Pure: no I/O, no clock, no randomness; it never fails, but returns resources and diagnostics.
//!
//! [`Translator`] keeps an [`Index`], translates only the units that are dirty, and compares content hashes, so that
//! a change which changes nothing publishes nothing. The rules are in [`ingress`] (routes), [`service`] and
//! [`endpoints`] (what routes refer to), [`certificate`], [`cluster`] (nodes) and [`groups`] (completeness).
//! It does not read YAML or watch anything (source), and it knows nothing of APISIX's objects (the hub's plan).

mod ancestors;
mod apisix;
mod certificate;
mod class;
mod cluster;
mod dry_run;
mod endpoints;
mod groups;
mod ingress;
mod options;
mod plugin;
mod rendered;
mod service;
#[cfg(test)]
mod tests;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hubline::model::{Diagnostic, Entry, GroupState, Key, Resource, Severity, Snapshot};
use hubline::snapshot_file;
use hubline::wire::{ContentHash, EncodedResource};

use crate::few::Few;
use crate::index::{Demand, Index, Unit};
use crate::output::{Declared, Output, Standing};
use crate::source::{Kind, Name, ObjectId, SourceEvent};
use rendered::Rendered;

pub use dry_run::{dry_run, snapshot_yaml};
pub use ingress::DEFAULT_BACKEND_PRIORITY;
pub use options::TranslateOptions;
pub use snapshot_file::Secrets;

/// What was drained last for one unit.
#[derive(Debug, Clone, Default)]
struct Published {
    hashes: Few<Key, ContentHash>,
    diagnostics: Vec<Diagnostic>,
    declared: Option<Arc<Declared>>,
}

/// What has changed since the last drain.
#[derive(Debug, Default)]
struct Changes {
    upserts: BTreeMap<Key, Resource>,
    removals: BTreeSet<Key>,
    /// Those of the upserts that were not there at the last drain.
    made: BTreeSet<Key>,
    diagnostics: bool,
    declared: Vec<(ObjectId, Option<Arc<Declared>>)>,
}

impl Changes {
    fn upsert(&mut self, key: Key, resource: Resource, is_new: bool) {
        // What is removed and comes again within one drain was there all along.
        if is_new && !self.removals.remove(&key) {
            self.made.insert(key.clone());
        }
        self.upserts.insert(key, resource);
    }

    /// A unit may be translated more than once before it is drained: an Ingress, and again when its policy is known.
    fn remove(&mut self, key: Key) {
        self.upserts.remove(&key);
        if !self.made.remove(&key) {
            self.removals.insert(key);
        }
    }
}

/// Translates one cluster, change by change. Memory: the index, and a hash for each resource.
#[derive(Debug, Clone)]
pub struct Translator {
    options: TranslateOptions,
    index: Index,
    published: BTreeMap<Unit, Published>,
    groups: Vec<GroupState>,
    diagnostics: Vec<Diagnostic>,
    translated: u64,
}

impl Translator {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(options: TranslateOptions) -> Self {
        Self {
            options,
            index: Index::default(),
            published: BTreeMap::new(),
            groups: Vec::new(),
            diagnostics: Vec::new(),
            translated: 0,
        }
    }

    /// Takes one event in. Objects of namespaces that are not watched are ignored.
    pub fn apply(&mut self, event: SourceEvent) {
        if self.concerns(&event) {
            self.index.apply(event);
        }
    }

    /// Whether an object is known.
    #[must_use]
    pub fn knows(&self, id: &ObjectId) -> bool {
        self.index.has(id)
    }

    /// Whether every kind was listed or has failed; before that, [`Self::drain`] gives nothing.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.index.listings.is_settled()
    }

    /// Counts every kind that has not answered yet as failed: for a caller whose patience at start-up is over.
    pub fn stop_waiting(&mut self) {
        self.index.stop_waiting();
    }

    /// For a replica that takes over: another one spoke for the cluster until now, and may have seen more of what this one
    /// cannot list or watch at the moment. Until it is listed again it is unknown, and hubs keep what they have of it.
    pub fn doubt_failed(&mut self) {
        self.index.doubt_failed();
    }

    /// Everything that really differs from what was drained before.
    pub fn drain(&mut self) -> Output {
        if !self.is_settled() {
            return Output::default();
        }
        let mut changes = Changes {
            diagnostics: self.index.take_faults_changed(),
            ..Changes::default()
        };
        while let Some(unit) = self.index.next_dirty_asker() {
            self.translate_asker(unit, &mut changes);
        }
        self.index.forget_released();
        self.note_answered_secrets();
        while let Some(unit) = self.index.next_dirty() {
            let rendered = self.render(&unit);
            self.translated += 1;
            self.publish(unit, rendered, &mut changes);
        }
        self.output(changes)
    }

    /// Secrets that are to be fetched by name, since no listing shows them.
    #[must_use]
    pub fn wanted_secrets(&self) -> BTreeSet<Name> {
        self.index.wanted_secrets()
    }

    /// How many units were translated so far: what tests hold the cost of a change against.
    #[must_use]
    pub fn translated_units(&self) -> u64 {
        self.translated
    }

    /// All resources, translated from nothing: for dry runs.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.translate_anew().0
    }

    /// Everything that is wrong, sorted.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.translate_anew().1
    }

    fn translate_anew(&self) -> (Snapshot, Vec<Diagnostic>) {
        let mut fresh = Self::new(self.options.clone());
        fresh.index = self.index.clone();
        fresh.index.touch_everything();
        let output = fresh.drain();
        let snapshot = Snapshot {
            cluster: self.options.cluster.clone(),
            groups: output.groups.unwrap_or_default(),
            resources: output.upserts,
        };
        let diagnostics = if fresh.is_settled() {
            fresh.all_diagnostics()
        } else {
            Vec::new()
        };
        (snapshot, diagnostics)
    }

    /// Whether an event is of a namespace that is watched, or of the whole cluster.
    #[must_use]
    pub fn concerns(&self, event: &SourceEvent) -> bool {
        let id = match event {
            SourceEvent::Listed(object) | SourceEvent::Apply(object) => object.id(),
            SourceEvent::Delete(id) | SourceEvent::Malformed { id, .. } | SourceEvent::Reported(id, _) => id.clone(),
            SourceEvent::Begin(_)
            | SourceEvent::End { .. }
            | SourceEvent::Failed { .. }
            | SourceEvent::Fetched { .. }
            | SourceEvent::Unread(_)
            | SourceEvent::Problems(_)
            | SourceEvent::Version(_) => return true,
        };
        let namespaces = self.options.namespaces.as_ref().filter(|_| id.kind.is_namespaced());
        namespaces.is_none_or(|namespaces| namespaces.contains(&*id.name.namespace))
    }

    /// Those that ask something of others come first: they say which services and secrets are wanted.
    fn translate_asker(&mut self, unit: Unit, changes: &mut Changes) {
        let (rendered, mut demand) = self.ask(&unit);
        if let Some(asker) = unit.asker() {
            demand.policy_targets = ancestors::targets_of(&self.index, &asker);
            self.index.set_demand(&asker, demand, rendered.held);
        }
        self.translated += 1;
        self.publish(unit, rendered, changes);
    }

    fn ask(&self, unit: &Unit) -> (Rendered, Demand) {
        let (index, options) = (&self.index, &self.options);
        match unit {
            Unit::Ingress(name) => ingress::render(index, options, name),
            Unit::ApisixRoute(name) => apisix::route::render(index, options, name),
            Unit::ApisixUpstream(name) => apisix::upstream::render(index, options, name),
            Unit::ApisixPluginConfig(name) => apisix::plugin_config::render(index, options, name),
            Unit::ApisixTls(name) => apisix::tls::render(index, options, name),
            Unit::ApisixConsumer(name) => apisix::consumer::render(index, options, name),
            Unit::ApisixGlobalRule(name) => apisix::global_rule::render(index, options, name),
            Unit::BackendTrafficPolicy(name) => apisix::v1alpha1::backend_traffic_policy::render(index, name),
            Unit::HttpRoutePolicy(name) => apisix::v1alpha1::http_route_policy::render(index, name),
            Unit::L4RoutePolicy(name) => apisix::v1alpha1::l4_route_policy::render(index, name),
            Unit::Consumer(name) => apisix::v1alpha1::consumer::render(index, name),
            Unit::PluginConfig(name) => apisix::v1alpha1::plugin_config::render(index, name),
            Unit::GatewayProxy(name) => apisix::v1alpha1::gateway_proxy::render(index, name),
            Unit::Service(_) | Unit::Secret(_) | Unit::Node(_) | Unit::Cluster => Default::default(),
        }
    }

    /// Once every Secret that objects of a kind refer to was answered for, what is made of them is complete, and stays
    /// so; not while there is something unread that may refer to others.
    fn note_answered_secrets(&mut self) {
        for kind in groups::newly_answered(&self.index) {
            self.index.secrets.answered.insert(kind);
        }
    }

    fn render(&self, unit: &Unit) -> Rendered {
        match unit {
            Unit::Service(name) => service::render(&self.index, &self.options, name),
            Unit::Secret(name) => certificate::render(&self.index, name),
            Unit::Node(name) => cluster::node(&self.index, name),
            Unit::Cluster => cluster::info(&self.index, &self.options),
            asker => self.ask(asker).0,
        }
    }

    fn publish(&mut self, unit: Unit, rendered: Rendered, changes: &mut Changes) {
        let before = self.published.remove(&unit).unwrap_or_default();
        let mut after = Published {
            hashes: Few::default(),
            diagnostics: rendered.diagnostics(),
            declared: self.declared(&unit, &rendered),
        };
        if let Some(id) = unit.reporting().filter(|_| before.declared != after.declared) {
            changes.declared.push((id, after.declared.clone()));
        }
        changes.diagnostics |= before.diagnostics != after.diagnostics;
        if rendered.held {
            after.hashes = before.hashes;
            self.remember(unit, after);
            return;
        }
        for key in rendered.held_keys {
            if let Some(hash) = before.hashes.get(&key) {
                after.hashes.insert(key, *hash);
            }
        }
        for (key, resource) in rendered.entries {
            if !groups::is_published(&self.index, &key) {
                continue;
            }
            let hash = EncodedResource::encode(&key, &resource).hash();
            if before.hashes.get(&key) != Some(&hash) {
                changes.upsert(key.clone(), resource, !before.hashes.contains_key(&key));
            }
            after.hashes.insert(key, hash);
        }
        let gone = before.hashes.into_iter().map(|(key, _)| key);
        for key in gone.filter(|key| !after.hashes.contains_key(key)) {
            changes.remove(key);
        }
        self.remember(unit, after);
    }

    fn remember(&mut self, unit: Unit, published: Published) {
        if !published.hashes.is_empty() || !published.diagnostics.is_empty() || published.declared.is_some() {
            self.published.insert(unit, published);
        }
    }

    fn output(&mut self, changes: Changes) -> Output {
        let groups = groups::states(&self.index);
        let groups = (self.groups != groups).then(|| {
            self.groups.clone_from(&groups);
            groups
        });
        let diagnostics = changes.diagnostics.then(|| self.all_diagnostics());
        let diagnostics = diagnostics.filter(|diagnostics| *diagnostics != self.diagnostics);
        if let Some(diagnostics) = &diagnostics {
            self.diagnostics.clone_from(diagnostics);
        }
        Output {
            upserts: entries(changes.upserts),
            removals: changes.removals.into_iter().collect(),
            groups,
            diagnostics,
            declared: changes.declared,
        }
    }

    /// What is said of the object that a unit is; nothing of objects that are not there, or have no status.
    fn declared(&self, unit: &Unit, rendered: &Rendered) -> Option<Arc<Declared>> {
        let id = unit.reporting().filter(|id| self.index.has(id))?;
        let published = |key: &Key| groups::is_published(&self.index, key);
        Some(Arc::new(match class::standing(&self.index, &self.options, &id) {
            Standing::Ours => Declared {
                ancestors: ancestors::of(&self.index, &self.options, &id),
                ..rendered.declared(published)
            },
            standing => Declared {
                standing,
                ..Declared::default()
            },
        }))
    }

    fn all_diagnostics(&self) -> Vec<Diagnostic> {
        let units = self
            .published
            .values()
            .flat_map(|unit| unit.diagnostics.iter().cloned());
        let mut all: Vec<Diagnostic> = units
            .chain(self.index.problems.iter().cloned())
            .chain(self.index.malformed.iter().map(malformed))
            .chain(Kind::ALL.iter().filter_map(|kind| self.unlisted(*kind)))
            .collect();
        all.sort();
        all.dedup();
        all
    }

    fn unlisted(&self, kind: Kind) -> Option<Diagnostic> {
        let reason = self.index.listings.failure(kind)?;
        let id = ObjectId {
            kind,
            name: Name::new("", "*"),
        };
        Some(Diagnostic {
            object: id.reference(),
            field: String::new(),
            severity: Severity::Error,
            reason: "ListFailed".to_owned(),
            message: format!("objects of this kind cannot be listed, what is known stays in force: {reason}"),
        })
    }
}

fn entries(resources: BTreeMap<Key, Resource>) -> Vec<Entry> {
    let entry = |(key, resource)| Entry { key, resource };
    resources.into_iter().map(entry).collect()
}

fn malformed((id, reason): (&ObjectId, &String)) -> Diagnostic {
    Diagnostic {
        object: id.reference(),
        field: String::new(),
        severity: Severity::Error,
        reason: "Malformed".to_owned(),
        message: format!("the object cannot be read and is skipped: {reason}"),
    }
}
