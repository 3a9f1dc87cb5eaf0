//! What teams declare beyond a plain Ingress (annotations, custom resources), from the manifest to the objects that
//! APISIX gets, over agent and hub.
//!
//! `objects` compares with golden files and shows each object to the stand-in, `schema` holds them against APISIX's own
//! schema, `peers` against what other controllers push for the same manifests, and `requests` sends requests through.

#![expect(
    clippy::unwrap_used,
    reason = "a test may panic; outside of #[test] clippy can't see that"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hubline::model::ClusterId;
use hubline_agent::translate::{TranslateOptions, dry_run};
use hubline_hub::object::Object;
use hubline_hub::plan::{self, PlanOptions};
use serde_json::Value;

mod objects;
mod peers;
mod requests;
mod routes;
mod schema;

/// What becomes of manifests.
struct Planned {
    objects: Vec<Arc<Object>>,
    /// What the agent says.
    diagnostics: Vec<String>,
    /// What the hub says.
    problems: Vec<String>,
}

/// Translates and plans one text of manifests; `across` allows services of other namespaces.
fn planned(yaml: &str, across: bool) -> Planned {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("input.yaml"), yaml).unwrap();
    let options = TranslateOptions {
        cross_namespace_services: across,
        ..TranslateOptions::new(ClusterId::new("east").unwrap())
    };
    let (snapshot, diagnostics) = dry_run(options, directory.path()).unwrap();
    let (objects, problems) = plan::dry_run::dry_run(vec![snapshot], PlanOptions::default()).unwrap();
    Planned {
        objects,
        diagnostics: diagnostics.iter().map(ToString::to_string).collect(),
        problems: problems
            .iter()
            .map(|(_, problem)| format!("{}: {}", problem.reason, problem.message))
            .collect(),
    }
}

fn body(object: &Object) -> Value {
    serde_json::from_str(object.body.expose()).unwrap()
}

/// The golden inputs of the agent that are about annotations and custom resources, by name.
fn inputs() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/golden/translate");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<_> = files
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(".in.yaml")?.to_owned();
            let name = name
                .strip_prefix("annotation-")
                .or(name.starts_with("apisix-").then_some(&*name))?;
            Some((name.to_owned(), std::fs::read_to_string(&path).unwrap()))
        })
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 22, "only {} inputs", inputs.len());
    inputs
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
