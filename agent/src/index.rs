//! The objects of one cluster, who refers to whom, and which units of translation are dirty.
//!
//! Synchronous maps, fed by [`Index::apply`]; it draws no conclusions about routes or services. Three memories are kept
//! on purpose, since translate itself has none: the last good certificate of each Secret ([`secret`]), what was listed
//! completely ([`listing`]), and what of it was never read (`unread`), because an error is not an empty list.

mod custom;
mod demand;
pub mod listing;
pub mod secret;
mod unit;
mod unread;
mod users;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use hubline::model::{Diagnostic, Node};

use crate::few::Few;
use crate::source::object::{EndpointSlice, Ingress, IngressClass, Service};
use crate::source::{Coverage, Kind, Name, Object, ObjectId, SourceEvent};
use custom::CustomObjects;
pub use demand::{BackendPolicy, Demand, Purpose, RoutePolicy, SecretUse, ServiceDemand, ServiceUse, SettingsOverride};
use listing::Listings;
use secret::Secrets;
pub use unit::Unit;
use unread::Unread;
use users::Users;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Index {
    pub(crate) ingresses: BTreeMap<Name, Ingress>,
    pub(crate) classes: BTreeMap<Name, IngressClass>,
    pub(crate) services: BTreeMap<Name, Service>,
    pub(crate) slices: BTreeMap<Name, EndpointSlice>,
    pub(crate) nodes: BTreeMap<Name, Node>,
    pub(crate) secrets: Secrets,
    pub(crate) custom: CustomObjects,
    pub(crate) slices_of: BTreeMap<Name, Few<Name, ()>>,
    pub(crate) service_users: Users<ServiceUse>,
    pub(crate) secret_users: Users<SecretUse>,
    pub(crate) secret_readers: Users<()>,
    pub(crate) service_readers: Users<()>,
    pub(crate) upstream_users: Users<String>,
    pub(crate) plugin_config_users: Users<String>,
    pub(crate) route_policies: Users<RoutePolicy>,
    pub(crate) backend_policies: Users<BackendPolicy>,
    /// By name alone: the policy's kind says of which kind the target is.
    pub(crate) policy_targets: Users<()>,
    pub(crate) listings: Listings,
    pub(crate) malformed: BTreeMap<ObjectId, String>,
    pub(crate) unread: Unread,
    pub(crate) problems: Vec<Diagnostic>,
    pub(crate) version: Option<String>,
    dirty: BTreeSet<Unit>,
    /// Secrets that lost their last user since the last drain.
    released: BTreeSet<Name>,
    faults_changed: bool,
}

