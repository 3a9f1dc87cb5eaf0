//! The incremental planner: what depends on a change is rendered again, and nothing else.

mod callers;
mod demote;
mod everybody;
mod output;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hubline::model::{ClusterId, GlobalKey, Key, Resource, ResourceKind};
use imbl::OrdMap;
use ipnet::IpNet;

use self::output::Output;
use super::everybody::Everybody;
use super::gateways::{self, Routings};
use super::index::{Index, without};
use super::names::ByName;
use super::overlaps::{self, Overlaps};
use super::routing::Routing;
use super::scope::{Rendered, Resources, Scope};
use super::{PlanOptions, PlanOutput, certificate, consumers, plugins, probes, route, stream_route, upstream};
use crate::change::{Change, Stored, first_key, of_kind};
use crate::federate::{Standing, Verdict};
use crate::few::Few;
use crate::object::{Object, ObjectId};
use crate::path::demotion::Demotions;
use crate::view::Problem;

/// Keeps what is in force and the objects made from it.
///
/// Objects are a function of resources, standings, paths and demotions alone, with one exception: where a resource itself is
/// wrong (a plugin's configuration is no JSON), what was made of it before stays, as long as all it refers to
/// is there and all its claims are still its own.
#[derive(Debug, Default)]
pub struct Planner {
    options: PlanOptions,
    resources: Resources,
    standings: BTreeMap<GlobalKey, Standing>,
    routings: Routings,
    demotions: Demotions,
    /// Objects of paths.
    of_paths: BTreeMap<ObjectId, Arc<Object>>,
    /// What consumers are called, and who asks for a name.
    names: ByName,
    wanted: ByName,
    /// The group of each cluster's consumers, where it has any.
    groups: BTreeMap<ClusterId, Arc<Object>>,
    /// Every global rule, and what was made of all.
    rules: BTreeSet<GlobalKey>,
    everybody: Everybody,
    /// Pod networks of clusters as they are reached, and which of them overlap.
    networks: BTreeMap<ClusterId, BTreeSet<IpNet>>,
    overlaps: Overlaps,
    /// Routes that split traffic by themselves: a diversion does not move these.
    splitting: BTreeSet<GlobalKey>,
    /// Routes → services and plugin sets that they name, or that their objects refer to: nearly always the same.
    named: Index,
    /// Services → their endpoint sets.
    endpoints: Index,
    /// Boxed: half of a map's room is empty, which costs less the smaller its values are.
    rendered: BTreeMap<GlobalKey, Box<Rendered>>,
    renderings: u64,
}

/// What must be rendered again.
#[derive(Debug, Default)]
struct Dirty {
    /// Routes, certificates and whatever stands by itself.
    owners: BTreeSet<GlobalKey>,
    /// Services and plugin sets, which are there for others; rendered after those.
    shared: BTreeSet<GlobalKey>,
    /// Global rules, which are merged as a whole.
    everybody: bool,
}

impl Planner {
    /// Plans nothing yet.
    #[must_use]
    pub fn new(options: PlanOptions) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Takes one cluster's changes, and what [`crate::federate::Federation::apply`] said of them (which may speak of
    /// other clusters).
    pub fn apply(&mut self, cluster: &ClusterId, changes: &[Change], verdicts: &[Verdict]) -> PlanOutput {
        let mut dirty = Dirty::default();
        for change in changes {
            self.take_change(cluster, change, &mut dirty);
        }
        if changes
            .iter()
            .any(|change| change.key.kind == ResourceKind::ClusterInfo)
        {
            self.take_networks(cluster, &mut dirty);
        }
        for verdict in verdicts {
            self.take_verdict(verdict, &mut dirty);
        }
        self.render(dirty).into()
    }

    /// All objects, sorted by id.
    #[must_use]
    pub fn objects(&self) -> Vec<Arc<Object>> {
        let objects = self.rendered.values().flat_map(|rendered| &rendered.objects);
        let others = self.of_paths.values().chain(self.everybody.objects.values());
        let others = others.chain(self.groups.values());
        let mut objects: Vec<_> = objects.chain(others).cloned().collect();
        objects.sort_by(|one, other| one.id.cmp(&other.id));
        objects
    }

    /// What is in force in all clusters; cloning it costs nothing.
    #[must_use]
    pub fn resources(&self) -> &OrdMap<GlobalKey, Stored> {
        &self.resources
    }

    /// All problems, sorted by key.
    pub fn problems(&self) -> impl Iterator<Item = (&GlobalKey, &Problem)> {
        let problems = self.rendered.iter();
        problems.flat_map(|(key, rendered)| rendered.problems.iter().map(move |problem| (key, problem)))
    }

