//! What an API server shows of a test's objects.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hubline_sandbox::system::PATIENCE;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// Between two looks; a watch would tell nothing of what does not change.
const POLL: Duration = Duration::from_millis(50);

/// The objects of one namespace.
pub(super) struct Looker {
    pub(super) client: Client,
    pub(super) namespace: String,
}

impl Looker {
    /// IPs and host names in an Ingress's status.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<String>> {
        let ingress = self.api::<Ingress>().get(name).await?;
        let balancer = ingress.status.and_then(|status| status.load_balancer);
        let entries = balancer.and_then(|balancer| balancer.ingress).unwrap_or_default();
        let address = |entry: k8s_openapi::api::networking::v1::IngressLoadBalancerIngress| entry.ip.or(entry.hostname);
        Ok(entries.into_iter().filter_map(address).collect())
    }

    /// Waits until an Ingress has just these addresses.
    pub(super) async fn until_addresses(&self, name: &str, wanted: &[&str]) -> Result<()> {
        until(&format!("addresses of {name}: {wanted:?}"), async || {
            let present = self.addresses(name).await?;
            Ok((present == wanted).then_some(()).ok_or(format!("{present:?}")))
        })
        .await
    }

    /// Waits for an event on an Ingress with this reason, whose note has all of these words.
    pub(super) async fn until_event(&self, ingress: &str, reason: &str, words: &[&str]) -> Result<Event> {
        until(&format!("event {reason} {words:?} on {ingress}"), async || {
            let events = self.events().await?;
            let fits = |event: &&Event| {
                let note = event.note.as_deref().unwrap_or_default();
                let about = event.regarding.as_ref().and_then(|it| it.name.as_deref()) == Some(ingress);
                about && event.reason.as_deref() == Some(reason) && words.iter().all(|word| note.contains(word))
            };
            Ok(events.iter().find(fits).cloned().ok_or_else(|| format!("{events:#?}")))
        })
        .await
    }

    /// All events of the namespace.
    pub(super) async fn events(&self) -> Result<Vec<Event>> {
        Ok(self.api::<Event>().list(&ListParams::default()).await?.items)
    }

    /// The resourceVersion of every Ingress and event: any write changes one.
    pub(super) async fn versions(&self) -> Result<BTreeMap<String, String>> {
        let mut versions = BTreeMap::new();
        for it in self.api::<Ingress>().list(&ListParams::default()).await? {
            versions.insert(
                format!("Ingress {}", it.name_any()),
                it.resource_version().unwrap_or_default(),
            );
        }
        for it in self.events().await? {
            versions.insert(
                format!("Event {}", it.name_any()),
                it.resource_version().unwrap_or_default(),
            );
        }
        Ok(versions)
    }

    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

/// Looks until there is what is wanted.
///
/// # Errors
/// With what was seen last, when it does not come in [`PATIENCE`].
pub(super) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Result<T, String>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await? {
            Ok(found) => return Ok(found),
            Err(seen) if Instant::now() > deadline => bail!("{what}: after {PATIENCE:?} still {seen}"),
            Err(_) => sleep(POLL).await,
        }
    }
}

/// Type → status and reason.
pub(super) fn conditions(object: &Value) -> Result<BTreeMap<String, (String, String)>> {
    let list = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let text = |it: &Value| it.as_str().map(str::to_owned).context("no text");
    let read = |it: &Value| Ok((text(&it["type"])?, (text(&it["status"])?, text(&it["reason"])?)));
    list.iter().map(read).collect()
}
