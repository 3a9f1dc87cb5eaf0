//! Addresses of Ingresses and events on them: two real API servers, real agents with the rights of `deploy/agent`, a hub.

use anyhow::{Context, Result, ensure};
use hubline_sandbox::kube::{KubeServer, objects};
use hubline_sandbox::system::System;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, IngressTLS};
use kube::Api;
use kube::api::{Patch, PatchParams};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::look::Looker;
use crate::fixture::{Shop, backend, server, start_kube_agent};
use crate::restarts::looked;
use crate::trial;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("status::addresses_are_written_and_taken_away", addresses),
        trial("status::a_problem_is_told_on_its_ingress", problems),
        trial("status::a_conflict_names_cluster_and_object", conflict),
        trial("status::nothing_changed_writes_nothing", nothing_changed_writes_nothing),
    ]
}

const BALANCER: [&str; 2] = ["192.0.2.80", "lb.example.com"];

async fn looker(server: &KubeServer, namespace: &str) -> Result<Looker> {
    Ok(Looker {
        client: server.admin_client().await?,
        namespace: namespace.to_owned(),
    })
}

/// A system whose hub tells of these addresses.
async fn system(clusters: &[&str], addresses: &[&str]) -> Result<System> {
    let mut system = System::start(clusters).await?;
    tell(&mut system, addresses).await?;
    Ok(system)
}

/// Changes the hub's file, as an operator would.
async fn tell(system: &mut System, addresses: &[&str]) -> Result<()> {
    let config = system.config();
    config.status.addresses = addresses.iter().map(|it| (*it).to_owned()).collect();
    let text = serde_saphyr::to_string(config)?;
    system.until_api("/v1/clusters", |_| true).await?;
    Ok(std::fs::write(system.hub_config_file(), text)?)
}

/// As another controller writes addresses.
async fn write_as(looker: &Looker, manager: &str, ingress: &str, address: &str) -> Result<()> {
    let body = json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}});
    let params = PatchParams::apply(manager);
    looker
        .api::<Ingress>()
        .patch_status(ingress, &params, &Patch::Merge(&body))
        .await?;
    Ok(())
}

async fn change(looker: &Looker, ingress: &str, body: &Value) -> Result<()> {
    let params = PatchParams::apply("e2e-change");
    looker
        .api::<Ingress>()
        .patch(ingress, &params, &Patch::Merge(body))
        .await?;
    Ok(())
}

