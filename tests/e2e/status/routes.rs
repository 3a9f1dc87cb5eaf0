//! Conditions of custom resources: everything is real, from the definitions of `deploy/crds` to the hub's verdict.

use anyhow::{Context, Result, ensure};
use hubline_agent::source::crd::v2::{ApisixPluginConfig, ApisixRoute};
use hubline_sandbox::apisix::Part;
use hubline_sandbox::kube::KubeServer;
use hubline_sandbox::system::System;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, CustomResourceExt, ResourceExt};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::look::{self, until};
use crate::fixture::{Shop, backend, server, start_kube_agent};
use crate::kinds;
use crate::restarts::looked;
use crate::trial;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("status::a_custom_resource_says_what_became_of_it", what_became_of_it),
        trial("status::programmed_follows_an_outage_of_the_target", outage),
        trial("status::a_custom_resource_names_who_was_earlier", conflict),
        trial("status::restarts_write_no_condition", restarts_write_no_condition),
    ]
}

/// The custom resources of one namespace.
struct Routes {
    routes: Api<DynamicObject>,
    configs: Api<DynamicObject>,
}

impl Routes {
    async fn open(server: &KubeServer, namespace: &str) -> Result<Self> {
        kinds::install(server).await?;
        let client = server.admin_client().await?;
        let api = |resource: &ApiResource| Api::namespaced_with(client.clone(), namespace, resource);
        let routes: Api<DynamicObject> = api(&ApisixRoute::api_resource());
        until("the definitions are served", async || {
            let listed = routes.list(&ListParams::default()).await;
            Ok(listed.map(drop).map_err(|error| error.to_string()))
        })
        .await?;
        Ok(Self {
            routes,
            configs: api(&ApisixPluginConfig::api_resource()),
        })
    }

    /// A route of one host to one service.
    async fn route(&self, name: &str, host: &str, service: &str) -> Result<()> {
        self.route_with(name, host, service, &Value::Null).await
    }

    async fn route_with(&self, name: &str, host: &str, service: &str, config: &Value) -> Result<()> {
        let mut rule = json!({"name": "all", "match": {"hosts": [host], "paths": ["/*"]},
            "backends": [{"serviceName": service, "servicePort": 80}]});
        if !config.is_null() {
            rule["plugin_config_name"] = config.clone();
        }
        put(&self.routes, "ApisixRoute", name, &json!({"http": [rule]})).await
    }

    async fn config(&self, name: &str, plugin: &str, config: &Value) -> Result<()> {
        let plugin = json!({"name": plugin, "enable": true, "config": config});
        put(&self.configs, "ApisixPluginConfig", name, &json!({"plugins": [plugin]})).await
    }

    /// Waits until a condition of a route says this, and gives its message.
    async fn until(&self, name: &str, kind: &str, status: &str, reason: &str) -> Result<String> {
        condition(&self.routes, name, kind, status, reason).await
    }

    async fn close(&self) -> Result<()> {
        for api in [&self.routes, &self.configs] {
            api.delete_collection(&DeleteParams::default(), &ListParams::default())
                .await?;
        }
        Ok(())
    }
}

async fn put(api: &Api<DynamicObject>, kind: &str, name: &str, spec: &Value) -> Result<()> {
    let mut spec = spec.clone();
    spec["ingressClassName"] = json!("apisix");
    let object = json!({"apiVersion": "apisix.apache.org/v2", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let params = PatchParams::apply("e2e").force();
    api.patch(name, &params, &Patch::Apply(&object)).await?;
    Ok(())
}

async fn condition(api: &Api<DynamicObject>, name: &str, kind: &str, status: &str, reason: &str) -> Result<String> {
    let object = until(&format!("{kind}={status} {reason} of {name}"), async || {
        let object = serde_json::to_value(api.get(name).await?)?;
        let shown = look::conditions(&object)?;
        let wanted = (status.to_owned(), reason.to_owned());
        let found = shown.get(kind) == Some(&wanted);
        Ok(if found {
            Ok(object)
        } else {
            Err(format!("{}", object["status"]))
        })
    })
    .await?;
    let list = object["status"]["conditions"].as_array().context("no list")?;
    let found = list.iter().find(|condition| condition["type"] == kind);
    let found = found.context("no such condition")?;
    ensure!(
        found["observedGeneration"] == object["metadata"]["generation"],
        "{found}"
    );
    Ok(found["message"].as_str().context("no message")?.to_owned())
}

async fn what_became_of_it() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let a = server("a").await?;
    let mut system = System::start(&["a"]).await?;
    let (shop, routes) = (Shop::open(&a, "routes").await?, Routes::open(&a, "routes").await?);
    shop.app("web", "ingress.routes.example.com", &["10.90.1.1"]).await?;
    routes.route("good", "good.routes.example.com", "web").await?;
    routes.route("lost", "lost.routes.example.com", "nowhere").await?;
    routes.config("odd", "limit-count", &json!({"count": "many"})).await?;
    routes
        .route_with("limited", "limited.routes.example.com", "web", &json!("odd"))
        .await?;
    start_kube_agent(&mut system, &a)?;
    routes.until("good", "Accepted", "True", "Accepted").await?;
    routes.until("good", "Programmed", "True", "Programmed").await?;
    system.until_served("good.routes.example.com", "/", "10.90.1.1").await?;

    let message = routes.until("lost", "Accepted", "False", "BackendNotFound").await?;
    ensure!(
        message.contains("spec.http[0].backends[0]") && message.contains("routes/nowhere"),
        "{message}"
    );
    routes.until("lost", "Programmed", "False", "Unresolved").await?;
    // The target refuses the configuration, and so the route that depends on it does not work either.
    let message = condition(&routes.configs, "odd", "Programmed", "False", "Refused").await?;
    ensure!(message.contains("limit-count"), "{message}");
    let message = routes.until("limited", "Programmed", "False", "Refused").await?;
    ensure!(message.contains("ApisixPluginConfig routes/odd"), "{message}");

    // Mended, and seen by the same conditions.
    shop.app("nowhere", "ingress2.routes.example.com", &["10.90.1.1"])
        .await?;
    let limit = json!({"count": 9, "time_window": 60, "rejected_code": 429, "key_type": "var", "key": "remote_addr"});
    routes.config("odd", "limit-count", &limit).await?;
    for name in ["lost", "limited"] {
        routes.until(name, "Accepted", "True", "Accepted").await?;
        routes.until(name, "Programmed", "True", "Programmed").await?;
    }
    system.stop_agent("a").await?;
    routes.close().await?;
    shop.close().await
}

async fn outage() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let a = server("a").await?;
    let mut system = System::start(&["a"]).await?;
    let (shop, routes) = (Shop::open(&a, "outage").await?, Routes::open(&a, "outage").await?);
    shop.app("web", "ingress.outage.example.com", &["10.90.1.1"]).await?;
    start_kube_agent(&mut system, &a)?;
    system
        .until_served("ingress.outage.example.com", "/", "10.90.1.1")
        .await?;
    system.apisix.take_down(Part::Admin).await;
    routes.route("late", "late.outage.example.com", "web").await?;
    routes.until("late", "Accepted", "True", "Accepted").await?;
    routes.until("late", "Programmed", "False", "Pending").await?;
    system.apisix.bring_up(Part::Admin).await?;
    routes.until("late", "Programmed", "True", "Programmed").await?;
    system.until_served("late.outage.example.com", "/", "10.90.1.1").await?;
    system.stop_agent("a").await?;
    routes.close().await?;
    shop.close().await
}

