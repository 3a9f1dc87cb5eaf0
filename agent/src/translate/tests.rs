//! Golden pairs here; the laws of change in the modules.

mod ancestors;
mod changes;
mod counted;
mod credentials;
mod declared;
mod fixture;
mod laws;
mod partial;
mod policies;
mod unknown;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use hubline::model::ClusterId;

use super::*;

fn options() -> TranslateOptions {
    TranslateOptions {
        zone: Some("room-1".to_owned()),
        addresses: vec!["198.51.100.2".to_owned(), "198.51.100.1".to_owned()],
        ..TranslateOptions::new(ClusterId::new("east").unwrap())
    }
}

fn translated(input: &Path) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy(input, directory.path().join("input.yaml")).unwrap();
    let name = input.file_name().unwrap().to_string_lossy().into_owned();
    let options = TranslateOptions {
        cross_namespace_services: name.contains("-allowed."),
        ..options()
    };
    let (snapshot, diagnostics) = dry_run(options, directory.path()).unwrap();
    // What annotations and custom resources become is mostly configurations of plugins, which count as secrets.
    let of_plugins = ["annotation", "apisix", "consumer", "gateway-proxy", "plugin-config"];
    let shown = of_plugins.iter().any(|kind| name.starts_with(kind)) && !name.starts_with("apisix-tls");
    let secrets = if shown { Secrets::Shown } else { Secrets::Redacted };
    let mut text = snapshot_yaml(&snapshot, secrets).unwrap();
    for diagnostic in diagnostics {
        writeln!(text, "# {:?}: {diagnostic}", diagnostic.severity).unwrap();
    }
    text
}

/// Compares with the file, or writes it when HUBLINE_GOLDEN=write.
fn check_golden(output: &Path, actual: &str) {
    if std::env::var("HUBLINE_GOLDEN").is_ok_and(|mode| mode == "write") {
        return std::fs::write(output, actual).unwrap();
    }
    let expected = std::fs::read_to_string(output).unwrap_or_default();
    assert!(
        expected == actual,
        "{} differs (HUBLINE_GOLDEN=write rewrites it); now it is:\n{actual}",
        output.display()
    );
}

#[test]
fn golden() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/translate");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let inputs: Vec<PathBuf> = files
        .filter(|path| path.to_string_lossy().ends_with(".in.yaml"))
        .collect();
    assert!(inputs.len() >= 63, "only {} goldens were found", inputs.len());
    for input in inputs {
        let output = PathBuf::from(input.to_string_lossy().replace(".in.yaml", ".out.yaml"));
        check_golden(&output, &translated(&input));
    }
}