    /// How many resources were rendered since the start: what planning cost.
    #[must_use]
    pub fn renderings(&self) -> u64 {
        self.renderings
    }

    /// Takes how clusters are reached now; those that are not named stay as they are.
    pub fn reach(&mut self, routings: impl IntoIterator<Item = (ClusterId, Routing)>) -> PlanOutput {
        let mut dirty = Dirty::default();
        for (cluster, routing) in routings {
            self.take_routing(&cluster, routing, &mut dirty);
        }
        let mut output = self.render(dirty);
        let now = gateways::objects(&self.options, &self.routings);
        let before = std::mem::replace(&mut self.of_paths, now);
        output.differ(&before, &self.of_paths);
        output.into()
    }

    fn take_routing(&mut self, cluster: &ClusterId, routing: Routing, dirty: &mut Dirty) {
        let routing = Arc::new(routing);
        let Some(before) = self.routings.insert(cluster.clone(), Arc::clone(&routing)) else {
            self.dirty_services(cluster, dirty);
            self.dirty_routes(cluster, dirty);
            self.dirty_info(cluster, dirty);
            self.take_networks(cluster, dirty);
            return;
        };
        if !routing.has_same_upstreams(&before) {
            self.dirty_services(cluster, dirty);
        }
        if routing.is_gateway_only() != before.is_gateway_only() {
            self.dirty_routes(cluster, dirty);
        }
        if routing.paths != before.paths || routing.allowed != before.allowed {
            self.dirty_info(cluster, dirty);
            self.take_networks(cluster, dirty);
        }
        if routing.diversion() != before.diversion() {
            let splitting = self.splitting.range(first_key(cluster, ResourceKind::Route)..);
            dirty
                .owners
                .extend(splitting.take_while(|key| key.cluster == *cluster).cloned());
        }
    }

    fn dirty_services(&self, cluster: &ClusterId, dirty: &mut Dirty) {
        dirty
            .shared
            .extend(of_kind(&self.resources, cluster, ResourceKind::Service).map(|(key, _)| key.clone()));
    }

    fn dirty_routes(&self, cluster: &ClusterId, dirty: &mut Dirty) {
        let kinds = [ResourceKind::Route, ResourceKind::StreamRoute];
        dirty.owners.extend(
            kinds
                .into_iter()
                .flat_map(|kind| of_kind(&self.resources, cluster, kind))
                .map(|(key, _)| key.clone()),
        );
    }

    fn dirty_info(&self, cluster: &ClusterId, dirty: &mut Dirty) {
        dirty
            .owners
            .extend(of_kind(&self.resources, cluster, ResourceKind::ClusterInfo).map(|(key, _)| key.clone()));
    }

    fn take_change(&mut self, cluster: &ClusterId, change: &Change, dirty: &mut Dirty) {
        let key = GlobalKey {
            cluster: cluster.clone(),
            key: change.key.clone(),
        };
        let before = self.resources.get(&key).map(|stored| Arc::clone(&stored.resource));
        let (before, now) = (
            before.as_deref(),
            change.now.as_ref().map(|stored| stored.resource.as_ref()),
        );
        match key.key.kind {
            ResourceKind::Route | ResourceKind::StreamRoute => {
                let uses = self.uses(&key);
                let (before, now) = (names(cluster, before), names(cluster, now));
                self.named.set(&key, &with(before, &uses), &with(now, &uses));
                dirty.owners.insert(key.clone());
            }
            ResourceKind::Certificate | ResourceKind::ClusterInfo => {
                dirty.owners.insert(key.clone());
            }
            ResourceKind::Consumer => self.take_consumer(&key, before, now, dirty),
            ResourceKind::GlobalRule => self.take_rule(&key, now, dirty),
            ResourceKind::Service => self.take_service(&key, before, now, dirty),
            ResourceKind::EndpointSet => dirty.shared.extend(self.endpoints.referrers(&key).cloned()),
            ResourceKind::PluginSet => {
                dirty.owners.extend(self.named.referrers(&key).cloned());
                dirty.shared.insert(key.clone());
            }
            // Which nodes stand for which service follows from all of them; most services stay as they are.
            ResourceKind::Node if self.routing(cluster).uses_nodes() => self.dirty_services(cluster, dirty),
            ResourceKind::Node | ResourceKind::Export | ResourceKind::Other(_) => {}
        }
        match &change.now {
            Some(stored) => drop(self.resources.insert(key, stored.clone())),
            None => drop(self.resources.remove(&key)),
        }
    }

