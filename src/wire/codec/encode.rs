//! Model → protobuf.

use super::super::proto as p;
use super::{checks, outside};
use crate::model as m;

pub(crate) fn resource(key_of: &m::Key, resource: &m::Resource) -> p::Resource {
    use p::resource::Body;
    let body = match resource {
        m::Resource::Route(it) => Body::Route(route(it)),
        m::Resource::StreamRoute(it) => Body::StreamRoute(stream_route(it)),
        m::Resource::Service(it) => Body::Service(service(it)),
        m::Resource::EndpointSet(it) => Body::EndpointSet(endpoint_set(it)),
        m::Resource::Certificate(it) => Body::Certificate(certificate(it)),
        m::Resource::Consumer(it) => Body::Consumer(p::Consumer {
            plugins: plugins(&it.plugins),
            created_seconds: it.created.map(|created| created.0),
        }),
        m::Resource::PluginSet(it) => Body::PluginSet(p::PluginSet {
            plugins: plugins(&it.plugins),
        }),
        m::Resource::GlobalRule(it) => Body::GlobalRule(p::GlobalRule {
            plugins: plugins(&it.plugins),
            metadata: plugins(&it.metadata),
            created_seconds: it.created.map(|created| created.0),
        }),
        m::Resource::Node(it) => Body::Node(node(it)),
        m::Resource::Export(it) => Body::Export(p::Export { weight: it.weight }),
        m::Resource::ClusterInfo(it) => Body::ClusterInfo(cluster_info(it)),
    };
    p::Resource {
        key: Some(key(key_of)),
        body: Some(body),
    }
}

pub(crate) fn key(key: &m::Key) -> p::Key {
    p::Key {
        kind: key.kind.number(),
        group: key.source.group.to_string(),
        source: key.source.kind.to_string(),
        namespace: key.namespace.as_ref().to_owned(),
        name: key.name.clone(),
        section: key.section.clone(),
    }
}

pub(crate) fn group(group: &m::Group) -> p::Group {
    p::Group {
        kind: group.kind.number(),
        group: group.source.group.to_string(),
        source: group.source.kind.to_string(),
    }
}

fn route(route: &m::Route) -> p::Route {
    p::Route {
        hosts: route.hosts.iter().map(ToString::to_string).collect(),
        paths: route.paths.iter().map(path).collect(),
        methods: route.methods.clone(),
        conditions: route.conditions.iter().map(condition).collect(),
        priority: route.priority,
        backends: backends(&route.backends),
        plugins: plugins(&route.plugins),
        plugin_sets: route.plugin_sets.iter().map(key).collect(),
        timeouts: route.timeouts.map(timeouts),
        websocket: route.websocket,
        created_seconds: route.created.map(|created| created.0),
    }
}

