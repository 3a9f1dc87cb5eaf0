//! What an object asks for of others.

use std::collections::{BTreeMap, BTreeSet};

use hubline::model::{BackendSettings, Condition, HostName, Protocol, Scheme, Timeouts, UnixSeconds};

use crate::few::Few;
use crate::source::Name;
use crate::source::crd::v2::UpstreamSettings;
use crate::source::object::PortReference;

/// Everything that one object asks for.
#[derive(Debug, Default)]
pub struct Demand {
    /// Services' ports that requests go to.
    pub services: BTreeMap<Name, ServiceUse>,
    /// Services that are looked at for something else.
    pub other_services: BTreeSet<Name>,
    /// Secrets of which certificates are made.
    pub certificates: BTreeMap<Name, SecretUse>,
    /// Secrets whose content is read.
    pub secrets: BTreeSet<Name>,
    /// ApisixUpstreams that requests go to, each with a field that names it.
    pub upstreams: BTreeMap<Name, String>,
    /// ApisixPluginConfigs, each with a field that names it.
    pub plugin_configs: BTreeMap<Name, String>,
    /// Ingresses whose routes it changes.
    pub route_policies: BTreeMap<Name, RoutePolicy>,
    /// Services to which requests go as it says.
    pub backend_policies: BTreeMap<Name, BackendPolicy>,
    /// Of a policy, the objects that it names, also where it is wrong and changes nothing there: its status tells of them.
    pub policy_targets: BTreeSet<Name>,
}

/// What a policy says of all routes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePolicy {
    /// When the policy was created: the older one counts.
    pub created: Option<UnixSeconds>,
    /// The field that names the object.
    pub field: String,
    /// Instead of the routes' own.
    pub priority: Option<i32>,
    /// Besides the routes' own; none where they cannot be read.
    pub conditions: Option<Vec<Condition>>,
}

/// What a policy says of a Service.
#[derive(Debug, Clone, PartialEq)]
pub struct BackendPolicy {
    /// When the policy was created: the older one counts.
    pub created: Option<UnixSeconds>,
    /// Names of the ports that it is for, each with the field that names it; an empty one stands for all.
    pub ports: Few<Box<str>, String>,
    /// How the Service is spoken to.
    pub settings: Box<UpstreamSettings>,
}

/// What one object asks for of one Service, each with a field where it does.
pub type ServiceUse = Few<ServiceDemand, String>;

/// A port of a Service, spoken to in some way.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceDemand {
    /// The port.
    pub port: PortReference,
    /// How it is spoken to.
    pub settings: SettingsOverride,
    /// What for.
    pub purpose: Purpose,
}

impl ServiceDemand {
    /// What a key's section has behind that of the port.
    #[must_use]
    pub fn section(&self) -> String {
        self.settings.section() + &self.purpose.section()
    }
}

/// What a port is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Requests of HTTP, as the Service itself says.
    #[default]
    Http,
    /// Requests of HTTP, as the ApisixUpstream of the Service's name says, where there is one.
    Apisix {
        /// A subset of its pods.
        subset: Option<Box<str>>,
    },
    /// Connections, as that ApisixUpstream says.
    Stream {
        /// Of which protocol.
        protocol: Protocol,
        /// A subset of its pods.
        subset: Option<Box<str>>,
    },
}

impl Purpose {
    /// Whether the ApisixUpstream of the Service's name has a say.
    #[must_use]
    pub fn is_apisix(&self) -> bool {
        !matches!(self, Self::Http)
    }

    /// The subset that is named.
    #[must_use]
    pub fn subset(&self) -> Option<&str> {
        match self {
            Self::Http => None,
            Self::Apisix { subset } | Self::Stream { subset, .. } => subset.as_deref(),
        }
    }

    /// Of which protocol the port must be.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Http | Self::Apisix { .. } => Protocol::Tcp,
            Self::Stream { protocol, .. } => *protocol,
        }
    }

    /// It names no object's content, so that an ApisixUpstream which comes, changes or goes moves no route.
    fn section(&self) -> String {
        let word = match self {
            Self::Http => "",
            Self::Apisix { .. } => "|apisix",
            Self::Stream { .. } => "|stream",
        };
        match self.subset() {
            None => word.to_owned(),
            Some(subset) => format!("{word}|subset={}", subset.replace('|', "||")),
        }
    }
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

/// What one object wants of the certificate in one Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretUse {
    /// Hosts to serve with it.
    pub hosts: BTreeSet<HostName>,
    /// Whether some entry names no host at all, so that the certificate's own names are taken.
    pub own_names: bool,
    /// The first field that names the Secret.
    pub field: String,
}
