//! The gateway's view of the objects: compiled, and kept up to date write by write.
//!
//! A write costs what it changes: a route its own entries in the router, a service those of the
//! routes that take their hosts from it, an upstream nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::certificates::Certificates;
use super::kind::Kind;
use super::references::References;
use super::store::Store;

pub(crate) mod balancer;
pub(crate) mod facts;
pub(crate) mod route;
pub(crate) mod router;
pub(crate) mod upstream;

use facts::Facts;
use route::Route;
use router::Router;
use upstream::{Timeouts, Upstream};

/// The routes, services, upstreams and certificates in force.
#[derive(Debug, Default)]
pub(crate) struct Live {
    router: Router,
    routes: HashMap<String, Arc<Route>>,
    services: HashMap<String, Arc<Service>>,
    upstreams: HashMap<String, Arc<Upstream>>,
    pub(crate) certificates: Certificates,
}

/// What routes can take from a service.
#[derive(Debug)]
struct Service {
    hosts: Option<Vec<String>>,
    upstream_id: Option<String>,
    upstream: Option<Arc<Upstream>>,
    websocket: bool,
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) route_id: String,
    pub(crate) upstream: Arc<Upstream>,
    /// those of the route, else those of the upstream
    pub(crate) timeouts: Timeouts,
    pub(crate) websocket: bool,
}

/// Why a request goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoDecision {
    /// no route matches
    NoRoute,
    /// the route's service is not there
    NoService,
    /// the route's upstream is not there
    NoUpstream,
    /// neither the route nor its service has an upstream
    NothingConfigured,
}

impl Live {
    /// Takes over what was written or removed.
    pub(crate) fn refresh(&mut self, store: &Store, references: &References, kind: Kind, id: &str) {
        let object = store.get(kind, id);
        let value = object.map(|object| &*object.value);
        match kind {
            Kind::Route => self.refresh_route(store, id),
            Kind::Service => {
                put(&mut self.services, id, value.map(Service::new));
                for route in references.routes_of_service(id) {
                    self.refresh_route(store, &route);
                }
            }
            Kind::Upstream => put(&mut self.upstreams, id, value.map(Upstream::new)),
            Kind::Ssl => self.certificates.refresh(id, value),
            Kind::Consumer
            | Kind::Credential
            | Kind::ConsumerGroup
            | Kind::PluginConfig
            | Kind::GlobalRule
            | Kind::PluginMetadata
            | Kind::Secret
            | Kind::Proto
            | Kind::StreamRoute => {}
        }
    }

    fn refresh_route(&mut self, store: &Store, id: &str) {
        if let Some(old) = self.routes.remove(id) {
            self.router.remove(&old);
        }
        let Some(object) = store.get(Kind::Route, id) else {
            return;
        };
        let mut route = Route::new(id, object);
        if route.hosts.is_none() {
            let service = route.service_id.as_ref().and_then(|id| self.services.get(id));
            route.hosts = service.and_then(|service| service.hosts.clone());
        }
        let route = Arc::new(route);
        if route.enabled {
            self.router.insert(&route);
        }
        self.routes.insert(id.to_owned(), route);
    }

    /// The route and the upstream for a request.
    pub(crate) fn decide(&self, facts: &Facts<'_>) -> Result<Decision, NoDecision> {
        let route = self.router.find(facts).ok_or(NoDecision::NoRoute)?;
        let service = match &route.service_id {
            Some(id) => Some(self.services.get(id).ok_or(NoDecision::NoService)?),
            None => None,
        };
        let upstream = self.upstream_of(route, service.map(Arc::as_ref))?;
        Ok(Decision {
            route_id: route.id.clone(),
            timeouts: route.timeouts.unwrap_or(upstream.timeouts),
            websocket: route.websocket.or(service.map(|service| service.websocket)) == Some(true),
            upstream,
        })
    }

    /// The route's own upstream goes before its service's, an inline one before an id.
    fn upstream_of(&self, route: &Route, service: Option<&Service>) -> Result<Arc<Upstream>, NoDecision> {
        let own = (&route.upstream_id, &route.upstream);
        let inherited = service.map(|service| (&service.upstream_id, &service.upstream));
        for (id, inline) in std::iter::once(own).chain(inherited) {
            if let Some(id) = id {
                return self.upstreams.get(id).cloned().ok_or(NoDecision::NoUpstream);
            }
            if let Some(inline) = inline {
                return Ok(Arc::clone(inline));
            }
        }
        Err(NoDecision::NothingConfigured)
    }
}

fn put<T>(objects: &mut HashMap<String, Arc<T>>, id: &str, object: Option<T>) {
    match object {
        Some(object) => objects.insert(id.to_owned(), Arc::new(object)),
        None => objects.remove(id),
    };
}

impl Service {
    fn new(value: &Value) -> Self {
        Self {
            hosts: value.get("hosts").map(route::lowercase_texts),
            upstream_id: value.get("upstream_id").and_then(super::references::id_text),
            upstream: value.get("upstream").map(|inline| Arc::new(Upstream::new(inline))),
            websocket: value["enable_websocket"] == true,
        }
    }
}

/// A duration in seconds, as the Admin API writes them.
fn seconds(value: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(value.as_f64()?).ok()
}

#[cfg(test)]
mod tests;
