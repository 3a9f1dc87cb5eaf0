//! What the agents have: made up from numbers, so that nothing has to be kept.

use std::sync::Arc;

use anyhow::Result;
use hubline::model::{
    Backend, BackendSettings, ClusterId, Completeness, Endpoint, EndpointSet, EndpointState, Entry, Group, GroupKind,
    GroupState, HostName, Key, PathMatch, Place, Port, Protocol, Resource, ResourceKind, Route, Service, ServicePort,
    TrafficPolicy, UnixSeconds,
};

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct World {
    pub(super) agents: usize,
    pub(super) routes: usize,
    pub(super) endpoints_per_service: usize,
}

/// The app of one route: its agent, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct App {
    pub(super) agent: usize,
    pub(super) number: usize,
}

impl World {
    pub(super) fn new(agents: usize, routes: usize, endpoints_per_service: usize) -> Self {
        Self {
            agents: agents.max(1),
            routes,
            endpoints_per_service,
        }
    }

    pub(super) fn endpoints(&self) -> usize {
        self.routes * self.endpoints_per_service
    }

    /// Objects at the target: a route and an upstream of each app.
    pub(super) fn objects(&self) -> usize {
        self.routes * 2
    }

    /// The app of a route's number: routes go round the agents.
    pub(super) fn app(&self, route: usize) -> App {
        App {
            agent: route % self.agents,
            number: route / self.agents,
        }
    }

    pub(super) fn apps_of(&self, agent: usize) -> impl Iterator<Item = App> {
        let count = self.routes / self.agents + usize::from(agent < self.routes % self.agents);
        (0..count).map(move |number| App { agent, number })
    }

    /// Everything that one agent has.
    pub(super) fn resources_of(&self, agent: usize) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for app in self.apps_of(agent) {
            entries.push(app.route()?);
            entries.push(app.service()?);
            entries.push(app.endpoints(self.endpoints_per_service, 0)?);
        }
        entries.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(entries)
    }
}

pub(super) fn cluster(agent: usize) -> Result<ClusterId> {
    Ok(ClusterId::new(&format!("cluster-{agent:04}"))?)
}

/// The groups that an agent speaks of, all complete.
pub(super) fn groups() -> Vec<GroupState> {
    let group = |kind, source| GroupState {
        group: Group { kind, source },
        completeness: Completeness::Complete,
    };
    vec![
        group(ResourceKind::Route, ingress()),
        group(ResourceKind::Service, GroupKind::new("", "Service")),
        group(ResourceKind::EndpointSet, GroupKind::new("", "Service")),
    ]
}

fn ingress() -> GroupKind {
    GroupKind::new("networking.k8s.io", "Ingress")
}

impl App {
    fn name(self) -> String {
        format!("application-{:04}", self.number)
    }

    fn namespace(self) -> String {
        format!("team-{:02}", self.number % 20)
    }

    fn host(self) -> String {
        format!("app-{:04}.cluster-{:04}.example.com", self.number, self.agent)
    }

    /// The service's key, whose upstream an endpoint change writes.
    pub(super) fn service_key(self) -> Key {
        self.key(ResourceKind::Service)
    }

    fn key(self, kind: ResourceKind) -> Key {
        let source = GroupKind::new("", "Service");
        Key::new(kind, &source, &self.namespace(), &self.name(), "8080")
    }

    fn route(self) -> Result<Entry> {
        let host = self.host();
        let section = format!("{host}|Prefix|/");
        let route = Route {
            hosts: vec![HostName::new(&host)?],
            paths: vec![PathMatch::Prefix("/".to_owned())],
            methods: Vec::new(),
            conditions: Vec::new(),
            priority: 0,
            backends: vec![Backend {
                service: self.service_key(),
                weight: 1,
            }],
            plugins: Vec::new(),
            plugin_sets: Vec::new(),
            timeouts: None,
            websocket: false,
            created: Some(UnixSeconds(1_700_000_000)),
        };
        Ok(Entry {
            key: Key::new(
                ResourceKind::Route,
                &ingress(),
                &self.namespace(),
                &self.name(),
                &section,
            ),
            resource: route.into(),
        })
    }

    fn service(self) -> Result<Entry> {
        let service = Service {
            port: ServicePort {
                number: Some(Port::new(8080)?),
                name: Some("http".to_owned()),
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
        Ok(Entry {
            key: self.service_key(),
            resource: service.into(),
        })
    }

    /// So many endpoints on as many nodes; `version` changes the address of the last one.
    pub(super) fn endpoints(self, count: usize, version: usize) -> Result<Entry> {
        let mut endpoints = Vec::with_capacity(count);
        for index in 0..count {
            let turn = if index + 1 == count { version } else { 0 };
            let address = format!(
                "10.{}.{}.{}",
                index,
                self.number % 256,
                1 + (self.number / 256 + turn) % 254
            );
            let place = Place::new(
                Some(format!("worker-{index:02}.cluster-{:04}", self.agent).into()),
                Some(format!("zone-{}", index % 3).into()),
            );
            endpoints.push(Endpoint {
                address: address.as_str().into(),
                port: Port::new(8080)?,
                state: EndpointState::Ready,
                place: place.map(Arc::new),
            });
        }
        endpoints.sort_by_key(|endpoint: &Endpoint| endpoint.address.to_string());
        Ok(Entry {
            key: self.key(ResourceKind::EndpointSet),
            resource: Resource::EndpointSet(EndpointSet { endpoints }),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_route_belongs_to_one_agent() {
        let world = World::new(3, 10, 2);
        let apps: Vec<_> = (0..3).flat_map(|agent| world.apps_of(agent)).collect();
        assert_eq!(apps.len(), 10);
        assert!((0..10).all(|route| apps.contains(&world.app(route))));
        let keys: BTreeSet<_> = world.resources_of(0).unwrap().into_iter().map(|it| it.key).collect();
        assert_eq!(keys.len(), 12);
    }

    #[test]
    fn a_version_changes_the_endpoints_and_not_their_number() {
        let app = World::new(1, 1, 1).app(0);
        let (old, new) = (app.endpoints(4, 0).unwrap(), app.endpoints(4, 1).unwrap());
        assert_ne!(old.resource, new.resource);
        assert_eq!(old.key, new.key);
    }
}
