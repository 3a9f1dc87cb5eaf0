//! A snapshot as a YAML file, as dry runs write and read it.
//!
//! Secrets stand there as fingerprints. [`Secrets::Shown`] appends a top-level map `secrets`, fingerprint to text,
//! from which [`from_yaml`] puts them back; without it they stay fingerprints, which is enough to see what would change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Plugin, Resource, SecretText, Snapshot};

/// Whether a file shows secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// Fingerprints only.
    Redacted,
    /// With the texts: the file is as confidential as they are.
    Shown,
}

/// Why a file is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFileError {
    /// It could not be written.
    #[error("snapshot cannot be written as YAML: {0}")]
    Write(String),
    /// It could not be read.
    #[error("not a snapshot in YAML: {0}")]
    Read(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    cluster: crate::model::ClusterId,
    groups: Vec<crate::model::GroupState>,
    resources: Vec<crate::model::Entry>,
    #[serde(default)]
    secrets: BTreeMap<String, SecretText>,
}

#[derive(Serialize)]
struct ShownSecrets<'a> {
    secrets: BTreeMap<String, &'a str>,
}

/// Writes a snapshot.
///
/// # Errors
/// [`SnapshotFileError::Write`] when a value has no form in YAML.
pub fn to_yaml(snapshot: &Snapshot, secrets: Secrets) -> Result<String, SnapshotFileError> {
    let write = |error: serde_saphyr::ser::Error| SnapshotFileError::Write(error.to_string());
    let mut yaml = serde_saphyr::to_string(snapshot).map_err(write)?;
    let texts = match secrets {
        Secrets::Redacted => BTreeMap::new(),
        Secrets::Shown => texts(snapshot),
    };
    if !texts.is_empty() {
        yaml.push_str(&serde_saphyr::to_string(&ShownSecrets { secrets: texts }).map_err(write)?);
    }
    Ok(yaml)
}

/// Reads one snapshot, and puts back the secrets that the file shows.
///
/// # Errors
/// [`SnapshotFileError::Read`] names the line and what is wrong, and quotes nothing of the file.
pub fn from_yaml(text: &str) -> Result<Snapshot, SnapshotFileError> {
    let options = serde_saphyr::options! { with_snippet: false };
    let read = serde_saphyr::from_str_with_options::<File>(text, options);
    read.map(Snapshot::from)
        .map_err(|error| SnapshotFileError::Read(error.to_string()))
}

/// As [`from_yaml`], for any number of snapshots in one file, one a YAML document.
///
/// # Errors
/// As [`from_yaml`].
pub fn all_from_yaml(text: &str) -> Result<Vec<Snapshot>, SnapshotFileError> {
    let options = serde_saphyr::options! { with_snippet: false };
    let read = serde_saphyr::from_multiple_with_options::<File>(text, options);
    read.map(|files| files.into_iter().map(Snapshot::from).collect())
        .map_err(|error| SnapshotFileError::Read(error.to_string()))
}

impl From<File> for Snapshot {
    fn from(mut file: File) -> Self {
        let entries = file.resources.iter_mut();
        for secret in entries.flat_map(|entry| secrets_mut(&mut entry.resource)) {
            if let Some(text) = file.secrets.get(&secret.fingerprint()) {
                *secret = text.clone();
            }
        }
        Self {
            cluster: file.cluster,
            groups: file.groups,
            resources: file.resources,
        }
    }
}

fn texts(snapshot: &Snapshot) -> BTreeMap<String, &str> {
    let secrets = snapshot.resources.iter().flat_map(|entry| secrets(&entry.resource));
    secrets
        .filter(|secret| !secret.is_redacted())
        .map(|secret| (secret.fingerprint(), secret.expose()))
        .collect()
}

/// Plugins, and of a global rule the metadata.
fn plugins(resource: &Resource) -> [&[Plugin]; 2] {
    match resource {
        Resource::Route(route) => [&route.plugins, &[]],
        Resource::StreamRoute(route) => [&route.plugins, &[]],
        Resource::Consumer(consumer) => [&consumer.plugins, &[]],
        Resource::PluginSet(set) => [&set.plugins, &[]],
        Resource::GlobalRule(rule) => [&rule.plugins, &rule.metadata],
        Resource::Service(_)
        | Resource::EndpointSet(_)
        | Resource::Certificate(_)
        | Resource::Node(_)
        | Resource::Export(_)
        | Resource::ClusterInfo(_) => [&[], &[]],
    }
}

fn plugins_mut(resource: &mut Resource) -> [&mut [Plugin]; 2] {
    match resource {
        Resource::Route(route) => [&mut route.plugins, &mut []],
        Resource::StreamRoute(route) => [&mut route.plugins, &mut []],
        Resource::Consumer(consumer) => [&mut consumer.plugins, &mut []],
        Resource::PluginSet(set) => [&mut set.plugins, &mut []],
        Resource::GlobalRule(rule) => [&mut rule.plugins, &mut rule.metadata],
        Resource::Service(_)
        | Resource::EndpointSet(_)
        | Resource::Certificate(_)
        | Resource::Node(_)
        | Resource::Export(_)
        | Resource::ClusterInfo(_) => [&mut [], &mut []],
    }
}

fn secrets(resource: &Resource) -> Vec<&SecretText> {
    match resource {
        Resource::Certificate(certificate) => vec![&certificate.private_key],
        other => plugins(other)
            .into_iter()
            .flatten()
            .map(|plugin| &plugin.config)
            .collect(),
    }
}

fn secrets_mut(resource: &mut Resource) -> Vec<&mut SecretText> {
    match resource {
        Resource::Certificate(certificate) => vec![&mut certificate.private_key],
        other => plugins_mut(other)
            .into_iter()
            .flatten()
            .map(|plugin| &mut plugin.config)
            .collect(),
    }
}

#[cfg(test)]
mod tests;
