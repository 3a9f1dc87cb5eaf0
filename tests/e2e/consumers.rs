//! Whose traffic: consumers serve the routes of their own cluster, and what acts on everybody's traffic needs a grant.

use anyhow::{Context, Result, ensure};
use hubline::model::{
    ClusterId, Consumer, GlobalRule, Group, GroupKind, Key, Plugin, PluginSet, Resource, ResourceKind, UnixSeconds,
};
use hubline::wire::{EncodedResource, Scope};
use hubline_hub::config::{ClusterConfig, Grant};
use hubline_sandbox::apisix::Kind;
use hubline_sandbox::scripted::{App, Belongings, Scripted, group, plugin, resource};
use hubline_sandbox::system::{PATIENCE, System};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::fixture::backend;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "consumers::a_cluster_speaks_only_for_itself",
            a_cluster_speaks_only_for_itself,
        ),
        trial(
            "consumers::a_credential_stays_with_the_older",
            a_credential_stays_with_the_older,
        ),
        trial(
            "consumers::nothing_changed_writes_nothing",
            nothing_changed_writes_nothing,
        ),
        trial(
            "consumers::global_rules_are_merged_by_plugin",
            global_rules_are_merged_by_plugin,
        ),
    ]
}

const API: &str = "apisix.apache.org";

fn groups() -> Vec<Group> {
    vec![
        group(ResourceKind::Route, "networking.k8s.io", "Ingress"),
        group(ResourceKind::Service, "", "Service"),
        group(ResourceKind::EndpointSet, "", "Service"),
        group(ResourceKind::Consumer, API, "ApisixConsumer"),
        group(ResourceKind::PluginSet, API, "ApisixPluginConfig"),
        group(ResourceKind::GlobalRule, API, "ApisixGlobalRule"),
    ]
}

fn key(kind: ResourceKind, source: &str, name: &str) -> Key {
    Key::new(kind, &GroupKind::new(API, source), "shop", name, "")
}

fn consumer_key(name: &str) -> Key {
    key(ResourceKind::Consumer, "ApisixConsumer", name)
}

fn consumer(name: &str, created: i64, plugins: Vec<Plugin>) -> (Key, EncodedResource) {
    let consumer = Consumer {
        plugins,
        created: Some(UnixSeconds(created)),
    };
    resource(consumer_key(name), &Resource::from(consumer))
}

fn with_key(name: &str, created: i64, value: &str) -> (Key, EncodedResource) {
    consumer(name, created, vec![plugin("key-auth", &json!({"key": value}))])
}

fn rule(name: &str, created: i64, plugins: Vec<Plugin>) -> (Key, EncodedResource) {
    let rule = GlobalRule {
        plugins,
        metadata: Vec::new(),
        created: Some(UnixSeconds(created)),
    };
    let key = key(ResourceKind::GlobalRule, "ApisixGlobalRule", name);
    resource(key, &Resource::from(rule))
}

fn set_key() -> Key {
    key(ResourceKind::PluginSet, "ApisixPluginConfig", "keys")
}

/// An app of a cluster, whose route asks for a key.
fn guarded(cluster: &str, address: &str, plugins: Vec<Plugin>, sets: Vec<Key>) -> Result<Belongings> {
    let app = App::new("web", &host(cluster), address);
    let resources = app.resources()?.into_iter().chain([app.guarded_route(plugins, sets)?]);
    Ok(Belongings::of(&groups()).with(resources))
}

fn host(cluster: &str) -> String {
    format!("{cluster}.example.com")
}

fn asks() -> Vec<Plugin> {
    vec![plugin("key-auth", &json!({"hide_credentials": true}))]
}

async fn speak(system: &System, cluster: &str, belongings: &Belongings) -> Result<Scripted> {
    let mut agent = system.script(cluster).await?;
    let asked = belongings.open(cluster, &mut agent).await?;
    if asked.scope != Scope::NOTHING {
        belongings.send(&asked.scope, &mut agent).await?;
    }
    Ok(agent)
}

