//! How nodes are spoken to: APISIX has one scheme and one way with the Host for all nodes of an upstream.

use hubline::model::{HostHandling, Protocol, Scheme, Service};
use serde_json::{Map, Value, json};

use crate::path::reach::is_host;
use crate::path::{Gateway, GatewayScheme, Identity, Path, Reach};

/// How the nodes of an upstream are spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manner {
    scheme: &'static str,
    host: HostHandling,
    /// Identity that is shown.
    identity: Option<Identity>,
}

impl Manner {
    /// As the service itself wants it.
    pub(super) fn of_service(service: &Service) -> Self {
        Self {
            scheme: scheme(service.settings.scheme, service.port.protocol),
            host: service.settings.host.clone(),
            identity: service.settings.identity.as_deref().map(|it| Identity {
                chain: it.chain.as_str().into(),
                key: it.private_key.clone(),
            }),
        }
    }

    /// As a service is reached on a path; none when it is not.
    pub(super) fn on(path: &Path, service: &Service) -> Option<Self> {
        match (path.reach, &path.gateway) {
            (Reach::Gateway, Some(gateway)) => {
                let grpc = match scheme(service.settings.scheme, service.port.protocol) {
                    "http" | "https" => false,
                    "grpc" | "grpcs" => true,
                    _ => return None,
                };
                Self::of_gateway(gateway, grpc)
            }
            _ => Some(Self::of_service(service)),
        }
    }

    /// As a gateway wants it; none for gRPC where it takes none.
    pub(super) fn of_gateway(gateway: &Gateway, grpc: bool) -> Option<Self> {
        let scheme = match (gateway.scheme, grpc) {
            (GatewayScheme::Http, false) => "http",
            (GatewayScheme::Https, false) => "https",
            (_, true) if !gateway.grpc => return None,
            (GatewayScheme::Http, true) => "grpc",
            (GatewayScheme::Https, true) => "grpcs",
        };
        let host = gateway.host.clone().map_or(HostHandling::Pass, HostHandling::Rewrite);
        Some(Self {
            scheme,
            host,
            identity: gateway.identity.clone(),
        })
    }

    /// Whether requests are gRPC.
    pub(super) fn is_grpc(&self) -> bool {
        matches!(self.scheme, "grpc" | "grpcs")
    }

    /// Writes it into an upstream; says when its Host is none, and leaves the client's then.
    pub(super) fn write(&self, body: &mut Map<String, Value>) -> Option<String> {
        body.insert("scheme".to_owned(), json!(self.scheme));
        if let Some(identity) = &self.identity {
            let tls = json!({"client_cert": &*identity.chain, "client_key": identity.key.expose()});
            body.insert("tls".to_owned(), tls);
        }
        let (mode, wrong) = match &self.host {
            HostHandling::Pass => ("pass", None),
            HostHandling::Node => ("node", None),
            HostHandling::Rewrite(host) if is_host(host) => {
                body.insert("upstream_host".to_owned(), json!(host));
                ("rewrite", None)
            }
            HostHandling::Rewrite(host) => {
                let wrong = format!("host {host:?} is not a DNS name or IP address with or without a port");
                ("pass", Some(wrong))
            }
        };
        body.insert("pass_host".to_owned(), json!(mode));
        wrong
    }
}

fn scheme(scheme: Scheme, protocol: Protocol) -> &'static str {
    match (scheme, protocol) {
        (Scheme::Http, Protocol::Udp) | (Scheme::Udp, _) => "udp",
        (Scheme::Http, Protocol::Tcp) => "http",
        (Scheme::Https, _) => "https",
        (Scheme::Grpc, _) => "grpc",
        (Scheme::Grpcs, _) => "grpcs",
        (Scheme::Tcp, _) => "tcp",
        (Scheme::Tls, _) => "tls",
    }
}
