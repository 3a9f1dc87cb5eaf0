//! What a path's node addresses are.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use hubline::model::{NodeAddressKind, SecretText};
use hubline::tls::check_pair;
use serde::{Deserialize, Serialize};

/// What a path's node addresses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Pod addresses, straight.
    Pods,
    /// A port on some nodes of the cluster, which forward.
    NodePorts,
    /// The addresses of each service's own load balancer.
    LoadBalancer,
    /// A gateway of the cluster, which routes each request again.
    Gateway,
}

/// Which nodes stand for a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NodePorts {
    /// Which of a node's addresses.
    #[serde(with = "addresses")]
    pub addresses: NodeAddressKind,
    /// How many nodes of the cluster a service is reached by, 1 to 32.
    pub nodes: u8,
}

impl Default for NodePorts {
    /// 3: one may fail while another is drained.
    fn default() -> Self {
        Self {
            addresses: NodeAddressKind::Internal,
            nodes: 3,
        }
    }
}

impl NodePorts {
    pub(super) fn validate(self, field: &str, faults: &mut Vec<String>) {
        if !(1..=32).contains(&self.nodes) {
            faults.push(format!("{field}.nodes is {}; allowed: 1 to 32", self.nodes));
        }
    }
}

/// Kinds of addresses in a configuration's words.
mod addresses {
    use hubline::model::NodeAddressKind;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Word {
        Internal,
        External,
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    pub(super) fn serialize<S: Serializer>(kind: &NodeAddressKind, to: S) -> Result<S::Ok, S::Error> {
        match kind {
            NodeAddressKind::Internal => Word::Internal,
            NodeAddressKind::External => Word::External,
        }
        .serialize(to)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<NodeAddressKind, D::Error> {
        Word::deserialize(from).map(|word| match word {
            Word::Internal => NodeAddressKind::Internal,
            Word::External => NodeAddressKind::External,
        })
    }
}

/// A gateway of a cluster: any proxy that routes by host and path there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gateway {
    /// Where it is; requests are shared equally.
    pub addresses: Vec<HostPort>,
    /// How it is spoken to.
    #[serde(default)]
    pub scheme: GatewayScheme,
    /// Whether it takes gRPC on the same addresses, as h2c or with TLS, as `scheme` says.
    #[serde(default)]
    pub grpc: bool,
    /// The Host that is sent, and with TLS the server name; the client's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Chain (PEM) of the certificate that APISIX shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<PathBuf>,
    /// The key (PEM) of that certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key: Option<PathBuf>,
    /// What the two files hold, once they are read.
    #[serde(skip)]
    pub identity: Option<Identity>,
}

/// A certificate chain and its key, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The chain.
    pub chain: Arc<str>,
    /// The key.
    pub key: SecretText,
}

/// How a gateway is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GatewayScheme {
    /// Plain.
    #[default]
    Http,
    /// With TLS. APISIX does not verify the gateway's certificate.
    Https,
}

impl Gateway {
    pub(super) fn validate(&self, field: &str, faults: &mut Vec<String>) {
        if self.addresses.is_empty() {
            faults.push(format!("{field}.addresses is empty; at least one HOST:PORT is needed"));
        }
        if self.client_certificate.is_some() != self.client_key.is_some() {
            faults.push(format!(
                "{field}: clientCertificate and clientKey belong together; one is missing"
            ));
        }
        if self.client_certificate.is_some() && self.scheme == GatewayScheme::Http {
            faults.push(format!("{field}.clientCertificate needs scheme https"));
        }
        if let Some(host) = self.host.as_ref().filter(|host| !is_host(host)) {
            faults.push(format!("{field}.host: {host:?} is no DNS name or IP address"));
        }
    }
}

/// Whether it can stand in a Host header.
pub(crate) fn is_host(host: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    !host.is_empty() && host.bytes().all(known)
}

impl Gateway {
    /// Reads the files of the client certificate, if there are any; says which field is wrong and why, never a key.
    pub(crate) fn read_identity(&mut self) -> Result<(), String> {
        let (Some(chain_file), Some(key_file)) = (&self.client_certificate, &self.client_key) else {
            return Ok(());
        };
        let read = |field: &str, file: &PathBuf| {
            std::fs::read_to_string(file).map_err(|error| format!("{field}: cannot read {}: {error}", file.display()))
        };
        let chain = read("clientCertificate", chain_file)?;
        let key = SecretText::new(read("clientKey", key_file)?);
        check_pair(&chain, &key).map_err(|error| format!("clientCertificate: {}: {error}", chain_file.display()))?;
        self.identity = Some(Identity {
            chain: chain.into(),
            key,
        });
        Ok(())
    }
}

/// A host, IPv6 in brackets, and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// The host as APISIX wants it: IPv6 in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, never 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no HOST:PORT; allowed: a DNS name, an IPv4 address or an IPv6 address in brackets, and a port from 1"
)]
pub struct NoHostPort(String);

impl FromStr for HostPort {
    type Err = NoHostPort;

    fn from_str(text: &str) -> Result<Self, NoHostPort> {
        let wrong = || NoHostPort(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let dns = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let host = match bracketed {
            Some(bare) => format!("[{}]", bare.parse::<Ipv6Addr>().map_err(|_| wrong())?),
            None if !host.is_empty() && host.bytes().all(dns) => host.to_owned(),
            None => return Err(wrong()),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.host, self.port)
    }
}

impl TryFrom<String> for HostPort {
    type Error = NoHostPort;
    fn try_from(text: String) -> Result<Self, NoHostPort> {
        text.parse()
    }
}

impl From<HostPort> for String {
    fn from(address: HostPort) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_checked() {
        for good in ["10.0.0.1:80", "a.example.com:443", "[fd00::1]:8080"] {
            assert_eq!(good.parse::<HostPort>().unwrap().to_string(), good);
        }
        for bad in [
            "10.0.0.1",
            "10.0.0.1:0",
            ":80",
            "fd00::1:80",
            "[x]:80",
            "a b:80",
            "a:99999",
        ] {
            let error = bad.parse::<HostPort>().unwrap_err().to_string();
            assert!(error.contains("no HOST:PORT"), "{error}");
        }
    }
}
