//! The cost of a change is the change, counted in calls to the Admin API.

use anyhow::{Result, ensure};
use hubline_sandbox::apisix::{Call, Kind};
use hubline_sandbox::kube::objects;
use hubline_sandbox::system::{PATIENCE, System};
use libtest_mimic::Trial;

use crate::fixture::{Shop, backend, server, start_kube_agent};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "cost::an_endpoint_change_is_one_write_of_one_upstream",
            an_endpoint_change_is_one_write_of_one_upstream,
        ),
        trial(
            "cost::a_route_to_an_existing_service_is_one_write",
            a_route_to_an_existing_service_is_one_write,
        ),
        trial(
            "cost::a_change_that_means_nothing_writes_nothing",
            a_change_that_means_nothing_writes_nothing,
        ),
    ]
}

/// A served app in cluster `a`.
async fn served(namespace: &str) -> Result<(System, Shop)> {
    let a = server("a").await?;
    let mut system = System::start(&["a"]).await?;
    let shop = Shop::open(&a, namespace).await?;
    shop.app("web", "cost.example.com", &["10.90.1.1"]).await?;
    start_kube_agent(&mut system, &a)?;
    system.until_served("cost.example.com", "/", "10.90.1.1").await?;
    system
        .until_api("/v1/clusters", |it| it.to_string().contains("Live"))
        .await?;
    system.apisix.clear_calls();
    Ok((system, shop))
}

/// Writes a second app and waits for it: whatever the change before it wrote has been written by then.
async fn settle(system: &System, shop: &Shop, host: &str) -> Result<Vec<Call>> {
    shop.app("later", host, &["10.90.1.1"]).await?;
    system.until_served(host, "/", "10.90.1.1").await?;
    let writes = system.apisix.writes();
    Ok(writes.into_iter().filter(|call| !call.body.contains("later")).collect())
}

async fn an_endpoint_change_is_one_write_of_one_upstream() -> Result<()> {
    let _backends = (backend("10.90.1.1").await?, backend("10.90.1.2").await?);
    let (system, shop) = served("cost-endpoints").await?;
    shop.endpoints("web", &["10.90.1.1", "10.90.1.2"]).await?;
    system
        .apisix
        .wait_until("both nodes", PATIENCE, |it| {
            it.objects(Kind::Upstream)
                .values()
                .any(|upstream| upstream["nodes"].as_array().is_some_and(|it| it.len() == 2))
        })
        .await?;
    let writes = settle(&system, &shop, "later1.example.com").await?;
    ensure!(writes.len() == 1, "one endpoint more took {writes:?}");
    ensure!(
        writes[0].method == "PUT" && writes[0].path.contains("/upstreams/"),
        "wrote {:?}",
        writes[0]
    );
    shop.close().await
}

async fn a_route_to_an_existing_service_is_one_write() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (system, shop) = served("cost-route").await?;
    shop.ingress("second", "second.example.com", "/", "web").await?;
    system.until_served("second.example.com", "/", "10.90.1.1").await?;
    let writes = settle(&system, &shop, "later2.example.com").await?;
    ensure!(
        writes.len() == 1 && writes[0].path.contains("/routes/"),
        "one route more took {writes:?}"
    );
    shop.close().await
}

async fn a_change_that_means_nothing_writes_nothing() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (system, shop) = served("cost-noop").await?;
    let mut ingress = objects::ingress("cost-noop", "web", "apisix", "cost.example.com", "/", ("web", 80));
    ingress.metadata.labels = Some([("team".to_owned(), "shop".to_owned())].into());
    shop.put(&ingress).await?;
    let mut slice = objects::endpoint_slice("cost-noop", "web-1", "web", &["10.90.1.1"], 8080);
    slice.metadata.annotations = Some([("note".to_owned(), "nothing".to_owned())].into());
    shop.put(&slice).await?;
    let writes = settle(&system, &shop, "later3.example.com").await?;
    ensure!(writes.is_empty(), "labels and annotations took {writes:?}");
    shop.close().await
}
