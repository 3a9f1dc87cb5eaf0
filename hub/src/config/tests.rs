use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hubline::model::ClusterId;
use hubline::telemetry::Metrics;
use hubline::tls::{Authority, Files};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::reload::{Outcome, Reloader};
use super::*;
use crate::path::{PathKind, Reach};

const SMALL: &str = "target: {admin: {addresses: [\"http://127.0.0.1:9180\"], key: hunter2}}\n";

fn parse(more: &str) -> Result<HubConfig, HubConfigError> {
    HubConfig::parse("hub.yaml", &format!("{SMALL}{more}"))
}

#[test]
fn a_full_configuration_is_read() {
    let config = parse(
        "hub: east\nlisten: {agents: '127.0.0.1:1', api: 'http://127.0.0.1:2'}\ntuning: {batchInterval: 250ms}\n\
         clusters:\n- name: a\n  uid: u-1\n- name: b\n  paths:\n  - {name: line, kind: private-line, rank: 0, reach: pods}\n",
    )
    .unwrap();
    assert_eq!(config.hub, "east");
    assert_eq!(config.listen.api, ApiAddress::Loopback("127.0.0.1:2".parse().unwrap()));
    assert_eq!(config.tuning.batch_interval, Duration::from_millis(250));
    let list = config.cluster_list();
    let a = list.get(&ClusterId::new("a").unwrap()).unwrap();
    assert_eq!(
        (a.uid.as_deref(), a.effective_paths()),
        (Some("u-1"), vec![crate::path::Path::direct()])
    );
    let b = list.get(&ClusterId::new("b").unwrap()).unwrap();
    assert_eq!(
        (b.paths[0].kind, b.paths[0].reach),
        (PathKind::PrivateLine, Reach::Pods)
    );
    assert!(list.get(&ClusterId::new("c").unwrap()).is_none());
    assert_eq!(config.target.admin.read_key().unwrap().expose(), "hunter2");
}

#[test]
fn the_example_is_good_and_says_the_defaults() {
    let example = HubConfig::parse("hub.yaml", include_str!("../../../deploy/hub/hub.yaml")).unwrap();
    let defaults = HubConfig {
        clusters: example.clusters.clone(),
        target: example.target.clone(),
        ..HubConfig::default()
    };
    assert_eq!(example, defaults);
}

#[test]
fn the_defaults_lack_only_the_target() {
    let error = HubConfig::default().validate().unwrap_err().to_string();
    assert!(error.contains("target.admin.addresses is empty"), "{error}");
    assert!(error.contains("exactly one of keyFile and key"), "{error}");
    parse("").unwrap();
}

