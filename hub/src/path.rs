//! Paths: the ways from APISIX to a cluster, which of them work, and which one carries the traffic.
//!
//! Here stand what an operator configures of them; probers, verdicts and orders are in the modules.

pub mod actor;
pub mod allow;
mod choice;
mod damping;
pub mod data_plane;
pub mod decision;
pub mod demotion;
pub mod evidence;
pub mod health;
pub mod log;
pub mod machine;
pub mod mapping;
pub mod metrics;
pub mod orders;
pub mod parameters;
pub mod probe;
pub mod probing;
pub mod reach;
mod round_trips;
mod say;
pub mod stale;
mod suspicion;

use serde::{Deserialize, Serialize};

pub use allow::Allowed;
pub use mapping::Mapping;
use parameters::{HealthParameters, ProbeParameters};
use probe::TargetProbe;
pub use reach::{Gateway, GatewayScheme, HostPort, Identity, NodePorts, Reach};

/// One way from APISIX to a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Path {
    /// Its name within the cluster.
    pub name: String,
    /// What kind of line it takes.
    pub kind: PathKind,
    /// 0 is best.
    pub rank: u8,
    /// What its node addresses are.
    pub reach: Reach,
    /// With reach `node-ports`: which addresses of how many nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_ports: Option<NodePorts>,
    /// With reach `gateway`: where it is and how it is spoken to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// Prefixes that a 1:1 NAT shows as others on this path; applied to addresses of pods and nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mapping: Vec<Mapping>,
    /// Where the agent's echo port is found on this path; what the agent says, mapped, when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub echo: Vec<HostPort>,
    /// What is probed besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetProbe>,
    /// How it is probed.
    #[serde(default)]
    pub probe: ProbeParameters,
    /// When it is down or degraded.
    #[serde(default)]
    pub health: HealthParameters,
}

/// What kind of line a path takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathKind {
    /// A leased or private line.
    PrivateLine,
    /// The internet.
    PublicNetwork,
}

impl Path {
    /// The path of a cluster that configures none: its pods, straight.
    #[must_use]
    pub fn direct() -> Self {
        Self {
            name: "direct".to_owned(),
            kind: PathKind::PrivateLine,
            rank: 0,
            reach: Reach::Pods,
            node_ports: None,
            gateway: None,
            mapping: Vec::new(),
            echo: Vec::new(),
            targets: Vec::new(),
            probe: ProbeParameters::default(),
            health: HealthParameters::default(),
        }
    }

    /// What is wrong with it as a whole; `field` is where it stands.
    pub fn validate(&self, field: &str, faults: &mut Vec<String>) {
        match (self.reach, &self.gateway) {
            (Reach::Gateway, None) => faults.push(format!("{field}.gateway is missing; reach gateway needs it")),
            (Reach::Gateway, Some(gateway)) => gateway.validate(&format!("{field}.gateway"), faults),
            (_, Some(_)) => faults.push(format!("{field}.gateway is only for reach gateway")),
            (_, None) => {}
        }
        if let Some(node_ports) = &self.node_ports {
            if self.reach != Reach::NodePorts {
                faults.push(format!("{field}.nodePorts is only for reach node-ports"));
            }
            node_ports.validate(&format!("{field}.nodePorts"), faults);
        }
        mapping::validate(&self.mapping, &format!("{field}.mapping"), faults);
        for (at, target) in self.targets.iter().enumerate() {
            let fault = target.validate().err();
            faults.extend(fault.map(|fault| format!("{field}.targets.{at}: {fault}")));
        }
        self.probe.validate(&format!("{field}.probe"), faults);
        let health = format!("{field}.health");
        self.health.validate(&health, faults);
        let interval = self.probe.resolved(self.kind).interval;
        self.health.validate_window(interval, &health, faults);
    }

    /// An address as it is reached on this path.
    #[must_use]
    pub fn mapped(&self, address: std::net::IpAddr) -> std::net::IpAddr {
        mapping::apply(&self.mapping, address)
    }
}
