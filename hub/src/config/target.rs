//! The APISIX that is written to.

use std::path::{Path, PathBuf};

use hubline::model::SecretText;
use serde::{Deserialize, Serialize};

use super::Invalid;
use crate::path::HostPort;

/// One APISIX cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetConfig {
    /// Its name, for people, logs and metrics.
    pub name: String,
    /// Its Admin API.
    pub admin: AdminConfig,
    /// `HOST:PORT` where its instances take traffic (plain HTTP): the hub asks each of them for clusters' echoes, which
    /// shows whether APISIX itself reaches a cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<HostPort>,
    /// Base URLs of its instances' control APIs, as `http://10.0.0.5:9090`: what their active checks find is evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub control: Vec<String>,
}

/// An Admin API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdminConfig {
    /// Base URLs, as `http://10.0.0.5:9180`; the first that answers is used.
    pub addresses: Vec<String>,
    /// The admin key. Better in a file, which others cannot read.
    pub key: Option<SecretText>,
    /// A file with the admin key.
    pub key_file: Option<PathBuf>,
    /// Authorities (PEM) of the Admin API's own certificate; the system's when none.
    pub ca: Option<PathBuf>,
}

impl Default for TargetConfig {
    fn default() -> Self {
        Self {
            name: "apisix".to_owned(),
            admin: AdminConfig::default(),
            gateways: Vec::new(),
            control: Vec::new(),
        }
    }
}

impl AdminConfig {
    /// The admin key, from the file where one is named; white space around it is dropped.
    ///
    /// # Errors
    /// [`Invalid`] when there is none, it cannot be read or is empty.
    pub fn read_key(&self) -> Result<SecretText, Invalid> {
        match (&self.key, &self.key_file) {
            (Some(key), None) => trimmed("target.admin.key", key.expose()),
            (None, Some(path)) => trimmed("target.admin.keyFile", &read("target.admin.keyFile", path)?),
            (None, None) | (Some(_), Some(_)) => {
                Err(Invalid::one("target.admin: exactly one of keyFile and key is needed"))
            }
        }
    }

    /// The authorities' PEM text, where a file is named.
    ///
    /// # Errors
    /// [`Invalid`] when it cannot be read.
    pub fn read_ca(&self) -> Result<Option<String>, Invalid> {
        self.ca.as_deref().map(|path| read("target.admin.ca", path)).transpose()
    }
}

fn read(field: &str, path: &Path) -> Result<String, Invalid> {
    std::fs::read_to_string(path)
        .map_err(|error| Invalid::one(format!("{field}: cannot read {}: {error}", path.display())))
}

fn trimmed(field: &str, key: &str) -> Result<SecretText, Invalid> {
    let key = key.trim();
    if key.is_empty() {
        return Err(Invalid::one(format!(
            "{field} is empty; the admin key of APISIX is needed"
        )));
    }
    Ok(SecretText::new(key.to_owned()))
}
