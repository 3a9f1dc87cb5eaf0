//! Bad input of any kind gets its clear error, stops only itself, and loses nothing.

use anyhow::{Result, ensure};
use hubline_sandbox::apisix::{Fault, Kind};
use hubline_sandbox::system::{PATIENCE, Source, System};
use libtest_mimic::Trial;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::fixture::backend;
use crate::restarts::looked;
use crate::secrets::with_tls;
use crate::trial;
use hubline_sandbox::manifests::{Manifests, app, ingress};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "bad_input::one_bad_resource_stops_only_itself",
            one_bad_resource_stops_only_itself,
        ),
        trial(
            "bad_input::an_agent_restarted_over_a_broken_file_loses_nothing",
            an_agent_restarted_over_a_broken_file_loses_nothing,
        ),
        trial(
            "bad_input::a_refused_object_spares_the_others",
            a_refused_object_spares_the_others,
        ),
        trial(
            "bad_input::a_misspelt_key_is_named_and_the_old_list_stays",
            a_misspelt_key_is_named,
        ),
        trial(
            "bad_input::an_agent_restarted_over_a_broken_secret_keeps_its_certificate",
            a_broken_secret_at_the_start,
        ),
        trial(
            "bad_input::noise_at_the_agents_port_harms_nobody",
            noise_at_the_agents_port_harms_nobody,
        ),
    ]
}

/// A served app in a manifest cluster.
async fn served() -> Result<(System, Manifests)> {
    let (mut system, manifests) = (System::start(&["a"]).await?, Manifests::new()?);
    manifests.write("good.yaml", &app("good", "good.example.com", &["10.90.1.1"], 8080))?;
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    system.until_served("good.example.com", "/", "10.90.1.1").await?;
    Ok((system, manifests))
}

/// Waits until the hub's API tells a problem that has all of these words.
async fn told(system: &System, words: &[&str]) -> Result<()> {
    let tells = |answer: &Value| {
        let items = answer["items"].as_array();
        items.is_some_and(|items| {
            items
                .iter()
                .any(|item| words.iter().all(|word| item.to_string().contains(word)))
        })
    };
    system.until_api("/v1/problems", tells).await.map(drop)
}

async fn one_bad_resource_stops_only_itself() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (system, manifests) = served().await?;
    // What was good in a file that is no longer YAML stays.
    manifests.write("good.yaml", "apiVersion: v1\nkind: [Service\n")?;
    told(&system, &["good.yaml"]).await?;
    manifests.write("lost.yaml", &ingress("lost", "lost.example.com", "/", "nowhere"))?;
    told(&system, &["lost", "nowhere", "BackendNotFound"]).await?;
    let broken = "apiVersion: v1
kind: Secret
metadata: {name: broken, namespace: shop}
type: kubernetes.io/tls
stringData: {tls.crt: none, tls.key: none}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: secure, namespace: shop}
spec:
  ingressClassName: apisix
  tls: [{hosts: [secure.example.com], secretName: broken}]
  rules:
  - host: secure.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: good, port: {number: 80}}}}]}
";
    manifests.write("broken.yaml", broken)?;
    told(&system, &["broken", "tls.crt"]).await?;
    manifests.write("next.yaml", &app("next", "next.example.com", &["10.90.1.1"], 8080))?;
    for host in ["good.example.com", "secure.example.com", "next.example.com"] {
        system.until_served(host, "/", "10.90.1.1").await?;
    }
    system
        .until_answer("lost.example.com", "/", |answer| answer.status == 503)
        .await
        .map(drop)
}

/// The new run has never seen what was in the file: `an-error-is-not-an-empty-list`.
async fn an_agent_restarted_over_a_broken_file_loses_nothing() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (mut system, manifests) = served().await?;
    manifests.write("kept.yaml", &app("kept", "kept.example.com", &["10.90.1.1"], 8080))?;
    system.until_served("kept.example.com", "/", "10.90.1.1").await?;
    system.stop_agent("a").await?;
    manifests.write("kept.yaml", "apiVersion: v1\nkind: [Service\n")?;
    manifests.write("next.yaml", &app("next", "next.example.com", &["10.90.1.1"], 8080))?;
    system.apisix.clear_calls();
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    system.until_served("next.example.com", "/", "10.90.1.1").await?;
    told(&system, &["kept.yaml"]).await?;
    let names_the_file = |it: &Value| it["unknown"].to_string().contains("kept.yaml");
    system.until_api("/v1/clusters/a", names_the_file).await?;
    looked(&system).await?;
    let writes = system.apisix.writes();
    ensure!(
        !writes.iter().any(|call| call.method == "DELETE"),
        "something was deleted: {writes:?}"
    );
    for host in ["good.example.com", "kept.example.com"] {
        let answer = system.get(host, "/").await?;
        ensure!(answer.is_from("10.90.1.1"), "{host} answered {answer:?}");
    }
    manifests.remove("kept.yaml")?;
    system
        .until_answer("kept.example.com", "/", |answer| answer.status == 404)
        .await?;
    system.until_served("good.example.com", "/", "10.90.1.1").await
}

