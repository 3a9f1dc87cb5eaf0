//! Protobuf → model. Everything is checked here once; each error names the field and what is allowed.

use super::super::resource::key_part;
use super::super::{Names, WireError, proto as p};
use super::{checks, outside};
use crate::expression::Expression;
use crate::model as m;

type Result<T> = std::result::Result<T, WireError>;

pub(crate) fn key(key: p::Key, names: &mut Names) -> Result<m::Key> {
    key_part("key.group", &key.group)?;
    key_part("key.source", &key.source)?;
    key_part("key.namespace", &key.namespace)?;
    key_part("key.name", &key.name)?;
    key_part("key.section", &key.section)?;
    if key.kind == 0 {
        return Err(WireError::field("key.kind", "is 0; kinds begin with 1"));
    }
    if key.source.is_empty() || key.name.is_empty() {
        return Err(WireError::field("key", "source and name must not be empty"));
    }
    let parts = m::KeyParts {
        kind: m::ResourceKind::from_number(key.kind),
        source: names.source(&key.group, &key.source),
        namespace: names.text(&key.namespace),
        name: key.name,
        section: key.section,
    };
    Ok(names.key(parts.into()))
}

pub(crate) fn group(group: Option<p::Group>) -> Result<m::Group> {
    let group = group.ok_or_else(|| WireError::missing("group"))?;
    key_part("group.group", &group.group)?;
    key_part("group.source", &group.source)?;
    Ok(m::Group {
        kind: m::ResourceKind::from_number(group.kind),
        source: m::GroupKind::new(&group.group, &group.source),
    })
}

/// The resource of a key; none when its kind is not known here.
pub(crate) fn body(key: &m::Key, body: Option<p::resource::Body>, names: &mut Names) -> Result<Option<m::Resource>> {
    use p::resource::Body;
    if matches!(key.kind, m::ResourceKind::Other(_)) {
        return Ok(None);
    }
    let resource = match body.ok_or_else(|| WireError::missing("body"))? {
        Body::Route(it) => route(it, names)?.into(),
        Body::StreamRoute(it) => stream_route(it, names)?.into(),
        Body::Service(it) => service(it, names)?.into(),
        Body::EndpointSet(it) => m::Resource::EndpointSet(endpoint_set(it, names)?),
        Body::Certificate(it) => certificate(it)?.into(),
        Body::Consumer(it) => m::Resource::from(m::Consumer {
            plugins: plugins(it.plugins),
            created: it.created_seconds.map(m::UnixSeconds),
        }),
        Body::PluginSet(it) => m::Resource::PluginSet(m::PluginSet {
            plugins: plugins(it.plugins),
        }),
        Body::GlobalRule(it) => m::Resource::from(m::GlobalRule {
            plugins: plugins(it.plugins),
            metadata: plugins(it.metadata),
            created: it.created_seconds.map(m::UnixSeconds),
        }),
        Body::Node(it) => node(it)?.into(),
        Body::Export(it) => m::Resource::Export(m::Export { weight: it.weight }),
        Body::ClusterInfo(it) => cluster_info(it).into(),
    };
    if resource.kind() == key.kind {
        return Ok(Some(resource));
    }
    Err(WireError::field(
        "body",
        format!("is a {}, but the key says {}", resource.kind(), key.kind),
    ))
}

fn route(route: p::Route, names: &mut Names) -> Result<m::Route> {
    let paths = exactly(route.paths, path)?;
    if paths.is_empty() {
        return Err(WireError::field("route.paths", "is empty; at least one path is needed"));
    }
    Ok(m::Route {
        hosts: hosts("route.hosts", &route.hosts)?,
        paths,
        methods: route.methods,
        conditions: exactly(route.conditions, condition)?,
        priority: route.priority,
        backends: backends("route.backends", route.backends, names)?,
        plugins: plugins(route.plugins),
        plugin_sets: exactly(route.plugin_sets, |it| key(it, names))?,
        timeouts: route.timeouts.map(timeouts),
        websocket: route.websocket,
        created: route.created_seconds.map(m::UnixSeconds),
    })
}

fn host(field: &str, text: &str) -> Result<m::HostName> {
    m::HostName::new(text).map_err(|error| WireError::field(field, error))
}

fn hosts(field: &str, texts: &[String]) -> Result<Vec<m::HostName>> {
    exactly(texts, |text| host(field, text))
}

/// In a vector of just this length. One that is collected in the place of the message's own keeps the room of its larger
/// elements and of those that never came, for as long as the hub keeps the resource: twice what a set of endpoints needs.
pub(super) fn exactly<S: IntoIterator<IntoIter: ExactSizeIterator>, T>(
    items: S,
    mut read: impl FnMut(S::Item) -> Result<T>,
) -> Result<Vec<T>> {
    let items = items.into_iter();
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        all.push(read(item)?);
    }
    Ok(all)
}