async fn addresses() -> Result<()> {
    let a = server("a").await?;
    let mut system = system(&["a"], &BALANCER).await?;
    let shop = Shop::open(&a, "addresses").await?;
    let look = looker(&a, "addresses").await?;
    let _backend = backend("10.90.1.1").await?;
    shop.app("web", "w.addresses.example.com", &["10.90.1.1"]).await?;
    shop.app("moved", "m.addresses.example.com", &["10.90.1.1"]).await?;
    shop.app("taken", "t.addresses.example.com", &["10.90.1.1"]).await?;
    // Another controller's, which has an address of its own.
    let class = objects::ingress_class("status-other", "example.com/other", false);
    let classes: Api<IngressClass> = Api::all(look.client.clone());
    classes
        .patch(
            "status-other",
            &PatchParams::apply("e2e").force(),
            &Patch::Apply(&class),
        )
        .await?;
    let foreign = objects::ingress(
        "addresses",
        "foreign",
        "status-other",
        "f.example.com",
        "/",
        ("web", 80),
    );
    shop.put(&foreign).await?;
    write_as(&look, "other-controller", "foreign", "198.51.100.1").await?;

    start_kube_agent(&mut system, &a)?;
    for name in ["web", "moved", "taken"] {
        look.until_addresses(name, &BALANCER).await?;
    }
    // The hub's file changes while it runs.
    tell(&mut system, &["2001:db8::80"]).await?;
    for name in ["web", "moved", "taken"] {
        look.until_addresses(name, &["2001:db8::80"]).await?;
    }
    // Two move to the other controller; one of them has its addresses from there already.
    write_as(&look, "other-controller", "taken", "198.51.100.2").await?;
    let theirs = json!({"spec": {"ingressClassName": "status-other"}});
    change(&look, "taken", &theirs).await?;
    write_as(&look, "other-controller", "taken", "198.51.100.2").await?;
    change(&look, "moved", &theirs).await?;
    look.until_addresses("moved", &[]).await?;
    // What comes after it is done: everything before was looked at.
    change(&look, "moved", &json!({"spec": {"ingressClassName": "apisix"}})).await?;
    look.until_addresses("moved", &["2001:db8::80"]).await?;
    look.until_addresses("foreign", &["198.51.100.1"]).await?;
    look.until_addresses("taken", &["198.51.100.2"]).await?;

    // None configured: nothing is written, nothing taken away.
    tell(&mut system, &[]).await?;
    shop.ingress("late", "l.addresses.example.com", "/", "web").await?;
    system.until_served("l.addresses.example.com", "/", "10.90.1.1").await?;
    tell(&mut system, &["192.0.2.81"]).await?;
    look.until_addresses("late", &["192.0.2.81"]).await?;
    let late = look.api::<Ingress>().get("late").await?;
    let writes = late.metadata.managed_fields.unwrap_or_default();
    let ours = writes.iter().filter(|it| it.subresource.as_deref() == Some("status"));
    ensure!(ours.count() == 1, "written more than once, or by others");
    system.stop_agent("a").await?;
    shop.close().await
}

async fn problems() -> Result<()> {
    let a = server("a").await?;
    let mut system = system(&["a"], &[]).await?;
    let shop = Shop::open(&a, "problems").await?;
    let look = looker(&a, "problems").await?;
    let _backend = backend("10.90.1.1").await?;
    shop.app("web", "w.problems.example.com", &["10.90.1.1"]).await?;
    shop.ingress("lost", "l.problems.example.com", "/", "nowhere").await?;
    // A chain in the place of the key: the hub refuses the certificate that is made of it.
    let identity = system.identity("a")?;
    let chain = std::fs::read_to_string(&identity.certificate)?;
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"name": "broken", "namespace": "problems"}, "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": chain, "tls.key": chain}}))?;
    shop.put(&secret).await?;
    let mut secure = objects::ingress(
        "problems",
        "secure",
        "apisix",
        "s.problems.example.com",
        "/",
        ("web", 80),
    );
    let spec = secure.spec.as_mut().context("a spec")?;
    spec.tls = Some(vec![IngressTLS {
        hosts: Some(vec!["s.problems.example.com".to_owned()]),
        secret_name: Some("broken".to_owned()),
    }]);
    shop.put(&secure).await?;
    start_kube_agent(&mut system, &a)?;
    let words = [
        "spec.rules[0].http.paths[0].backend",
        "Service problems/nowhere does not exist",
    ];
    let lost = look.until_event("lost", "BackendNotFound", &words).await?;
    ensure!(lost.type_.as_deref() == Some("Warning"), "{lost:?}");
    look.until_event(
        "secure",
        "InvalidCertificateRef",
        &["Secret problems/broken", "tls.key"],
    )
    .await?;
    look.until_event("secure", "Quarantined", &["Secret problems/broken"])
        .await?;
    system.until_served("w.problems.example.com", "/", "10.90.1.1").await?;
    let about_web = |events: &[k8s_openapi::api::events::v1::Event]| {
        let of = |event: &k8s_openapi::api::events::v1::Event| event.regarding.as_ref().and_then(|it| it.name.clone());
        events.iter().any(|event| of(event).as_deref() == Some("web"))
    };
    ensure!(!about_web(&look.events().await?), "nothing is wrong with web");
    ensure!(look.addresses("web").await?.is_empty(), "no address is configured");
    system.stop_agent("a").await?;
    shop.close().await
}