#[test]
fn faults_name_the_field_and_what_is_allowed() {
    let table = [
        ("hub: Not_OK", "hub: \"Not_OK\" is no DNS-1123 label"),
        ("idPrefix: hub-line", "allowed: 1 to 8 of a-z and 0-9"),
        ("clusters: [{name: a}, {name: a}]", "clusters.1.name: a is listed twice"),
        ("clusters: [{name: a, uid: ''}]", "clusters.0.uid is empty"),
        (
            "clusters: [{name: a, paths: [{name: x, kind: private-line, rank: 0, reach: pods}, {name: x, kind: private-line, rank: 1, reach: pods}]}]",
            "clusters.0.paths.1.name: \"x\" is listed twice",
        ),
        (
            "clusters: [{name: a, paths: [{name: x, kind: pigeon, rank: 0, reach: pods}]}]",
            "hub.yaml:2: clusters.0.paths.0.kind: value is not allowed; allowed: private-line, public-network",
        ),
        (
            "clusters: [{name: a, paths: [{name: x, kind: private-line, rank: 0, reach: pods, health: {window: 4s}}]}]",
            "clusters.0.paths.0.health.window: 4s is not allowed; allowed: 5s and more, 20 probe intervals",
        ),
        (
            "clusters: [{name: a, paths: [{name: x, kind: public-network, rank: 0, reach: pods, health: {window: 19s}}]}]",
            "clusters.0.paths.0.health.window: 19s is not allowed; allowed: 20s and more, 20 probe intervals",
        ),
        ("clusters: [{name: A}]", "hub.yaml:2: clusters.0.name"),
        (
            "clusters: [{naem: a}]",
            "unknown key clusters.0.naem, did you mean name?",
        ),
        ("listen: {api: 'http://0.0.0.0:9000'}", "reachable from other machines"),
        ("listen: {api: 'http://10.0.0.1:9000'}", "hub.yaml:2: listen.api"),
        ("listen: {api: '/run/x'}", "allowed: unix:/PATH"),
        ("listen: {agents: everywhere}", "hub.yaml:2: listen.agents"),
        (
            "tuning: {connections: 0}",
            "tuning.connections is 0; allowed: 1 and more",
        ),
        ("tuning: {retryMin: 0s}", "tuning.retryMin is too short"),
        ("tuning: {retryMin: 5s, retryMax: 1s}", "tuning.retryMax is shorter"),
        ("logging: {level: 'x=loud'}", "logging.level"),
        ("loging: {level: info}", "unknown key loging, did you mean logging?"),
    ];
    for (text, part) in table {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text} gives {error:?}, which lacks {part:?}");
    }
    let passwords = [
        "http://u:hunter2@h:1",
        "http://h:1/hunter2",
        "ftp://hunter2:1",
        "http://h?hunter2",
    ];
    for address in passwords {
        let text = format!("target: {{admin: {{addresses: [\"{address}\"], keyFile: /k}}}}");
        let error = HubConfig::parse("hub.yaml", &text).unwrap_err().to_string();
        assert!(error.contains("target.admin.addresses.0 is no base URL"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn the_admin_key_is_never_shown() {
    let config = parse("").unwrap();
    let shown = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn check_files_reads_certificates_and_keys() {
    let directory = TempDir::new().unwrap();
    let mut config = parse("").unwrap();
    config.tls = Files::in_directory(directory.path());
    let error = config.check_files().unwrap_err().to_string();
    assert!(error.starts_with("tls.ca: cannot read"), "{error}");
    let authority = Authority::new("test").unwrap();
    let hub = authority.issue_hub(&["localhost"]).unwrap();
    std::fs::write(&config.tls.ca, authority.certificate()).unwrap();
    std::fs::write(&config.tls.certificate, &hub.chain).unwrap();
    std::fs::write(&config.tls.key, hub.private_key.expose()).unwrap();
    config.check_files().unwrap();
    config.target.admin.key = None;
    config.target.admin.key_file = Some(directory.path().join("admin.key"));
    let error = config.check_files().unwrap_err().to_string();
    assert!(error.contains("target.admin.keyFile: cannot read"), "{error}");
    std::fs::write(directory.path().join("admin.key"), "  \n").unwrap();
    assert!(config.check_files().unwrap_err().to_string().contains("is empty"));
    std::fs::write(directory.path().join("admin.key"), " k1\n").unwrap();
    assert_eq!(config.target.admin.read_key().unwrap().expose(), "k1");

    let target = "{name: edge, kind: tls, address: '10.0.0.1:443', tls: {serverName: e.example, caFile: /none/ca}}";
    let path = format!("{{name: x, kind: private-line, rank: 0, reach: pods, targets: [{target}]}}");
    let with_target = parse(&format!("clusters: [{{name: a, paths: [{path}]}}]")).unwrap();
    config.clusters = with_target.clusters;
    let error = config.check_files().unwrap_err().to_string();
    assert!(error.starts_with("clusters.0.paths.0.targets.0: "), "{error}");
    assert!(error.contains("/none/ca"), "{error}");
}

fn reloader(file: PathBuf) -> Reloader {
    let started = HubConfig::load(Some(&file), Vec::new()).unwrap();
    let loader = Arc::new(move || HubConfig::load(Some(&file), Vec::new()));
    Reloader::new(started, loader, &Metrics::default())
}

#[tokio::test]
async fn only_the_list_of_clusters_changes_live() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("hub.yaml");
    let write = |more: &str| std::fs::write(&file, format!("{SMALL}{more}")).unwrap();
    write("clusters: [{name: a}]");
    let mut reloader = reloader(file.clone());
    let mut list = reloader.clusters();
    assert_eq!(reloader.reload().await, Outcome::Unchanged);
    assert!(!list.has_changed().unwrap());
    write("clusters: [{name: a}, {name: b}]");
    assert_eq!(reloader.reload().await, Outcome::Applied { restart: Vec::new() });
    assert_eq!(list.borrow_and_update().iter().count(), 2);
    write("hub: other\nclusters: [{name: a}, {name: b}]");
    let keys = vec!["hub".to_owned()];
    assert_eq!(reloader.reload().await, Outcome::NeedsRestart { keys });
    assert!(!list.has_changed().unwrap());
}

#[tokio::test]
async fn the_addresses_of_the_target_change_live() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("hub.yaml");
    let write = |addresses: &str| {
        let text = format!("{SMALL}clusters: [{{name: a}}]\nstatus: {{addresses: [{addresses}]}}");
        std::fs::write(&file, text).unwrap();
    };
    write("192.0.2.1");
    let mut reloader = reloader(file.clone());
    let (list, mut addresses) = (reloader.clusters(), reloader.addresses());
    assert_eq!(**addresses.borrow_and_update(), ["192.0.2.1".to_owned()]);
    write("192.0.2.2, lb.example.com");
    assert_eq!(reloader.reload().await, Outcome::Applied { restart: Vec::new() });
    assert!(addresses.has_changed().unwrap() && !list.has_changed().unwrap());
    assert_eq!(addresses.borrow_and_update().len(), 2);
    write("192.0.2.2, lb.example.com:80");
    assert!(matches!(reloader.reload().await, Outcome::Refused { .. }));
    assert!(!addresses.has_changed().unwrap());
}

#[test]
fn addresses_that_no_ingress_can_have_are_named() {
    let written = "status: {addresses: [192.0.2.1, '2001:db8::1', lb.example.com]}";
    assert_eq!(parse(written).unwrap().status.addresses.len(), 3);
    let wrong = [
        "192.0.2.1:80",
        "'[2001:db8::1]'",
        "192.0.2.300",
        "'*.example.com'",
        "LB.example.com",
        "a_b.example.com",
        "0.0.0.0",
        "''",
        "'http://lb.example.com'",
    ];
    for address in wrong {
        let error = parse(&format!("status: {{addresses: [192.0.2.1, {address}]}}"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("status.addresses.1") && error.contains("allowed: an IP address"),
            "{error}"
        );
    }
    let twice = parse("status: {addresses: [a.example, a.example]}")
        .unwrap_err()
        .to_string();
    assert!(
        twice.contains("status.addresses.1: a.example is listed twice"),
        "{twice}"
    );
}

#[tokio::test]
async fn a_broken_file_keeps_the_previous_list() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("hub.yaml");
    std::fs::write(&file, format!("{SMALL}clusters: [{{name: a}}]")).unwrap();
    let mut reloader = reloader(file.clone());
    let list = reloader.clusters();
    for broken in [
        "clusters: [",
        "clusters: []\nclsters: []",
        "clusters: [{name: a}, {name: a}]",
    ] {
        std::fs::write(&file, format!("{SMALL}{broken}")).unwrap();
        assert!(matches!(reloader.reload().await, Outcome::Refused { .. }), "{broken}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(reloader.reload().await, Outcome::Refused { .. }));
    assert!(!list.has_changed().unwrap());
    assert_eq!(list.borrow().iter().count(), 1);
}

#[tokio::test]
async fn a_replaced_file_is_noticed() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("hub.yaml");
    std::fs::write(&file, format!("{SMALL}clusters: [{{name: a}}]")).unwrap();
    let reloader = reloader(file.clone());
    let mut list = reloader.clusters();
    let cancel = CancellationToken::new();
    let watched = file.clone();
    let token = cancel.clone();
    let task = tokio::spawn(async move { reloader.run(&watched, token).await });
    // Replaced as ConfigMap mounts and editors do. Again until it is seen: the watch may begin only now.
    let replace = async {
        let mut names = String::new();
        for name in 'b'..='z' {
            names.push_str(&format!("{{name: {name}}},"));
            let beside = directory.path().join("beside");
            std::fs::write(&beside, format!("{SMALL}clusters: [{names}]")).unwrap();
            std::fs::rename(&beside, &file).unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::select! {
        changed = list.changed() => changed.unwrap(),
        () = replace => panic!("not noticed"),
    }
    assert!(list.borrow().get(&ClusterId::new("b").unwrap()).is_some());
    cancel.cancel();
    task.await.unwrap().unwrap();
}

/// A cluster `a` with a path to a gateway.
fn with_gateway(cluster: &str, gateway: &str) -> String {
    format!(
        "clusters: [{{name: a, {cluster} paths: [{{name: x, kind: public-network, rank: 0, reach: gateway, gateway: {gateway}}}]}}]"
    )
}

#[test]
fn faults_of_paths_name_the_field_and_what_is_allowed() {
    let path =
        |more: &str| format!("clusters: [{{name: a, paths: [{{name: x, kind: private-line, rank: 0, {more}}}]}}]");
    let table = [
        (path("reach: gateway"), "clusters.0.paths.0.gateway is missing"),
        (
            path("reach: pods, nodePorts: {nodes: 2}"),
            "nodePorts is only for reach node-ports",
        ),
        (
            path("reach: node-ports, nodePorts: {nodes: 0}"),
            "nodes is 0; allowed: 1 to 32",
        ),
        (
            path("reach: pods, mapping: [{from: 10.0.0.0/8, to: 11.0.0.0/16}]"),
            "must be of the same family and length",
        ),
        (
            path("reach: pods, probe: {interval: 1ms}"),
            "clusters.0.paths.0.probe.interval",
        ),
        (path("reach: pods, echo: ['10.0.0.1']"), "no HOST:PORT"),
        (with_gateway("", "{addresses: []}"), "gateway.addresses is empty"),
        (
            with_gateway("", "{addresses: ['127.0.0.1:80']}"),
            "127.0.0.1:80 is outside of clusters.0.allow",
        ),
        (
            with_gateway("allow: [10.0.0.0/8],", "{addresses: ['11.0.0.1:80']}"),
            "11.0.0.1:80 is outside of clusters.0.allow",
        ),
        (
            with_gateway("", "{addresses: ['g:80'], clientCertificate: /c}"),
            "clientCertificate and clientKey belong together",
        ),
        (
            "clusters: [{name: a, requests: {connect: 0s}}]".to_owned(),
            "clusters.0.requests.connect is 0ns; allowed: 1ms to 10m",
        ),
        (
            "clusters: [{name: a, checks: {interval: 1500ms}}]".to_owned(),
            "clusters.0.checks.interval is 1.5s; allowed: whole seconds",
        ),
    ];
    for (text, part) in table {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(part), "{text} gives {error:?}, which lacks {part:?}");
    }
}

#[test]
fn client_certificates_towards_gateways_are_read_and_checked() {
    let directory = TempDir::new().unwrap();
    let (chain, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
    let gateway = format!(
        "{{addresses: ['g:443'], scheme: https, clientCertificate: {}, clientKey: {}}}",
        chain.display(),
        key.display()
    );
    let config = parse(&with_gateway("", &gateway)).unwrap();
    let error = config.clone().with_identities().unwrap_err().to_string();
    assert!(
        error.starts_with("clusters.0.paths.0.gateway.clientCertificate: cannot read"),
        "{error}"
    );
    let authority = Authority::new("test").unwrap();
    let (one, other) = (
        authority.issue_hub(&["a"]).unwrap(),
        authority.issue_hub(&["b"]).unwrap(),
    );
    std::fs::write(&chain, &one.chain).unwrap();
    std::fs::write(&key, other.private_key.expose()).unwrap();
    assert!(
        config.clone().with_identities().is_err(),
        "a key of another certificate"
    );
    std::fs::write(&key, one.private_key.expose()).unwrap();
    let read = config.with_identities().unwrap();
    let identity = read.clusters[0].paths[0]
        .gateway
        .as_ref()
        .unwrap()
        .identity
        .as_ref()
        .unwrap();
    assert_eq!(&*identity.chain, one.chain);
    assert!(!format!("{read:?}").contains("PRIVATE KEY"));
}