fn path(path: p::PathMatch) -> Result<m::PathMatch> {
    use p::path_match::Match;
    let (text, rooted, matcher) = match path.r#match.ok_or_else(|| WireError::missing("route.paths.match"))? {
        Match::Exact(text) => (text.clone(), true, m::PathMatch::Exact(text)),
        Match::Prefix(text) => (text.clone(), true, m::PathMatch::Prefix(text)),
        Match::Pattern(text) => (text.clone(), true, m::PathMatch::Pattern(text)),
        Match::Regex(text) => (text.clone(), false, m::PathMatch::Regex(text)),
    };
    if text.is_empty() || (rooted && !text.starts_with('/')) {
        return Err(WireError::field(
            "route.paths",
            format!("{text:?} does not begin with \"/\""),
        ));
    }
    Ok(matcher)
}

fn condition(condition: p::Condition) -> Result<m::Condition> {
    if !condition.expression.is_empty() {
        let read = Expression::parse(&condition.expression);
        let read = read.map_err(|error| WireError::field("route.conditions.expression", error))?;
        return Ok(m::Condition::Expression(read));
    }
    Ok(m::Condition::Comparison(m::Comparison {
        variable: condition.variable,
        operator: condition.operator,
        negated: condition.negated,
        values: condition.values,
    }))
}

fn backends(field: &str, backends: Vec<p::Backend>, names: &mut Names) -> Result<Vec<m::Backend>> {
    let backend = |it: p::Backend| {
        let service = it
            .service
            .ok_or_else(|| WireError::missing(format!("{field}.service")))?;
        let service = key(service, names)?;
        Ok(m::Backend {
            service,
            weight: it.weight,
        })
    };
    exactly(backends, backend)
}

fn plugins(plugins: Vec<p::Plugin>) -> Vec<m::Plugin> {
    let plugin = |it: p::Plugin| m::Plugin {
        name: it.name,
        config: m::SecretText::new(it.config_json),
    };
    plugins.into_iter().map(plugin).collect()
}

fn stream_route(route: p::StreamRoute, names: &mut Names) -> Result<m::StreamRoute> {
    Ok(m::StreamRoute {
        port: optional_port("stream_route.port", route.port)?,
        host: if route.host.is_empty() {
            None
        } else {
            Some(host("stream_route.host", &route.host)?)
        },
        protocol: protocol(route.protocol),
        backends: backends("stream_route.backends", route.backends, names)?,
        plugins: plugins(route.plugins),
        created: route.created_seconds.map(m::UnixSeconds),
    })
}

pub(super) fn port(field: &str, number: u32) -> Result<m::Port> {
    m::Port::new(number).map_err(|error| WireError::field(field, error))
}

pub(super) fn optional_port(field: &str, number: u32) -> Result<Option<m::Port>> {
    if number == 0 {
        Ok(None)
    } else {
        port(field, number).map(Some)
    }
}

fn protocol(number: i32) -> m::Protocol {
    match p::Protocol::try_from(number) {
        Ok(p::Protocol::Udp) => m::Protocol::Udp,
        Ok(p::Protocol::Tcp | p::Protocol::Unspecified) | Err(_) => m::Protocol::Tcp,
    }
}

pub(super) fn text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn service(service: p::Service, names: &mut Names) -> Result<m::Service> {
    let policy = match service.external_traffic_policy() {
        p::TrafficPolicy::Local => m::TrafficPolicy::Local,
        p::TrafficPolicy::Cluster | p::TrafficPolicy::Unspecified => m::TrafficPolicy::Cluster,
    };
    let endpoints = service
        .endpoints
        .ok_or_else(|| WireError::missing("service.endpoints"))?;
    let external = text(service.external_name).map(|name| host("service.external_name", &name));
    Ok(m::Service {
        port: m::ServicePort {
            number: optional_port("service.port", service.port)?,
            name: text(service.port_name),
            protocol: protocol(service.protocol),
            app_protocol: text(service.app_protocol),
        },
        endpoints: key(endpoints, names)?,
        external_name: external.transpose()?,
        outside: service.outside.map(outside::decode).transpose()?.map(Box::new),
        node_port: optional_port("service.node_port", service.node_port)?,
        external_traffic_policy: policy,
        load_balancer_addresses: service.load_balancer_addresses,
        settings: settings(service.settings.unwrap_or_default())?,
        unresolved: service.unresolved.map(|it| {
            Box::new(m::Unresolved {
                reason: it.reason,
                message: it.message,
            })
        }),
    })
}

fn settings(settings: p::BackendSettings) -> Result<m::BackendSettings> {
    use p::host_handling::Handling;
    let host = match settings.host.clone().and_then(|host| host.handling) {
        None => m::HostHandling::Pass,
        Some(Handling::Node(_)) => m::HostHandling::Node,
        Some(Handling::Rewrite(host)) => m::HostHandling::Rewrite(host),
    };
    Ok(m::BackendSettings {
        scheme: scheme(settings.scheme)?,
        load_balancing: load_balancing(settings.load_balancing.unwrap_or_default()),
        host,
        timeouts: settings.timeouts.map(timeouts),
        retries: settings.retries,
        checks: settings.checks.map(checks::decode).transpose()?.map(Box::new),
        identity: settings.identity.map(identity).map(Box::new),
    })
}

