//! Golden pairs: `golden/plan/NAME.in.yaml` (snapshots) and `NAME.out.yaml` (what APISIX loads), with the problems that
//! `hubline-hub plan` prints in `NAME.problems.txt`. `HUBLINE_GOLDEN=write` rewrites them.

use std::fs;
use std::path::{Path, PathBuf};

use super::schema::Schemas;
use crate::command::plan::{PlanError, plan_command};
use crate::plan::PlanOptions;
use crate::plan::dry_run::dry_run;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/plan")
}

fn cases() -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".in.yaml").map(str::to_owned)
        })
        .collect();
    names.sort();
    assert!(names.len() >= 3, "the golden pairs were not found");
    names
}

fn input(name: &str) -> PathBuf {
    folder().join(format!("{name}.in.yaml"))
}

/// Clusters are granted something in one case only.
fn options(name: &str) -> PlanOptions {
    let granted: &[&str] = if name == "everybody" { &["a", "b"] } else { &[] };
    PlanOptions {
        grants: granted.iter().map(|name| super::world::cluster(name)).collect(),
        ..PlanOptions::default()
    }
}

fn print(name: &str, json: bool) -> (String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    plan_command(&[input(name)], options(name), json, &mut out, &mut err).unwrap();
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn compare(file: &str, text: &str) {
    let path = folder().join(file);
    if std::env::var("HUBLINE_GOLDEN").is_ok_and(|mode| mode == "write") {
        fs::write(&path, text).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, wanted, "{file} differs; HUBLINE_GOLDEN=write rewrites it");
}

#[test]
fn golden_pairs() {
    for name in cases() {
        let (out, problems) = print(&name, false);
        assert!(out.ends_with("\n#END\n"));
        compare(&format!("{name}.out.yaml"), &out);
        compare(&format!("{name}.problems.txt"), &problems);
    }
}

#[test]
fn json_and_yaml_are_the_same_objects() {
    for name in cases() {
        let yaml: serde_json::Value = serde_saphyr::from_str(&print(&name, false).0).unwrap();
        let json: serde_json::Value = serde_json::from_str(&print(&name, true).0).unwrap();
        assert_eq!(yaml, json, "{name}");
    }
}

#[test]
fn golden_objects_are_valid() {
    let Some(schemas) = Schemas::load() else { return };
    for name in cases() {
        let text = fs::read_to_string(input(&name)).unwrap();
        let snapshots = serde_saphyr::from_multiple(&text).unwrap();
        let (objects, _) = dry_run(snapshots, options(&name)).unwrap();
        for object in objects {
            assert_eq!(schemas.errors(&object), Vec::<String>::new());
        }
    }
}

#[test]
fn a_file_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.yaml");
    let broken = folder.path().join("broken.yaml");
    fs::write(&broken, "cluster: [").unwrap();
    for file in [missing, broken] {
        let refused = plan_command(
            std::slice::from_ref(&file),
            PlanOptions::default(),
            false,
            &mut Vec::new(),
            &mut Vec::new(),
        );
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(file.to_str().unwrap()), "{message}");
    }
    let error = plan_command(
        &[input("none")],
        PlanOptions::default(),
        true,
        &mut Vec::new(),
        &mut Vec::new(),
    );
    assert!(matches!(error, Err(PlanError::Read { .. })));
}
