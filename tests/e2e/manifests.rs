//! Directories of manifests as a user would write them.

use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

/// A directory of manifests.
#[derive(Debug)]
pub(crate) struct Manifests(TempDir);

impl Manifests {
    /// An empty one.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    /// Writes a file whole: beside, then renamed.
    pub(crate) fn write(&self, file: &str, yaml: &str) -> Result<()> {
        let beside = self.0.path().join(format!(".{file}.new"));
        std::fs::write(&beside, yaml)?;
        Ok(std::fs::rename(beside, self.0.path().join(file))?)
    }

    /// Removes a file.
    pub(crate) fn remove(&self, file: &str) -> Result<()> {
        Ok(std::fs::remove_file(self.0.path().join(file))?)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// An Ingress of one host and path, its service with port 80, and a slice with these addresses at `port`.
pub(crate) fn app(name: &str, host: &str, addresses: &[&str], port: u16) -> String {
    format!(
        "{}---\n{}---\n{}",
        ingress(name, host, "/", name),
        service(name),
        slice(name, addresses, port)
    )
}

/// An Ingress of one host and path prefix.
pub(crate) fn ingress(name: &str, host: &str, path: &str, service: &str) -> String {
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

/// A service with one port.
pub(crate) fn service(name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop}}
spec: {{ports: [{{name: http, port: 80, targetPort: 8080}}]}}
"
    )
}

/// A slice of ready endpoints.
pub(crate) fn slice(service: &str, addresses: &[&str], port: u16) -> String {
    let endpoints: Vec<_> = addresses
        .iter()
        .map(|it| format!("{{addresses: [\"{it}\"], conditions: {{ready: true}}}}"))
        .collect();
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