    /// Routes hold only the service's id: they are rendered again when it comes or goes, not when it changes.
    fn take_service(&mut self, key: &GlobalKey, before: Option<&Resource>, now: Option<&Resource>, dirty: &mut Dirty) {
        if before.is_some() != now.is_some() {
            dirty.owners.extend(self.named.referrers(key).cloned());
        }
        let endpoints = |resource| endpoints(&key.cluster, resource);
        self.endpoints.set(key, &endpoints(before), &endpoints(now));
        dirty.shared.insert(key.clone());
    }

    fn take_verdict(&mut self, verdict: &Verdict, dirty: &mut Dirty) {
        let Verdict { key, standing } = verdict;
        dirty.owners.insert(key.clone());
        if *standing == Standing::default() {
            self.standings.remove(key);
        } else {
            self.standings.insert(key.clone(), standing.clone());
        }
    }

    /// Looks at the networks of a cluster again, and at all overlaps where they changed: nodes and paths do seldom.
    fn take_networks(&mut self, cluster: &ClusterId, dirty: &mut Dirty) {
        let routing = self.routing(cluster);
        let info = of_kind(&self.resources, cluster, ResourceKind::ClusterInfo).next();
        let networks = match info.map(|(_, stored)| stored.resource.as_ref()) {
            Some(Resource::ClusterInfo(info)) => overlaps::networks(info, &routing),
            _ => BTreeSet::new(),
        };
        if self.networks.get(cluster).is_some_and(|known| *known == networks) {
            return;
        }
        self.networks.insert(cluster.clone(), networks);
        let now = overlaps::overlaps(&self.networks);
        let before = std::mem::replace(&mut self.overlaps, now);
        let both: BTreeSet<&ClusterId> = before.keys().chain(self.overlaps.keys()).collect();
        for cluster in both {
            if before.get(cluster) != self.overlaps.get(cluster) {
                self.dirty_info(cluster, dirty);
            }
        }
    }

    fn render(&mut self, mut dirty: Dirty) -> Output {
        let mut output = Output::default();
        if dirty.everybody {
            self.merge_everybody(&mut dirty, &mut output);
        }
        let consumers = dirty.owners.iter().filter(|key| key.key.kind == ResourceKind::Consumer);
        let of_consumers: BTreeSet<ClusterId> = consumers.map(|key| key.cluster.clone()).collect();
        for key in dirty.owners {
            let rendered = self.render_owner(&key);
            let (before, now) = (self.uses(&key), &rendered.uses);
            dirty
                .shared
                .extend(without(&before, now).chain(without(now, &before)).cloned());
            let resource = self.resources.get(&key).map(|stored| stored.resource.as_ref());
            let named = names(&key.cluster, resource);
            self.named.set(&key, &with(named.clone(), &before), &with(named, now));
            self.keep(key, rendered, &mut output);
        }
        for key in dirty.shared {
            let rendered = self.render_shared(&key);
            self.keep(key, rendered, &mut output);
        }
        for cluster in of_consumers {
            self.render_group(cluster, &mut output);
        }
        output
    }

    fn render_owner(&self, key: &GlobalKey) -> Rendered {
        self.with_scope(key, |scope| match scope.stored.resource.as_ref() {
            Resource::Route(route) => route::render(scope, route),
            Resource::StreamRoute(route) => stream_route::render(scope, route),
            Resource::Certificate(certificate) => certificate::render(scope, certificate),
            Resource::Consumer(consumer) => consumers::render(scope, consumer),
            Resource::ClusterInfo(info) => probes::render(scope, info),
            Resource::Service(_)
            | Resource::EndpointSet(_)
            | Resource::PluginSet(_)
            | Resource::GlobalRule(_)
            | Resource::Node(_)
            | Resource::Export(_) => Rendered::default(),
        })
    }

    fn render_shared(&self, key: &GlobalKey) -> Rendered {
        if !self.is_used(key) {
            return Rendered::default();
        }
        let mut rendered = self.with_scope(key, |scope| match scope.stored.resource.as_ref() {
            Resource::Service(service) => upstream::render(scope, service),
            Resource::PluginSet(set) => plugins::plugin_set(scope, set),
            _ => Rendered::default(),
        });
        for object in rendered.objects.iter_mut().filter_map(Arc::get_mut) {
            if let Some(known) = self.reference(key, &object.id) {
                object.id = known.clone();
            }
        }
        rendered
    }

    /// The same id as a route's object holds it, so that its text is not kept twice.
    fn reference(&self, key: &GlobalKey, id: &ObjectId) -> Option<&ObjectId> {
        let routes = self.named.referrers(key).filter_map(|route| self.rendered.get(route));
        let objects = routes.flat_map(|rendered| &rendered.objects);
        objects.flat_map(|object| &object.references).find(|known| *known == id)
    }

