//! A private key is at the target, where it is needed, and nowhere else in readable form.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use hubline_sandbox::apisix::Kind;
use hubline_sandbox::system::{PATIENCE, Source, System};
use libtest_mimic::Trial;

use crate::fixture::backend;
use crate::log;
use crate::trial;
use hubline_sandbox::manifests::{Manifests, app};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("secrets::secrets_stay_secret", secrets_stay_secret)]
}

async fn secrets_stay_secret() -> Result<()> {
    let _backend = backend("10.90.1.1").await?;
    let (mut system, manifests) = (System::start(&["a"]).await?, Manifests::new()?);
    let identity = system.identity("a")?;
    let (chain, key) = (
        std::fs::read_to_string(&identity.certificate)?,
        std::fs::read_to_string(&identity.key)?,
    );
    manifests.write(
        "app.yaml",
        &with_tls(&app("web", "x.example.com", &["10.90.1.1"], 8080), &chain, &key)?,
    )?;
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    system
        .apisix
        .wait_until("the certificate", PATIENCE, |it| it.objects(Kind::Ssl).len() == 1)
        .await?;
    system.until_served("x.example.com", "/", "10.90.1.1").await?;
    let mut shown = String::new();
    for path in [
        "clusters",
        "clusters/a",
        "routes",
        "services",
        "desired",
        "problems",
        "writes",
    ] {
        shown += &system.api(&format!("/v1/{path}")).await?.to_string();
    }
    system.stop_hub().await?;
    let secret = key.lines().nth(1).context("the key has a second line")?;
    let admin_key = system.apisix.admin_key().to_owned();
    ensure!(shown.contains("redacted:"), "the API shows no certificate at all");
    let logged = log::all();
    ensure!(logged.contains("hubline"), "nothing was logged");
    for (place, text) in [("API", shown.as_str()), ("log", &logged)] {
        ensure!(!text.contains(secret), "the private key is in the {place}");
        ensure!(!text.contains(&admin_key), "the admin key is in the {place}");
    }
    let stored = contains(&system.folder().join("hub-data"), secret.as_bytes())?;
    ensure!(!stored, "the private key is readable in the data directory");
    Ok(())
}

/// Adds a TLS secret and its use to an app.
pub(crate) fn with_tls(yaml: &str, chain: &str, key: &str) -> Result<String> {
    let secret = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tls", "namespace": "shop"},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": chain, "tls.key": key},
    });
    let tls = "ingressClassName: apisix\n  tls: [{hosts: [x.example.com], secretName: tls}]";
    Ok(format!(
        "{}---\n{secret}\n",
        yaml.replace("ingressClassName: apisix", tls)
    ))
}

fn contains(folder: &Path, secret: &[u8]) -> Result<bool> {
    let mut found = false;
    let mut files = 0;
    for entry in std::fs::read_dir(folder)? {
        let bytes = std::fs::read(entry?.path())?;
        found |= bytes.windows(secret.len()).any(|window| window == secret);
        files += 1;
    }
    ensure!(files >= 2, "the data directory is empty");
    Ok(found)
}