impl Index {
    /// Takes one event in.
    pub fn apply(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Begin(kind) => self.listings.begin(kind),
            SourceEvent::Listed(object) => {
                let id = object.id();
                self.listings.saw(id.kind, id.name);
                self.put(*object);
            }
            SourceEvent::End { kind, coverage } => self.end(kind, coverage),
            SourceEvent::Apply(object) => self.put(*object),
            SourceEvent::Delete(id) => self.delete(&id),
            // Nothing is made of it.
            SourceEvent::Reported(..) => {}
            SourceEvent::Failed { kind, reason } => {
                self.listings.failed(kind, reason);
                self.faults_changed = true;
            }
            SourceEvent::Malformed { id, reason } => self.malformed(id, reason),
            SourceEvent::Fetched { name, outcome } => {
                // An answer may come after the last reference is gone.
                if self.is_secret_wanted(&name) && self.secrets.fetched(&name, outcome) {
                    self.touch_secret(name);
                }
            }
            SourceEvent::Unread(files) => {
                self.unread.set_files(files);
                self.touch_everything();
            }
            SourceEvent::Problems(problems) => {
                self.problems = problems;
                self.faults_changed = true;
            }
            SourceEvent::Version(version) => {
                self.version = Some(version);
                self.dirty.insert(Unit::Cluster);
            }
        }
    }

    /// The next unit to translate, if any.
    pub(crate) fn next_dirty(&mut self) -> Option<Unit> {
        self.dirty.pop_first()
    }

    /// The next unit that may ask something of others, if any is dirty.
    pub(crate) fn next_dirty_asker(&mut self) -> Option<Unit> {
        self.dirty.first().filter(|unit| unit.asks())?;
        self.dirty.pop_first()
    }

    /// Whether faults changed that belong to no unit; asking clears it.
    pub(crate) fn take_faults_changed(&mut self) -> bool {
        std::mem::take(&mut self.faults_changed)
    }

    /// Notes what an object asks for now; `held` when what was made of it before stays, which needs what it asked for then.
    pub(crate) fn set_demand(&mut self, user: &ObjectId, demand: Demand, held: bool) {
        let services = change(&mut self.service_users, user, demand.services, held);
        for service in &services {
            self.touch_policies(Kind::BackendTrafficPolicy, service);
        }
        self.dirty.extend(services.into_iter().map(Unit::Service));
        drop(self.policy_targets.replace(user, units(demand.policy_targets)));
        for name in change(&mut self.secret_users, user, demand.certificates, held) {
            self.released.insert(name.clone());
            self.dirty.insert(Unit::Secret(name));
        }
        // Who reads has just read.
        let read = self.secret_readers.replace(user, units(demand.secrets));
        self.released.extend(read);
        drop(self.service_readers.replace(user, units(demand.other_services)));
        let upstreams = change(&mut self.upstream_users, user, demand.upstreams, held);
        self.dirty.extend(upstreams.into_iter().map(Unit::ApisixUpstream));
        let configs = change(&mut self.plugin_config_users, user, demand.plugin_configs, held);
        self.dirty.extend(configs.into_iter().map(Unit::ApisixPluginConfig));
        let ingresses = self.route_policies.replace(user, demand.route_policies);
        self.dirty.extend(ingresses.into_iter().map(Unit::Ingress));
        let services = self.backend_policies.replace(user, demand.backend_policies);
        self.dirty.extend(services.into_iter().map(Unit::Service));
    }

    /// Forgets the Secrets that were fetched and that nobody asks for any more: once all that is dirty was asked, since
    /// one object may take over what another one gives up.
    pub(crate) fn forget_released(&mut self) {
        for name in std::mem::take(&mut self.released) {
            if !self.is_secret_wanted(&name) {
                self.secrets.forget_fetched(&name);
            }
        }
    }

    /// Whether anything refers to a Secret.
    pub(crate) fn is_secret_wanted(&self, name: &Name) -> bool {
        self.secret_users.of(name).is_some() || self.secret_readers.of(name).is_some()
    }

    /// What is known of a Secret.
    pub(crate) fn secret(&self, name: &Name) -> secret::Lookup<'_> {
        self.secrets.lookup(name, self.listings.covers_all(Kind::Secret))
    }

    /// Secrets that are referred to and were not in the selection that is listed, so that they are fetched by name.
    #[must_use]
    pub fn wanted_secrets(&self) -> BTreeSet<Name> {
        if self.listings.covers_all(Kind::Secret) {
            return BTreeSet::new();
        }
        let referred = self.secret_users.targets().chain(self.secret_readers.targets());
        let wanted = referred.filter(|name| !self.secrets.is_watched(name));
        wanted.cloned().collect()
    }

    /// As [`Self::wanted_secrets`], of what objects of one kind refer to.
    pub(crate) fn wanted_by(&self, kind: Kind) -> BTreeSet<Name> {
        if self.listings.covers_all(Kind::Secret) {
            return BTreeSet::new();
        }
        let referred = self
            .secret_users
            .asked_by(kind)
            .chain(self.secret_readers.asked_by(kind));
        let wanted = referred.filter(|name| !self.secrets.is_watched(name));
        wanted.cloned().collect()
    }

    /// A Secret has changed.
    fn touch_secret(&mut self, name: Name) {
        let readers = self.secret_readers.of(&name).into_iter().flat_map(Few::keys);
        for reader in readers.cloned().collect::<Vec<_>>() {
            self.touch(&reader);
        }
        if self.secret_users.of(&name).is_some() {
            self.dirty.insert(Unit::Secret(name));
        }
    }

    /// An object is to be translated again, and whatever is made with what it says.
    fn touch(&mut self, id: &ObjectId) {
        if id.kind == Kind::ApisixUpstream {
            self.touch_service(id.name.clone());
        }
        self.dirty.extend(Unit::of(id));
    }

    /// Makes every certificate dirty.
    fn touch_secrets(&mut self) {
        self.dirty
            .extend(self.secret_users.targets().cloned().map(Unit::Secret));
    }

    fn malformed(&mut self, id: ObjectId, reason: String) {
        self.listings.saw(id.kind, id.name.clone());
        if !self.listings.is_listed(id.kind) && !self.has(&id) {
            self.unread.insert(id.clone());
        }
        self.malformed.insert(id, reason);
        self.faults_changed = true;
    }

    /// An object was read, or is gone.
    fn is_well(&mut self, id: &ObjectId) {
        if self.malformed.remove(id).is_some() {
            self.faults_changed = true;
        }
        if self.unread.remove(id) {
            self.touch_everything();
        }
    }

    /// Counts every kind whose first listing has not ended as failed for now.
    pub(crate) fn stop_waiting(&mut self) {
        for kind in Kind::ALL {
            self.listings
                .overdue(*kind, "not listed within the time allowed at start-up");
        }
        self.faults_changed = true;
    }

    /// Counts every kind that cannot be listed or watched at the moment as never listed.
    pub(crate) fn doubt_failed(&mut self) {
        if self.listings.doubt_failed() {
            // Their references may go and come back with it, and with them what was fetched for them.
            self.secrets.answered.clear();
            self.touch_everything();
        }
    }

    fn end(&mut self, kind: Kind, coverage: Coverage) {
        let first = !self.listings.is_listed(kind);
        let Some(seen) = self.listings.end(kind, coverage) else {
            return;
        };
        for name in self.names(kind).into_iter().filter(|name| !seen.contains(name)) {
            self.delete(&ObjectId { kind, name });
        }
        self.malformed
            .retain(|id, _| id.kind != kind || seen.contains(&id.name));
        self.faults_changed = true;
        if self.unread.retain(kind, &seen) || first {
            self.touch_everything();
        }
    }

    /// Whether an object is known; of Secrets those that were listed.
    #[must_use]
    pub fn has(&self, id: &ObjectId) -> bool {
        match id.kind {
            Kind::Ingress => self.ingresses.contains_key(&id.name),
            Kind::IngressClass => self.classes.contains_key(&id.name),
            Kind::Service => self.services.contains_key(&id.name),
            Kind::EndpointSlice => self.slices.contains_key(&id.name),
            Kind::Secret => self.secrets.is_watched(&id.name),
            Kind::Node => self.nodes.contains_key(&id.name),
            custom => self.custom.has(custom, &id.name),
        }
    }

    /// Names of the known objects of a kind; of Secrets those that were listed, not those fetched by name.
    fn names(&self, kind: Kind) -> Vec<Name> {
        match kind {
            Kind::Ingress => self.ingresses.keys().cloned().collect(),
            Kind::IngressClass => self.classes.keys().cloned().collect(),
            Kind::Service => self.services.keys().cloned().collect(),
            Kind::EndpointSlice => self.slices.keys().cloned().collect(),
            Kind::Secret => self.secrets.watched(),
            Kind::Node => self.nodes.keys().cloned().collect(),
            custom => self.custom.names(custom),
        }
    }

    /// A group may have become complete: all its units are looked at again.
    pub(crate) fn touch_everything(&mut self) {
        self.dirty.insert(Unit::Cluster);
        self.touch_ingresses();
        self.touch_secrets();
        self.dirty
            .extend(self.service_users.targets().cloned().map(Unit::Service));
        self.dirty.extend(self.nodes.keys().cloned().map(Unit::Node));
        self.dirty.extend(self.custom.units());
        self.dirty
            .extend(self.route_policies.targets().cloned().map(Unit::Ingress));
        self.dirty
            .extend(self.backend_policies.targets().cloned().map(Unit::Service));
        let upstreams = self.upstream_users.targets().cloned();
        self.dirty.extend(upstreams.map(Unit::ApisixUpstream));
        let configs = self.plugin_config_users.targets().cloned();
        self.dirty.extend(configs.map(Unit::ApisixPluginConfig));
    }

    fn touch_ingresses(&mut self) {
        self.dirty.extend(self.ingresses.keys().cloned().map(Unit::Ingress));
    }

    /// The status of a policy names the classes of the Ingresses that it acts through, or a target that is not there.
    fn touch_policies_through(&mut self, ingress: &Name) {
        self.touch_policies(Kind::HttpRoutePolicy, ingress);
        let user = ObjectId {
            kind: Kind::Ingress,
            name: ingress.clone(),
        };
        for service in self.service_users.asked(&user).cloned().collect::<Vec<_>>() {
            self.touch_policies(Kind::BackendTrafficPolicy, &service);
        }
    }

    /// The policies of a kind that name a target.
    fn touch_policies(&mut self, kind: Kind, target: &Name) {
        let policies = self.policy_targets.of(target).into_iter().flat_map(Few::keys);
        let of_kind = policies.filter(|policy| policy.kind == kind);
        self.dirty.extend(of_kind.filter_map(Unit::of));
    }

    fn touch_service(&mut self, service: Name) {
        if self.service_users.of(&service).is_some() || self.backend_policies.of(&service).is_some() {
            self.dirty.insert(Unit::Service(service));
        }
    }

    fn put(&mut self, object: Object) {
        self.is_well(&object.id());
        match object {
            Object::Ingress(name, ingress) => self.set_ingress(name, Some(ingress)),
            Object::IngressClass(name, class) => self.set_class(&name, Some(class)),
            Object::Service(name, service) => self.set_service(name, Some(service)),
            Object::EndpointSlice(name, slice) => self.set_slice(name, Some(slice)),
            Object::Secret(name, secret) => {
                if self.secrets.put(&name, &secret) {
                    self.touch_secret(name);
                }
            }
            Object::Node(name, node) => self.set_node(name, Some(node)),
            custom => {
                let id = custom.id();
                if self.custom.put(custom) {
                    self.touch(&id);
                }
            }
        }
    }

    fn delete(&mut self, id: &ObjectId) {
        self.is_well(id);
        let name = id.name.clone();
        match id.kind {
            Kind::Ingress => self.set_ingress(name, None),
            Kind::IngressClass => self.set_class(&name, None),
            Kind::Service => self.set_service(name, None),
            Kind::EndpointSlice => self.set_slice(name, None),
            Kind::Secret => {
                if self.secrets.delete(&name) {
                    self.touch_secret(name);
                }
            }
            Kind::Node => self.set_node(name, None),
            custom => {
                if self.custom.delete(custom, &name) {
                    self.touch(id);
                }
            }
        }
    }

    fn set_ingress(&mut self, name: Name, ingress: Option<Ingress>) {
        let Some(before) = replace(&mut self.ingresses, &name, ingress) else {
            return;
        };
        let after = self.ingresses.get(&name).map(|ingress| &ingress.class);
        if before.as_ref().map(|ingress| &ingress.class) != after {
            self.touch_policies_through(&name);
        }
        self.dirty.insert(Unit::Ingress(name));
    }

    fn set_class(&mut self, name: &Name, class: Option<IngressClass>) {
        if replace(&mut self.classes, name, class).is_some() {
            self.touch_everything();
        }
    }

    fn set_service(&mut self, name: Name, service: Option<Service>) {
        let Some(before) = replace(&mut self.services, &name, service) else {
            return;
        };
        let readers = self.service_readers.of(&name).into_iter().flat_map(Few::keys);
        self.dirty.extend(readers.filter_map(Unit::of));
        if before.is_some() != self.services.contains_key(&name) {
            self.touch_policies(Kind::BackendTrafficPolicy, &name);
        }
        // Routes name the service's key, which depends on its ports alone.
        if before.map(|service| service.ports) != self.services.get(&name).map(|service| service.ports.clone()) {
            let users = self.service_users.of(&name).into_iter().flatten();
            self.dirty.extend(users.filter_map(|(user, _)| Unit::of(user)));
        }
        self.touch_service(name);
    }

    fn set_slice(&mut self, name: Name, slice: Option<EndpointSlice>) {
        let after = slice.as_ref().and_then(|slice| service_of(&name, slice));
        let Some(before) = replace(&mut self.slices, &name, slice) else {
            return;
        };
        let before = before.and_then(|slice| service_of(&name, &slice));
        if let Some(service) = before {
            if let Entry::Occupied(mut slices) = self.slices_of.entry(service.clone()) {
                slices.get_mut().remove(&name);
                if slices.get().is_empty() {
                    slices.remove();
                }
            }
            self.touch_service(service);
        }
        if let Some(service) = after {
            self.slices_of.entry(service.clone()).or_default().insert(name, ());
            self.touch_service(service);
        }
    }

    fn set_node(&mut self, name: Name, node: Option<Node>) {
        let networks = node.as_ref().map(|node| node.pod_networks.clone());
        let Some(before) = replace(&mut self.nodes, &name, node) else {
            return;
        };
        if before.map(|node| node.pod_networks) != networks {
            self.dirty.insert(Unit::Cluster);
        }
        self.dirty.insert(Unit::Node(name));
    }
}

fn change<T: Clone + PartialEq>(
    users: &mut Users<T>,
    user: &ObjectId,
    uses: BTreeMap<Name, T>,
    held: bool,
) -> BTreeSet<Name> {
    match held {
        true => users.extend(user, uses),
        false => users.replace(user, uses),
    }
}

fn units(names: BTreeSet<Name>) -> BTreeMap<Name, ()> {
    names.into_iter().map(|name| (name, ())).collect()
}

fn service_of(slice: &Name, object: &EndpointSlice) -> Option<Name> {
    Some(slice.sibling(object.service.as_deref()?))
}

/// Sets or removes a value; returns the one before when something changed.
fn replace<T: PartialEq>(map: &mut BTreeMap<Name, T>, name: &Name, value: Option<T>) -> Option<Option<T>> {
    if map.get(name) == value.as_ref() {
        return None;
    }
    Some(match value {
        Some(value) => map.insert(name.clone(), value),
        None => map.remove(name),
    })
}