async fn say(agent: &mut Scripted, has: &mut Belongings, change: (Key, Option<EncodedResource>)) -> Result<()> {
    let delta = has.change(&[change]);
    has.send_delta(delta, agent).await.map(drop)
}

async fn status(system: &System, cluster: &str, key: &str) -> Result<u16> {
    Ok(system.get_with(&host(cluster), ("apikey", key)).await?.0)
}

async fn until_status(system: &System, cluster: &str, key: &str, wanted: u16) -> Result<()> {
    let header = ("apikey", key);
    system
        .until_gateway(&host(cluster), header, |status| status == wanted)
        .await
}

/// Waits for a problem of an object, and gives its message.
async fn problem(system: &System, cluster: &str, name: &str, reason: &str) -> Result<String> {
    let of = |it: &Value| {
        let problems = it["items"].as_array().cloned().unwrap_or_default();
        let mut found = problems
            .into_iter()
            .filter(|it| it["name"] == name && it["reason"] == reason);
        found.next().map(|it| it["message"].to_string())
    };
    let path = format!("/v1/problems?cluster={cluster}");
    let problems = system.until_api(&path, |it| of(it).is_some()).await?;
    of(&problems).context("it was there")
}

/// Promise 11 for consumers and plugin configs.
async fn a_cluster_speaks_only_for_itself() -> Result<()> {
    let _backends = (
        backend("10.90.1.1").await?,
        backend("10.90.2.1").await?,
        backend("10.90.3.1").await?,
    );
    let system = System::start(&["a", "b", "c"]).await?;
    let keys = PluginSet { plugins: asks() };
    let keys = resource(set_key(), &Resource::PluginSet(keys));
    let a = guarded("a", "10.90.1.1", Vec::new(), vec![set_key()])?.with([with_key("jack", 1, "jacks"), keys]);
    let b = guarded("b", "10.90.2.1", asks(), Vec::new())?.with([with_key("rose", 1, "roses")]);
    let c = guarded("c", "10.90.3.1", asks(), Vec::new())?;
    let _a = speak(&system, "a", &a).await?;
    let mut b_agent = speak(&system, "b", &b).await?;
    let _c = speak(&system, "c", &c).await?;
    until_status(&system, "a", "jacks", 200).await?;
    until_status(&system, "b", "roses", 200).await?;
    until_status(&system, "c", "wrong", 401).await?;
    let table = [
        ("a", "jacks", 200),
        ("a", "roses", 403),
        ("a", "wrong", 401),
        ("b", "roses", 200),
        ("b", "jacks", 403),
        ("c", "jacks", 403),
        ("c", "roses", 403),
    ];
    for (cluster, key, wanted) in table {
        let found = status(&system, cluster, key).await?;
        ensure!(found == wanted, "{key} at {cluster}: {found}, not {wanted}");
    }
    // Who called is told by the hub's id, and by the name that people know; credentials are hidden where they asked for it.
    let (_, echo) = system.get_with("a.example.com", ("apikey", "jacks")).await?;
    let headers = echo.context("an answer of the backend")?.headers;
    ensure!(headers["x-consumer-username"].starts_with("hl-"), "{headers:?}");
    ensure!(headers["x-consumer-custom-id"] == "shop_jack", "{headers:?}");
    ensure!(!headers.contains_key("apikey"), "{headers:?}");
    // Nor may a consumer bring what would replace the restriction, or a route name another cluster's plugins.
    let mut b = b;
    let own = plugin("consumer-restriction", &json!({"blacklist": ["nobody"]}));
    let bypass = consumer("rose", 1, vec![own, plugin("key-auth", &json!({"key": "roses"}))]);
    say(&mut b_agent, &mut b, (bypass.0, Some(bypass.1))).await?;
    problem(&system, "b", "rose", "unsupported-value").await?;
    ensure!(status(&system, "a", "roses").await? == 403, "rose got in at a");
    ensure!(status(&system, "b", "roses").await? == 200, "rose's last good is gone");
    let other = App::new("other", "other.example.com", "10.90.2.1");
    let route = other.guarded_route(Vec::new(), vec![set_key()])?;
    say(&mut b_agent, &mut b, (route.0, Some(route.1))).await?;
    problem(&system, "b", "other", "BackendNotFound").await?;
    let answer = system.get("other.example.com", "/").await?;
    ensure!(answer.status == 404, "a's plugins serve b: {answer:?}");
    Ok(())
}

