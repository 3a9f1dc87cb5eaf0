//! Resources for scripts.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use hubline::model::{
    Backend, BackendSettings, ClusterInfo, Endpoint, EndpointSet, EndpointState, GroupKind, HostName, Key, PathMatch,
    Plugin, Port, Protocol, Resource, ResourceKind, Route, SecretText, Service, ServicePort, TrafficPolicy,
};
use hubline::wire::{EncodedResource, proto};
use prost::Message;

/// A route for all paths of one host, its service, and one endpoint.
#[derive(Debug, Clone)]
pub struct App {
    /// What its route was made from.
    pub source: GroupKind,
    /// Name of all three.
    pub name: String,
    /// Host.
    pub host: String,
    /// Address of the endpoint; its port is 8080.
    pub address: String,
}

impl App {
    /// An app with an Ingress.
    #[must_use]
    pub fn new(name: &str, host: &str, address: &str) -> Self {
        Self {
            source: GroupKind::new("networking.k8s.io", "Ingress"),
            name: name.to_owned(),
            host: host.to_owned(),
            address: address.to_owned(),
        }
    }

    fn key(&self, kind: ResourceKind) -> Key {
        Key::new(kind, &GroupKind::new("", "Service"), "shop", &self.name, "80")
    }

    /// The route's key.
    #[must_use]
    pub fn route_key(&self) -> Key {
        Key::new(ResourceKind::Route, &self.source, "shop", &self.name, "")
    }

    /// The route alone.
    ///
    /// # Errors
    /// When the host is none.
    pub fn route(&self) -> Result<(Key, EncodedResource)> {
        self.route_to(&[self])
    }

    /// The route with plugins of its own and shared ones.
    ///
    /// # Errors
    /// When the host is none.
    pub fn guarded_route(&self, plugins: Vec<Plugin>, sets: Vec<Key>) -> Result<(Key, EncodedResource)> {
        let (key, encoded) = self.route()?;
        let Ok(Some(Resource::Route(mut route))) = encoded.decode()?.resource else {
            anyhow::bail!("a route is none")
        };
        route.plugins = plugins;
        route.plugin_sets = sets;
        Ok(resource(key, &Resource::Route(route)))
    }

    /// The route with the services of these apps, in equal shares.
    ///
    /// # Errors
    /// When the host is none.
    pub fn route_to(&self, apps: &[&Self]) -> Result<(Key, EncodedResource)> {
        let backend = |app: &&Self| Backend {
            service: app.key(ResourceKind::Service),
            weight: 1,
        };
        let route = Route {
            hosts: vec![HostName::new(&self.host)?],
            paths: vec![PathMatch::Prefix("/".to_owned())],
            methods: Vec::new(),
            conditions: Vec::new(),
            priority: 0,
            backends: apps.iter().map(backend).collect(),
            plugins: Vec::new(),
            plugin_sets: Vec::new(),
            timeouts: None,
            websocket: false,
            created: None,
        };
        Ok(encoded(self.route_key(), &route.into()))
    }

    /// The route with a host that is none.
    ///
    /// # Errors
    /// When the host before was none already.
    pub fn invalid_route(&self, host: &str) -> Result<(Key, EncodedResource)> {
        let (key, encoded) = self.route()?;
        let mut message = proto::Resource::decode(encoded.bytes().clone())?;
        match &mut message.body {
            Some(proto::resource::Body::Route(route)) => route.hosts = vec![host.to_owned()],
            other => anyhow::bail!("the body of a route is {other:?}"),
        }
        Ok((key, EncodedResource::from_bytes(message.encode_to_vec().into())))
    }

    fn service(&self) -> Result<(Key, EncodedResource)> {
        let service = Service {
            port: ServicePort {
                number: Some(Port::new(80)?),
                name: None,
                protocol: Protocol::Tcp,
                app_protocol: None,
            },
            endpoints: self.key(ResourceKind::EndpointSet),
            external_name: None,
            outside: None,
            node_port: None,
            external_traffic_policy: TrafficPolicy::Cluster,
            load_balancer_addresses: Vec::new(),
            settings: BackendSettings::default(),
            unresolved: None,
        };
        Ok(encoded(self.key(ResourceKind::Service), &service.into()))
    }

    fn endpoints(&self) -> Result<(Key, EncodedResource)> {
        let endpoint = Endpoint {
            address: self.address.as_str().into(),
            port: Port::new(8080)?,
            state: EndpointState::Ready,
            place: None,
        };
        let set = EndpointSet {
            endpoints: vec![endpoint],
        };
        Ok(encoded(
            self.key(ResourceKind::EndpointSet),
            &Resource::EndpointSet(set),
        ))
    }

    /// All three.
    ///
    /// # Errors
    /// When the host is none.
    pub fn resources(&self) -> Result<[(Key, EncodedResource); 3]> {
        Ok([self.route()?, self.service()?, self.endpoints()?])
    }
}

/// A plugin.
#[must_use]
pub fn plugin(name: &str, config: &serde_json::Value) -> Plugin {
    Plugin {
        name: name.to_owned(),
        config: SecretText::new(config.to_string()),
    }
}

/// Any resource as it travels.
#[must_use]
pub fn resource(key: Key, resource: &Resource) -> (Key, EncodedResource) {
    encoded(key, resource)
}

/// Facts of a cluster: by which address its agent's echo is reached.
#[must_use]
pub fn cluster_info(cluster: &str, echo: SocketAddr) -> (Key, EncodedResource) {
    let key = Key::new(
        ResourceKind::ClusterInfo,
        &GroupKind::new("", "Cluster"),
        "",
        cluster,
        "",
    );
    let info = ClusterInfo {
        echo: vec![echo.to_string()],
        ..ClusterInfo::default()
    };
    encoded(key, &Resource::ClusterInfo(Box::new(info)))
}

fn encoded(key: Key, resource: &Resource) -> (Key, EncodedResource) {
    let encoded = EncodedResource::encode(&key, resource);
    (key, encoded)
}

/// The same resource with a field more in itself, and one more in its body, as a newer agent would send it: protobuf
/// joins a field that comes twice.
///
/// # Errors
/// When it has no body.
pub fn with_unknown_fields(encoded: &EncodedResource) -> Result<EncodedResource> {
    /// Field 900 of wire type 2 (length-delimited), three bytes long.
    const UNKNOWN: [u8; 6] = [0xa2, 0x38, 3, b'n', b'e', b'w'];
    let message = proto::Resource::decode(encoded.bytes().clone())?;
    let field = match message.body.context("no body")? {
        proto::resource::Body::Route(_) => 11_u8,
        proto::resource::Body::Service(_) => 13,
        proto::resource::Body::EndpointSet(_) => 14,
        other => anyhow::bail!("not for {other:?}"),
    };
    let mut bytes = encoded.bytes().to_vec();
    bytes.extend(UNKNOWN);
    bytes.extend([(field << 3) | 2, 6]);
    bytes.extend(UNKNOWN);
    let longer = EncodedResource::from_bytes(bytes.into());
    anyhow::ensure!(longer.decode()? == encoded.decode()?, "the fields mean something");
    Ok(longer)
}
