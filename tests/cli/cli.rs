//! The dry run from end to end: manifests of two clusters, their snapshots as files, and one `apisix.yaml`.

#![expect(
    clippy::unwrap_used,
    reason = "a test may panic; outside of #[test] clippy can't see that"
)]

use std::path::{Path, PathBuf};

use hubline::model::ClusterId;
use hubline::tls::{Authority, Issued};
use hubline_agent::translate::{Secrets, TranslateOptions, dry_run, snapshot_yaml};
use hubline_hub::command::plan::plan_command;
use hubline_hub::plan::PlanOptions;
use serde_json::Value;
use tempfile::TempDir;

/// What the demo runs.
const APP: &str = include_str!("../src/demo/app.yaml");

/// Cluster and host.
const CLUSTERS: [(&str, &str); 2] = [("east", "east.example.com"), ("west", "west.example.com")];

/// The demo's manifests with endpoints and, for each host, a certificate.
fn manifests(folder: &Path, cluster: &str, host: &str, certificate: &Issued) -> PathBuf {
    let directory = folder.join(cluster);
    std::fs::create_dir(&directory).unwrap();
    let app = APP.replace("CLUSTER", cluster).replace("HOST", host).replace(
        "  rules:",
        &format!("  tls: [{{hosts: [{host}], secretName: tls}}]\n  rules:"),
    );
    let secret = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tls", "namespace": "shop"},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": certificate.chain, "tls.key": certificate.private_key.expose()},
    });
    let slice = "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]
";
    std::fs::write(directory.join("app.yaml"), format!("{app}---\n{secret}\n---\n{slice}")).unwrap();
    directory
}

/// What the chain prints.
struct Printed {
    snapshots: String,
    objects: String,
    problems: String,
}

/// One key of both clusters' certificates.
fn certificate() -> Issued {
    let authority = Authority::new("test").unwrap();
    authority.issue_hub(&CLUSTERS.map(|(_, host)| host)).unwrap()
}

/// Both clusters' snapshots, each in a file, or all in one.
fn files(folder: &Path, certificate: &Issued, secrets: Secrets) -> Vec<(PathBuf, String)> {
    let file = |(cluster, host)| {
        let directory = manifests(folder, cluster, host, certificate);
        let options = TranslateOptions::new(ClusterId::new(cluster).unwrap());
        let (snapshot, diagnostics) = dry_run(options, &directory).unwrap();
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let yaml = snapshot_yaml(&snapshot, secrets).unwrap();
        (folder.join(format!("{cluster}.yaml")), yaml)
    };
    CLUSTERS.map(file).into()
}

fn plan(files: &[PathBuf], json: bool) -> (String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    plan_command(files, PlanOptions::default(), json, &mut out, &mut err).unwrap();
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn chain(certificate: &Issued, secrets: Secrets) -> Printed {
    hubline::tls::install_provider();
    let folder = TempDir::new().unwrap();
    let files = files(folder.path(), certificate, secrets);
    for (file, yaml) in &files {
        std::fs::write(file, yaml).unwrap();
    }
    let paths: Vec<_> = files.iter().map(|(file, _)| file.clone()).collect();
    let (objects, problems) = plan(&paths, false);
    let snapshots: Vec<_> = files.into_iter().map(|(_, yaml)| yaml).collect();
    let snapshots = snapshots.join("---\n");
    // One file with both is as good as two.
    let both = folder.path().join("both.yaml");
    std::fs::write(&both, &snapshots).unwrap();
    assert_eq!(plan(&[both], false), (objects.clone(), problems.clone()));
    Printed {
        snapshots,
        objects,
        problems,
    }
}

fn parsed(objects: &str) -> Value {
    serde_saphyr::from_str(objects).unwrap()
}

/// The hosts of all routes.
fn hosts(objects: &Value) -> Vec<&str> {
    let routes = objects["routes"].as_array().unwrap().iter();
    let hosts = routes.flat_map(|route| route["hosts"].as_array().unwrap());
    hosts.map(|host| host.as_str().unwrap()).collect()
}

#[test]
fn translate_and_plan_give_one_apisix_yaml_for_two_clusters() {
    let certificate = certificate();
    let printed = chain(&certificate, Secrets::Shown);
    assert_eq!(printed.problems, "");
    assert!(printed.objects.ends_with("\n#END\n"), "{}", printed.objects);
    let objects = parsed(&printed.objects);
    let mut hosts = hosts(&objects);
    hosts.sort_unstable();
    hosts.dedup();
    assert_eq!(hosts, CLUSTERS.map(|(_, host)| host));
    let upstreams = objects["upstreams"].as_array().unwrap();
    assert_eq!(upstreams.len(), 2, "one of each cluster: {upstreams:?}");
    let ssls = objects["ssls"].as_array().unwrap();
    let keys: Vec<_> = ssls.iter().map(|ssl| ssl["key"].as_str().unwrap().trim()).collect();
    assert_eq!(keys, [certificate.private_key.expose().trim(); 2]);
}

#[test]
fn without_shown_secrets_no_private_key_is_anywhere() {
    let certificate = certificate();
    let printed = chain(&certificate, Secrets::Redacted);
    let secret = certificate.private_key.expose().lines().nth(1).unwrap();
    for text in [&printed.snapshots, &printed.objects, &printed.problems] {
        assert!(!text.contains(secret) && !text.contains("PRIVATE KEY"), "{text}");
    }
    let objects = parsed(&printed.objects);
    assert_eq!(hosts(&objects).len() % 2, 0);
    assert!(
        !hosts(&objects).is_empty() && objects.get("ssls").is_none(),
        "{objects}"
    );
    for (cluster, _) in CLUSTERS {
        let told = |line: &str| line.contains(cluster) && line.contains("private key was left out");
        assert!(printed.problems.lines().any(told), "{}", printed.problems);
    }
}

#[test]
fn a_file_that_is_no_snapshot_is_named_and_quoted_nowhere() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("wrong.yaml");
    std::fs::write(&file, "cluster: east\nsecrets: {a: hunter2}\nsurprise: hunter2\n").unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let error = plan_command(&[file], PlanOptions::default(), true, &mut out, &mut err).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("wrong.yaml") && text.contains("surprise"), "{text}");
    assert!(!text.contains("hunter2") && out.is_empty(), "{text}");
}
