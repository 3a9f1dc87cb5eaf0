//! Stream routes.

use std::collections::BTreeSet;

use hubline::model::StreamRoute;
use serde_json::json;

use super::id::Class;
use super::plugins;
use super::scope::{Rendered, Scope, fields};
use crate::few::Few;
use crate::object::ObjectKind;
use crate::view::ProblemKind;

/// Renders a stream route. APISIX has no traffic split for streams, so there must be exactly one backend.
pub(super) fn render(scope: &Scope<'_>, route: &StreamRoute) -> Rendered {
    if scope.standing.granted.is_empty() {
        return Rendered {
            problems: scope.conflicts(),
            ..Rendered::default()
        };
    }
    let [backend] = route.backends.as_slice() else {
        let message = format!(
            "{} has {} backends; a stream has one",
            scope.subject(),
            route.backends.len()
        );
        return scope.refuse("UnsupportedValue", message);
    };
    if !scope.has_service(&backend.service) {
        let message = format!(
            "{} names service {}, which is not there",
            scope.subject(),
            backend.service
        );
        return scope.withhold(ProblemKind::Unresolved, "BackendNotFound", message);
    }
    let plugins = match plugins::plugins(&route.plugins) {
        Ok(plugins) => plugins,
        Err(message) => return scope.refuse("InvalidPlugin", message),
    };
    let upstream = scope.id(ObjectKind::Upstream, Class::Upstream, &backend.service, "");
    let mut body = fields(json!({"upstream_id": *upstream.id}));
    if let Some(port) = route.port {
        body.insert("server_port".to_owned(), json!(port));
    }
    if let Some(host) = &route.host {
        body.insert("sni".to_owned(), json!(host));
    }
    if !plugins.is_empty() {
        body.insert("plugins".to_owned(), json!(plugins));
    }
    let id = scope.id(ObjectKind::StreamRoute, Class::StreamRoute, &scope.key.key, "");
    Rendered {
        objects: vec![scope.object(id, body, BTreeSet::from([upstream])).into()],
        uses: Few::One(scope.sibling(&backend.service)),
        claims: scope.standing.granted.clone(),
        ..Rendered::default()
    }
}
