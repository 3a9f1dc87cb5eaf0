//! What the API server says of itself.

use ::kube::{Api, Client};
use k8s_openapi::api::core::v1::Namespace;
use tracing::warn;

use super::backoff::Backoff;
use super::words;

/// See the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterFacts {
    /// UID of the namespace `kube-system`, which identifies a cluster for as long as it lives.
    pub uid: String,
    /// Version of the API server, as `v1.36.0`.
    pub version: String,
}

/// Asks until there is an answer. Dropping the future ends it.
pub async fn cluster_facts(client: &Client) -> ClusterFacts {
    let mut backoff = Backoff::default();
    loop {
        match ask(client).await {
            Ok(facts) => return facts,
            Err(reason) => warn!(reason, "the API server does not tell which cluster it is"),
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

async fn ask(client: &Client) -> Result<ClusterFacts, String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = namespaces.get("kube-system").await.map_err(|error| words(&error))?;
    let version = client.apiserver_version().await.map_err(|error| words(&error))?;
    Ok(ClusterFacts {
        uid: system.metadata.uid.ok_or("namespace kube-system has no uid")?,
        version: version.git_version,
    })
}
