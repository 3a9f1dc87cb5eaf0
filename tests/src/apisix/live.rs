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

mod access;
pub(crate) mod answers;
pub(crate) mod balancer;
pub(crate) mod checks;
pub(crate) mod consumers;
pub(crate) mod facts;
mod global;
pub(crate) mod health;
mod plugins;
pub(crate) mod rewrite;
pub(crate) mod route;
pub(crate) mod router;
mod split;
mod turns;
pub(crate) mod upstream;

use answers::Answer;
use consumers::{Caller, Consumers};
use facts::Facts;
use global::GlobalRules;
use plugins::{Layers, Plugins};
use rewrite::ProxyRewrite;
use route::Route;
use router::Router;
use split::Destination;
use upstream::{Timeouts, Upstream};

/// What is in force.
#[derive(Debug, Default)]
pub(crate) struct Live {
    router: Router,
    routes: HashMap<String, Arc<Route>>,
    services: HashMap<String, Arc<Service>>,
    upstreams: HashMap<String, Arc<Upstream>>,
    plugin_configs: HashMap<String, Arc<Plugins>>,
    global: GlobalRules,
    consumers: Consumers,
    pub(crate) certificates: Certificates,
}

/// What routes can take from a service.
#[derive(Debug)]
struct Service {
    hosts: Option<Vec<String>>,
    upstream_id: Option<String>,
    upstream: Option<Arc<Upstream>>,
    websocket: bool,
    plugins: Plugins,
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) route_id: String,
    pub(crate) upstream: Arc<Upstream>,
    /// those of the route, else those of the upstream
    pub(crate) timeouts: Timeouts,
    pub(crate) websocket: bool,
    pub(crate) rewrite: Option<ProxyRewrite>,
    pub(crate) caller: Caller,
}

