//! Translation of a directory at one moment, for people: `hubline-agent translate`.

use std::path::Path;

use hubline::model::{Diagnostic, Snapshot};
use hubline::snapshot_file::{self, Secrets, SnapshotFileError};

use super::{TranslateOptions, Translator};
use crate::source::{SourceError, manifest};

/// Translates a directory of manifests as the manifest source would read it. Faults of files and objects are
/// diagnostics.
///
/// # Errors
/// [`SourceError::Directory`] when the directory itself cannot be read.
pub fn dry_run(options: TranslateOptions, directory: &Path) -> Result<(Snapshot, Vec<Diagnostic>), SourceError> {
    let mut translator = Translator::new(options);
    for event in manifest::read_once(directory)? {
        translator.apply(event);
    }
    Ok((translator.snapshot(), translator.diagnostics()))
}

/// A snapshot as YAML; private keys are fingerprints unless they are asked for.
///
/// # Errors
/// When the snapshot cannot be written as YAML.
pub fn snapshot_yaml(snapshot: &Snapshot, secrets: Secrets) -> Result<String, SnapshotFileError> {
    snapshot_file::to_yaml(snapshot, secrets)
}