async fn a_credential_stays_with_the_older() -> Result<()> {
    let _backends = (backend("10.90.1.1").await?, backend("10.90.2.1").await?);
    let system = System::start(&["a", "b"]).await?;
    let mut a = guarded("a", "10.90.1.1", asks(), Vec::new())?.with([with_key("jack", 1, "same-secret")]);
    let b = guarded("b", "10.90.2.1", asks(), Vec::new())?.with([with_key("rose", 2, "same-secret")]);
    // The younger is there first, and gives way.
    let _b = speak(&system, "b", &b).await?;
    until_status(&system, "b", "same-secret", 200).await?;
    let mut agent = speak(&system, "a", &a).await?;
    until_status(&system, "a", "same-secret", 200).await?;
    until_status(&system, "b", "same-secret", 403).await?;
    let message = problem(&system, "b", "rose", "Conflict").await?;
    ensure!(
        message.contains("ApisixConsumer shop/jack of cluster a") && !message.contains("same-secret"),
        "{message}"
    );
    let consumers = system.apisix.objects(Kind::Consumer);
    ensure!(consumers.len() == 1, "both are there: {:?}", consumers.keys());
    // It is free when the older one is gone.
    say(&mut agent, &mut a, (consumer_key("jack"), None)).await?;
    until_status(&system, "b", "same-secret", 200).await?;
    ensure!(status(&system, "a", "same-secret").await? == 403, "jack is still there");
    Ok(())
}

async fn nothing_changed_writes_nothing() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let mut system = System::start(&["a"]).await?;
    let mut a = guarded("a", "10.90.1.1", asks(), Vec::new())?.with([with_key("jack", 1, "one")]);
    for name in ["second", "third"] {
        let app = App::new(name, &format!("{name}.example.com"), "10.90.1.1");
        a = a.with(app.resources()?).with([app.guarded_route(asks(), Vec::new())?]);
    }
    let mut agent = speak(&system, "a", &a).await?;
    until_status(&system, "a", "one", 200).await?;
    let programmed = |it: &hubline_sandbox::apisix::StandIn| it.objects(Kind::Route).len() == 3;
    system.apisix.wait_until("three routes", PATIENCE, programmed).await?;
    system.apisix.clear_calls();
    // One write for each change, whatever the number of routes.
    let changed = with_key("jack", 1, "two");
    say(&mut agent, &mut a, (changed.0, Some(changed.1))).await?;
    until_status(&system, "a", "two", 200).await?;
    ensure!(
        status(&system, "a", "one").await? == 401,
        "the old key still lets jack in"
    );
    let more = with_key("rose", 1, "three");
    say(&mut agent, &mut a, (more.0, Some(more.1))).await?;
    until_status(&system, "a", "three", 200).await?;
    say(&mut agent, &mut a, (consumer_key("jack"), None)).await?;
    until_status(&system, "a", "two", 401).await?;
    let writes = system.apisix.writes();
    let writes: Vec<_> = writes.iter().map(|call| (&*call.method, &call.path)).collect();
    let of_consumers = writes
        .iter()
        .all(|(_, path)| path.starts_with("/apisix/admin/consumers/"));
    let methods: Vec<_> = writes.iter().map(|(method, _)| *method).collect();
    ensure!(of_consumers && methods == ["PUT", "PUT", "DELETE"], "{writes:?}");
    // Nor does a restart write any.
    system.stop_hub().await?;
    system.apisix.clear_calls();
    drop(agent);
    system.start_hub()?;
    let mut agent = speak(&system, "a", &a).await?;
    system.until_api("/v1/clusters/a", |it| it["phase"] == "Live").await?;
    // What comes after everything that a restart could write.
    let last = with_key("last", 1, "last");
    say(&mut agent, &mut a, (last.0, Some(last.1))).await?;
    until_status(&system, "a", "last", 200).await?;
    let writes = system.apisix.writes();
    ensure!(writes.len() == 1, "a restart wrote {writes:?}");
    // The last consumer takes the group with it, and the routes stay closed.
    for name in ["rose", "last"] {
        say(&mut agent, &mut a, (consumer_key(name), None)).await?;
    }
    let empty = |it: &hubline_sandbox::apisix::StandIn| it.objects(Kind::ConsumerGroup).is_empty();
    system.apisix.wait_until("no group", PATIENCE, empty).await?;
    ensure!(status(&system, "a", "three").await? == 401, "rose is still there");
    Ok(())
}

