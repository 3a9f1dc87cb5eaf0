//! What teams declare beyond a plain Ingress (annotations, custom resources), from the manifest to the objects that
//! APISIX gets, over agent and hub.
//!
//! `objects` compares with golden files and shows each object to the stand-in, `schema` holds them against APISIX's own
//! schema, `peers` against what other controllers push for the same manifests. The others send requests through.

#![expect(
    clippy::unwrap_used,
    reason = "a test may panic; outside of #[test] clippy can't see that"
)]

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use hubline::model::ClusterId;
use hubline_agent::translate::{TranslateOptions, dry_run};
use hubline_hub::object::Object;
use hubline_hub::plan::{self, PlanOptions};
use serde_json::Value;

mod consumers;
mod everybody;
mod expressions;
mod hosts;
mod input;
mod limits;
mod objects;
mod odd;
mod peers;
mod policies;
mod requests;
mod routes;
mod schema;
mod served;

/// What becomes of manifests.
struct Planned {
    objects: Vec<Arc<Object>>,
    /// What the agents say.
    diagnostics: Vec<String>,
    /// What the hub says.
    problems: Vec<String>,
}

/// Translates and plans one text of manifests; `across` allows services of other namespaces.
fn planned(yaml: &str, across: bool) -> Planned {
    merged(&[("east", yaml)], across, &[])
}

/// Translates the manifests of several clusters and plans all of them; of those that are granted it, plugins on
/// everybody's traffic are taken.
fn merged(clusters: &[(&str, &str)], across: bool, granted: &[&str]) -> Planned {
    let mut diagnostics = Vec::new();
    let mut snapshots = Vec::new();
    for (cluster, yaml) in clusters {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("input.yaml"), yaml).unwrap();
        let options = TranslateOptions {
            cross_namespace_services: across,
            ..TranslateOptions::new(ClusterId::new(cluster).unwrap())
        };
        let (snapshot, said) = dry_run(options, directory.path()).unwrap();
        snapshots.push(snapshot);
        diagnostics.extend(said.iter().map(ToString::to_string));
    }
    let options = PlanOptions {
        grants: granted.iter().map(|name| ClusterId::new(name).unwrap()).collect(),
        ..PlanOptions::default()
    };
    let (objects, problems) = plan::dry_run::dry_run(snapshots, options).unwrap();
    let problems = problems.iter();
    Planned {
        objects,
        diagnostics,
        problems: problems
            .map(|(_, problem)| format!("{}: {}", problem.reason, problem.message))
            .collect(),
    }
}

fn body(object: &Object) -> Value {
    serde_json::from_str(object.body.expose()).unwrap()
}

/// A file of the reference: in `HUBLINE_REFERENCE`, or beside the workspace. None, with a visible line, where it is not
/// at hand; in CI it must be.
fn reference(name: &str) -> Option<String> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/reference"));
    let file = std::env::var_os("HUBLINE_REFERENCE")
        .map_or_else(beside, PathBuf::from)
        .join(name);
    let Ok(text) = std::fs::read_to_string(&file) else {
        let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!required, "{name} is required in CI: set HUBLINE_REFERENCE");
        // Written past the harness, which would swallow the output of a test that passes.
        let line = format!("SKIPPED: no {name}; set HUBLINE_REFERENCE to the folder that has it\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return None;
    };
    Some(text)
}

/// Ingresses, each with annotations of its own and a host `NAME.example.com`, and the service behind them.
fn manifests(ingresses: &[(String, Vec<(&str, String)>)], path: &str, path_type: &str) -> String {
    let mut all = String::new();
    for (name, annotations) in ingresses {
        let annotations: serde_json::Map<_, _> = annotations
            .iter()
            .map(|(name, value)| (format!("k8s.apisix.apache.org/{name}"), value.as_str().into()))
            .collect();
        let backend = serde_json::json!({"service": {"name": "web", "port": {"number": 80}}});
        let ingress = serde_json::json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
            "spec": {"ingressClassName": "apisix", "rules": [{
                "host": format!("{name}.example.com"),
                "http": {"paths": [{"path": path, "pathType": path_type, "backend": backend}]},
            }]},
        });
        all.push_str(&format!("{ingress}\n---\n"));
    }
    all + "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}\n"
}