/// Why a request goes nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoDecision {
    /// a plugin of the route answers by itself
    Answered(Answer),
    /// no route matches
    NoRoute,
    /// the route's service is not there
    NoService,
    /// the route's plugin config is not there
    NoPluginConfig,
    /// the upstream that the request is for is not there
    NoUpstream,
    /// a `traffic-split` was looked at that names this upstream, which is not there
    SplitToNowhere(String),
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
            // Written straight into the store without `id`, these two are ignored.
            Kind::PluginConfig => put(&mut self.plugin_configs, id, with_id(value).map(Plugins::new)),
            Kind::GlobalRule => self.global.refresh(id, with_id(value)),
            Kind::Ssl => self.certificates.refresh(id, value),
            Kind::Consumer | Kind::Credential => self.consumers.refresh(kind, id, value),
            Kind::ConsumerGroup => self.consumers.refresh_group(id, with_id(value)),
            Kind::PluginMetadata | Kind::Secret | Kind::Proto | Kind::StreamRoute => {}
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
        let Some(route) = self.router.find(facts) else {
            // Global rules run for what has no route as well.
            self.of_everybody(&|name| facts.variable(name))?;
            self.diverted(None, facts)?;
            return Err(NoDecision::NoRoute);
        };
        let (layers, service) = self.layers(route)?;
        let variable = |name: &str| route.variable(facts, name);
        let mut caller = self.of_everybody(&variable)?;
        let diverted = self.diverted(Some(route), facts)?;
        if let Some(answer) = answers::abort(&layers, &variable) {
            return Err(NoDecision::Answered(answer));
        }
        let authenticated = self.consumers.authenticate(&layers, &mut caller, &variable);
        authenticated.map_err(NoDecision::Answered)?;
        let variable = |name: &str| caller.variable(name).or_else(|| route.variable(facts, name));
        let layers = self.consumers.over(&caller, &layers).map_err(NoDecision::Answered)?;
        let answer = answers::answer(&layers, &variable).or_else(|| access::answer(&layers, &variable));
        if let Some(answer) = answer {
            return Err(NoDecision::Answered(answer));
        }
        let split = layers.first(|plugins| plugins.split.as_ref());
        let split = split.and_then(|split| split.running(&variable));
        let chosen = split.map_or(Ok(None), |split| split.choose(&variable, &self.upstreams))?;
        // What the route's own plugin says comes last, and so wins.
        let upstream = match chosen.or(diverted).unwrap_or(Destination::Own) {
            Destination::Own => self.upstream_of(route, service)?,
            Destination::Id(id) => self.upstreams.get(&id).cloned().ok_or(NoDecision::NoUpstream)?,
            Destination::Inline(upstream) => upstream,
        };
        let rewrite = layers.first(|plugins| plugins.rewrite.as_ref());
        Ok(Decision {
            route_id: route.id.clone(),
            timeouts: route.timeouts.unwrap_or(upstream.timeouts),
            websocket: route.websocket.or(service.map(|service| service.websocket)) == Some(true),
            upstream,
            rewrite: rewrite.and_then(|rewrite| rewrite.running(&variable)).cloned(),
            caller: caller.clone(),
        })
    }

    /// Where a route takes plugins from, and its service.
    fn layers<'a>(&'a self, route: &'a Route) -> Result<(Layers<'a>, Option<&'a Service>), NoDecision> {
        let config = route.plugin_config_id.as_ref();
        let config = config.map(|id| self.plugin_configs.get(id).ok_or(NoDecision::NoPluginConfig));
        let config = config.transpose()?.map(Arc::as_ref);
        let service = route.service_id.as_ref();
        let service = service.map(|id| self.services.get(id).ok_or(NoDecision::NoService));
        let service = service.transpose()?.map(Arc::as_ref);
        let of_service = service.map(|service| &service.plugins);
        let layers = [Some(&route.plugins), config, of_service];
        Ok((layers.into_iter().flatten().collect(), service))
    }

    /// What global rules ask of a request: who calls, and how often.
    fn of_everybody(&self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Caller, NoDecision> {
        let mut caller = Caller::default();
        let layers = [
            self.global.with(|plugins| plugins.basic_auth.as_ref()),
            self.global.with(|plugins| plugins.key_auth.as_ref()),
        ];
        for layers in layers {
            let authenticated = self.consumers.authenticate(&layers, &mut caller, variable);
            authenticated.map_err(NoDecision::Answered)?;
        }
        let limits = self.global.with(|plugins| plugins.limit.as_ref());
        match access::answer(&limits, variable) {
            Some(answer) => Err(NoDecision::Answered(answer)),
            None => Ok(caller),
        }
    }

    /// Where the global rules send a request; none if they say nothing.
    fn diverted(&self, route: Option<&Arc<Route>>, facts: &Facts<'_>) -> Result<Option<Destination>, NoDecision> {
        let variable = |name: &str| match route {
            Some(route) => route.variable(facts, name),
            None => facts.variable(name),
        };
        let split = self.global.split().and_then(|split| split.running(&variable));
        split.map_or(Ok(None), |split| split.choose(&variable, &self.upstreams))
    }

    /// All upstreams that have checks, those inside routes and services too, with what they are
    /// called.
    pub(crate) fn checked(&self) -> Vec<(String, &Upstream)> {
        let routes = self
            .routes
            .iter()
            .filter_map(|(id, route)| Some((Kind::Route.key(id), route.upstream.as_deref()?)));
        let services = self.services.iter();
        let services = services.filter_map(|(id, service)| Some((Kind::Service.key(id), service.upstream.as_deref()?)));
        let upstreams = self
            .upstreams
            .iter()
            .map(|(id, upstream)| (Kind::Upstream.key(id), &**upstream));
        let all = routes.chain(services).chain(upstreams);
        let mut checked: Vec<_> = all.filter(|(_, upstream)| upstream.checks.is_some()).collect();
        checked.sort_by(|(one, _), (other, _)| one.cmp(other));
        checked
    }

    /// Forgets what checks have found, as a restart does.
    pub(crate) fn forget_health(&mut self, store: &Store, references: &References) {
        for kind in [Kind::Upstream, Kind::Service, Kind::Route] {
            for id in store.list(kind).keys() {
                self.refresh(store, references, kind, id);
            }
        }
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

fn with_id(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| value.get("id").is_some())
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
            plugins: Plugins::new(value),
        }
    }
}

/// A duration in seconds, as the Admin API writes them.
fn seconds(value: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(value.as_f64()?).ok()
}

#[cfg(test)]
mod tests;
