//! The demo's pods, and the manifests that say where they are: what a cluster's own controllers would do.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::APPS;
use super::site::Site;
use crate::echo::EchoBackend;

/// Everything of a cluster but its endpoints. `CLUSTER` and `HOST` are replaced.
const APP: &str = include_str!("app.yaml");

/// All pods of all clusters.
#[derive(Debug)]
pub(super) struct Pods {
    folder: PathBuf,
    pods: BTreeMap<String, Pod>,
    sites: BTreeMap<&'static str, Site>,
}

#[derive(Debug)]
struct Pod {
    cluster: &'static str,
    /// Its own; where its cluster's gateway finds it.
    address: SocketAddr,
    /// Over the private line; what its cluster says of it.
    over_line: SocketAddr,
    running: Option<EchoBackend>,
}

impl Pods {
    /// Starts all pods with what leads to them, and writes the manifests of each cluster into a directory of its name.
    pub(super) async fn start(folder: &Path, address: Ipv4Addr) -> Result<Self> {
        let mut pods = Self {
            folder: folder.to_owned(),
            pods: BTreeMap::new(),
            sites: BTreeMap::new(),
        };
        for (cluster, host, count) in APPS {
            std::fs::create_dir_all(folder.join(cluster))?;
            let manifest = pods.manifest(cluster);
            std::fs::write(&manifest, APP.replace("CLUSTER", cluster).replace("HOST", host))?;
            let site = Site::open(cluster, address.into(), manifest).await?;
            for number in 1..=count {
                let name = format!("{cluster}-web-{number}");
                let pod = Pod::start(&site, address, &name).await?;
                pods.pods.insert(name, pod);
            }
            pods.sites.insert(cluster, site);
            pods.write_endpoints(cluster)?;
        }
        Ok(pods)
    }

    /// What leads to a cluster.
    pub(super) fn site(&self, cluster: &str) -> Result<&Site> {
        let names = self.sites.keys().copied().collect::<Vec<_>>().join(", ");
        let site = self.sites.get(cluster);
        site.with_context(|| format!("there is no cluster {cluster:?}; there are {names}"))
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
        let running = |(_, pod): &(&String, &Pod)| pod.cluster == cluster && pod.running.is_some();
        let alive: Vec<_> = self.pods.iter().filter(running).collect();
        self.site(cluster)?
            .alive(alive.iter().map(|(_, pod)| pod.address).collect());
        let slices: Vec<_> = alive.iter().map(|(name, pod)| slice(name, pod.over_line)).collect();
        let file = self.folder.join(cluster).join("endpoints.yaml");
        let beside = self.folder.join(format!("{cluster}.new"));
        std::fs::write(&beside, slices.join("---\n"))?;
        Ok(std::fs::rename(beside, file)?)
    }
}

impl Pod {
    async fn start(site: &Site, address: Ipv4Addr, name: &str) -> Result<Self> {
        let backend = EchoBackend::start((address, 0).into(), name).await?;
        Ok(Self {
            cluster: site.cluster,
            address: backend.address(),
            over_line: site.reach(backend.address()).await?,
            running: Some(backend),
        })
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
