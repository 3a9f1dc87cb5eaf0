use prost::Message;

use super::*;
use crate::expression::Expression;
use crate::model::{
    ActiveChecks, Backend, Certificate, CheckProtocol, ClusterId, Comparison, Condition, EndpointSet, EndpointState,
    GroupKind, HealthChecks, Healthy, HostName, Key, PassiveChecks, PathMatch, Port, Resource, ResourceKind, Route,
    SecretText, Service, ServicePort, Unhealthy,
};

fn key(kind: ResourceKind, name: &str) -> Key {
    Key::new(kind, &GroupKind::new("networking.k8s.io", "Ingress"), "shop", name, "a")
}

fn route() -> Resource {
    Resource::from(Route {
        hosts: vec![HostName::new("a.example.com").unwrap()],
        paths: vec![PathMatch::Prefix("/".to_owned())],
        methods: Vec::new(),
        conditions: vec![
            Condition::from(Comparison {
                variable: "arg_a".to_owned(),
                operator: "in".to_owned(),
                negated: true,
                values: vec!["x".to_owned(), "y".to_owned()],
            }),
            Condition::Expression(Expression::parse(r#"["!OR",["a",">",1.5],["b","==",true]]"#).unwrap()),
        ],
        priority: -3,
        backends: vec![Backend {
            service: key(ResourceKind::Service, "web"),
            weight: 100,
        }],
        plugins: Vec::new(),
        plugin_sets: Vec::new(),
        timeouts: None,
        websocket: true,
        created: Some(crate::model::UnixSeconds(17)),
    })
}

fn checks() -> HealthChecks {
    HealthChecks {
        active: ActiveChecks {
            protocol: CheckProtocol::Https,
            timeout_ms: Some(1500),
            concurrency: Some(3),
            host: Some("a.example.com".to_owned()),
            port: Some(Port::new(8443).unwrap()),
            path: Some("/healthz".to_owned()),
            headers: vec!["X-Probe: 1".to_owned()],
            insecure: true,
            healthy: Healthy {
                interval_seconds: Some(2),
                statuses: vec![200, 204],
                successes: Some(1),
            },
            unhealthy: Unhealthy {
                interval_seconds: Some(1),
                statuses: vec![500],
                http_failures: Some(2),
                tcp_failures: Some(0),
                timeouts: None,
            },
        },
        passive: Some(PassiveChecks {
            protocol: CheckProtocol::Tcp,
            ..PassiveChecks::default()
        }),
    }
}

fn service() -> Service {
    Service {
        port: ServicePort {
            number: Some(Port::new(80).unwrap()),
            name: Some("http".to_owned()),
            protocol: crate::model::Protocol::Tcp,
            app_protocol: None,
        },
        endpoints: key(ResourceKind::EndpointSet, "web"),
        external_name: None,
        outside: Some(Box::new(crate::model::Outside::Nodes(vec![
            crate::model::OutsideNode {
                address: "db.example.com".to_owned(),
                port: Port::new(5432).unwrap(),
                weight: 3,
            },
        ]))),
        node_port: Some(Port::new(30080).unwrap()),
        external_traffic_policy: crate::model::TrafficPolicy::Local,
        load_balancer_addresses: vec!["1.2.3.4".to_owned()],
        settings: crate::model::BackendSettings {
            scheme: crate::model::Scheme::Grpcs,
            load_balancing: crate::model::LoadBalancing::ConsistentHash {
                hash_on: "vars".to_owned(),
                key: "remote_addr".to_owned(),
            },
            host: crate::model::HostHandling::Rewrite("b".to_owned()),
            timeouts: Some(crate::model::Timeouts {
                connect_ms: 1,
                send_ms: 2,
                read_ms: 3,
            }),
            retries: Some(0),
            checks: Some(Box::new(checks())),
            identity: Some(Box::new(crate::model::ClientIdentity {
                chain: "chain".to_owned(),
                private_key: SecretText::new("key".to_owned()),
            })),
        },
        unresolved: None,
    }
}

fn samples() -> Vec<(Key, Resource)> {
    let endpoint = crate::model::Endpoint {
        address: "fd00::1".into(),
        port: Port::new(8080).unwrap(),
        state: EndpointState::Draining,
        place: crate::model::Place::new(Some("n1".into()), None).map(Into::into),
    };
    let certificate = Certificate {
        hosts: vec![HostName::new("*.example.com").unwrap()],
        chain: "chain".to_owned(),
        private_key: SecretText::new("key".to_owned()),
        created: None,
        client: Some(Box::new(crate::model::ClientVerification {
            authorities: "pem".to_owned(),
            depth: 2,
            open_paths: vec!["/open.*".to_owned()],
        })),
    };
    let info = crate::model::ClusterInfo {
        addresses: vec!["198.51.100.7".to_owned()],
        zone: Some("north".to_owned()),
        pod_networks: vec!["10.244.0.0/16".to_owned()],
        kubernetes_version: Some("v1.36.0".to_owned()),
        echo: vec!["10.244.0.9:7444".to_owned(), "[fd00::9]:7444".to_owned()],
    };
    let plugin = |name: &str| crate::model::Plugin {
        name: name.to_owned(),
        config: SecretText::new("{}".to_owned()),
    };
    let created = Some(crate::model::UnixSeconds(-5));
    let consumer = crate::model::Consumer {
        plugins: vec![plugin("basic-auth"), plugin("key-auth")],
        created,
    };
    let rule = crate::model::GlobalRule {
        plugins: vec![plugin("cors")],
        metadata: vec![plugin("file-logger"), plugin("http-logger")],
        created,
    };
    vec![
        (key(ResourceKind::Route, "web"), route()),
        (key(ResourceKind::Service, "web"), service().into()),
        (
            key(ResourceKind::EndpointSet, "web"),
            Resource::EndpointSet(EndpointSet {
                endpoints: vec![endpoint],
            }),
        ),
        (key(ResourceKind::Certificate, "web"), certificate.into()),
        (key(ResourceKind::ClusterInfo, "a"), info.into()),
        (key(ResourceKind::Consumer, "jack"), consumer.into()),
        (key(ResourceKind::GlobalRule, "all"), rule.into()),
    ]
}

#[test]
fn resources_come_back_as_they_were_sent() {
    for (key, resource) in samples() {
        let encoded = EncodedResource::encode(&key, &resource);
        let decoded = EncodedResource::from_bytes(encoded.bytes().clone()).decode().unwrap();
        assert_eq!(
            decoded,
            DecodedResource {
                key,
                resource: Ok(Some(resource))
            }
        );
    }
}

#[test]
fn unknown_fields_and_kinds_are_hashed_and_ignored() {
    let (key, resource) = samples().remove(0);
    let encoded = EncodedResource::encode(&key, &resource);
    // Field 999 of a newer agent, a varint.
    let newer = [encoded.bytes().to_vec(), vec![0xb8, 0x3e, 0x01]].concat();
    let newer = EncodedResource::from_bytes(newer.into());
    assert_ne!(newer.hash(), encoded.hash());
    assert_eq!(newer.decode().unwrap().resource, Ok(Some(resource)));

    let body = proto::Resource {
        key: Some(proto::Key {
            kind: 99,
            ..codec::encode::key(&key)
        }),
        body: None,
    };
    let unknown = EncodedResource::from_bytes(body.encode_to_vec().into())
        .decode()
        .unwrap();
    assert_eq!(
        (unknown.key.kind, unknown.resource),
        (ResourceKind::Other(99), Ok(None))
    );
}

/// An expression travels in a field of its own, in a condition that is empty besides: hubs which do not know the field
/// see a comparison with nothing, which they refuse, and never a route without its condition.
#[test]
fn an_expression_is_never_a_route_without_its_condition() {
    let (key, Resource::Route(mut route)) = samples().remove(0) else {
        panic!("the first sample is a route");
    };
    let text = r#"["OR",["a",">",1],["b","==","x"]]"#;
    route.conditions = vec![Condition::Expression(Expression::parse(text).unwrap())];
    let message = codec::encode::resource(&key, &Resource::Route(route));
    let Some(proto::resource::Body::Route(body)) = &message.body else {
        panic!("a route is a route");
    };
    let only_expression = proto::Condition {
        expression: text.to_owned(),
        ..proto::Condition::default()
    };
    assert_eq!(body.conditions, [only_expression]);

    let table = [
        (r#"["OR",["a",">",1]]"#, "OR joins 1 here"),
        (r#"["a","==","x"]"#, "is made of plain conditions"),
        ("x", "is no JSON"),
    ];
    for (text, fault) in table {
        let mut message = message.clone();
        if let Some(proto::resource::Body::Route(route)) = &mut message.body {
            route.conditions[0].expression = text.to_owned();
        }
        let decoded = EncodedResource::from_bytes(message.encode_to_vec().into()).decode();
        let error = decoded.unwrap().resource.unwrap_err().to_string();
        assert!(
            error.contains("route.conditions.expression") && error.contains(fault),
            "{error}"
        );
    }
}

#[test]
fn a_truncated_resource_is_a_clear_error() {
    let (key, resource) = samples().remove(0);
    let bytes = EncodedResource::encode(&key, &resource).bytes().clone();
    let cut = EncodedResource::from_bytes(bytes.slice(..bytes.len() - 1));
    assert!(matches!(cut.decode(), Err(WireError::Malformed(_))));
}

#[test]
fn a_bad_field_spares_the_key() {
    let (key, resource) = samples().remove(0);
    let mut message = codec::encode::resource(&key, &resource);
    if let Some(proto::resource::Body::Route(route)) = &mut message.body {
        route.hosts = vec!["not a host".to_owned()];
    }
    let decoded = EncodedResource::from_bytes(message.encode_to_vec().into())
        .decode()
        .unwrap();
    assert_eq!(decoded.key, key);
    let error = decoded.resource.unwrap_err().to_string();
    assert!(error.contains("route.hosts") && error.contains("not a host"), "{error}");
}

#[test]
fn too_large_resources_are_refused_before_they_are_read() {
    let bytes = vec![0; limits::MAX_RESOURCE_BYTES + 1];
    let part = proto::SnapshotPart {
        resources: vec![bytes.into()],
    };
    let message = proto::AgentMessage {
        message: Some(proto::agent_message::Message::SnapshotPart(part)),
    };
    assert!(matches!(codec::agent_message(message), Err(WireError::TooLarge { .. })));
}

fn agent_messages() -> Vec<AgentMessage> {
    let (key, resource) = samples().remove(0);
    let encoded = EncodedResource::encode(&key, &resource);
    let group = crate::model::Group::of(&key);
    let mut table = DigestTable::default();
    table.replace(&key, None, Some(encoded.hash()));
    let groups = vec![GroupInventory {
        group: group.clone(),
        completeness: crate::model::Completeness::Complete,
        count: 1,
        digests: table.fold(&group, 3),
    }];
    let bucket = BucketId::of(&key);
    let touched = vec![TouchedBucket {
        group: group.clone(),
        bucket,
        digest: table.bucket(&group, bucket),
    }];
    let epoch = Epoch { counter: 3, random: 9 };
    let inventory = Inventory {
        epoch,
        revision: 4,
        groups: groups.clone(),
    };
    let hello = Hello {
        cluster: ClusterId::new("a").unwrap().to_string(),
        cluster_uid: "uid".to_owned(),
        instance: "pod".to_owned(),
        capabilities: vec!["x".to_owned()],
        inventory: inventory.clone(),
        statuses: Some(Digest(5)),
    };
    let delta = Delta {
        base_revision: 4,
        revision: 6,
        upserts: vec![encoded.clone()],
        removals: vec![key],
        touched,
    };
    let scope = Scope::Buckets(vec![BucketSet {
        group,
        bits: 3,
        buckets: vec![bucket.coarse(3)],
    }]);
    let end = SnapshotEnd {
        revision: 4,
        count: 1,
        digest: Digest::default().with(encoded.hash()),
    };
    vec![
        AgentMessage::Hello(hello),
        AgentMessage::Offer(inventory),
        AgentMessage::SnapshotBegin(SnapshotBegin {
            epoch,
            revision: 4,
            scope,
            groups,
        }),
        AgentMessage::SnapshotPart(vec![encoded]),
        AgentMessage::SnapshotEnd(end),
        AgentMessage::Delta(delta),
        AgentMessage::Heartbeat(7, true),
        AgentMessage::Checkpoint(Checkpoint {
            revision: 4,
            digest: Digest(9),
        }),
        AgentMessage::Unknown,
    ]
}

fn hub_messages() -> Vec<HubMessage> {
    let (key, resource) = samples().remove(0);
    let content_hash = EncodedResource::encode(&key, &resource).hash();
    let (reason, message) = ("mass-removal".to_owned(), "m".to_owned());
    let held = vec![Held {
        key: key.clone(),
        reason: reason.clone(),
        message: message.clone(),
    }];
    let group = crate::model::Group::of(&key);
    let scope = Scope::Buckets(vec![BucketSet::whole(group.clone())]);
    let condition = "Programmed".to_owned();
    let (key_of_status, why, text) = (key.clone(), reason.clone(), message.clone());
    let status = ResourceStatus {
        key: key_of_status,
        content_hash,
        condition,
        reason: why,
        message: text,
        gone: false,
    };
    vec![
        HubMessage::Welcome(Welcome {
            hub: "h".to_owned(),
            capabilities: Vec::new(),
            heartbeat_interval_ms: 5000,
        }),
        HubMessage::Resync(Resync {
            reason: ResyncReason::Gap,
            scope,
        }),
        HubMessage::Ack(Ack {
            revision: 4,
            taken: 1,
            held,
        }),
        HubMessage::Nack(Nack {
            key,
            content_hash,
            reason,
            message,
        }),
        HubMessage::Status(Status {
            replay_begin: true,
            replay_end: false,
            statuses: vec![status],
        }),
        HubMessage::Heartbeat(1, false),
        HubMessage::Resume(4),
        HubMessage::Compare(Compare {
            reason: ResyncReason::DigestMismatch,
            groups: vec![group],
        }),
        HubMessage::Addresses(vec!["192.0.2.1".to_owned(), "lb.example.com".to_owned()]),
        HubMessage::Superseded("b".to_owned()),
        HubMessage::Unknown,
    ]
}

#[test]
fn messages_come_back_as_they_were_sent() {
    for message in agent_messages() {
        assert_eq!(codec::agent_message(codec::to_agent_wire(message.clone())), Ok(message));
    }
    for message in hub_messages() {
        assert_eq!(codec::hub_message(codec::to_hub_wire(message.clone())), Ok(message));
    }
}

#[test]
fn a_scope_contains_its_buckets_and_nothing_else() {
    let (key, _) = samples().remove(0);
    let group = crate::model::Group::of(&key);
    let other = (BucketId::of(&key).coarse(3) + 1) % 8;
    let of = |bucket| {
        Scope::Buckets(vec![BucketSet {
            group: group.clone(),
            bits: 3,
            buckets: vec![bucket],
        }])
    };
    assert!(of(BucketId::of(&key).coarse(3)).contains(&key) && Scope::Everything.contains(&key));
    assert!(!of(other).contains(&key) && !Scope::NOTHING.contains(&key));
}

/// A status whose texts have three bytes a character, so that a limit falls within one.
fn wordy(length: usize) -> ResourceStatus {
    let text = "…".repeat(length);
    ResourceStatus {
        key: key(ResourceKind::Route, "web"),
        content_hash: ContentHash(1),
        condition: "Refused".to_owned(),
        reason: text.clone(),
        message: text,
        gone: false,
    }
}

#[test]
fn long_texts_are_shortened_between_characters() {
    for length in [0, 341, 342, 10_000] {
        let text = text::shortened("…".repeat(length));
        assert_eq!(text.chars().count(), length.min(341));
        assert_eq!(text::shortened(text.clone()), text);
    }
    assert!(text::shortened(format!("{}é", "x".repeat(1_023))).ends_with("x…"));
    // What was shortened on the way counts as what was said.
    let statuses = vec![wordy(5_000)];
    let said = statuses[0].hash();
    let status = Status {
        replay_begin: false,
        replay_end: false,
        statuses,
    };
    let HubMessage::Status(heard) = codec::hub_message(codec::to_hub_wire(HubMessage::Status(status))).unwrap() else {
        panic!("no status");
    };
    assert_eq!(heard.statuses[0].hash(), said);
}

#[test]
fn the_longest_texts_stay_within_a_message() {
    let statuses = vec![wordy(1_000); 1_000];
    let count = text::fitting(&statuses, 1_000);
    assert!((2..1_000).contains(&count), "{count}");
    let status = Status {
        replay_begin: true,
        replay_end: false,
        statuses: statuses[..count].to_vec(),
    };
    let bytes = codec::to_hub_wire(HubMessage::Status(status)).encoded_len();
    assert!(
        (limits::TEXTS_BYTES / 2..=limits::TEXTS_BYTES).contains(&bytes),
        "{bytes}"
    );
    assert_eq!(text::fitting(&statuses[..0], 10), 0);
    assert_eq!(
        text::fitting(&vec![wordy(1); 5_000], limits::STATUS_BATCH),
        limits::STATUS_BATCH
    );
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Folding any table at any fineness keeps the sum, and order does not matter.
        #[test]
        fn digests_do_not_depend_on_order(names in proptest::collection::btree_set("[a-z]{1,8}", 1..40), bits in 0..12_u32) {
            let keys: Vec<_> = names.iter().map(|name| key(ResourceKind::Route, name)).collect();
            let (mut forward, mut backward) = (DigestTable::default(), DigestTable::default());
            for key in &keys {
                forward.replace(key, None, Some(ContentHash::of(key.name.as_bytes())));
            }
            for key in keys.iter().rev() {
                backward.replace(key, None, Some(ContentHash(1)));
                backward.replace(key, Some(ContentHash(1)), Some(ContentHash::of(key.name.as_bytes())));
            }
            let group = crate::model::Group::of(&keys[0]);
            prop_assert_eq!(forward.fold(&group, bits), backward.fold(&group, bits));
            let whole = forward.fold(&group, bits).into_iter().fold(Digest::default(), Digest::merged);
            prop_assert_eq!(vec![whole], forward.fold(&group, 0));
            prop_assert_eq!(forward.count(&group), keys.len() as u64);
        }

        /// No bytes at all make the decoder panic.
        #[test]
        fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(EncodedResource::from_bytes(bytes.clone().into()).decode());
            if let Ok(message) = proto::AgentMessage::decode(bytes.as_slice()) {
                drop(codec::agent_message(message));
            }
        }
    }
}
