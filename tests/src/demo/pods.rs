//! The demo's pods, and the manifests that say where they are: what a cluster's own controllers would do.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::APPS;
use crate::echo::EchoBackend;

/// Everything of a cluster but its endpoints. `CLUSTER` and `HOST` are replaced.
const APP: &str = include_str!("app.yaml");

/// All pods of all clusters.
#[derive(Debug)]
pub(super) struct Pods {
    folder: PathBuf,
    pods: BTreeMap<String, Pod>,
}

#[derive(Debug)]
struct Pod {
    cluster: &'static str,
    address: SocketAddr,
    running: Option<EchoBackend>,
}

impl Pods {
    /// Starts all pods and writes the manifests of each cluster into a directory of its name.
    pub(super) async fn start(folder: &Path, address: Ipv4Addr) -> Result<Self> {
        let mut pods = Self {
            folder: folder.to_owned(),
            pods: BTreeMap::new(),
        };
        for (cluster, host, count) in APPS {
            let directory = folder.join(cluster);
            std::fs::create_dir_all(&directory)?;
            std::fs::write(
                directory.join("app.yaml"),
                APP.replace("CLUSTER", cluster).replace("HOST", host),
            )?;
            for number in 1..=count {
                let name = format!("{cluster}-web-{number}");
                let backend = EchoBackend::start((address, 0).into(), &name).await?;
                pods.pods.insert(
                    name,
                    Pod {
                        cluster,
                        address: backend.address(),
                        running: Some(backend),
                    },
                );
            }
            pods.write_endpoints(cluster)?;
        }
        Ok(pods)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.pods.keys()
    }

    /// The manifest that a person may edit.
    pub(super) fn manifest(&self, cluster: &str) -> PathBuf {
        self.folder.join(cluster).join("app.yaml")
    }

    /// Kills a pod; its cluster's endpoints say so a moment later, as they would.
    pub(super) async fn kill(&mut self, name: &str) -> Result<()> {
        let pod = self.pod(name)?;
        let cluster = pod.cluster;
        match pod.running.take() {
            Some(backend) => backend.kill().await,
            None => bail!("{name} is dead already; `start {name}` brings it back"),
        }
        self.write_endpoints(cluster)
    }

    /// Starts a pod again, at its old address.
    pub(super) async fn revive(&mut self, name: &str) -> Result<()> {
        let pod = self.pod(name)?;
        if pod.running.is_some() {
            bail!("{name} runs");
        }
        let cluster = pod.cluster;
        pod.running = Some(EchoBackend::start(pod.address, name).await?);
        self.write_endpoints(cluster)
    }

    fn pod(&mut self, name: &str) -> Result<&mut Pod> {
        let names = self.pods.keys().cloned().collect::<Vec<_>>().join(", ");
        self.pods
            .get_mut(name)
            .with_context(|| format!("there is no pod {name:?}; there are {names}"))
    }

    /// The demo's pods share an address and differ by port, so that each has a slice of its own.
    fn write_endpoints(&self, cluster: &str) -> Result<()> {
        let of_cluster = self
            .pods
            .iter()
            .filter(|(_, pod)| pod.cluster == cluster && pod.running.is_some());
        let slices: Vec<_> = of_cluster.map(|(name, pod)| slice(name, pod.address)).collect();
        let file = self.folder.join(cluster).join("endpoints.yaml");
        let beside = self.folder.join(format!("{cluster}.new"));
        std::fs::write(&beside, slices.join("---\n"))?;
        Ok(std::fs::rename(beside, file)?)
    }
}

fn slice(name: &str, address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
ports: [{{name: http, port: {port}, protocol: TCP}}]
endpoints: [{{addresses: [\"{ip}\"], conditions: {{ready: true}}}}]
"
    )
}
