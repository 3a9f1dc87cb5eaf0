//! What a reconnect costs where nothing changed, in bytes of messages: without TLS, HTTP/2 and compression, which the
//! end-to-end tests count too.

use hubline::model::{
    Address, Backend, BackendSettings, Completeness, Endpoint, EndpointSet, EndpointState, Entry, Group, GroupKind,
    GroupState, HostName, Key, PathMatch, Port, Protocol, Resource, ResourceKind, Route, Service, ServicePort,
    TrafficPolicy,
};
use hubline::wire::{AgentMessage, HubMessage, Resync, ResyncReason, Scope, Welcome, codec};
use prost::Message;

use super::hub::{Agent, ScriptedHub};
use crate::output::Output;

/// As in the scale run: 100 routes, 100 services, 100 endpoint sets of 10.
const APPS: u8 = 100;

fn key(kind: ResourceKind, number: u8) -> Key {
    let source = match kind {
        ResourceKind::Route => GroupKind::new("networking.k8s.io", "Ingress"),
        _ => GroupKind::new("", "Service"),
    };
    let section = if kind == ResourceKind::Route {
        "a.example.com|Prefix|/"
    } else {
        "80"
    };
    Key::new(kind, &source, "shop", &format!("web-{number}"), section)
}

fn route(number: u8) -> Resource {
    Resource::from(Route {
        hosts: vec![HostName::new(&format!("web-{number}.example.com")).unwrap()],
        paths: vec![PathMatch::Prefix("/".to_owned())],
        methods: Vec::new(),
        conditions: Vec::new(),
        priority: 0,
        backends: vec![Backend {
            service: key(ResourceKind::Service, number),
            weight: 1,
        }],
        plugins: Vec::new(),
        plugin_sets: Vec::new(),
        timeouts: None,
        websocket: false,
        created: None,
    })
}

fn service(number: u8) -> Resource {
    Resource::from(Service {
        port: ServicePort {
            number: Port::new(80).ok(),
            name: None,
            protocol: Protocol::Tcp,
            app_protocol: None,
        },
        endpoints: key(ResourceKind::EndpointSet, number),
        external_name: None,
        outside: None,
        node_port: None,
        external_traffic_policy: TrafficPolicy::Cluster,
        load_balancer_addresses: Vec::new(),
        settings: BackendSettings::default(),
        unresolved: None,
    })
}

fn endpoints(number: u8) -> Resource {
    let endpoint = |last: u8| Endpoint {
        address: Address::V4([10, 1, number, last].into()),
        port: Port::new(8080).unwrap(),
        state: EndpointState::Ready,
        place: None,
    };
    Resource::EndpointSet(EndpointSet {
        endpoints: (0..10).map(endpoint).collect(),
    })
}

/// Makes the resource of a number.
type Make = fn(u8) -> Resource;

fn everything() -> Output {
    let kinds: [(ResourceKind, Make); 3] = [
        (ResourceKind::Route, route),
        (ResourceKind::Service, service),
        (ResourceKind::EndpointSet, endpoints),
    ];
    let entries = kinds.iter().flat_map(|(kind, make)| {
        (0..APPS).map(|number| Entry {
            key: key(*kind, number),
            resource: make(number),
        })
    });
    let completeness = Completeness::Complete;
    let groups = kinds.iter().map(|(kind, _)| GroupState {
        group: Group::of(&key(*kind, 0)),
        completeness: completeness.clone(),
    });
    Output {
        upserts: entries.collect(),
        groups: Some(groups.collect()),
        ..Output::default()
    }
}

fn size(message: AgentMessage) -> usize {
    codec::to_agent_wire(message).encoded_len()
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_with_nothing_changed_costs_under_a_hundredth_of_the_snapshot() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&[]));
    agent.apply(everything());
    agent.connect(&hub);
    let peer = hub.peer().await;
    let hello = size(AgentMessage::Hello(peer.hello.clone()));
    let snapshot: usize = agent.reader().snapshot(&Scope::Everything, 0).map(size).sum();
    let welcome = HubMessage::Welcome(Welcome {
        hub: "hubline".to_owned(),
        capabilities: vec!["offer".to_owned(), "resume".to_owned()],
        heartbeat_interval_ms: 5_000,
    });
    let nothing = HubMessage::Resync(Resync {
        reason: ResyncReason::Hello,
        scope: Scope::NOTHING,
    });
    let answer: usize = [welcome, nothing]
        .map(|it| codec::to_hub_wire(it).encoded_len())
        .iter()
        .sum();
    let diagnostics = size(AgentMessage::Diagnostics(Vec::new(), 0));
    let reconnect = hello + answer + diagnostics;
    assert!(
        reconnect * 100 < snapshot,
        "{hello} + {answer} + {diagnostics} of {snapshot} bytes"
    );
}
