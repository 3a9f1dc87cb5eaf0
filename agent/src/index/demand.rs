//! What an Ingress asks for of Services and Secrets.

use std::collections::BTreeSet;

use hubline::model::{BackendSettings, HostName, Scheme, Timeouts};

use crate::few::Few;
use crate::source::object::PortReference;

/// What one Ingress asks for of one Service, each with a field where it does.
pub type ServiceUse = Few<ServiceDemand, String>;

/// A port of a Service, spoken to in some way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceDemand {
    /// The port.
    pub port: PortReference,
    /// How it is spoken to.
    pub settings: SettingsOverride,
}

/// How a Service is spoken to, where that differs from what the Service says itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SettingsOverride {
    /// Instead of what the port's `appProtocol` says.
    pub scheme: Option<Scheme>,
    /// How many further nodes are tried.
    pub retries: Option<u32>,
    /// How long is waited.
    pub timeouts: Option<Timeouts>,
}

impl SettingsOverride {
    /// What a key's section has behind that of the port; nothing where nothing is overridden. It is made of all that is
    /// said here, so that two Ingresses which want the same share one service.
    #[must_use]
    pub fn section(&self) -> String {
        let mut section = String::new();
        if let Some(scheme) = self.scheme {
            section.push_str(match scheme {
                Scheme::Http => "|scheme=http",
                Scheme::Https => "|scheme=https",
                Scheme::Grpc => "|scheme=grpc",
                Scheme::Grpcs => "|scheme=grpcs",
                Scheme::Tcp => "|scheme=tcp",
                Scheme::Tls => "|scheme=tls",
                Scheme::Udp => "|scheme=udp",
            });
        }
        if let Some(retries) = self.retries {
            section.push_str(&format!("|retries={retries}"));
        }
        if let Some(timeouts) = self.timeouts {
            let Timeouts {
                connect_ms,
                send_ms,
                read_ms,
            } = timeouts;
            section.push_str(&format!("|timeouts={connect_ms},{send_ms},{read_ms}"));
        }
        section
    }

    /// Puts it over what the Service says.
    pub fn apply(&self, settings: &mut BackendSettings) {
        settings.scheme = self.scheme.unwrap_or(settings.scheme);
        settings.retries = self.retries.or(settings.retries);
        settings.timeouts = self.timeouts.or(settings.timeouts);
    }
}

/// What one Ingress wants of one Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretUse {
    /// Hosts to serve with it.
    pub hosts: BTreeSet<HostName>,
    /// Whether some entry names no host at all, so that the certificate's own names are taken.
    pub own_names: bool,
    /// The first field that names the Secret.
    pub field: String,
}
