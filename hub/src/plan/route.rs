//! Routes.

use std::collections::BTreeSet;

use hubline::expression;
use hubline::model::{Backend, Resource, Route, Timeouts};
use serde_json::{Map, Value, json};

use super::gateways;
use super::id::Class;
use super::manner::Manner;
use super::names::KnownName;
use super::paths::{Part, parts};
use super::plugins;
use super::scope::{Rendered, Scope, fields};
use super::upstream::within;
use crate::cluster::check::{METHODS, RESTRICTION, SPLIT};
use crate::object::{Object, ObjectId, ObjectKind};
use crate::view::{Problem, ProblemKind};

/// Renders a route as far as its claims are in force: one object for each kind of its paths.
pub(super) fn render(scope: &Scope<'_>, route: &Route) -> Rendered {
    let mut rendered = match common(scope, route) {
        Ok(common) => objects(scope, route, &common),
        Err(rendered) => *rendered,
    };
    rendered.problems.extend(scope.conflicts());
    rendered
}

/// What all objects of one route share.
struct Common {
    body: Map<String, Value>,
    class: Class,
    references: BTreeSet<ObjectId>,
    conditions: Vec<Value>,
    problems: Vec<Problem>,
    wants: Box<[KnownName]>,
    /// Every request is answered by the hub's own plugin.
    closed: bool,
}

fn objects(scope: &Scope<'_>, route: &Route, common: &Common) -> Rendered {
    let (parts, refused) = parts(route, &scope.standing.granted);
    let mut rendered = Rendered {
        claims: scope.standing.granted.clone(),
        wants: common.wants.clone(),
        ..Rendered::default()
    };
    rendered.objects.reserve_exact(parts.len());
    for part in parts {
        rendered.objects.push(object(scope, common, part).into());
    }
    rendered.objects.sort_by(|one, other| one.id.cmp(&other.id));
    if !rendered.objects.is_empty() && !common.closed {
        let backends = route.backends.iter().filter(|_| !scope.routing.is_gateway_only());
        let keys = backends.map(|backend| &backend.service);
        rendered.uses = keys.chain(&route.plugin_sets).map(|key| scope.sibling(key)).collect();
        rendered.splits = common.class == Class::SplitRoute;
    }
    let problem = |message| scope.problem(ProblemKind::Refused, "UnsupportedValue", message);
    rendered.problems = refused.into_iter().map(problem).collect();
    rendered.problems.extend(common.problems.iter().cloned());
    rendered
}

fn object(scope: &Scope<'_>, common: &Common, part: Part) -> Object {
    let id = scope.id(ObjectKind::Route, common.class, &scope.key.key, &part.label);
    let mut body = common.body.clone();
    body.insert("uris".to_owned(), json!(part.uris));
    body.insert("priority".to_owned(), json!(part.priority));
    if !part.hosts.is_empty() {
        body.insert("hosts".to_owned(), json!(part.hosts));
    }
    let mut vars = part.vars;
    vars.extend(common.conditions.iter().cloned());
    if !vars.is_empty() {
        body.insert("vars".to_owned(), Value::Array(vars));
    }
    scope.object(id, body, common.references.clone())
}

/// Everything but paths and hosts, or why there is nothing.
fn common(scope: &Scope<'_>, route: &Route) -> Result<Common, Box<Rendered>> {
    check_references(scope, route)?;
    let mut body = fields(json!({"status": 1, "enable_websocket": route.websocket}));
    if let Some(timeouts) = route.timeouts {
        body.insert("timeout".to_owned(), timeout(within(scope.routing, timeouts)));
    }
    if !route.methods.is_empty() {
        body.insert("methods".to_owned(), methods(scope, route)?);
    }
    let conditions: Result<Vec<_>, _> = route.conditions.iter().map(expression::value_of).collect();
    let conditions = conditions.map_err(|message| scope.refuse("InvalidCondition", message))?;
    let mut common = Common {
        body,
        class: Class::Route,
        references: BTreeSet::new(),
        conditions,
        problems: Vec::new(),
        wants: Box::default(),
        closed: false,
    };
    act(scope, route, &mut common)?;
    Ok(common)
}

fn check_references(scope: &Scope<'_>, route: &Route) -> Result<(), Box<Rendered>> {
    let unknown = |what: &str, name: &dyn std::fmt::Display| {
        let message = format!("{} names {what} {name}, which is not there", scope.subject());
        Box::new(scope.withhold(ProblemKind::Unresolved, "BackendNotFound", message))
    };
    let services = route.backends.iter().map(|backend| &backend.service);
    if let Some(missing) = services.into_iter().find(|key| !scope.has_service(key)) {
        return Err(unknown("service", missing));
    }
    let missing = route.plugin_sets.iter().find(|key| scope.find(key).is_none());
    missing.map_or(Ok(()), |key| Err(unknown("plugin set", key)))
}

