//! What policies say of what they act through, and events on kinds without a status: a real API server with the
//! definitions, a real agent with the rights of `deploy/agent`, a hub.

use anyhow::{Context, Result, ensure};
use hubline_agent::source::crd::v1alpha1::{
    BackendTrafficPolicy, GatewayProxy, HttpRoutePolicy, L4RoutePolicy, PluginConfig,
};
use hubline_agent::source::{CONTROLLER, FIELD_MANAGER};
use hubline_sandbox::kube::KubeServer;
use hubline_sandbox::system::System;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, CustomResourceExt, ResourceExt};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::look::{Looker, until};
use crate::fixture::{Shop, backend, server, start_kube_agent};
use crate::{kinds, trial};

const NAMESPACE: &str = "policies";

/// As apisix-ingress-controller names itself.
const PEER: &str = "apisix.apache.org/apisix-ingress-controller";

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("status::a_policy_says_what_it_does_through_whom", what_it_does),
        trial("status::what_has_no_status_is_told_of_by_events", no_status),
    ]
}

struct Policies {
    routes: Api<DynamicObject>,
    backends: Api<DynamicObject>,
    streams: Api<DynamicObject>,
    configs: Api<DynamicObject>,
    proxies: Api<DynamicObject>,
}

impl Policies {
    async fn open(server: &KubeServer, namespace: &str) -> Result<Self> {
        kinds::install(server).await?;
        let client = server.admin_client().await?;
        let api = |resource: &ApiResource| Api::namespaced_with(client.clone(), namespace, resource);
        let policies = Self {
            routes: api(&HttpRoutePolicy::api_resource()),
            backends: api(&BackendTrafficPolicy::api_resource()),
            streams: api(&L4RoutePolicy::api_resource()),
            configs: api(&PluginConfig::api_resource()),
            proxies: api(&GatewayProxy::api_resource()),
        };
        for kind in policies.all() {
            until("the definitions are served", async || {
                let listed = kind.list(&ListParams::default()).await;
                Ok(listed.map(drop).map_err(|error| error.to_string()))
            })
            .await?;
        }
        Ok(policies)
    }

    fn all(&self) -> [&Api<DynamicObject>; 5] {
        [
            &self.routes,
            &self.backends,
            &self.streams,
            &self.configs,
            &self.proxies,
        ]
    }

    async fn route(&self, name: &str, ingress: &str) -> Result<()> {
        let targets = json!([{"group": "networking.k8s.io", "kind": "Ingress", "name": ingress}]);
        let spec = json!({"targetRefs": targets, "priority": 7});
        put(&self.routes, "HTTPRoutePolicy", name, &spec).await
    }

    async fn backend(&self, name: &str, retries: u32) -> Result<()> {
        let targets = json!([{"group": "", "kind": "Service", "name": "web"}]);
        let spec = json!({"targetRefs": targets, "retries": retries});
        put(&self.backends, "BackendTrafficPolicy", name, &spec).await
    }

    /// The resourceVersion of every object: any write changes one.
    async fn versions(&self) -> Result<Vec<(String, Option<String>)>> {
        let mut versions = Vec::new();
        for kind in self.all() {
            let listed = kind.list(&ListParams::default()).await?;
            versions.extend(listed.iter().map(|it| (it.name_any(), it.resource_version())));
        }
        versions.retain(|(name, _)| !name.starts_with("after-"));
        Ok(versions)
    }

    async fn close(&self) -> Result<()> {
        for kind in self.all() {
            kind.delete_collection(&DeleteParams::default(), &ListParams::default())
                .await?;
        }
        Ok(())
    }
}

