//! What could not be listed is unknown, never empty: each kind refused on its own, over an agent's restart.

use anyhow::{Context, Result, ensure};
use hubline_sandbox::kube::KubeServer;
use hubline_sandbox::system::System;
use k8s_openapi::api::core::v1::Secret;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::fixture::{Shop, backend, server, start_kube_agent};
use crate::trial;

/// Every resource that the agent lists.
const LISTED: [&str; 6] = [
    "ingresses",
    "ingressclasses",
    "services",
    "endpointslices",
    "secrets",
    "nodes",
];

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "listings::an_error_is_not_an_empty_list",
        an_error_is_not_an_empty_list,
    )]
}

async fn an_error_is_not_an_empty_list() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let a = server("a").await?;
    let mut system = System::start(&["a"]).await?;
    let shop = Shop::open(&a, "listings").await?;
    shop.app("web", "listed.example.com", &["10.90.1.1"]).await?;
    with_certificate(&system, &shop).await?;
    start_kube_agent(&mut system, &a)?;
    system.until_served("listed.example.com", "/", "10.90.1.1").await?;
    system.until_api("/v1/clusters/a", |it| unknown(it) == Some(0)).await?;
    for resource in LISTED {
        let tried = refused(&mut system, &a, resource).await;
        a.allow(resource).await?;
        tried.with_context(|| format!("with {resource} refused"))?;
        system.until_api("/v1/clusters/a", |it| unknown(it) == Some(0)).await?;
        ensure!(
            system.apisix.writes().is_empty(),
            "allowing {resource} again wrote {:?}",
            system.apisix.writes()
        );
    }
    shop.close().await
}

/// Restarts the agent without the right to list `resource`: nothing may change, and the hub must say what is unknown.
async fn refused(system: &mut System, server: &KubeServer, resource: &str) -> Result<()> {
    system.apisix.clear_calls();
    system.stop_agent("a").await?;
    server.deny(resource).await?;
    start_kube_agent(system, server)?;
    system
        .until_api("/v1/clusters/a", |it| unknown(it).is_some_and(|groups| groups > 0))
        .await?;
    let writes = system.apisix.writes();
    ensure!(writes.is_empty(), "wrote {writes:?}");
    let answer = system.get("listed.example.com", "/").await?;
    ensure!(answer.is_from("10.90.1.1"), "answered {answer:?}");
    Ok(())
}

/// How many groups of a live cluster are unknown.
fn unknown(cluster: &Value) -> Option<usize> {
    let groups = cluster["unknown"].as_array()?;
    (cluster["phase"] == "Live").then_some(groups.len())
}

/// An Ingress with TLS, so that certificates are among what must not vanish.
async fn with_certificate(system: &System, shop: &Shop) -> Result<()> {
    let identity = system.identity("a")?;
    let (chain, key) = (
        std::fs::read_to_string(identity.certificate)?,
        std::fs::read_to_string(identity.key)?,
    );
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"name": "tls", "namespace": "listings"},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": chain, "tls.key": key},
    }))?;
    shop.put(&secret).await?;
    let ingress = serde_json::from_value(json!({
        "metadata": {"name": "tls", "namespace": "listings"},
        "spec": {
            "ingressClassName": "apisix",
            "tls": [{"hosts": ["tls.example.com"], "secretName": "tls"}],
            "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}},
        },
    }))?;
    shop.put::<k8s_openapi::api::networking::v1::Ingress>(&ingress).await
}