/// Upstreams and plugins.
fn act(scope: &Scope<'_>, route: &Route, common: &mut Common) -> Result<(), Box<Rendered>> {
    let gateway = gateway(scope, route)?;
    let Plugins { mut own, all } = own_plugins(scope, route, common, gateway.is_some())?;
    let plugins = &mut own;
    if route.backends.len() > 1 && plugins.contains_key(SPLIT) {
        let message = format!("{} has several backends and a {SPLIT} plugin as well", scope.subject());
        return Err(Box::new(scope.refuse("UnsupportedValue", message)));
    }
    if plugins.contains_key(SPLIT) || route.backends.len() > 1 {
        common.class = Class::SplitRoute;
    }
    if let Err(why) = confine(scope, common, plugins, &all) {
        close(scope, common, &why);
        return Ok(());
    }
    match gateway {
        Some(Gateways::Shared(id)) => name(common, id),
        Some(Gateways::Diverted(id)) if common.class == Class::SplitRoute => {
            plugins.remove(SPLIT);
            name(common, id);
        }
        Some(Gateways::Diverted(_)) | None => spread(scope, route, common, plugins)?,
    }
    if !own.is_empty() {
        common.body.insert("plugins".to_owned(), Value::Object(own));
    }
    Ok(())
}

/// Keeps the consumers of other clusters off, by plugins of the route itself; `all` are those that would act on it.
fn confine(
    scope: &Scope<'_>,
    common: &mut Common,
    own: &mut Map<String, Value>,
    all: &Map<String, Value>,
) -> Result<(), String> {
    let mut callers = scope.callers();
    let restriction = callers.restriction(all, scope.everybody);
    if restriction.is_ok() {
        callers.rename_anonymous(own);
        common.problems.extend(scope.unresolved(&callers));
    }
    common.wants = std::mem::take(&mut callers.wants).into_iter().collect();
    if let Some(restriction) = restriction? {
        own.insert(RESTRICTION.to_owned(), restriction);
    }
    Ok(())
}

/// A route that is left out may leave its requests to a wider one, and what it was before may be open: it stays and
/// answers 503 ("A guard that is not understood closes the route", `docs/architecture.md`).
fn close(scope: &Scope<'_>, common: &mut Common, why: &str) {
    let message = format!("{}: {why}; until this is put right it answers 503", scope.subject());
    common.problems = vec![scope.problem(ProblemKind::Refused, "UnsupportedValue", message)];
    common.closed = true;
    common.references.clear();
    common.body.remove("plugin_config_id");
    let plugins = json!({"fault-injection": {"abort": {"http_status": 503}}});
    common.body.insert("plugins".to_owned(), plugins);
}

/// One upstream for all requests of the route.
fn name(common: &mut Common, upstream: ObjectId) {
    common.body.insert("upstream_id".to_owned(), json!(*upstream.id));
    common.references.insert(upstream);
}

/// To the route's own backends.
fn spread(
    scope: &Scope<'_>,
    route: &Route,
    common: &mut Common,
    plugins: &mut Map<String, Value>,
) -> Result<(), Box<Rendered>> {
    let upstream = |backend: &Backend| scope.id(ObjectKind::Upstream, Class::Upstream, &backend.service, "");
    match route.backends.as_slice() {
        [] if plugins.is_empty() && route.plugin_sets.is_empty() => {
            let message = format!("{} has neither backends nor plugins", scope.subject());
            return Err(Box::new(scope.refuse("NoBackends", message)));
        }
        // The schema wants one of plugins and upstreams, be it empty.
        [] => drop(common.body.insert("plugins".to_owned(), json!({}))),
        [backend] => name(common, upstream(backend)),
        several => {
            common.references.extend(several.iter().map(upstream));
            let weighted = several.iter().map(|backend| {
                let id = upstream(backend).id;
                json!({"upstream_id": *id, "weight": backend.weight})
            });
            let weighted: Vec<_> = weighted.collect();
            plugins.insert(SPLIT.to_owned(), json!({"rules": [{"weighted_upstreams": weighted}]}));
        }
    }
    Ok(())
}

/// A gateway's upstream instead of those of the route's backends.
enum Gateways {
    /// Always: the cluster is reached by gateways alone.
    Shared(ObjectId),
    /// Where the route splits traffic by itself, so that the diversion of its cluster does not move it.
    Diverted(ObjectId),
}

