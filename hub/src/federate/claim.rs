//! What resources claim.

use std::fmt;

use crate::credential::{Credential, credentials_of};
use hubline::model::{Condition, HostName, PathMatch, Port, Resource, ResourceKind, Route, StreamRoute, UnixSeconds};

/// Something that only one resource can have: two that claim the same are in conflict.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// Requests to a host (none: to any) on a path, under the same further conditions.
    Requests {
        /// The host; none for every host that nobody else takes.
        host: Option<HostName>,
        /// The path in its normal form (`normal_path`).
        path: PathMatch,
        /// Methods, sorted; none for all.
        methods: Vec<String>,
        /// Further conditions, sorted.
        conditions: Vec<Condition>,
    },
    /// TLS connections with a server name: which certificate is shown.
    ServerName(HostName),
    /// Connections to a port, with a server name if there is one. APISIX asks for no protocol here,
    /// so TCP and UDP of one port are the same claim.
    Connections {
        /// Port at which APISIX listens.
        port: Option<Port>,
        /// TLS server name.
        host: Option<HostName>,
    },
    /// Requests with a credential: APISIX looks a consumer up among those of all clusters.
    Credential(Credential),
}

impl fmt::Display for Claim {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests {
                host,
                path,
                methods,
                conditions,
            } => {
                write_host(out, host.as_ref())?;
                write_path(out, path)?;
                if methods.is_empty() && conditions.is_empty() {
                    return Ok(());
                }
                write!(
                    out,
                    " with {} methods and {} conditions",
                    methods.len(),
                    conditions.len()
                )
            }
            Self::ServerName(host) => write!(out, "server name {host}"),
            Self::Connections { port, host } => {
                if let Some(port) = port {
                    write!(out, "port {port} ")?;
                }
                write_host(out, host.as_ref())
            }
            Self::Credential(credential) => write!(out, "a credential of {}", credential.plugin()),
        }
    }
}

fn write_host(out: &mut fmt::Formatter<'_>, host: Option<&HostName>) -> fmt::Result {
    match host {
        Some(host) => write!(out, "host {host}"),
        None => out.write_str("any host"),
    }
}

fn write_path(out: &mut fmt::Formatter<'_>, path: &PathMatch) -> fmt::Result {
    let (text, kind) = match path {
        PathMatch::Exact(text) => (text, "Exact"),
        PathMatch::Prefix(text) => (text, "Prefix"),
        PathMatch::Pattern(text) => (text, "Pattern"),
        PathMatch::Regex(text) => (text, "Regex"),
    };
    write!(out, " path {text} ({kind})")
}

/// Whether resources of a kind claim anything.
pub(super) fn claims(kind: ResourceKind) -> bool {
    matches!(
        kind,
        ResourceKind::Route | ResourceKind::StreamRoute | ResourceKind::Certificate | ResourceKind::Consumer
    )
}

/// What a resource claims, sorted, without duplicates.
#[must_use]
pub fn claims_of(resource: &Resource) -> Vec<Claim> {
    let mut claims = match resource {
        Resource::Route(route) => requests(route),
        Resource::StreamRoute(route) => connections(route),
        Resource::Certificate(certificate) => certificate.hosts.iter().cloned().map(Claim::ServerName).collect(),
        Resource::Consumer(consumer) => credentials_of(consumer).into_iter().map(Claim::Credential).collect(),
        Resource::Service(_)
        | Resource::EndpointSet(_)
        | Resource::PluginSet(_)
        | Resource::GlobalRule(_)
        | Resource::Node(_)
        | Resource::Export(_)
        | Resource::ClusterInfo(_) => Vec::new(),
    };
    claims.sort();
    claims.dedup();
    claims
}

/// When the source object of a claiming resource was created.
#[must_use]
pub fn created_of(resource: &Resource) -> Option<UnixSeconds> {
    match resource {
        Resource::Route(route) => route.created,
        Resource::StreamRoute(route) => route.created,
        Resource::Certificate(certificate) => certificate.created,
        Resource::Consumer(consumer) => consumer.created,
        Resource::Service(_)
        | Resource::EndpointSet(_)
        | Resource::PluginSet(_)
        | Resource::GlobalRule(_)
        | Resource::Node(_)
        | Resource::Export(_)
        | Resource::ClusterInfo(_) => None,
    }
}

/// Every host with every path.
fn requests(route: &Route) -> Vec<Claim> {
    let hosts: Vec<_> = if route.hosts.is_empty() {
        vec![None]
    } else {
        route.hosts.iter().cloned().map(Some).collect()
    };
    let paths: Vec<_> = route.paths.iter().map(normal_path).collect();
    let claim = |(host, path): (&Option<HostName>, &PathMatch)| Claim::Requests {
        host: host.clone(),
        path: path.clone(),
        methods: route.methods.clone(),
        conditions: route.conditions.clone(),
    };
    let product = hosts.iter().flat_map(|host| paths.iter().map(move |path| (host, path)));
    product.map(claim).collect()
}

fn connections(route: &StreamRoute) -> Vec<Claim> {
    vec![Claim::Connections {
        port: route.port,
        host: route.host.clone(),
    }]
}

/// The one way of writing a path among those that match the same: a prefix without its trailing slash,
/// a pattern without `*` as the exact path it is.
#[must_use]
pub(crate) fn normal_path(path: &PathMatch) -> PathMatch {
    match path {
        PathMatch::Prefix(text) => {
            let trimmed = text.trim_end_matches('/');
            PathMatch::Prefix(
                if trimmed.is_empty() && !text.is_empty() {
                    "/"
                } else {
                    trimmed
                }
                .to_owned(),
            )
        }
        PathMatch::Pattern(text) if !text.contains('*') => PathMatch::Exact(text.clone()),
        PathMatch::Pattern(_) | PathMatch::Exact(_) | PathMatch::Regex(_) => path.clone(),
    }
}