fn identity(identity: p::ClientIdentity) -> m::ClientIdentity {
    m::ClientIdentity {
        chain: identity.chain_pem,
        private_key: m::SecretText::new(identity.private_key_pem),
    }
}

fn scheme(number: i32) -> Result<m::Scheme> {
    // A scheme that is not known must not become plain http: that would send in clear what was meant to be encrypted.
    let known = p::Scheme::try_from(number).map_err(|_| {
        WireError::field(
            "service.settings.scheme",
            format!("{number} is not a scheme known here"),
        )
    })?;
    Ok(match known {
        p::Scheme::Unspecified | p::Scheme::Http => m::Scheme::Http,
        p::Scheme::Https => m::Scheme::Https,
        p::Scheme::Grpc => m::Scheme::Grpc,
        p::Scheme::Grpcs => m::Scheme::Grpcs,
        p::Scheme::Tcp => m::Scheme::Tcp,
        p::Scheme::Tls => m::Scheme::Tls,
        p::Scheme::Udp => m::Scheme::Udp,
    })
}

fn load_balancing(policy: p::LoadBalancing) -> m::LoadBalancing {
    use p::load_balancing::Policy;
    match policy.policy {
        None => m::LoadBalancing::RoundRobin,
        Some(Policy::ConsistentHash(it)) => m::LoadBalancing::ConsistentHash {
            hash_on: it.hash_on,
            key: it.key,
        },
        Some(Policy::Ewma(_)) => m::LoadBalancing::Ewma,
        Some(Policy::LeastConnections(_)) => m::LoadBalancing::LeastConnections,
    }
}

fn timeouts(timeouts: p::Timeouts) -> m::Timeouts {
    m::Timeouts {
        connect_ms: timeouts.connect_ms,
        send_ms: timeouts.send_ms,
        read_ms: timeouts.read_ms,
    }
}

fn endpoint_set(set: p::EndpointSet, names: &mut Names) -> Result<m::EndpointSet> {
    Ok(m::EndpointSet {
        endpoints: exactly(set.endpoints, |it| endpoint(it, names))?,
    })
}

fn endpoint(endpoint: p::Endpoint, names: &mut Names) -> Result<m::Endpoint> {
    let state = match endpoint.state() {
        p::EndpointState::Ready => m::EndpointState::Ready,
        p::EndpointState::Draining => m::EndpointState::Draining,
        // A state of a newer agent: what is not known to be ready gets no requests.
        p::EndpointState::NotReady | p::EndpointState::Unspecified => m::EndpointState::NotReady,
    };
    Ok(m::Endpoint {
        address: address("endpoint_set.endpoints.address", endpoint.address)?
            .as_str()
            .into(),
        port: port("endpoint_set.endpoints.port", endpoint.port)?,
        state,
        place: names.place(&endpoint.node, &endpoint.zone),
    })
}

/// An IP address without brackets, or a DNS name.
pub(super) fn address(field: &str, address: String) -> Result<String> {
    let valid =
        address.parse::<std::net::IpAddr>().is_ok() || m::HostName::new(&address).is_ok_and(|it| !it.is_wildcard());
    if valid {
        Ok(address)
    } else {
        Err(WireError::field(
            field,
            format!("{address:?} is no IP address and no DNS name"),
        ))
    }
}

fn certificate(certificate: p::Certificate) -> Result<m::Certificate> {
    let hosts = hosts("certificate.hosts", &certificate.hosts)?;
    if hosts.is_empty() {
        return Err(WireError::field(
            "certificate.hosts",
            "is empty; at least one host is needed",
        ));
    }
    Ok(m::Certificate {
        hosts,
        chain: certificate.chain_pem,
        private_key: m::SecretText::new(certificate.private_key_pem),
        created: certificate.created_seconds.map(m::UnixSeconds),
        client: certificate.client.map(client).map(Box::new),
    })
}

fn client(client: p::ClientVerification) -> m::ClientVerification {
    m::ClientVerification {
        authorities: client.authorities_pem,
        depth: client.depth,
        open_paths: client.open_paths,
    }
}

fn node(node: p::Node) -> Result<m::Node> {
    let kind = |it: &p::node::Address| match it.kind() {
        p::node::AddressKind::Internal => Some(m::NodeAddressKind::Internal),
        p::node::AddressKind::External => Some(m::NodeAddressKind::External),
        p::node::AddressKind::Unspecified => None,
    };
    let mut addresses = Vec::new();
    for it in node.addresses {
        if let Some(kind) = kind(&it) {
            addresses.push(m::NodeAddress {
                kind,
                address: address("node.addresses.address", it.address)?,
            });
        }
    }
    Ok(m::Node {
        addresses,
        ready: node.ready,
        eligible: node.eligible,
        zone: text(node.zone),
        pod_networks: node.pod_networks,
    })
}

fn cluster_info(info: p::ClusterInfo) -> m::ClusterInfo {
    m::ClusterInfo {
        addresses: info.addresses,
        zone: text(info.zone),
        pod_networks: info.pod_networks,
        kubernetes_version: text(info.kubernetes_version),
        echo: info.echo,
    }
}
