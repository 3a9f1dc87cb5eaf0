//! Two real API servers, shared by all tests, and a namespace in them for each.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use hubline_sandbox::echo::EchoBackend;
use hubline_sandbox::kube::KubeServer;
use hubline_sandbox::kube::objects;
use hubline_sandbox::system::{Source, System};
use k8s_openapi::api::core::v1::{Namespace, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The servers that run. They end with [`shutdown`].
static SERVERS: Mutex<BTreeMap<&str, Arc<KubeServer>>> = Mutex::new(BTreeMap::new());

/// The API server of cluster `a` or `b`, with the agent's manifests applied.
pub(crate) async fn server(name: &'static str) -> Result<Arc<KubeServer>> {
    let running = SERVERS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(name)
        .cloned();
    if let Some(server) = running {
        return Ok(server);
    }
    let server = Arc::new(KubeServer::start(name).await?);
    server.apply_agent_manifests().await?;
    SERVERS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(name, server.clone());
    Ok(server)
}

/// Ends all API servers.
pub(crate) fn shutdown() {
    SERVERS.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// A backend at an address of the namespace; its name is its address.
pub(crate) async fn backend(address: &str) -> Result<EchoBackend> {
    let socket: SocketAddr = format!("{address}:8080").parse()?;
    EchoBackend::start(socket, address)
        .await
        .with_context(|| format!("no backend at {socket}"))
}

/// Starts the agent of a cluster with exactly the rights of `deploy/agent`.
pub(crate) fn start_kube_agent(system: &mut System, server: &KubeServer) -> Result<()> {
    let kubeconfig = server.agent_kubeconfig()?;
    system.start_agent(server.name(), Source::Kube(&kubeconfig))
}

/// One test's namespace in one cluster.
pub(crate) struct Shop {
    client: Client,
    namespace: String,
}

impl Shop {
    /// Makes the namespace.
    pub(crate) async fn open(server: &KubeServer, namespace: &str) -> Result<Self> {
        let client = server.admin_client().await?;
        let object: Namespace = serde_json::from_value(serde_json::json!({"metadata": {"name": namespace}}))?;
        let params = PatchParams::apply("e2e").force();
        Api::<Namespace>::all(client.clone())
            .patch(namespace, &params, &Patch::Apply(typed(&object)?))
            .await?;
        Ok(Self {
            client,
            namespace: namespace.to_owned(),
        })
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Writes an object, new or changed.
    pub(crate) async fn put<K>(&self, object: &K) -> Result<()>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let params = PatchParams::apply("e2e").force();
        self.api::<K>()
            .patch(&object.name_any(), &params, &Patch::Apply(typed(object)?))
            .await?;
        Ok(())
    }

    /// Deletes an object.
    pub(crate) async fn delete<K>(&self, name: &str) -> Result<()>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        self.api::<K>().delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// An Ingress of one host for all paths, with its service and one slice of these addresses.
    pub(crate) async fn app(&self, name: &str, host: &str, addresses: &[&str]) -> Result<()> {
        self.put(&objects::service(&self.namespace, name, 80, 8080)).await?;
        self.endpoints(name, addresses).await?;
        self.ingress(name, host, "/", name).await
    }

    /// An Ingress of one host and path.
    pub(crate) async fn ingress(&self, name: &str, host: &str, path: &str, service: &str) -> Result<()> {
        self.put(&objects::ingress(
            &self.namespace,
            name,
            "apisix",
            host,
            path,
            (service, 80),
        ))
        .await
    }

    /// The addresses of a service.
    pub(crate) async fn endpoints(&self, service: &str, addresses: &[&str]) -> Result<()> {
        self.put(&objects::endpoint_slice(
            &self.namespace,
            &format!("{service}-1"),
            service,
            addresses,
            8080,
        ))
        .await
    }

    /// Deletes what tests write, so that the next one begins with nothing.
    pub(crate) async fn close(self) -> Result<()> {
        let (delete, list) = (DeleteParams::default(), ListParams::default());
        self.api::<Ingress>().delete_collection(&delete, &list).await?;
        self.api::<EndpointSlice>().delete_collection(&delete, &list).await?;
        self.api::<Secret>().delete_collection(&delete, &list).await?;
        self.api::<Service>().delete_collection(&delete, &list).await?;
        Ok(())
    }
}

/// As server-side apply wants it: with `apiVersion` and `kind`, which these types serialize.
fn typed<K: Serialize>(object: &K) -> Result<serde_json::Value> {
    Ok(serde_json::to_value(object)?)
}