async fn conflict() -> Result<()> {
    let _backends = (backend("10.90.1.1").await?, backend("10.90.2.1").await?);
    let (a, b) = tokio::try_join!(server("a"), server("b"))?;
    let mut system = System::start(&["a", "b"]).await?;
    let (shop_a, shop_b) = (Shop::open(&a, "earlier").await?, Shop::open(&b, "later").await?);
    let (earlier, later) = (Routes::open(&a, "earlier").await?, Routes::open(&b, "later").await?);
    shop_a.app("web", "ingress.earlier.example.com", &["10.90.1.1"]).await?;
    shop_b.app("web", "ingress.later.example.com", &["10.90.2.1"]).await?;
    earlier.route("first", "both.example.com", "web").await?;
    start_kube_agent(&mut system, &a)?;
    earlier.until("first", "Programmed", "True", "Programmed").await?;
    later.route("second", "both.example.com", "web").await?;
    start_kube_agent(&mut system, &b)?;
    let message = later.until("second", "Programmed", "False", "Conflict").await?;
    ensure!(message.contains("ApisixRoute earlier/first of cluster a"), "{message}");
    later.until("second", "Accepted", "True", "Accepted").await?;
    earlier.until("first", "Programmed", "True", "Programmed").await?;
    // The older claim goes.
    earlier.close().await?;
    later.until("second", "Programmed", "True", "Programmed").await?;
    system.stop_agent("a").await?;
    system.stop_agent("b").await?;
    later.close().await?;
    shop_a.close().await?;
    shop_b.close().await
}

async fn restarts_write_no_condition() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let a = server("a").await?;
    let mut system = System::start(&["a"]).await?;
    let (shop, routes) = (Shop::open(&a, "calm").await?, Routes::open(&a, "calm").await?);
    shop.app("web", "ingress.calm.example.com", &["10.90.1.1"]).await?;
    routes.route("good", "good.calm.example.com", "web").await?;
    routes.route("lost", "lost.calm.example.com", "nowhere").await?;
    start_kube_agent(&mut system, &a)?;
    routes.until("good", "Programmed", "True", "Programmed").await?;
    routes.until("lost", "Programmed", "False", "Unresolved").await?;
    let before = versions(&routes.routes).await?;

    system.kill_agent("a").await?;
    start_kube_agent(&mut system, &a)?;
    written_after(&routes, "agent").await?;
    unchanged(&routes, &before, "restarting the agent").await?;

    system.stop_hub().await?;
    system.start_hub()?;
    system.until_api("/v1/clusters/a", |it| it["phase"] == "Live").await?;
    looked(&system).await?;
    written_after(&routes, "hub").await?;
    unchanged(&routes, &before, "restarting the hub").await?;
    system.stop_agent("a").await?;
    routes.close().await?;
    shop.close().await
}

async fn versions(api: &Api<DynamicObject>) -> Result<Vec<(String, Option<String>)>> {
    let listed = api.list(&ListParams::default()).await?;
    let of = |object: &DynamicObject| (object.name_any(), object.resource_version());
    Ok(listed
        .iter()
        .map(of)
        .filter(|(name, _)| !name.starts_with("after-"))
        .collect())
}

/// Waits for the verdict on a route that comes now: whatever was to be said of the others was said before.
async fn written_after(routes: &Routes, what: &str) -> Result<()> {
    let name = format!("after-{what}");
    routes.route(&name, &format!("{name}.calm.example.com"), "web").await?;
    routes.until(&name, "Programmed", "True", "Programmed").await.map(drop)
}

async fn unchanged(routes: &Routes, before: &[(String, Option<String>)], after: &str) -> Result<()> {
    let now = versions(&routes.routes).await?;
    ensure!(now == before, "{after} wrote: {before:?} became {now:?}");
    Ok(())
}
