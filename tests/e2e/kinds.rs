//! Custom kinds that come and go: the definitions of `deploy/crds` at a real API server, and an agent that runs before
//! they are there and after.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hubline_agent::source::{Kind, Name, ObjectId, SourceEvent};
use hubline_sandbox::kube::KubeServer;
use hubline_sandbox::system::System;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, ResourceExt};
use libtest_mimic::Trial;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fixture::{Shop, backend, server, start_kube_agent};
use crate::trial;

/// Until an agent has noticed a kind; it looks every five to ten seconds.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("kinds::definitions_are_accepted", definitions_are_accepted),
        trial("kinds::come_and_go", come_and_go),
    ]
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The documents of one of the agent's golden files, and their text.
fn golden(file: &str) -> Result<(Vec<DynamicObject>, String)> {
    let text = std::fs::read_to_string(repository("agent/golden/crd").join(file))?;
    Ok((serde_saphyr::from_multiple(&text)?, text))
}

async fn install(server: &KubeServer) -> Result<()> {
    server.apply_path(&repository("deploy/crds")).await
}

fn definitions(client: &Client) -> Api<CustomResourceDefinition> {
    Api::all(client.clone())
}

/// Removes the definitions of all custom kinds, and with them their objects; returns when they are gone.
async fn remove(client: &Client) -> Result<()> {
    let definitions = definitions(client);
    let ours = |definition: &CustomResourceDefinition| definition.spec.group == "apisix.apache.org";
    for definition in definitions.list(&ListParams::default()).await?.into_iter().filter(ours) {
        definitions
            .delete(&definition.name_any(), &DeleteParams::default())
            .await?;
    }
    let deadline = Instant::now() + PATIENCE;
    while definitions.list(&ListParams::default()).await?.iter().any(ours) {
        ensure!(Instant::now() < deadline, "the definitions are still there");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// A real API server takes the definitions, and keeps every field of everything that users of either peer write.
async fn definitions_are_accepted() -> Result<()> {
    let server = server("a").await?;
    let client = server.admin_client().await?;
    let shop = Shop::open(&server, "shop").await?;
    install(&server).await?;
    let unfit = unstructural(&client).await?;
    ensure!(unfit.is_empty(), "not structural: {unfit:?}");
    for file in ["v2.yaml", "v1alpha1.yaml", "peer-cases.yaml"] {
        let (objects, text) = golden(file)?;
        server
            .apply_manifests(&text)
            .await
            .with_context(|| format!("{file} is refused"))?;
        for object in objects {
            let kept = get(&client, &object).await?;
            ensure!(
                kept.data["spec"] == object.data["spec"],
                "{}: wrote {:#}, kept {:#}",
                object.name_any(),
                object.data["spec"],
                kept.data["spec"]
            );
        }
    }
    let (_, least) = golden("least.yaml")?;
    server
        .apply_manifests(&least)
        .await
        .context("what the peers accept is refused")?;
    remove(&client).await?;
    shop.close().await
}

/// Definitions that the API server says are not structural.
async fn unstructural(client: &Client) -> Result<Vec<String>> {
    let all = definitions(client).list(&ListParams::default()).await?;
    let unfit = all.iter().filter(|definition| {
        let status = definition.status.as_ref();
        let conditions = status.and_then(|status| status.conditions.as_ref());
        conditions.is_none_or(|all| {
            all.iter()
                .any(|it| it.type_ == "NonStructuralSchema" && it.status == "True")
        })
    });
    Ok(unfit.map(ResourceExt::name_any).collect())
}

async fn get(client: &Client, object: &DynamicObject) -> Result<DynamicObject> {
    let types = object.types.clone().context("no apiVersion and kind")?;
    let known = Kind::of(&types.api_version, &types.kind).context("an unknown kind")?;
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::try_from(types)?, known.plural());
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
    Ok(api.get(&object.name_any()).await?)
}

/// An agent that runs before a kind is installed knows that it has no objects, picks it up when it comes, and when it
/// goes loses its objects and nothing else.
async fn come_and_go() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let a = server("a").await?;
    let client = a.admin_client().await?;
    remove(&client).await?;
    let mut system = System::start(&["a"]).await?;
    let shop = Shop::open(&a, "shop").await?;
    shop.app("web", "kinds.example.com", &["10.90.1.1"]).await?;
    start_kube_agent(&mut system, &a)?;
    system.until_served("kinds.example.com", "/", "10.90.1.1").await?;
    system.until_api("/v1/clusters/a", knows_all).await?;
    system.apisix.clear_calls();
    // A source of our own, with the agent's rights, since not every kind becomes something at APISIX.
    let mut seen = Seen::start(&a).await?;
    seen.until(|seen| seen.listed.len() == Kind::ALL.len())
        .await
        .context("before")?;
    ensure!(seen.failed.is_empty(), "failed: {:?}", seen.failed);
    let before = seen.objects.clone();
    install(&a).await?;
    a.apply_manifests(NOBODYS).await?;
    let names = ["ApisixRoute", "Consumer"];
    let custom = |id: &ObjectId| names.contains(&id.kind.name());
    seen.until(|seen| seen.objects.iter().filter(|id| custom(id)).count() == names.len())
        .await
        .context("installed")?;
    seen.deleted.clear();
    remove(&client).await?;
    seen.until(|seen| !seen.objects.iter().any(custom))
        .await
        .context("removed")?;
    let others: Vec<&ObjectId> = seen.deleted.iter().filter(|id| !custom(id)).collect();
    ensure!(others.is_empty(), "deleted besides: {others:?}");
    ensure!(seen.objects == before, "{:?} is not {before:?}", seen.objects);
    // Installed again, it is picked up again.
    install(&a).await?;
    a.apply_manifests(NOBODYS).await?;
    seen.until(|seen| seen.objects.iter().filter(|id| custom(id)).count() == names.len())
        .await
        .context("installed again")?;
    remove(&client).await?;
    system.until_api("/v1/clusters/a", knows_all).await?;
    let writes = system.apisix.writes();
    ensure!(writes.is_empty(), "wrote {writes:?}");
    let answer = system.get("kinds.example.com", "/").await?;
    ensure!(answer.is_from("10.90.1.1"), "answered {answer:?}");
    shop.close().await
}

