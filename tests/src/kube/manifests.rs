//! Applies manifests: server-side, by discovery, so that any kind the server knows will do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, Scope, pinned_kind};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client};
use serde::Deserialize;

use super::KubeServer;

/// The field manager of everything the sandbox writes.
const MANAGER: &str = "hubline-sandbox";

/// The manifests of the agent in this repository.
pub(super) fn agent_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/agent")
}

/// The one field of a kustomization that we follow.
#[derive(Deserialize)]
struct Kustomization {
    resources: Vec<String>,
}

impl KubeServer {
    /// Applies all documents of `yaml` in their order, as the admin. Namespaced objects without a
    /// namespace go to `default`. A CRD is waited for.
    ///
    /// # Errors
    /// Names the document that was refused.
    pub async fn apply_manifests(&self, yaml: &str) -> Result<()> {
        let client = self.admin_client().await?;
        apply(&client, parse(yaml)?).await
    }

    /// Applies a file, or a folder: what its `kustomization.yaml` lists, else all `*.yaml` by name.
    ///
    /// # Errors
    /// As [`KubeServer::apply_manifests`], or when a file cannot be read.
    pub async fn apply_path(&self, path: &Path) -> Result<()> {
        let client = self.admin_client().await?;
        for file in files(path)? {
            let objects = parse(&read(&file)?).with_context(|| format!("cannot parse {}", file.display()))?;
            apply(&client, objects).await?;
        }
        Ok(())
    }

    /// Applies `deploy/agent`: the namespace, the service account, its rights, and the rest.
    ///
    /// # Errors
    /// As [`KubeServer::apply_path`].
    pub async fn apply_agent_manifests(&self) -> Result<()> {
        self.apply_path(&agent_folder()).await
    }
}

/// The documents of a multi-document YAML text; empty ones are left out.
pub(super) fn parse(yaml: &str) -> Result<Vec<DynamicObject>> {
    let documents: Vec<Option<DynamicObject>> = serde_saphyr::from_multiple(yaml)?;
    Ok(documents.into_iter().flatten().collect())
}

pub(super) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let kustomization = path.join("kustomization.yaml");
    if kustomization.try_exists()? {
        let listed: Kustomization = serde_saphyr::from_str(&read(&kustomization)?)?;
        return Ok(listed.resources.iter().map(|name| path.join(name)).collect());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        files.push(entry?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    Ok(files)
}

/// Applies the objects in their order.
pub(super) async fn apply(client: &Client, objects: Vec<DynamicObject>) -> Result<()> {
    let mut kinds = BTreeMap::new();
    for object in objects {
        let name = describe(&object);
        apply_one(client, &mut kinds, object)
            .await
            .with_context(|| format!("cannot apply {name}"))?;
    }
    Ok(())
}

/// Discovery's answers, by API version and kind.
type Kinds = BTreeMap<(String, String), (ApiResource, ApiCapabilities)>;

async fn apply_one(client: &Client, kinds: &mut Kinds, object: DynamicObject) -> Result<()> {
    let types = object.types.clone().context("it has no apiVersion and kind")?;
    let key = (types.api_version.clone(), types.kind.clone());
    if !kinds.contains_key(&key) {
        let kind = pinned_kind(client, &GroupVersionKind::try_from(types)?).await?;
        kinds.insert(key.clone(), kind);
    }
    let (resource, capabilities) = &kinds[&key];
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), resource),
        Scope::Namespaced => {
            let namespace = object.metadata.namespace.as_deref().unwrap_or("default");
            Api::namespaced_with(client.clone(), namespace, resource)
        }
    };
    let name = object.metadata.name.clone().context("it has no name")?;
    let parameters = PatchParams::apply(MANAGER).force();
    api.patch(&name, &parameters, &Patch::Apply(&object)).await?;
    if resource.kind == "CustomResourceDefinition" {
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        await_condition(definitions, &name, conditions::is_crd_established()).await?;
    }
    Ok(())
}

fn describe(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("object", |types| &types.kind);
    let name = object.metadata.name.as_deref().unwrap_or("without a name");
    match &object.metadata.namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}
