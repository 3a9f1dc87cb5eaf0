//! Ingress → routes, one per host and path, and what they ask for of services and secrets.
//!
//! | Ingress | route |
//! |---|---|
//! | `Prefix` | [`Prefix`](hubline::model::PathMatch::Prefix), a trailing slash makes no difference |
//! | `Exact` | [`Exact`](hubline::model::PathMatch::Exact) |
//! | `ImplementationSpecific` | [`Pattern`](hubline::model::PathMatch::Pattern), as written |
//! | `ImplementationSpecific` and the annotation `use-regex` | [`Regex`](hubline::model::PathMatch::Regex) |
//! | no path | `Prefix` of `/` |
//! | no host | no host |
//! | `defaultBackend` | every host and path, at [`DEFAULT_BACKEND_PRIORITY`] |
//! | a rule with a host and no `http` | every path of the host to the `defaultBackend`, at that priority |
//!
//! Annotations say how the routes behave: see [`annotations`].
//!
//! Sections are `HOST|TYPE|PATH`. Neither a host nor a type can hold a `|`, so that no two matches share a section.

mod annotations;
mod paths;
mod tls;

use hubline::model::{Backend, HostName, Key, ResourceKind, Route};

use super::apisix::plugin_config;
use super::apisix::v1alpha1::http_route_policy::{self, OfIngress};
use super::rendered::{Fault, Rendered};
use super::{TranslateOptions, certificate, class, service};
use crate::index::{Demand, Index, Purpose, ServiceDemand};
use crate::source::object::{Ingress, IngressBackend, IngressPath, IngressRule};
use crate::source::{Kind, Name};
use annotations::Directives;
use paths::{IMPLEMENTATION_SPECIFIC, Match, default_match, path_match};

/// Priority of routes to a `defaultBackend`: below 0, which every other route of an Ingress has, with room between.
pub const DEFAULT_BACKEND_PRIORITY: i32 = -1000;

/// Translates one Ingress; nothing comes out when it is gone or not ours.
pub(super) fn render(index: &Index, options: &TranslateOptions, name: &Name) -> (Rendered, Demand) {
    let listed = [Kind::Ingress, Kind::IngressClass]
        .iter()
        .all(|kind| index.listings.is_listed(*kind));
    let ingress = index.ingresses.get(name).filter(|_| listed);
    let mut rendered = Rendered::default();
    if ingress.is_none() && listed && !index.unread.affects(Kind::Ingress) {
        http_route_policy::tell_missing(index, &mut rendered, name);
    }
    let Some(ingress) = ingress.filter(|ingress| class::is_ours(index, options, ingress)) else {
        return (rendered, Demand::default());
    };
    let policies = http_route_policy::of_ingress(index, &mut rendered, name);
    if let Some(policy) = &policies.unreadable {
        let message = format!(
            "HTTPRoutePolicy {policy} says in spec.vars which requests the routes are for, and cannot be read; until it \
             is put right there are none"
        );
        rendered.report(
            Kind::Ingress,
            name,
            "spec.rules",
            Fault::error("UnsupportedValue", message),
        );
    }
    let (directives, faults) = Directives::read(options, name, &ingress.annotations);
    let mut translation = Translation {
        index,
        name,
        ingress,
        directives,
        policies,
        rendered,
        demand: Demand::default(),
    };
    for (field, fault) in faults {
        translation.report(field, fault);
    }
    if let Some(config) = &translation.directives.plugin_config {
        let field = annotations::plugin_config_field();
        translation.demand.plugin_configs.insert(config.clone(), field);
    }
    translation.check_regex();
    for (at, rule) in ingress.rules.iter().enumerate() {
        translation.rule(at, rule);
    }
    translation.default_backend();
    for (at, entry) in ingress.tls.iter().enumerate() {
        translation.tls(at, entry);
    }
    let secrets = translation.demand.certificates.keys();
    translation.rendered.leans_on = secrets.map(certificate::key).collect();
    (translation.rendered, translation.demand)
}

/// One Ingress being translated.
struct Translation<'a> {
    index: &'a Index,
    name: &'a Name,
    ingress: &'a Ingress,
    directives: Directives,
    policies: OfIngress,
    rendered: Rendered,
    demand: Demand,
}

