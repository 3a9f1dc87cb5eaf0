//! Targets that the operator wants probed besides echo and endpoints, as they are configured.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery};
use hubline::config::duration;
use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::tls;

/// One target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetProbe {
    /// Its name within the path: a DNS-1123 label.
    pub name: String,
    /// How it is asked.
    pub kind: TargetKind,
    /// `HOST:PORT`.
    pub address: String,
    /// How long it may take, its own work included; when absent as long as the path's echo, but at least 1 s.
    #[serde(default, with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// TLS towards it: needed for `tls`, possible for `http` and `grpc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsCheck>,
    /// What is asked of kind `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheck>,
    /// What is asked of kind `grpc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcCheck>,
}

/// How a target is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// It lets itself be connected to.
    Tcp,
    /// It shows a good certificate.
    Tls,
    /// It answers `GET` with an expected status.
    Http,
    /// It says `SERVING` (`grpc.health.v1`).
    Grpc,
}

/// TLS towards a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsCheck {
    /// The name in its certificate; the host of its address when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Authorities (PEM) that its certificate must come from; the system's are not used.
    pub ca_file: PathBuf,
    /// The hub's own chain (PEM), leaf first, where the target wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<PathBuf>,
    /// Its private key (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

/// What is asked by `GET`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpCheck {
    /// Path with its query.
    pub path: String,
    /// The `Host` header; the target's address when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Statuses that are good.
    pub statuses: Vec<StatusRange>,
}

/// Which service is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcCheck {
    /// Its full name; empty for the server as a whole.
    pub service: String,
}

/// Statuses from one to another, both included: `200-399`, or `204` alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// Why a target is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A field makes no sense.
    #[error("target {target:?}: {field} {problem}")]
    Field {
        /// Its name.
        target: String,
        /// The field.
        field: &'static str,
        /// What is wrong and what is allowed.
        problem: &'static str,
    },
    /// Its files cannot be used.
    #[error("target {target:?}: tls: {reason}")]
    Tls {
        /// Its name.
        target: String,
        /// Field, file and what is wrong; nothing of a key.
        reason: String,
    },
}

impl Default for HttpCheck {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            host: None,
            statuses: vec![StatusRange { first: 200, last: 399 }],
        }
    }
}

impl StatusRange {
    /// Whether a status is one of them.
    #[must_use]
    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl TargetProbe {
    /// Checks what the fields mean together.
    ///
    /// # Errors
    /// [`TargetError::Field`] names the field and what is allowed.
    pub fn validate(&self) -> Result<(), TargetError> {
        if hubline::model::ClusterId::new(&self.name).is_err() {
            return Err(self.wrong("name", "is no DNS-1123 label"));
        }
        if self.host_and_port().is_none() {
            return Err(self.wrong("address", "is not HOST:PORT; an IPv6 address stands in brackets"));
        }
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(self.wrong("timeout", "is 0, more is needed"));
        }
        self.validate_sections()?;
        self.validate_http()
    }

    /// Checks the files that it names.
    ///
    /// # Errors
    /// [`TargetError::Tls`] names the file and what is wrong with it.
    pub fn check_files(&self) -> Result<(), TargetError> {
        let Some(check) = &self.tls else {
            return Ok(());
        };
        let loaded = tls::load(check, self.kind).map(drop);
        loaded.map_err(|error| TargetError::Tls {
            target: self.name.clone(),
            reason: error.to_string(),
        })
    }

    /// Which sections belong to which kind.
    fn validate_sections(&self) -> Result<(), TargetError> {
        let kind = self.kind;
        if kind == TargetKind::Tls && self.tls.is_none() {
            return Err(self.wrong("tls", "is missing, kind tls needs it"));
        }
        if kind == TargetKind::Tcp && self.tls.is_some() {
            return Err(self.wrong("tls", "is for the kinds tls, http and grpc"));
        }
        if kind != TargetKind::Http && self.http.is_some() {
            return Err(self.wrong("http", "is for kind http"));
        }
        if kind != TargetKind::Grpc && self.grpc.is_some() {
            return Err(self.wrong("grpc", "is for kind grpc"));
        }
        let Some(tls) = &self.tls else {
            return Ok(());
        };
        if tls.certificate_file.is_some() != tls.key_file.is_some() {
            return Err(self.wrong("tls", "has one of certificateFile and keyFile, both or none are needed"));
        }
        let name = tls.server_name.as_deref().unwrap_or_else(|| self.host());
        match rustls::pki_types::ServerName::try_from(name) {
            Ok(_) => Ok(()),
            Err(_) => Err(self.wrong("tls.serverName", "is neither a DNS name nor an address")),
        }
    }

    fn validate_http(&self) -> Result<(), TargetError> {
        let Some(http) = &self.http else {
            return Ok(());
        };
        if !http.path.starts_with('/') || http.path.parse::<PathAndQuery>().is_err() {
            return Err(self.wrong("http.path", "is no path; it begins with a slash"));
        }
        if http
            .host
            .as_ref()
            .is_some_and(|host| host.parse::<Authority>().is_err())
        {
            return Err(self.wrong("http.host", "is no host"));
        }
        if http.statuses.is_empty() {
            return Err(self.wrong("http.statuses", "is empty, at least one is needed, as \"200-399\""));
        }
        Ok(())
    }

    /// The host of its address, without brackets.
    pub(super) fn host(&self) -> &str {
        self.host_and_port().map_or("", |(host, _)| host)
    }

    fn host_and_port(&self) -> Option<(&str, u16)> {
        let (host, port) = self.address.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port > 0)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let good = match bare {
            Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains(':') && host.parse::<Authority>().is_ok(),
        };
        good.then_some((bare.unwrap_or(host), port))
    }

    fn wrong(&self, field: &'static str, problem: &'static str) -> TargetError {
        TargetError::Field {
            target: self.name.clone(),
            field,
            problem,
        }
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (first, last) if first == last => write!(out, "{first}"),
            (first, last) => write!(out, "{first}-{last}"),
        }
    }
}

impl Serialize for StatusRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusVisitor)
    }
}

/// A single status is a number to YAML.
struct StatusVisitor;

impl Visitor<'_> for StatusVisitor {
    type Value = StatusRange;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("statuses from 100 to 599, as \"200-399\" or 204")
    }

    fn visit_u64<E: de::Error>(self, status: u64) -> Result<StatusRange, E> {
        self.visit_str(&status.to_string())
    }

    fn visit_i64<E: de::Error>(self, status: i64) -> Result<StatusRange, E> {
        self.visit_str(&status.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<StatusRange, E> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| text.trim().parse::<u16>().ok().filter(|it| (100..600).contains(it));
        match (status(first), status(last)) {
            (Some(first), Some(last)) if first <= last => Ok(StatusRange { first, last }),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

/// A duration that may be absent.
mod optional_duration {
    use super::{Deserializer, Duration, Serializer, duration};

    pub(super) fn serialize<S: Serializer>(timeout: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match timeout {
            Some(timeout) => duration::serialize(timeout, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        duration::deserialize(deserializer).map(Some)
    }
}