    /// Services and plugin sets that the objects of a route refer to.
    fn uses(&self, key: &GlobalKey) -> Few<GlobalKey> {
        self.rendered
            .get(key)
            .map(|rendered| rendered.uses.clone())
            .unwrap_or_default()
    }

    /// Whether objects of routes refer to a service or plugin set: only these have objects.
    fn is_used(&self, key: &GlobalKey) -> bool {
        let mut routes = self.named.referrers(key).filter_map(|route| self.rendered.get(route));
        routes.any(|rendered| rendered.uses.contains(key))
    }

    fn routing(&self, cluster: &ClusterId) -> Arc<Routing> {
        let known = self.routings.get(cluster).cloned();
        known.unwrap_or_else(|| Arc::new(Routing::direct()))
    }

    fn with_scope(&self, key: &GlobalKey, render: impl FnOnce(&Scope<'_>) -> Rendered) -> Rendered {
        let Some(stored) = self.resources.get(key) else {
            return Rendered::default();
        };
        let none = Standing::default();
        let routing = self.routing(&key.cluster);
        let rendered = render(&Scope {
            options: &self.options,
            resources: &self.resources,
            key,
            stored,
            standing: self.standings.get(key).unwrap_or(&none),
            routing: &routing,
            demotions: &self.demotions,
            names: &self.names,
            everybody: self.everybody.authentication,
            overlaps: self.overlaps.get(&key.cluster),
        });
        if rendered.refused {
            self.with_previous(key, rendered)
        } else {
            rendered
        }
    }

    /// What was made before stays in place of what could not be made.
    fn with_previous(&self, key: &GlobalKey, refused: Rendered) -> Rendered {
        let Some(previous) = self.rendered.get(key) else {
            return refused;
        };
        let granted = self.standings.get(key).map(|standing| &standing.granted);
        let owned = previous
            .claims
            .iter()
            .all(|claim| granted.is_some_and(|granted| granted.contains(claim)));
        let resolved = previous.uses.iter().all(|used| self.resources.contains_key(used));
        if !owned || !resolved {
            return refused;
        }
        Rendered {
            objects: previous.objects.clone(),
            uses: previous.uses.clone(),
            claims: previous.claims.clone(),
            ..refused
        }
    }

    /// Keeps what was made and tells what of it differs from before.
    fn keep(&mut self, key: GlobalKey, rendered: Rendered, output: &mut Output) {
        self.renderings = self.renderings.saturating_add(1);
        let empty = rendered.objects.is_empty() && rendered.problems.is_empty() && rendered.wants.is_empty();
        let problems = rendered.problems.clone();
        let objects = rendered.objects.clone();
        self.keep_wants(&key, &rendered.wants);
        if rendered.splits {
            self.splitting.insert(key.clone());
        } else {
            self.splitting.remove(&key);
        }
        let before = if empty {
            self.rendered.remove(&key)
        } else {
            self.rendered.insert(key.clone(), Box::new(rendered))
        };
        let before = before.unwrap_or_default();
        for gone in &before.objects {
            output.objects.insert(gone.id.clone(), None);
        }
        for object in objects {
            output.objects.insert(object.id.clone(), Some(object));
        }
        for same in before.objects {
            if output
                .objects
                .get(&same.id)
                .is_some_and(|now| now.as_ref() == Some(&same))
            {
                output.objects.remove(&same.id);
            }
        }
        if before.problems != problems {
            output.problems.insert(key, problems);
        }
    }
}

fn sibling(cluster: &ClusterId, key: &Key) -> GlobalKey {
    GlobalKey {
        cluster: cluster.clone(),
        key: key.clone(),
    }
}

/// The endpoint set of a service.
fn endpoints(cluster: &ClusterId, resource: Option<&Resource>) -> Few<GlobalKey> {
    match resource {
        Some(Resource::Service(service)) => Few::One(sibling(cluster, &service.endpoints)),
        _ => Few::default(),
    }
}

/// Services and plugin sets that a route names.
fn names(cluster: &ClusterId, resource: Option<&Resource>) -> Few<GlobalKey> {
    let (backends, sets) = match resource {
        Some(Resource::Route(route)) => (route.backends.as_slice(), route.plugin_sets.as_slice()),
        Some(Resource::StreamRoute(route)) => (route.backends.as_slice(), [].as_slice()),
        _ => return Few::default(),
    };
    let services = backends.iter().map(|backend| &backend.service);
    services.chain(sets).map(|key| sibling(cluster, key)).collect()
}

fn with(mut names: Few<GlobalKey>, uses: &Few<GlobalKey>) -> Few<GlobalKey> {
    for used in uses.iter() {
        names.insert(used.clone());
    }
    names
}
