//! What a resource must satisfy beyond its form: judged one by one, without looking at any other.
//!
//! References that lead nowhere are no fault here: what is referred to may come later.

use hubline::model::{
    Backend, Certificate, HostHandling, Key, Plugin, Resource, ResourceKind, Route, Service, StreamRoute,
};
use hubline::wire::WireError;

/// Why one resource is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A word for programs.
    pub reason: &'static str,
    /// A sentence for people: names the field and what is allowed, never a secret.
    pub message: String,
}

type Checked = Result<(), Refusal>;

impl Refusal {
    fn new(reason: &'static str, message: String) -> Self {
        Self { reason, message }
    }

    pub(super) fn unreadable(error: &WireError) -> Self {
        Self::new(error.reason(), error.to_string())
    }
}

/// Judges one resource.
///
/// # Errors
/// Why it is refused.
pub fn check(key: &Key, resource: &Resource) -> Checked {
    match resource {
        Resource::Route(it) => route(it),
        Resource::StreamRoute(it) => stream_route(it),
        Resource::Service(it) => service(it),
        Resource::Certificate(it) => certificate(key, it),
        Resource::Consumer(it) => plugins("consumer.plugins", &it.plugins),
        Resource::PluginSet(it) => plugins("plugin_set.plugins", &it.plugins),
        Resource::GlobalRule(it) => plugins("global_rule.plugins", &it.plugins),
        Resource::EndpointSet(_) | Resource::Node(_) | Resource::Export(_) | Resource::ClusterInfo(_) => Ok(()),
    }
}

fn route(route: &Route) -> Checked {
    backends("route.backends", &route.backends)?;
    for set in &route.plugin_sets {
        refers_to("route.plugin_sets", set, ResourceKind::PluginSet)?;
    }
    plugins("route.plugins", &route.plugins)
}

fn stream_route(route: &StreamRoute) -> Checked {
    backends("stream_route.backends", &route.backends)?;
    plugins("stream_route.plugins", &route.plugins)
}

fn backends(field: &str, backends: &[Backend]) -> Checked {
    backends
        .iter()
        .try_for_each(|backend| refers_to(field, &backend.service, ResourceKind::Service))
}

fn refers_to(field: &str, key: &Key, wanted: ResourceKind) -> Checked {
    if key.kind == wanted {
        return Ok(());
    }
    let message = format!("field {field}: {key} is a {}, a {wanted} is needed", key.kind);
    Err(Refusal::new("invalid-reference", message))
}

fn service(service: &Service) -> Checked {
    refers_to("service.endpoints", &service.endpoints, ResourceKind::EndpointSet)?;
    match &service.settings.host {
        HostHandling::Rewrite(host) => host_header(host),
        HostHandling::Pass | HostHandling::Node => Ok(()),
    }
}

/// It is put into a request's head as it stands.
fn host_header(host: &str) -> Checked {
    if !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let message =
        format!("field service.settings.host: {host:?} is not a host, printable ASCII without blanks is needed");
    Err(Refusal::new("invalid-field", message))
}

fn plugins(field: &str, plugins: &[Plugin]) -> Checked {
    plugins.iter().try_for_each(|it| plugin(field, it))
}

fn plugin(field: &str, plugin: &Plugin) -> Checked {
    let name = &plugin.name;
    if name.is_empty() {
        return Err(Refusal::new(
            "invalid-plugin",
            format!("field {field}: a plugin without a name"),
        ));
    }
    // The parser's own words could quote the configuration, which holds credentials.
    let parsed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(plugin.config.expose());
    parsed.map(|_| ()).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let message =
            format!("field {field}: the configuration of {name:?} is not a JSON object (line {line}, column {column})");
        Refusal::new("invalid-plugin", message)
    })
}

fn certificate(key: &Key, certificate: &Certificate) -> Checked {
    let checked = hubline::tls::check_pair(&certificate.chain, &certificate.private_key);
    checked.map(|_| ()).map_err(|error| {
        let message = format!("{} {}/{}: {error}", key.source.kind, key.namespace, key.name);
        Refusal::new("invalid-certificate", message)
    })
}