async fn put(api: &Api<DynamicObject>, kind: &str, name: &str, spec: &Value) -> Result<()> {
    let metadata = json!({"name": name});
    let object = json!({"apiVersion": "apisix.apache.org/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec});
    let params = PatchParams::apply("e2e").force();
    api.patch(name, &params, &Patch::Apply(&object)).await?;
    Ok(())
}

async fn ancestors(api: &Api<DynamicObject>, name: &str) -> Result<Vec<Value>> {
    let object = api.get(name).await?;
    let list = object.data["status"]["ancestors"].as_array().cloned();
    Ok(list.unwrap_or_default())
}

/// Waits until ours are the only entry of ours on a policy and say this of this generation, and gives the condition.
async fn told(api: &Api<DynamicObject>, name: &str, ancestor: &str, status: &str, reason: &str) -> Result<Value> {
    until(&format!("{ancestor} {status} {reason} of {name}"), async || {
        let object = api.get(name).await?;
        let all = ancestors(api, name).await?;
        let ours: Vec<&Value> = all.iter().filter(|it| it["controllerName"] == CONTROLLER).collect();
        let [entry] = ours[..] else {
            return Ok(Err(format!("{all:?}")));
        };
        let (reference, condition) = (&entry["ancestorRef"], &entry["conditions"][0]);
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let shown = format!("{}/{}", text(&reference["kind"]), text(&reference["name"]));
        let observed = condition["observedGeneration"].as_i64() == object.metadata.generation;
        let says = condition["type"] == "Accepted" && condition["status"] == status && condition["reason"] == reason;
        let fits = shown == ancestor && observed && says;
        Ok(fits.then(|| condition.clone()).ok_or_else(|| format!("{all:?}")))
    })
    .await
}

fn says(condition: &Value, words: &[&str]) -> Result<()> {
    let message = condition["message"].as_str().context("no message")?;
    ensure!(words.iter().all(|word| message.contains(word)), "{message}");
    Ok(())
}

async fn what_it_does() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let a = server("a").await?;
    let mut system = System::start(&["a"]).await?;
    let (shop, policies) = (Shop::open(&a, NAMESPACE).await?, Policies::open(&a, NAMESPACE).await?);
    shop.app("web", "w.policies.example.com", &["10.90.1.1"]).await?;
    policies.route("good", "web").await?;
    policies.route("lost", "nowhere").await?;
    // Of the same second that counts whose name comes first.
    policies.backend("a-older", 2).await?;
    policies.backend("b-younger", 3).await?;
    let targets = json!([{"group": "gateway.networking.k8s.io", "kind": "TCPRoute", "name": "db"}]);
    let spec = json!({"targetRefs": targets, "plugins": []});
    put(&policies.streams, "L4RoutePolicy", "streams", &spec).await?;
    // Of a controller that was here before.
    let reference = json!({"group": "networking.k8s.io", "kind": "IngressClass", "name": "apisix"});
    let conditions = json!([{"type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
        "lastTransitionTime": "2020-01-01T00:00:00Z"}]);
    let theirs = json!({"ancestorRef": reference, "controllerName": PEER, "conditions": conditions});
    let status = json!({"status": {"ancestors": [theirs]}});
    let params = PatchParams::apply("peer");
    policies
        .routes
        .patch_status("good", &params, &Patch::Merge(&status))
        .await?;
    start_kube_agent(&mut system, &a)?;

    let class = "IngressClass/apisix";
    let accepted = told(&policies.routes, "good", class, "True", "Accepted").await?;
    ensure!(accepted["message"] == "", "{accepted}");
    let lost = told(&policies.routes, "lost", "Ingress/nowhere", "False", "TargetNotFound").await?;
    says(&lost, &["spec.targetRefs[0]", "policies/nowhere"])?;
    told(&policies.backends, "a-older", class, "True", "Accepted").await?;
    let younger = told(&policies.backends, "b-younger", class, "False", "Conflicted").await?;
    says(
        &younger,
        &["spec.targetRefs[0]", "policies/a-older", "Service policies/web"],
    )?;
    told(
        &policies.streams,
        "streams",
        "TCPRoute/db",
        "False",
        "UnsupportedTarget",
    )
    .await?;
    let first = ancestors(&policies.routes, "good").await?;
    ensure!(first.first() == Some(&theirs) && first.len() == 2, "{first:?}");
    silent_over_restarts(&a, &mut system, &policies).await?;

    // The target comes, the older policy goes, and a policy is changed: the time moves with the status alone.
    shop.ingress("nowhere", "n.policies.example.com", "/", "web").await?;
    told(&policies.routes, "lost", class, "True", "Accepted").await?;
    policies.backends.delete("a-older", &DeleteParams::default()).await?;
    told(&policies.backends, "b-younger", class, "True", "Accepted").await?;
    let since = accepted["lastTransitionTime"].clone();
    let targets = json!([{"group": "networking.k8s.io", "kind": "Ingress", "name": "web"}]);
    let spec = json!({"targetRefs": targets, "priority": 8});
    put(&policies.routes, "HTTPRoutePolicy", "good", &spec).await?;
    let changed = told(&policies.routes, "good", class, "True", "Accepted").await?;
    ensure!(
        changed["observedGeneration"] == 2 && changed["lastTransitionTime"] == since,
        "{changed}"
    );
    // Its Ingress is another controller's: our entry goes, and the other stays.
    shop.put(&hubline_sandbox::kube::objects::ingress(
        NAMESPACE,
        "web",
        "nobodys",
        "w.policies.example.com",
        "/",
        ("web", 80),
    ))
    .await?;
    until("our entry is gone", async || {
        let left = ancestors(&policies.routes, "good").await?;
        Ok((left == [theirs.clone()]).then_some(()).ok_or(format!("{left:?}")))
    })
    .await?;
    system.stop_agent("a").await?;
    policies.close().await?;
    shop.close().await
}

/// Another agent, which knows nothing but what the objects say, writes only what is new.
async fn silent_over_restarts(server: &KubeServer, system: &mut System, policies: &Policies) -> Result<()> {
    let before = policies.versions().await?;
    system.kill_agent("a").await?;
    start_kube_agent(system, server)?;
    // What comes now is looked at after all others.
    policies.route("after-restart", "missing").await?;
    told(
        &policies.routes,
        "after-restart",
        "Ingress/missing",
        "False",
        "TargetNotFound",
    )
    .await?;
    let now = policies.versions().await?;
    ensure!(now == before, "a restart wrote: {before:?} became {now:?}");
    Ok(())
}

async fn no_status() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let a = server("a").await?;
    let mut system = System::start(&["a"]).await?;
    let namespace = "nostatus";
    let (shop, policies) = (Shop::open(&a, namespace).await?, Policies::open(&a, namespace).await?);
    let look = Looker {
        client: a.admin_client().await?,
        namespace: namespace.to_owned(),
    };
    shop.app("web", "w.nostatus.example.com", &["10.90.1.1"]).await?;
    let provider = json!({"type": "ControlPlane"});
    let metadata = json!({"http-logger": {"log_format": {"host": "$host"}}});
    let spec = json!({"provider": provider, "pluginMetadata": metadata});
    put(&policies.proxies, "GatewayProxy", "proxy", &spec).await?;
    let plugins = json!([{"name": "echo", "config": {"body": "a"}}, {"name": "echo", "config": {"body": "b"}}]);
    put(&policies.configs, "PluginConfig", "odd", &json!({"plugins": plugins})).await?;
    start_kube_agent(&mut system, &a)?;
    let words = ["spec.pluginMetadata.http-logger", "not supported"];
    look.until_event("proxy", "UnsupportedValue", &words).await?;
    let nothing = look
        .until_event("proxy", "UnsupportedValue", &["spec.provider"])
        .await?;
    let about = nothing.regarding.context("of nothing")?;
    ensure!(about.kind.as_deref() == Some("GatewayProxy"), "{about:?}");
    let words = ["spec.plugins[1]", "plugin echo stands here more than once"];
    look.until_event("odd", "UnsupportedValue", &words).await?;
    let (events, versions) = (look.versions().await?, policies.versions().await?);

    system.kill_agent("a").await?;
    start_kube_agent(&mut system, &a)?;
    let late = json!({"provider": provider, "statusAddress": ["192.0.2.1"]});
    put(&policies.proxies, "GatewayProxy", "after-restart", &late).await?;
    look.until_event("after-restart", "UnsupportedValue", &["spec.statusAddress"])
        .await?;
    let mut now = look.versions().await?;
    now.retain(|name, _| !name.contains("after-"));
    ensure!(now == events, "a restart wrote: {events:?} became {now:?}");
    ensure!(policies.versions().await? == versions, "written on what has no status");
    for kind in [&policies.proxies, &policies.configs] {
        for object in kind.list(&ListParams::default()).await? {
            let mut managers = object.managed_fields().iter().filter_map(|it| it.manager.as_deref());
            ensure!(managers.all(|manager| manager != FIELD_MANAGER), "{object:?}");
        }
    }
    system.stop_agent("a").await?;
    policies.close().await?;
    shop.close().await
}
