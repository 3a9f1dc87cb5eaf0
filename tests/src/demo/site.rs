//! What leads to a cluster: a private line to its pods and its agent's echo, and its gateway on the public network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use hubline_hub::config::ClusterConfig;
use serde_json::json;
use tokio::sync::watch;

use super::gateway::Gateway;
use crate::link::Line;
use crate::ports::free_port;
use crate::system::EchoPort;

/// Names of the two paths.
pub(super) const PRIVATE: &str = "line";
/// See [`PRIVATE`].
pub(super) const PUBLIC: &str = "public";

/// How long the line must be healthy before it is taken again; the product's default of 5 minutes is long to watch.
pub(super) const FAILBACK: &str = "5s";

/// What `slow` adds each way: the round trip is then above the demo's limit of 50 ms.
const SLOW: Duration = Duration::from_millis(100);
/// What `lose` loses.
const LOST: f64 = 0.4;

/// One cluster's site.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) cluster: &'static str,
    line: Line,
    pub(super) gateway: Gateway,
    alive: watch::Sender<Vec<SocketAddr>>,
    address: IpAddr,
    pub(super) echo: EchoPort,
}

impl Site {
    /// A site whose addresses are all this one, by different ports.
    pub(super) async fn open(cluster: &'static str, address: IpAddr, manifest: PathBuf) -> Result<Self> {
        let alive = watch::Sender::new(Vec::new());
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let line = Line::start(vec![((address, 0).into(), listen)]).await?;
        let advertise = line.addresses().await.first().copied();
        let gateway = Gateway::start((address, 0).into(), cluster, manifest, alive.subscribe()).await?;
        Ok(Self {
            cluster,
            line,
            gateway,
            alive,
            address,
            echo: EchoPort { listen, advertise },
        })
    }

    /// Another pod at the line's end; gives the address by which it is reached over the line.
    pub(super) async fn reach(&self, pod: SocketAddr) -> Result<SocketAddr> {
        Ok(self.line.add((self.address, 0).into(), pod).await?)
    }

    /// The pods that live, as the gateway reaches them.
    pub(super) fn alive(&self, pods: Vec<SocketAddr>) {
        self.alive.send_replace(pods);
    }

    /// As a hub's operator would configure it, with times that a person can wait for.
    pub(super) fn config(&self) -> Result<ClusterConfig> {
        let private = json!({
            "name": PRIVATE, "kind": "private-line", "rank": 0, "reach": "pods",
            "health": {"window": "10s", "latency": "50ms"},
        });
        let public = json!({
            "name": PUBLIC, "kind": "public-network", "rank": 1, "reach": "gateway",
            "gateway": {"addresses": [self.gateway.address()]},
        });
        let config = json!({
            "name": self.cluster,
            "allow": ["127.0.0.0/8", format!("{}/32", self.address)],
            "paths": [private, public],
            // So that playing with it is not held by damping; a real line deserves the defaults.
            "failover": {
                "minimumHold": "1s", "failback": {"delay": FAILBACK},
                "maxSwitchesPerHour": 60, "damping": {"penalty": 100},
            },
        });
        Ok(serde_json::from_value(config)?)
    }

    /// Does to the line what a word says; gives what that means.
    pub(super) async fn treat(&self, how: &str) -> Result<&'static str> {
        Ok(match how {
            "cut" => {
                self.line.cut_black_hole().await?;
                "nothing comes through the line, and nothing is refused"
            }
            "refuse" => {
                self.line.cut_refuse().await?;
                "the line refuses every connection"
            }
            "slow" => {
                self.line.delay(SLOW).await;
                "the line takes 100 ms longer each way"
            }
            "lose" => {
                self.line.lose(LOST, 1).await;
                "the line loses 40% of what is sent"
            }
            "restore" => {
                self.line.restore().await?;
                "the line works again, and is taken again once it was well for 5 s"
            }
            other => bail!("{other:?} cannot be done to a line"),
        })
    }
}