fn path(path: &m::PathMatch) -> p::PathMatch {
    use p::path_match::Match;
    let matcher = match path {
        m::PathMatch::Exact(text) => Match::Exact(text.clone()),
        m::PathMatch::Prefix(text) => Match::Prefix(text.clone()),
        m::PathMatch::Pattern(text) => Match::Pattern(text.clone()),
        m::PathMatch::Regex(text) => Match::Regex(text.clone()),
    };
    p::PathMatch { r#match: Some(matcher) }
}

fn condition(condition: &m::Condition) -> p::Condition {
    match condition {
        m::Condition::Comparison(it) => p::Condition {
            variable: it.variable.clone(),
            operator: it.operator.clone(),
            negated: it.negated,
            values: it.values.clone(),
            expression: String::new(),
        },
        m::Condition::Expression(it) => p::Condition {
            expression: it.text().to_owned(),
            ..p::Condition::default()
        },
    }
}

fn backends(backends: &[m::Backend]) -> Vec<p::Backend> {
    backends
        .iter()
        .map(|it| p::Backend {
            service: Some(key(&it.service)),
            weight: it.weight,
        })
        .collect()
}

fn plugins(plugins: &[m::Plugin]) -> Vec<p::Plugin> {
    let plugin = |it: &m::Plugin| p::Plugin {
        name: it.name.clone(),
        config_json: it.config.expose().to_owned(),
    };
    plugins.iter().map(plugin).collect()
}

fn stream_route(route: &m::StreamRoute) -> p::StreamRoute {
    p::StreamRoute {
        port: port(route.port),
        host: route.host.as_ref().map(ToString::to_string).unwrap_or_default(),
        protocol: protocol(route.protocol),
        backends: backends(&route.backends),
        plugins: plugins(&route.plugins),
        created_seconds: route.created.map(|created| created.0),
    }
}

fn port(port: Option<m::Port>) -> u32 {
    port.map_or(0, |port| u32::from(port.get()))
}

fn protocol(protocol: m::Protocol) -> i32 {
    match protocol {
        m::Protocol::Tcp => p::Protocol::Tcp.into(),
        m::Protocol::Udp => p::Protocol::Udp.into(),
    }
}

fn service(service: &m::Service) -> p::Service {
    let policy = match service.external_traffic_policy {
        m::TrafficPolicy::Cluster => p::TrafficPolicy::Cluster,
        m::TrafficPolicy::Local => p::TrafficPolicy::Local,
    };
    p::Service {
        port: port(service.port.number),
        port_name: service.port.name.clone().unwrap_or_default(),
        protocol: protocol(service.port.protocol),
        app_protocol: service.port.app_protocol.clone().unwrap_or_default(),
        endpoints: Some(key(&service.endpoints)),
        external_name: service
            .external_name
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        node_port: port(service.node_port),
        external_traffic_policy: policy.into(),
        load_balancer_addresses: service.load_balancer_addresses.clone(),
        settings: Some(settings(&service.settings)),
        unresolved: service.unresolved.as_deref().map(unresolved),
        outside: service.outside.as_deref().map(outside::encode),
    }
}

fn unresolved(unresolved: &m::Unresolved) -> p::Unresolved {
    p::Unresolved {
        reason: unresolved.reason.clone(),
        message: unresolved.message.clone(),
    }
}

fn settings(settings: &m::BackendSettings) -> p::BackendSettings {
    use p::host_handling::{Empty, Handling};
    let scheme = match settings.scheme {
        m::Scheme::Http => p::Scheme::Http,
        m::Scheme::Https => p::Scheme::Https,
        m::Scheme::Grpc => p::Scheme::Grpc,
        m::Scheme::Grpcs => p::Scheme::Grpcs,
        m::Scheme::Tcp => p::Scheme::Tcp,
        m::Scheme::Tls => p::Scheme::Tls,
        m::Scheme::Udp => p::Scheme::Udp,
    };
    let handling = match &settings.host {
        m::HostHandling::Pass => None,
        m::HostHandling::Node => Some(Handling::Node(Empty {})),
        m::HostHandling::Rewrite(host) => Some(Handling::Rewrite(host.clone())),
    };
    p::BackendSettings {
        scheme: scheme.into(),
        load_balancing: Some(load_balancing(&settings.load_balancing)),
        host: Some(p::HostHandling { handling }),
        timeouts: settings.timeouts.map(timeouts),
        retries: settings.retries,
        checks: settings.checks.as_deref().map(checks::encode),
        identity: settings.identity.as_deref().map(identity),
    }
}

fn identity(identity: &m::ClientIdentity) -> p::ClientIdentity {
    p::ClientIdentity {
        chain_pem: identity.chain.clone(),
        private_key_pem: identity.private_key.expose().to_owned(),
    }
}

fn load_balancing(policy: &m::LoadBalancing) -> p::LoadBalancing {
    use p::load_balancing::{ConsistentHash, Empty, Policy};
    let policy = match policy {
        m::LoadBalancing::RoundRobin => None,
        m::LoadBalancing::ConsistentHash { hash_on, key } => Some(Policy::ConsistentHash(ConsistentHash {
            hash_on: hash_on.clone(),
            key: key.clone(),
        })),
        m::LoadBalancing::Ewma => Some(Policy::Ewma(Empty {})),
        m::LoadBalancing::LeastConnections => Some(Policy::LeastConnections(Empty {})),
    };
    p::LoadBalancing { policy }
}

fn timeouts(timeouts: m::Timeouts) -> p::Timeouts {
    p::Timeouts {
        connect_ms: timeouts.connect_ms,
        send_ms: timeouts.send_ms,
        read_ms: timeouts.read_ms,
    }
}

fn endpoint_set(set: &m::EndpointSet) -> p::EndpointSet {
    p::EndpointSet {
        endpoints: set.endpoints.iter().map(endpoint).collect(),
    }
}

fn endpoint(endpoint: &m::Endpoint) -> p::Endpoint {
    let state = match endpoint.state {
        m::EndpointState::Ready => p::EndpointState::Ready,
        m::EndpointState::Draining => p::EndpointState::Draining,
        m::EndpointState::NotReady => p::EndpointState::NotReady,
    };
    p::Endpoint {
        address: endpoint.address.to_string(),
        port: u32::from(endpoint.port.get()),
        state: state.into(),
        node: endpoint.node().map_or("", |it| it).to_owned(),
        zone: endpoint.zone().map_or("", |it| it).to_owned(),
    }
}

fn certificate(certificate: &m::Certificate) -> p::Certificate {
    p::Certificate {
        hosts: certificate.hosts.iter().map(ToString::to_string).collect(),
        chain_pem: certificate.chain.clone(),
        private_key_pem: certificate.private_key.expose().to_owned(),
        created_seconds: certificate.created.map(|created| created.0),
        client: certificate.client.as_deref().map(client),
    }
}

fn client(client: &m::ClientVerification) -> p::ClientVerification {
    p::ClientVerification {
        authorities_pem: client.authorities.clone(),
        depth: client.depth,
        open_paths: client.open_paths.clone(),
    }
}

fn node(node: &m::Node) -> p::Node {
    let address = |it: &m::NodeAddress| {
        let kind = match it.kind {
            m::NodeAddressKind::Internal => p::node::AddressKind::Internal,
            m::NodeAddressKind::External => p::node::AddressKind::External,
        };
        p::node::Address {
            kind: kind.into(),
            address: it.address.clone(),
        }
    };
    p::Node {
        addresses: node.addresses.iter().map(address).collect(),
        ready: node.ready,
        eligible: node.eligible,
        zone: node.zone.clone().unwrap_or_default(),
        pod_networks: node.pod_networks.clone(),
    }
}

fn cluster_info(info: &m::ClusterInfo) -> p::ClusterInfo {
    p::ClusterInfo {
        addresses: info.addresses.clone(),
        zone: info.zone.clone().unwrap_or_default(),
        pod_networks: info.pod_networks.clone(),
        kubernetes_version: info.kubernetes_version.clone().unwrap_or_default(),
        echo: info.echo.clone(),
    }
}