async fn conflict() -> Result<()> {
    let (a, b) = tokio::try_join!(server("a"), server("b"))?;
    let mut system = system(&["a", "b"], &[]).await?;
    let (shop_a, shop_b) = (Shop::open(&a, "older").await?, Shop::open(&b, "newer").await?);
    let look = looker(&b, "newer").await?;
    let _backends = (backend("10.90.1.1").await?, backend("10.90.2.1").await?);
    shop_a.app("web", "x.conflict.example.com", &["10.90.1.1"]).await?;
    start_kube_agent(&mut system, &a)?;
    system.until_served("x.conflict.example.com", "/", "10.90.1.1").await?;
    // Of the same second the cluster whose name comes first is the older.
    shop_b.app("site", "x.conflict.example.com", &["10.90.2.1"]).await?;
    start_kube_agent(&mut system, &b)?;
    let words = ["x.conflict.example.com", "Ingress older/web of cluster a"];
    look.until_event("site", "Conflict", &words).await?;
    let events = looker(&a, "older").await?.events().await?;
    ensure!(events.is_empty(), "the older claim is told something: {events:?}");
    system.stop_agent("a").await?;
    system.stop_agent("b").await?;
    shop_a.close().await?;
    shop_b.close().await
}

async fn nothing_changed_writes_nothing() -> Result<()> {
    let a = server("a").await?;
    let mut system = system(&["a"], &BALANCER).await?;
    let shop = Shop::open(&a, "unwritten").await?;
    let look = looker(&a, "unwritten").await?;
    let _backend = backend("10.90.1.1").await?;
    shop.app("web", "w.unwritten.example.com", &["10.90.1.1"]).await?;
    shop.ingress("lost", "l.unwritten.example.com", "/", "nowhere").await?;
    start_kube_agent(&mut system, &a)?;
    for name in ["web", "lost"] {
        look.until_addresses(name, &BALANCER).await?;
    }
    look.until_event("lost", "BackendNotFound", &["nowhere"]).await?;
    system.until_api("/v1/clusters/a", |it| it["phase"] == "Live").await?;
    let before = look.versions().await?;
    ensure!(before.len() == 3, "two Ingresses and an event: {before:?}");

    system.kill_agent("a").await?;
    start_kube_agent(&mut system, &a)?;
    until_written(&shop, &look, "agent").await?;
    unchanged(&look, &before, "restarting the agent").await?;

    system.stop_hub().await?;
    system.start_hub()?;
    system.until_api("/v1/clusters/a", |it| it["phase"] == "Live").await?;
    looked(&system).await?;
    until_written(&shop, &look, "hub").await?;
    unchanged(&look, &before, "restarting the hub").await?;

    // What another writer changes is noticed, so that the test could have failed.
    write_as(&look, "stranger", "web", "198.51.100.9").await?;
    look.until_addresses("web", &BALANCER).await?;
    system.stop_agent("a").await?;
    shop.close().await
}

/// Waits until an Ingress that comes now has its addresses and its event: whatever else was to be written was written
/// before, since the agent looks at everything it knows first.
async fn until_written(shop: &Shop, look: &Looker, name: &str) -> Result<()> {
    let sentinel = format!("after-{name}");
    shop.ingress(&sentinel, &format!("{sentinel}.unwritten.example.com"), "/", "missing")
        .await?;
    look.until_addresses(&sentinel, &BALANCER).await?;
    look.until_event(&sentinel, "BackendNotFound", &["missing"])
        .await
        .map(drop)
}

async fn unchanged(look: &Looker, before: &std::collections::BTreeMap<String, String>, after: &str) -> Result<()> {
    let mut now = look.versions().await?;
    now.retain(|name, _| before.contains_key(name) || !name.contains("after-"));
    ensure!(now == *before, "{after} wrote: {before:?} became {now:?}");
    Ok(())
}