fn granted(name: &str, grants: &[Grant]) -> Result<ClusterConfig> {
    Ok(ClusterConfig {
        grants: grants.iter().copied().collect(),
        ..ClusterConfig::named(ClusterId::new(name)?)
    })
}

async fn global_rules_are_merged_by_plugin() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let all = [Grant::GlobalRules];
    let clusters = vec![granted("a", &all)?, granted("b", &all)?, granted("c", &[])?];
    let mut system = System::prepared(clusters).await?;
    let theirs = json!({"plugins": {"prometheus": {}}});
    system.apisix.admin()?.put("global_rules/theirs", &theirs).await?;
    system.start_hub()?;
    let limit = |count: u32| {
        plugin(
            "limit-count",
            &json!({"count": count, "time_window": 600, "rejected_code": 429}),
        )
    };
    let mut a = guarded("a", "10.90.1.1", Vec::new(), Vec::new())?.with([rule("limits", 2, vec![limit(3)])]);
    let mut b = Belongings::of(&groups()).with([rule("limits", 1, vec![limit(3)])]);
    let c = Belongings::of(&groups()).with([rule(
        "mine",
        1,
        vec![plugin("ip-restriction", &json!({"whitelist": ["192.0.2.1"]}))],
    )]);
    let mut a_agent = speak(&system, "a", &a).await?;
    let mut b_agent = speak(&system, "b", &b).await?;
    let _c = speak(&system, "c", &c).await?;
    let rules = |it: &hubline_sandbox::apisix::StandIn| it.objects(Kind::GlobalRule);
    system
        .apisix
        .wait_until("one rule of both, and theirs", PATIENCE, |it| rules(it).len() == 2)
        .await?;
    system.until_served("a.example.com", "/", "10.90.1.1").await?;
    problem(&system, "c", "mine", "NotGranted").await?;
    // Each for itself: theirs keeps ours from being written, and what a wants otherwise is said.
    let otherwise = rule("limits", 2, vec![limit(7), plugin("prometheus", &json!({}))]);
    say(&mut a_agent, &mut a, (otherwise.0, Some(otherwise.1))).await?;
    let message = problem(&system, "a", "limits", "foreign-global-rule").await?;
    ensure!(message.contains("theirs"), "{message}");
    let message = problem(&system, "a", "limits", "Conflict").await?;
    ensure!(
        message.contains("ApisixGlobalRule shop/limits of cluster b"),
        "{message}"
    );
    ensure!(
        system
            .apisix
            .object(Kind::GlobalRule, "theirs")
            .is_some_and(|it| it["plugins"] == theirs["plugins"]),
        "theirs was touched"
    );
    ensure!(rules(&system.apisix).len() == 2, "{:?}", rules(&system.apisix));
    // The limit is on everybody's traffic: it ends.
    until_status(&system, "a", "any", 429).await?;
    // Without the older one that of a is in force.
    say(
        &mut b_agent,
        &mut b,
        (key(ResourceKind::GlobalRule, "ApisixGlobalRule", "limits"), None),
    )
    .await?;
    let seven =
        |it: &hubline_sandbox::apisix::StandIn| rules(it).values().any(|it| it["plugins"]["limit-count"]["count"] == 7);
    system.apisix.wait_until("the rule of a", PATIENCE, seven).await?;
    Ok(())
}
