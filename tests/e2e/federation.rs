//! Several clusters behind one APISIX.

use anyhow::{Result, ensure};
use hubline_sandbox::apisix::Kind;
use hubline_sandbox::system::{PATIENCE, Source, System};
use k8s_openapi::api::networking::v1::Ingress;
use libtest_mimic::Trial;

use crate::fixture::{Shop, backend, server, start_kube_agent};
use crate::trial;
use hubline_sandbox::manifests::{Manifests, app};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "federation::same_namespace_and_name_in_two_clusters",
            same_namespace_and_name_in_two_clusters,
        ),
        trial("federation::the_older_claim_stays", the_older_claim_stays),
        trial("federation::ipv6_pods_are_reached", ipv6_pods_are_reached),
    ]
}

async fn same_namespace_and_name_in_two_clusters() -> Result<()> {
    let (a, b) = tokio::try_join!(server("a"), server("b"))?;
    let _backends = (backend("10.90.1.1").await?, backend("10.90.2.1").await?);
    let mut system = System::start(&["a", "b"]).await?;
    let (shop_a, shop_b) = (Shop::open(&a, "same").await?, Shop::open(&b, "same").await?);
    shop_a.app("web", "a.example.com", &["10.90.1.1"]).await?;
    shop_b.app("web", "b.example.com", &["10.90.2.1"]).await?;
    start_kube_agent(&mut system, &a)?;
    start_kube_agent(&mut system, &b)?;
    system.until_served("a.example.com", "/", "10.90.1.1").await?;
    system.until_served("b.example.com", "/", "10.90.2.1").await?;

    system.apisix.clear_calls();
    shop_a.delete::<Ingress>("web").await?;
    system
        .until_answer("a.example.com", "/", |answer| answer.status == 404)
        .await?;
    ensure!(
        system.get("b.example.com", "/").await?.is_from("10.90.2.1"),
        "b lost what a deleted"
    );
    system
        .apisix
        .wait_until("upstream of a gone", PATIENCE, |it| {
            it.objects(Kind::Upstream).len() == 2
        })
        .await?;
    let foreign: Vec<_> = system
        .apisix
        .writes()
        .into_iter()
        .filter(|call| call.method != "DELETE")
        .collect();
    ensure!(foreign.is_empty(), "deleting in a wrote elsewhere: {foreign:?}");
    shop_a.close().await?;
    shop_b.close().await
}

async fn the_older_claim_stays() -> Result<()> {
    let _backends = (backend("10.90.1.1").await?, backend("10.90.2.1").await?);
    let mut system = System::start(&["a", "b"]).await?;
    let (old, new) = (Manifests::new()?, Manifests::new()?);
    let created = |yaml: String, time: &str| {
        yaml.replacen(
            "namespace: shop}",
            &format!("namespace: shop, creationTimestamp: \"{time}\"}}"),
            1,
        )
    };
    old.write(
        "app.yaml",
        &created(
            app("web", "x.example.com", &["10.90.1.1"], 8080),
            "2024-01-01T00:00:00Z",
        ),
    )?;
    new.write(
        "app.yaml",
        &created(
            app("web", "x.example.com", &["10.90.2.1"], 8080),
            "2025-01-01T00:00:00Z",
        ),
    )?;
    // The newer claim arrives first, and gives way, though its cluster's name comes first.
    system.start_agent("a", Source::Manifests(new.path()))?;
    system.until_served("x.example.com", "/", "10.90.2.1").await?;
    system.start_agent("b", Source::Manifests(old.path()))?;
    system.until_served("x.example.com", "/", "10.90.1.1").await?;
    let problems = system
        .until_api("/v1/problems?cluster=a", |it| it.to_string().contains("Conflict"))
        .await?;
    let text = problems.to_string();
    ensure!(
        text.contains("x.example.com") && text.contains("of cluster b"),
        "the conflict names neither: {text}"
    );
    old.remove("app.yaml")?;
    system.until_served("x.example.com", "/", "10.90.2.1").await
}

async fn ipv6_pods_are_reached() -> Result<()> {
    let socket = "[fd00:90::7]:8080".parse()?;
    let _backend = hubline_sandbox::echo::EchoBackend::start(socket, "six").await?;
    let mut system = System::start(&["a"]).await?;
    let manifests = Manifests::new()?;
    let yaml = app("six", "six.example.com", &["fd00:90::7"], 8080).replace("addressType: IPv4", "addressType: IPv6");
    manifests.write("app.yaml", &yaml)?;
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    system.until_served("six.example.com", "/", "six").await
}
