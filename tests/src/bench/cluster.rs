//! The cluster that is read: a real kube-apiserver with N Ingresses, each with its own host, Service and EndpointSlice.

use std::future::Future;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::Instant;

use super::progress;
use crate::kube::{KubeServer, objects};

/// Where everything is.
pub(super) const NAMESPACE: &str = "bench";

/// Requests at a time while objects are made: with more the API server gets no faster on two cores.
const CREATORS: usize = 32;

/// How often progress is told while objects are made, in Ingresses.
const TELL_EVERY: usize = 1_000;

/// The first address of a slice says how often slices were changed before; they are all below this.
const SERIAL_NETWORK: &str = "10.200";

/// A change of one slice, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    /// Which slice.
    pub(super) slice: usize,
    /// Which change of all; never 0.
    pub(super) serial: u16,
    /// When the request went out.
    pub(super) sent: Instant,
    /// When it was answered.
    pub(super) answered: Instant,
}

/// A running API server with what was made there.
pub(super) struct Cluster {
    server: KubeServer,
    client: Client,
    size: usize,
    serial: u16,
}

impl Cluster {
    pub(super) async fn start() -> Result<Self> {
        let server = KubeServer::start("bench").await?;
        server.apply_agent_manifests().await?;
        let client = server.admin_client().await?;
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(NAMESPACE.to_owned());
        Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await?;
        Ok(Self {
            server,
            client,
            size: 0,
            serial: 0,
        })
    }

    /// How many Ingresses there are.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The API server.
    pub(super) fn server(&self) -> &KubeServer {
        &self.server
    }

    /// Makes Ingresses until there are as many.
    pub(super) async fn grow(&mut self, size: usize) -> Result<()> {
        progress(&format!("making Ingresses up to {size}"));
        let made = stream::iter(self.size..size).map(|index| create(self.client.clone(), index));
        let made = made.buffer_unordered(CREATORS);
        let mut made = std::pin::pin!(made);
        let mut count = self.size;
        while let Some(()) = made.try_next().await? {
            count += 1;
            if count.is_multiple_of(TELL_EVERY) {
                progress(&format!("{count} made"));
            }
        }
        self.size = self.size.max(size);
        Ok(())
    }

    /// The next change of a slice: another first address. Runs without the cluster, so that several can be under way.
    pub(super) fn change(&mut self, slice: usize) -> impl Future<Output = Result<Change>> + Send + use<> {
        self.serial += 1;
        let (serial, client) = (self.serial, self.client.clone());
        async move {
            let (name, object) = (slice_name(slice), slice_object(slice, serial));
            let slices: Api<EndpointSlice> = Api::namespaced(client, NAMESPACE);
            let sent = Instant::now();
            let written = slices.replace(&name, &PostParams::default(), &object).await;
            written.with_context(|| format!("slice {name} was not changed"))?;
            Ok(Change {
                slice,
                serial,
                sent,
                answered: Instant::now(),
            })
        }
    }
}

async fn create(client: Client, index: usize) -> Result<()> {
    let name = app_name(index);
    let params = PostParams::default();
    let services: Api<Service> = Api::namespaced(client.clone(), NAMESPACE);
    let service = objects::service(NAMESPACE, &name, 80, 8080);
    services.create(&params, &service).await?;
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), NAMESPACE);
    slices.create(&params, &slice_object(index, 0)).await?;
    let ingresses: Api<Ingress> = Api::namespaced(client, NAMESPACE);
    let host = format!("{name}.example.com");
    let ingress = objects::ingress(NAMESPACE, &name, "apisix", &host, "/shop", (&name, 80));
    ingresses.create(&params, &ingress).await?;
    Ok(())
}

/// Ingress, Service and host of one app.
pub(super) fn app_name(index: usize) -> String {
    format!("app-{index:05}")
}

fn slice_name(index: usize) -> String {
    format!("{}-1", app_name(index))
}

/// Five addresses, the first of which says which change it was.
fn slice_object(index: usize, serial: u16) -> EndpointSlice {
    let [high, low] = serial.to_be_bytes();
    let mut addresses = vec![format!("{SERIAL_NETWORK}.{high}.{low}")];
    for endpoint in 0..4 {
        let address = index * 4 + endpoint;
        let octets = (16 + (address >> 16), (address >> 8) & 255, address & 255);
        addresses.push(format!("10.{}.{}.{}", octets.0, octets.1, octets.2));
    }
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    objects::endpoint_slice(NAMESPACE, &slice_name(index), &app_name(index), &addresses, 8080)
}

/// Which change of all an upstream's body shows; none when it shows none.
pub(super) fn serial_in(body: &str) -> Option<u16> {
    let (_, rest) = body.split_once(&format!("\"{SERIAL_NETWORK}."))?;
    let (octets, _) = rest.split_once('"')?;
    let (high, low) = octets.split_once('.')?;
    Some(u16::from_be_bytes([high.parse().ok()?, low.parse().ok()?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_found_again() {
        for serial in [0, 1, 255, 256, 65_535] {
            let body = serde_json::to_string(&slice_object(4_999, serial)).unwrap();
            assert_eq!(serial_in(&body), Some(serial));
        }
        assert_eq!(serial_in("{}"), None);
    }
}