async fn a_refused_object_spares_the_others() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (system, manifests) = served().await?;
    let fault = Fault::Answer(400, "{\"error_msg\":\"no\"}".to_owned());
    let refusing = system
        .apisix
        .fail_while_held(fault, |call| call.method == "PUT" && call.path.contains("/routes/"));
    manifests.write(
        "refused.yaml",
        &app("refused", "refused.example.com", &["10.90.1.1"], 8080),
    )?;
    told(&system, &["Refused", "refused"]).await?;
    drop(refusing);
    manifests.write("next.yaml", &app("next", "next.example.com", &["10.90.1.1"], 8080))?;
    system.until_served("next.example.com", "/", "10.90.1.1").await?;
    ensure!(
        system.get("refused.example.com", "/").await?.status == 404,
        "what was refused was sent again unchanged"
    );
    manifests.write(
        "refused.yaml",
        &app("refused", "mended.example.com", &["10.90.1.1"], 8080),
    )?;
    system.until_served("mended.example.com", "/", "10.90.1.1").await
}

async fn a_misspelt_key_is_named() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (mut system, _manifests) = served().await?;
    let file = system.hub_config_file();
    let good = std::fs::read_to_string(&file)?;
    let error = hubline_hub::config::HubConfig::parse("hub.yaml", &good.replace("clusters:", "clutsers:"));
    let error = error.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(
        error.contains("clutsers") && error.contains("clusters"),
        "the error says {error:?}"
    );
    // The running hub keeps its list, and takes the mended file without a restart.
    std::fs::write(&file, good.replace("clusters:", "clutsers:"))?;
    system.until_metric("hubline_config_reloads", "refused").await?;
    system.until_served("good.example.com", "/", "10.90.1.1").await?;
    std::fs::write(&file, good.replace("clusters:\n", "clusters:\n- name: b\n"))?;
    system
        .until_api("/v1/clusters", |it| it.to_string().contains("\"b\""))
        .await?;
    let manifests = Manifests::new()?;
    manifests.write("b.yaml", &app("b", "b.example.com", &["10.90.1.1"], 8080))?;
    system.start_agent("b", Source::Manifests(manifests.path()))?;
    system.until_served("b.example.com", "/", "10.90.1.1").await
}

async fn a_broken_secret_at_the_start() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (mut system, manifests) = (System::start(&["a"]).await?, Manifests::new()?);
    let identity = system.identity("a")?;
    let (chain, key) = (
        std::fs::read_to_string(&identity.certificate)?,
        std::fs::read_to_string(&identity.key)?,
    );
    let yaml = app("web", "x.example.com", &["10.90.1.1"], 8080);
    manifests.write("app.yaml", &with_tls(&yaml, &chain, &key)?)?;
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    system
        .apisix
        .wait_until("the certificate", PATIENCE, |it| it.objects(Kind::Ssl).len() == 1)
        .await?;
    system.stop_agent("a").await?;
    system.apisix.clear_calls();
    // The key where the chain should be: it must not be shown for that.
    manifests.write("app.yaml", &with_tls(&yaml, &key, &key)?)?;
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    told(&system, &["Quarantined", "shop", "tls"]).await?;
    manifests.write("next.yaml", &app("next", "next.example.com", &["10.90.1.1"], 8080))?;
    system.until_served("next.example.com", "/", "10.90.1.1").await?;
    ensure!(system.apisix.objects(Kind::Ssl).len() == 1, "the certificate is gone");
    let touched = system
        .apisix
        .writes()
        .into_iter()
        .find(|call| call.path.contains("/ssls/"));
    ensure!(
        touched.is_none(),
        "the certificate was written: {:?}",
        touched.map(|call| call.method)
    );
    Ok(())
}

async fn noise_at_the_agents_port_harms_nobody() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (system, manifests) = served().await?;
    for noise in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        &[0x16, 0x03, 0x01, 0xff, 0xff],
        &[0; 4096],
    ] {
        let mut stream = tokio::net::TcpStream::connect(system.hub_link.address()).await?;
        // The hub may hang up before all is written.
        stream.write_all(noise).await.ok();
    }
    manifests.write("next.yaml", &app("next", "next.example.com", &["10.90.1.1"], 8080))?;
    system.until_served("next.example.com", "/", "10.90.1.1").await
}