fn gateway(scope: &Scope<'_>, route: &Route) -> Result<Option<Gateways>, Box<Rendered>> {
    if route.backends.is_empty() {
        return Ok(None);
    }
    let grpc = route.backends.iter().any(|backend| is_grpc(scope, backend));
    if scope.routing.is_gateway_only() {
        if grpc && !gateways::takes_grpc(scope.routing) {
            let message = format!(
                "{}: its backends speak gRPC, and no gateway of cluster {} takes it (gateway.grpc)",
                scope.subject(),
                scope.key.cluster
            );
            return Err(Box::new(scope.refuse("UnsupportedValue", message)));
        }
        let id = gateways::shared_id(scope.options, &scope.key.cluster, grpc);
        return Ok(Some(Gateways::Shared(id)));
    }
    let diverted = scope.routing.diversion().filter(|(_, percent)| *percent >= 100);
    let gateway = diverted.and_then(|(path, _)| path.gateway.as_ref());
    let id = gateway.and_then(|gateway| gateways::gateway_id(scope.options, gateway, grpc));
    Ok(id.map(Gateways::Diverted))
}

fn is_grpc(scope: &Scope<'_>, backend: &Backend) -> bool {
    match scope.find(&backend.service).map(|stored| stored.resource.as_ref()) {
        Some(Resource::Service(service)) => Manner::of_service(service).is_grpc(),
        _ => false,
    }
}

/// The plugins of a route.
struct Plugins {
    /// Those that stand on the route itself.
    own: Map<String, Value>,
    /// Those that act on it, be it from a set that it refers to.
    all: Map<String, Value>,
}

/// The route's own plugins. One shared set is referred to; of several, APISIX takes only one, so they are merged
/// into the route: a later set over an earlier one, the route's own over all, as APISIX itself would.
/// A set with a split of its own is merged, too, where that split has to go.
fn own_plugins(scope: &Scope<'_>, route: &Route, common: &mut Common, gateway: bool) -> Result<Plugins, Box<Rendered>> {
    let mut merged = Map::new();
    for key in &route.plugin_sets {
        let Some(plugins) = plugins::of_set(scope, key) else {
            let message = format!("{} names plugin set {key}, which is not valid", scope.subject());
            return Err(Box::new(scope.refuse("InvalidPlugin", message)));
        };
        if plugins.contains_key(SPLIT) {
            common.class = Class::SplitRoute;
        }
        merged.extend(plugins);
    }
    let own = plugins::of_cluster(scope, &route.plugins);
    let own = own.map_err(|message| scope.refuse("InvalidPlugin", message))?;
    let mut all = merged.clone();
    all.extend(own.clone());
    if let [key] = route.plugin_sets.as_slice()
        && !(gateway && merged.contains_key(SPLIT))
    {
        let id = scope.id(ObjectKind::PluginConfig, Class::PluginConfig, key, "");
        common.body.insert("plugin_config_id".to_owned(), json!(*id.id));
        common.references.insert(id);
        merged.clear();
    }
    merged.extend(own);
    Ok(Plugins { own: merged, all })
}

fn methods(scope: &Scope<'_>, route: &Route) -> Result<Value, Box<Rendered>> {
    let unknown = route.methods.iter().find(|method| !METHODS.contains(&method.as_str()));
    if let Some(method) = unknown {
        let message = format!("method {method:?} is none of {}", METHODS.join(", "));
        return Err(Box::new(scope.refuse("UnsupportedValue", message)));
    }
    let methods: BTreeSet<_> = route.methods.iter().collect();
    Ok(json!(methods))
}

/// Timeouts in seconds, as APISIX wants them; none may be 0, which becomes APISIX's default of 60 s.
pub(super) fn timeout(timeouts: Timeouts) -> Value {
    json!({
        "connect": seconds(timeouts.connect_ms),
        "send": seconds(timeouts.send_ms),
        "read": seconds(timeouts.read_ms),
    })
}

/// Milliseconds as APISIX's seconds; 0 becomes 60.
pub(super) fn seconds(milliseconds: u64) -> Value {
    match (milliseconds / 1000, milliseconds % 1000) {
        (0, 0) => json!(60),
        (seconds, 0) => json!(seconds),
        (seconds, rest) => {
            let text = format!("{seconds}.{rest:03}");
            text.parse::<f64>().map_or(json!(seconds), |number| json!(number))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_keep_their_milliseconds() {
        let table = [(1500, json!(1.5)), (2000, json!(2)), (1, json!(0.001)), (0, json!(60))];
        for (milliseconds, wanted) in table {
            assert_eq!(seconds(milliseconds), wanted);
        }
    }
}