/// Objects that no controller is meant by.
const NOBODYS: &str = "
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: nobodys, namespace: shop}
spec:
  ingressClassName: nobodys
  http:
  - {name: all, match: {paths: [/*]}, backends: [{serviceName: web, servicePort: 80}]}
---
apiVersion: apisix.apache.org/v1alpha1
kind: Consumer
metadata: {name: nobodys, namespace: shop}
spec: {gatewayRef: {name: nobodys}}
";

/// Whether the cluster lives and nothing of it is unknown.
fn knows_all(cluster: &Value) -> bool {
    cluster["phase"] == "Live" && cluster["unknown"].as_array().is_some_and(Vec::is_empty)
}

/// What a source has told so far.
struct Seen {
    events: mpsc::Receiver<SourceEvent>,
    listed: BTreeSet<Kind>,
    objects: BTreeSet<ObjectId>,
    deleted: Vec<ObjectId>,
    failed: Vec<(Kind, String)>,
    _wanted: watch::Sender<BTreeSet<Name>>,
    _cancel: DropGuard,
}

impl Seen {
    async fn start(server: &KubeServer) -> Result<Self> {
        let (sender, events) = mpsc::channel(64);
        let (_wanted, wanted) = watch::channel(BTreeSet::new());
        let cancel = CancellationToken::new();
        let client = server.agent_client().await?;
        let source = hubline_agent::source::kube::run(client, wanted, sender, cancel.clone());
        tokio::spawn(source);
        Ok(Self {
            events,
            listed: BTreeSet::new(),
            objects: BTreeSet::new(),
            deleted: Vec::new(),
            failed: Vec::new(),
            _wanted,
            _cancel: cancel.drop_guard(),
        })
    }

    async fn until(&mut self, wanted: impl Fn(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !wanted(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            match timeout(left, self.events.recv()).await {
                Ok(Some(event)) => self.take(event),
                Ok(None) => bail!("the source ended"),
                Err(_) => bail!(
                    "not seen in {PATIENCE:?}: {:?}, failed: {:?}",
                    self.objects,
                    self.failed
                ),
            }
        }
        Ok(())
    }

    fn take(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Listed(object) | SourceEvent::Apply(object) => {
                self.objects.insert(object.id());
            }
            SourceEvent::End { kind, .. } => {
                self.listed.insert(kind);
            }
            SourceEvent::Delete(id) => {
                self.objects.remove(&id);
                self.deleted.push(id);
            }
            SourceEvent::Failed { kind, reason } => self.failed.push((kind, reason)),
            _ => {}
        }
    }
}
