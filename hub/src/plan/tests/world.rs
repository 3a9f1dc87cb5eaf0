//! A hub in small: federation and planner together, and what a sink would have been told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hubline::model::*;
use hubline::wire::EncodedResource;

use crate::change::{Change, Stored};
use crate::federate::Federation;
use crate::object::{Object, ObjectId};
use crate::path::demotion::Demotions;
use crate::plan::{PlanOptions, PlanOutput, Planner, Routing};
use crate::view::Problem;

/// Federation, planner, and all they ever said, folded.
pub(super) struct World {
    federation: Federation,
    pub(super) planner: Planner,
    pub(super) objects: BTreeMap<ObjectId, Arc<Object>>,
    pub(super) problems: BTreeMap<GlobalKey, Vec<Problem>>,
}

impl World {
    pub(super) fn new() -> Self {
        let grants = [cluster("a"), cluster("b")].into();
        Self {
            federation: Federation::new(),
            planner: Planner::new(PlanOptions {
                grants,
                probes: true,
                ..PlanOptions::default()
            }),
            objects: BTreeMap::new(),
            problems: BTreeMap::new(),
        }
    }

    pub(super) fn apply(&mut self, on: &ClusterId, changes: &[Change]) -> PlanOutput {
        let verdicts = self.federation.apply(on, changes);
        let output = self.planner.apply(on, changes, &verdicts);
        self.fold(output)
    }

    pub(super) fn reach(&mut self, cluster: &ClusterId, routing: Routing) -> PlanOutput {
        let output = self.planner.reach([(cluster.clone(), routing)]);
        self.fold(output)
    }

    pub(super) fn grant(&mut self, grants: BTreeSet<ClusterId>) -> PlanOutput {
        let output = self.planner.grant(grants);
        self.fold(output)
    }

    pub(super) fn demote(&mut self, demotions: Demotions) -> PlanOutput {
        let output = self.planner.demote(demotions);
        self.fold(output)
    }

    fn fold(&mut self, output: PlanOutput) -> PlanOutput {
        for (id, object) in &output.objects {
            match object {
                Some(object) => drop(self.objects.insert(id.clone(), Arc::clone(object))),
                None => assert!(self.objects.remove(id).is_some(), "{id} was never there"),
            }
        }
        for (key, problems) in &output.problems {
            if problems.is_empty() {
                self.problems.remove(key);
            } else {
                self.problems.insert(key.clone(), problems.clone());
            }
        }
        output
    }

    /// What there is of claims that several make.
    pub(super) fn conflicts(&self) -> Vec<&'static str> {
        let mut seen = Vec::new();
        for (claim, claimants) in self.federation.conflicts() {
            if matches!(claim, crate::federate::Claim::Credential(_)) {
                seen.push("a credential is claimed twice");
            }
            let clusters: std::collections::BTreeSet<_> = claimants.iter().map(|key| &key.cluster).collect();
            let several = clusters.len() > 1;
            seen.push(if several {
                "claimed by several clusters"
            } else {
                "claimed by several of one cluster"
            });
            let [holder, .., last] = claimants.as_slice() else {
                continue;
            };
            if holder > last {
                seen.push("the older claim holds");
            }
            let lost = self.federation.standing(last).lost;
            if lost.iter().any(|conflict| conflict.since.is_none()) {
                seen.push("claims without an age");
            }
        }
        seen
    }

    /// Applies one change on cluster `a`; returns the changed ids and whether they are there now.
    pub(super) fn put(&mut self, key: &Key, resource: Resource) -> Vec<(ObjectId, bool)> {
        let output = self.apply(&cluster("a"), &[put(key, resource)]);
        let objects = output.objects.into_iter();
        objects.map(|(id, object)| (id, object.is_some())).collect()
    }
}

pub(super) fn cluster(name: &str) -> ClusterId {
    ClusterId::new(name).unwrap()
}

pub(super) fn key(kind: ResourceKind, name: &str) -> Key {
    let source = match kind {
        ResourceKind::Service | ResourceKind::EndpointSet => GroupKind::new("", "Service"),
        _ => GroupKind::new("networking.k8s.io", "Ingress"),
    };
    Key::new(kind, &source, "shop", name, "")
}

pub(super) fn put(key: &Key, resource: Resource) -> Change {
    let hash = EncodedResource::encode(key, &resource).hash();
    Change {
        key: key.clone(),
        now: Some(Stored {
            hash,
            resource: Arc::new(resource),
        }),
    }
}

pub(super) fn gone(key: &Key) -> Change {
    Change {
        key: key.clone(),
        now: None,
    }
}

pub(super) fn route(host: &str, paths: &[PathMatch], services: &[&str]) -> Route {
    let backend = |name: &&str| Backend {
        service: key(ResourceKind::Service, name),
        weight: 1,
    };
    Route {
        hosts: HostName::new(host).into_iter().collect(),
        paths: paths.to_vec(),
        methods: Vec::new(),
        conditions: Vec::new(),
        priority: 0,
        backends: services.iter().map(backend).collect(),
        plugins: Vec::new(),
        plugin_sets: Vec::new(),
        timeouts: None,
        websocket: false,
        created: None,
    }
}

pub(super) fn prefix(path: &str) -> PathMatch {
    PathMatch::Prefix(path.to_owned())
}

pub(super) fn plugin(config: &str) -> Plugin {
    Plugin {
        name: "redirect".to_owned(),
        config: SecretText::new(config.to_owned()),
    }
}

pub(super) fn named(name: &str, config: &serde_json::Value) -> Plugin {
    Plugin {
        name: name.to_owned(),
        config: SecretText::new(config.to_string()),
    }
}

pub(super) fn service(name: &str, retries: Option<u32>) -> Resource {
    Resource::from(Service {
        port: ServicePort {
            number: Port::new(80).ok(),
            name: None,
            protocol: Protocol::Tcp,
            app_protocol: None,
        },
        endpoints: key(ResourceKind::EndpointSet, name),
        external_name: None,
        outside: None,
        node_port: None,
        external_traffic_policy: TrafficPolicy::Cluster,
        load_balancer_addresses: Vec::new(),
        settings: BackendSettings {
            retries,
            ..BackendSettings::default()
        },
        unresolved: None,
    })
}

pub(super) fn endpoints(count: u8) -> Resource {
    let endpoint = |last| Endpoint {
        address: Address::V4([10, 0, 0, last].into()),
        port: Port::new(8080).unwrap(),
        state: EndpointState::Ready,
        place: None,
    };
    Resource::EndpointSet(EndpointSet {
        endpoints: (1..=count).map(endpoint).collect(),
    })
}

pub(super) fn certificate(hosts: &[&str]) -> Resource {
    Resource::from(Certificate {
        hosts: hosts.iter().map(|host| HostName::new(host).unwrap()).collect(),
        chain: "c".repeat(128),
        private_key: SecretText::new("k".repeat(128)),
        created: None,
        client: None,
    })
}