impl Translation<'_> {
    fn report(&mut self, field: impl Into<String>, fault: Fault) {
        self.rendered.report(Kind::Ingress, self.name, field, fault);
    }

    /// A checked host; reports it when it is none.
    fn host(&mut self, field: &str, text: &str) -> Option<HostName> {
        match HostName::new(text) {
            Ok(host) => Some(host),
            Err(error) => {
                self.report(field, Fault::error("UnsupportedValue", error.to_string()));
                None
            }
        }
    }

    fn check_regex(&mut self) {
        let mut paths = self.ingress.rules.iter().flat_map(|rule| rule.paths.iter().flatten());
        if self.directives.regex && !paths.any(|path| *path.path_type == *IMPLEMENTATION_SPECIFIC) {
            let (field, fault) = annotations::no_regex_path();
            self.report(field, fault);
        }
    }

    fn rule(&mut self, at: usize, rule: &IngressRule) {
        let host = match &rule.host {
            None => None,
            Some(text) => match self.host(&format!("spec.rules[{at}].host"), text) {
                Some(host) => Some(host),
                None => return,
            },
        };
        match &rule.paths {
            Some(paths) => {
                for (number, path) in paths.iter().enumerate() {
                    let field = format!("spec.rules[{at}].http.paths[{number}]");
                    self.path(&field, host.as_ref(), path);
                }
            }
            None => self.rule_without_paths(at, host.as_ref()),
        }
    }

    /// Kubernetes: all traffic of such a host goes to the default backend.
    fn rule_without_paths(&mut self, at: usize, host: Option<&HostName>) {
        let ingress = self.ingress;
        let (Some(host), Some(backend)) = (host, &ingress.default_backend) else {
            let message = "the rule has no paths and there is no spec.defaultBackend, so it leads nowhere";
            return self.report(
                format!("spec.rules[{at}].http"),
                Fault::warning("UnsupportedValue", message),
            );
        };
        let found = default_match(Some(host));
        self.route(&format!("spec.rules[{at}]"), "spec.defaultBackend", &found, backend);
    }

    fn default_backend(&mut self) {
        let ingress = self.ingress;
        if let Some(backend) = &ingress.default_backend {
            let field = "spec.defaultBackend";
            self.route(field, field, &default_match(None), backend);
        }
    }

    fn path(&mut self, field: &str, host: Option<&HostName>, path: &IngressPath) {
        match path_match(path, self.directives.regex) {
            Ok((word, matched)) => {
                let found = Match {
                    host,
                    word,
                    path: matched,
                    priority: 0,
                };
                self.route(field, &format!("{field}.backend"), &found, &path.backend);
            }
            Err((part, message)) => {
                self.report(format!("{field}.{part}"), Fault::error("UnsupportedValue", message));
            }
        }
    }

    fn route(&mut self, field: &str, backend_field: &str, found: &Match<'_>, backend: &IngressBackend) {
        if self.policies.unreadable.is_some() {
            return;
        }
        let key = Key::new(
            ResourceKind::Route,
            &Kind::Ingress.group_kind(),
            &self.name.namespace,
            &self.name.name,
            &found.section(),
        );
        if self.rendered.entries.contains_key(&key) {
            let message = "host and path are the same as in an earlier entry, which stays in force";
            return self.report(field, Fault::warning("DuplicateMatch", message));
        }
        // What is closed leads nowhere, so that nothing is asked for.
        let reached = match self.directives.closed {
            true => None,
            false => match self.backend(backend_field, backend) {
                Some(reached) => Some(reached),
                None => return,
            },
        };
        let websocket = reached.as_ref().is_some_and(|(_, websocket)| *websocket);
        let backends = reached.map(|(service, _)| Backend { service, weight: 1 });
        let directives = &self.directives;
        let route = Route {
            hosts: found.host.cloned().into_iter().collect(),
            paths: vec![found.path.clone()],
            methods: Vec::new(),
            conditions: self.policies.conditions.clone(),
            priority: self.priority(found),
            backends: backends.into_iter().collect(),
            plugins: directives.plugins.clone(),
            plugin_sets: directives.plugin_config.iter().map(plugin_config::key).collect(),
            timeouts: None,
            websocket: websocket || directives.websocket,
            created: self.ingress.created,
        };
        self.rendered.entries.insert(key, route.into());
    }

    /// What takes the rest stays behind all others, whatever a policy says.
    fn priority(&self, found: &Match<'_>) -> i32 {
        let said = self
            .policies
            .priority
            .filter(|_| found.priority != DEFAULT_BACKEND_PRIORITY);
        said.unwrap_or(found.priority)
    }

    /// The service's key, and whether its port speaks websocket. Whether they exist is the service's affair.
    fn backend(&mut self, field: &str, backend: &IngressBackend) -> Option<(Key, bool)> {
        let (service, port) = match backend {
            IngressBackend::Service { service, port } => (service, port),
            IngressBackend::Resource(resource) => {
                let message = format!("{resource}: only backends of kind Service are supported");
                self.report(format!("{field}.resource"), Fault::error("UnsupportedValue", message));
                return None;
            }
            IngressBackend::Missing => {
                self.report(field, Fault::error("UnsupportedValue", "names no service"));
                return None;
            }
        };
        let name = match &self.directives.service_namespace {
            Some(namespace) => Name::new(namespace, service),
            None => self.name.sibling(service),
        };
        let settings = self.directives.settings;
        let port = ServiceDemand {
            port: port.clone(),
            settings,
            purpose: Purpose::Http,
        };
        self.ask_for(&name, &port, field);
        if service::is_unread(self.index, &name) {
            return None;
        }
        let resolved = self
            .index
            .services
            .get(&name)
            .and_then(|service| service::resolve(service, &port));
        let websocket = resolved.as_ref().is_some_and(service::ResolvedPort::is_websocket);
        Some((service::key(&name, resolved.as_ref(), &port), websocket))
    }

    fn ask_for(&mut self, service: &Name, port: &ServiceDemand, field: &str) {
        let ports = self.demand.services.entry(service.clone()).or_default();
        if !ports.contains_key(port) {
            ports.insert(port.clone(), format!("{field}.service"));
        }
    }
}
