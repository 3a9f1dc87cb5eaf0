//! `/v1/routes`.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use hubline::model::{Comparison, Condition, GlobalKey, HostName, PathMatch, Plugin, Resource, Route};
use serde::Serialize;

use super::index::{Index, State as TargetState};
use super::name::{self, NameBody};
use super::problem::{self, ProblemSummary};
use super::query::Parameters;
use super::refusal::Refusal;
use super::{ApiState, answer};
use crate::object::ObjectKind;
use crate::view::View;

/// A route.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RouteBody {
    #[serde(flatten)]
    name: NameBody,
    /// Empty means every host that no other route takes.
    hosts: Vec<String>,
    paths: Vec<PathBody>,
    methods: Vec<String>,
    conditions: Vec<ConditionBody>,
    priority: i32,
    backends: Vec<BackendBody>,
    /// Names only: configurations may hold credentials.
    plugins: Vec<String>,
    plugin_sets: Vec<String>,
    websocket: bool,
    /// Creation of its source object, by which the older claim is found.
    created: Option<String>,
    state: TargetState,
    /// Objects made from it, as `routes/ID`.
    objects: Vec<String>,
    problems: Vec<ProblemSummary>,
}

#[derive(Debug, Serialize)]
struct PathBody {
    /// `Exact`, `Prefix`, `Pattern` or `Regex`.
    r#type: &'static str,
    value: String,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ConditionBody {
    Comparison(Comparison),
    /// As APISIX writes it.
    Expression {
        expression: String,
    },
}

#[derive(Debug, Serialize)]
struct BackendBody {
    /// As `namespace/name#section` of `/v1/services`.
    service: String,
    weight: u32,
}

pub(super) async fn list(State(state): State<ApiState>, uri: Uri) -> Result<Response, Refusal> {
    let parameters = Parameters::read(&uri, &["cluster", "namespace", "host"])?;
    let cluster = parameters.cluster()?;
    let namespace = parameters.text("namespace").map(str::to_owned);
    let host = parameters.text("host").map(str::to_ascii_lowercase);
    answer::list(state, move |view| {
        let index = Index::of(view, &[ObjectKind::Route]);
        let mut routes = Vec::new();
        for (key, stored) in &view.resources {
            let Resource::Route(route) = stored.resource.as_ref() else {
                continue;
            };
            let wanted = cluster.as_ref().is_none_or(|cluster| *cluster == key.cluster)
                && namespace
                    .as_ref()
                    .is_none_or(|namespace| **namespace == *key.key.namespace)
                && host
                    .as_ref()
                    .is_none_or(|host| route.hosts.iter().any(|own| takes(own, host)));
            if wanted {
                routes.push(body(view, &index, key, route));
            }
        }
        routes
    })
    .await
}

/// Whether a route's host takes requests for this one: the same, or a wildcard over it (any number of labels, as APISIX).
fn takes(own: &HostName, asked: &str) -> bool {
    let own = own.as_str();
    match own.strip_prefix('*') {
        Some(suffix) => own == asked || asked.len() > suffix.len() && asked.ends_with(suffix),
        None => own == asked,
    }
}

fn body(view: &View, index: &Index<'_>, key: &GlobalKey, route: &Route) -> RouteBody {
    RouteBody {
        name: NameBody::from(key),
        hosts: route.hosts.iter().map(ToString::to_string).collect(),
        paths: route.paths.iter().map(path).collect(),
        methods: route.methods.clone(),
        conditions: route.conditions.iter().map(condition).collect(),
        priority: route.priority,
        backends: backends(route),
        plugins: plugin_names(&route.plugins),
        plugin_sets: route.plugin_sets.iter().map(name::reference).collect(),
        websocket: route.websocket,
        created: route.created.and_then(|moment| {
            let moment = jiff::Timestamp::from_second(moment.0).ok()?;
            Some(moment.to_string())
        }),
        state: index.state(key),
        objects: index.objects(key),
        problems: problem::of(view, key),
    }
}

fn path(path: &PathMatch) -> PathBody {
    let (r#type, value) = match path {
        PathMatch::Exact(value) => ("Exact", value),
        PathMatch::Prefix(value) => ("Prefix", value),
        PathMatch::Pattern(value) => ("Pattern", value),
        PathMatch::Regex(value) => ("Regex", value),
    };
    PathBody {
        r#type,
        value: value.clone(),
    }
}

fn condition(condition: &Condition) -> ConditionBody {
    match condition {
        Condition::Comparison(it) => ConditionBody::Comparison(it.clone()),
        Condition::Expression(it) => ConditionBody::Expression {
            expression: it.text().to_owned(),
        },
    }
}

fn backends(route: &Route) -> Vec<BackendBody> {
    let backends = route.backends.iter().map(|backend| BackendBody {
        service: name::reference(&backend.service),
        weight: backend.weight,
    });
    backends.collect()
}

fn plugin_names(plugins: &[Plugin]) -> Vec<String> {
    plugins.iter().map(|plugin| plugin.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use hubline::expression::conditions;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_condition_is_shown() {
        let either = json!(["OR", ["arg_a", ">", 1], ["arg_b", "==", "x"]]);
        let all = conditions(
            &json!([["arg_a", "!", "in", ["x", "y"]], either]),
            &hubline::expression::lenient,
        );
        let shown: Vec<_> = all.unwrap().iter().map(|it| json!(condition(it))).collect();
        let comparison = json!({"variable": "arg_a", "operator": "in", "negated": true, "values": ["x", "y"]});
        assert_eq!(shown, [comparison, json!({"expression": either.to_string()})]);
    }
}
