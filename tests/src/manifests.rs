//! Directories of manifests as a user would write them.
//!
//! Services are named after their app, are in namespace `shop` and have one port, 80.

use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

/// A directory of manifests.
#[derive(Debug)]
pub struct Manifests(TempDir);

impl Manifests {
    /// An empty one.
    ///
    /// # Errors
    /// When there is no temporary directory.
    pub fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    /// Writes a file whole: beside, then renamed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &str, yaml: &str) -> Result<()> {
        let beside = self.0.path().join(format!(".{file}.new"));
        std::fs::write(&beside, yaml)?;
        Ok(std::fs::rename(beside, self.0.path().join(file))?)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// When it is not there.
    pub fn remove(&self, file: &str) -> Result<()> {
        Ok(std::fs::remove_file(self.0.path().join(file))?)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// An endpoint of a service.
#[derive(Debug, Clone, Copy)]
pub struct Pod<'a> {
    /// Its address.
    pub address: &'a str,
    /// The node that it runs on; none: the slice does not say.
    pub node: Option<&'a str>,
}

impl<'a> From<&'a str> for Pod<'a> {
    fn from(address: &'a str) -> Self {
        Self { address, node: None }
    }
}

impl<'a> From<&'a String> for Pod<'a> {
    fn from(address: &'a String) -> Self {
        address.as_str().into()
    }
}

/// An Ingress of one host and path, its service with port 80, and a slice with these addresses at `port`.
#[must_use]
pub fn app(name: &str, host: &str, addresses: &[&str], port: u16) -> String {
    app_speaking(None, name, host, addresses.iter().copied(), port)
}

/// As [`app`], with a service of this `appProtocol`, and pods that may be said to be on nodes.
#[must_use]
pub fn app_speaking<'a>(
    protocol: Option<&str>,
    name: &str,
    host: &str,
    pods: impl IntoIterator<Item = impl Into<Pod<'a>>>,
    port: u16,
) -> String {
    format!(
        "{}---\n{}---\n{}",
        ingress(name, host, "/", name),
        service(name, protocol),
        slice(name, pods, port)
    )
}

/// An Ingress of one host and path prefix.
#[must_use]
pub fn ingress(name: &str, host: &str, path: &str, service: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, namespace: shop}}
spec:
  ingressClassName: apisix
  rules:
  - host: {host}
    http: {{paths: [{{path: {path}, pathType: Prefix, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}]}}
"
    )
}

fn service(name: &str, protocol: Option<&str>) -> String {
    let protocol = protocol.map_or_else(String::new, |protocol| format!(", appProtocol: {protocol}"));
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop}}
spec: {{ports: [{{name: http, port: 80, targetPort: 8080{protocol}}}]}}
"
    )
}

/// A slice of ready endpoints.
fn slice<'a>(service: &str, pods: impl IntoIterator<Item = impl Into<Pod<'a>>>, port: u16) -> String {
    let endpoints: Vec<_> = pods.into_iter().map(|pod| endpoint(pod.into())).collect();
    format!(
        "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {service}-1, namespace: shop, labels: {{kubernetes.io/service-name: {service}}}}}
addressType: IPv4
ports: [{{name: http, port: {port}, protocol: TCP}}]
endpoints: [{}]
",
        endpoints.join(", ")
    )
}

fn endpoint(Pod { address, node }: Pod<'_>) -> String {
    let node = node.map_or_else(String::new, |node| format!(", nodeName: {node}"));
    format!("{{addresses: [\"{address}\"], conditions: {{ready: true}}{node}}}")
}
