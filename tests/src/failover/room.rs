//! One cluster with two lines to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::echo::EchoBackend;
use crate::link::Line;
use crate::manifests::{Manifests, Pod, app_speaking};
use crate::ports::free_port;
use crate::system::EchoPort;

/// The port of all pods.
const POD: u16 = 8080;

/// Last part of the address of the agent's echo, above those of pods.
const ECHO: u8 = 250;

/// Last part of the gateway's address.
const GATEWAY: u8 = 251;

/// A cluster: its pods and its agent's echo at `10.90.NUMBER.0/24` on the private line, at `10.90.(100 + NUMBER).0/24`
/// on the public one, which leads to its gateway besides.
#[derive(Debug)]
pub struct Room {
    name: String,
    number: u8,
    /// To pods and echo.
    pub private: Line,
    /// To pods, echo and gateway, by other addresses.
    pub public: Line,
    pods: EchoBackend,
    gateway: EchoBackend,
    echo: SocketAddr,
    manifests: Manifests,
}

/// Which services a room has: each with an Ingress for a host of its own.
#[derive(Debug, Clone, Copy)]
pub struct Apps<'a> {
    /// Name of all, followed by their number.
    pub name: &'a str,
    /// How many.
    pub count: usize,
    /// How many pods each has, the first ones of the room.
    pub pods: u8,
}

impl Room {
    /// A room with so many pod addresses, behind all of which is the same server. It has no services yet.
    ///
    /// # Errors
    /// When an address cannot be bound.
    pub async fn open(name: &str, number: u8, pods: u8) -> Result<Self> {
        let backend = EchoBackend::start((Ipv4Addr::LOCALHOST, 0).into(), name).await?;
        let gateway = EchoBackend::start((Ipv4Addr::LOCALHOST, 0).into(), &format!("{name}-gateway")).await?;
        let echo = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let room = Self {
            name: name.to_owned(),
            number,
            private: Line::start(Vec::new()).await?,
            public: Line::start(Vec::new()).await?,
            pods: backend,
            gateway,
            echo,
            manifests: Manifests::new()?,
        };
        for pod in 1..=pods {
            room.private.add(room.at(pod, POD), room.pods.address()).await?;
            room.public.add(room.public_at(pod, POD), room.pods.address()).await?;
        }
        room.private.add(room.at(ECHO, 7444), echo).await?;
        room.public.add(room.public_at(ECHO, 7444), echo).await?;
        room.public
            .add(room.public_at(GATEWAY, 80), room.gateway.address())
            .await?;
        Ok(room)
    }

    fn at(&self, last: u8, port: u16) -> SocketAddr {
        (Ipv4Addr::new(10, 90, self.number, last), port).into()
    }

    fn public_at(&self, last: u8, port: u16) -> SocketAddr {
        (Ipv4Addr::new(10, 90, 100 + self.number, last), port).into()
    }

    /// The cluster's name, which its pods answer with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its gateway answers with.
    #[must_use]
    pub fn gateway_name(&self) -> &str {
        self.gateway.name()
    }

    /// Where its gateway is, on the public line.
    #[must_use]
    pub fn gateway_address(&self) -> SocketAddr {
        self.public_at(GATEWAY, 80)
    }

    /// Requests that its gateway answered.
    #[must_use]
    pub fn through_gateway(&self) -> u64 {
        self.gateway.requests()
    }

    /// The echo port of its agent.
    #[must_use]
    pub fn echo(&self) -> EchoPort {
        EchoPort {
            listen: self.echo,
            advertise: Some(self.at(ECHO, 7444)),
        }
    }

    /// The directory of its manifests.
    #[must_use]
    pub fn manifests(&self) -> &Path {
        self.manifests.path()
    }

    /// The hosts of these services.
    #[must_use]
    pub fn hosts(&self, apps: Apps<'_>) -> Vec<String> {
        (0..apps.count)
            .map(|at| format!("{}{at}.{}.example.com", apps.name, self.name))
            .collect()
    }

    /// The addresses of its first pods, on the private line.
    #[must_use]
    pub fn pods(&self, count: u8) -> Vec<String> {
        (1..=count).map(|pod| self.at(pod, POD).ip().to_string()).collect()
    }

    /// Declares one service of this `appProtocol`, with an Ingress and so many pods; returns its host.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn declare_speaking(&self, protocol: &str, name: &str, pods: u8) -> Result<String> {
        let host = format!("{name}.{}.example.com", self.name);
        let pods = self.pods(pods);
        self.write(name, &app_speaking(Some(protocol), name, &host, &pods, POD))?;
        Ok(host)
    }

    /// Declares services, or declares them anew with other pods; returns their hosts.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn declare(&self, apps: Apps<'_>) -> Result<Vec<String>> {
        self.declare_at(apps, &self.pods(apps.pods))
    }

    /// As [`Room::declare`], with these pod addresses.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn declare_at(&self, apps: Apps<'_>, pods: &[String]) -> Result<Vec<String>> {
        let pods: Vec<_> = pods.iter().map(Pod::from).collect();
        self.declare_on(apps, &pods)
    }

    /// As [`Room::declare`], with these pods.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn declare_on(&self, apps: Apps<'_>, pods: &[Pod<'_>]) -> Result<Vec<String>> {
        let hosts = self.hosts(apps);
        let names = (0..apps.count).map(|at| format!("{}{at}", apps.name));
        let each = names
            .zip(&hosts)
            .map(|(name, host)| app_speaking(None, &name, host, pods.iter().copied(), POD));
        self.write(apps.name, &each.collect::<Vec<_>>().join("---\n"))?;
        Ok(hosts)
    }

    /// Writes a file of manifests whole: beside, then renamed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, yaml: &str) -> Result<()> {
        self.manifests.write(&format!("{name}.yaml"), yaml)
    }

    /// The path over the private line, straight to the pods.
    #[must_use]
    pub fn private_path(&self) -> Value {
        json!({"name": "private", "kind": "private-line", "rank": 0, "reach": "pods"})
    }

    /// The path over the public line, to the gateway.
    #[must_use]
    pub fn gateway_path(&self) -> Value {
        json!({
            "name": "public", "kind": "public-network", "rank": 1, "reach": "gateway",
            "gateway": {"addresses": [self.gateway_address()]},
        })
    }

    /// As [`Room::gateway_path`], where the gateway takes gRPC, too.
    #[must_use]
    pub fn grpc_gateway_path(&self) -> Value {
        let mut path = self.gateway_path();
        path["gateway"]["grpc"] = true.into();
        path
    }

    /// The path over the public line, to the pods by other addresses.
    #[must_use]
    pub fn mapped_path(&self) -> Value {
        let network = |number: u8| format!("10.90.{number}.0/24");
        json!({
            "name": "public", "kind": "public-network", "rank": 1, "reach": "pods",
            "mapping": [{"from": network(self.number), "to": network(100 + self.number)}],
        })
    }
}
