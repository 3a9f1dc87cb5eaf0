//! Certificates that are replaced, badly replaced, and not replaced in time, while everything runs.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hubline::tls::{Authority, Validity};
use hubline_sandbox::system::{Owner, Source, System};
use libtest_mimic::Trial;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use crate::fixture::backend;
use crate::log;
use crate::restarts::looked;
use crate::trial;
use hubline_sandbox::manifests::{Manifests, app};

const AGENT: Owner<'_> = Owner::Agent("a");
const RELOADED: &str = "certificates read again";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("certificates::everything_is_replaced_step_by_step", step_by_step),
        trial("certificates::everything_is_replaced_at_once", at_once),
        trial("certificates::a_broken_renewal_changes_nothing", a_broken_renewal),
        trial("certificates::a_session_ends_with_its_certificate", an_end),
    ]
}

/// One cluster with one app, served; nothing written or logged since.
async fn settled(manifests: &Manifests) -> Result<System> {
    let mut system = System::start(&["a", "b"]).await?;
    manifests.write("app.yaml", &app("web", "a.example.com", &["10.90.1.1"], 8080))?;
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    system.until_served("a.example.com", "/", "10.90.1.1").await?;
    system.until_api("/v1/clusters/a", live).await?;
    system.apisix.clear_calls();
    log::clear();
    Ok(system)
}

fn live(cluster: &Value) -> bool {
    cluster["phase"] == "Live"
}

/// Both sides have taken up what changed, and the agent's session goes on with it. No session was lost.
async fn taken_up() -> Result<()> {
    log::until(&[RELOADED, "/hub/"]).await?;
    log::until(&[RELOADED, "/agent-a/"]).await?;
    log::until(&["hubline_agent", "renewed certificates are in use"]).await?;
    let logged = log::all();
    ensure!(!logged.contains("session ended"), "a session was lost: {logged}");
    log::clear();
    Ok(())
}

/// Nothing was written, and what changes from now on arrives.
async fn unharmed(system: &System, manifests: &Manifests) -> Result<()> {
    system.until_api("/v1/clusters/a", live).await?;
    looked(system).await?;
    let writes = system.apisix.writes();
    ensure!(writes.is_empty(), "new certificates wrote {writes:?}");
    manifests.write("more.yaml", &app("more", "more.example.com", &["10.90.1.1"], 8080))?;
    system.until_served("more.example.com", "/", "10.90.1.1").await
}

/// As docs/operating.md says it is done.
async fn step_by_step() -> Result<()> {
    let (_backend, manifests) = (backend("10.90.1.1").await?, Manifests::new()?);
    let mut system = settled(&manifests).await?;
    let before = system.change_authority(Authority::new("next")?);
    for owner in [Owner::Hub, AGENT] {
        system.trust(owner, &[&before, system.authority()])?;
    }
    taken_up().await?;
    for owner in [Owner::Hub, AGENT] {
        system.renew(owner)?;
    }
    taken_up().await?;
    for owner in [Owner::Hub, AGENT] {
        system.trust(owner, &[system.authority()])?;
    }
    taken_up().await?;
    unharmed(&system, &manifests).await?;
    // And the authority before is worth nothing any more: it could still issue.
    let next = system.change_authority(before);
    let stranger = system.identity("b")?;
    std::fs::write(&stranger.ca, next.certificate())?;
    system.start_agent_as("b", Source::Manifests(manifests.path()), &stranger)?;
    log::until(&["hubline_hub", "tls handshake failed", "UnknownIssuer"]).await
}

/// The hard way: for a moment neither side trusts the other.
async fn at_once() -> Result<()> {
    let (_backend, manifests) = (backend("10.90.1.1").await?, Manifests::new()?);
    let mut system = settled(&manifests).await?;
    system.change_authority(Authority::new("next")?);
    for owner in [Owner::Hub, AGENT] {
        system.trust(owner, &[system.authority()])?;
        system.renew(owner)?;
    }
    log::until(&[RELOADED, "/hub/"]).await?;
    log::until(&[RELOADED, "/agent-a/"]).await?;
    unharmed(&system, &manifests).await
}

fn not_after(chain: &str) -> Result<i64> {
    let der = CertificateDer::from_pem_slice(chain.as_bytes())?;
    Ok(Validity::of_certificate(&der).context("not X.509")?.not_after.0)
}

fn timestamp(chain: &str) -> Result<String> {
    Ok(jiff::Timestamp::from_second(not_after(chain)?)?.to_string())
}

async fn a_broken_renewal() -> Result<()> {
    let (_backend, manifests) = (backend("10.90.1.1").await?, Manifests::new()?);
    let system = settled(&manifests).await?;
    let files = system.files(Owner::Hub);
    let chain = std::fs::read_to_string(&files.certificate)?;
    std::fs::write(&files.certificate, "not a certificate")?;
    std::fs::write(system.files(AGENT).key, "not a key")?;
    log::until(&["stay in force", "/hub/"]).await?;
    log::until(&["stay in force", "/agent-a/"]).await?;
    system.until_metric("hubline_tls_reloads_total", "failed").await?;
    let metrics = system.metrics().await?;
    for (role, pem) in [
        ("certificate", chain.as_str()),
        ("ca", system.authority().certificate()),
    ] {
        let name = "hubline_tls_certificate_not_after_timestamp_seconds";
        let line = format!("{name}{{role=\"{role}\"}} {}", not_after(pem)?);
        ensure!(metrics.contains(&line), "no {line} in {metrics}");
    }
    // Both sides connect anew with what they had.
    system.hub_link.drop_connections();
    log::until(&["hubline_hub", "session opened"]).await?;
    unharmed(&system, &manifests).await?;
    log::clear();
    std::fs::write(&files.certificate, &chain)?;
    system.renew(AGENT)?;
    log::until(&["certificates can be read again", "/hub/"]).await?;
    log::until(&[RELOADED, "/agent-a/"]).await
}

fn reason(problems: &Value) -> Option<&str> {
    problems["items"][0]["reason"].as_str()
}

async fn an_end() -> Result<()> {
    let (_backend, manifests) = (backend("10.90.1.1").await?, Manifests::new()?);
    let mut system = settled(&manifests).await?;
    let same = Authority::load(system.authority().certificate(), &system.authority().private_key())?;
    let lasting = system.change_authority(same.issuing_for(Duration::from_secs(12)));
    let chain = system.renew(AGENT)?;
    log::until(&["hubline_agent", "renewed certificates are in use"]).await?;
    let ends = timestamp(&chain)?;
    system
        .until_api("/v1/clusters/a", |it| it["certificate"]["notAfter"] == ends.as_str())
        .await?;
    let problems = "/v1/problems?cluster=a";
    system
        .until_api(problems, |it| reason(it) == Some("CertificateEndsSoon"))
        .await?;
    log::until(&["hubline_hub", "session ended", "certificate"]).await?;
    system.until_api("/v1/clusters/a", |it| it["phase"] == "Stale").await?;
    system
        .until_api(problems, |it| reason(it) == Some("CertificateEnded"))
        .await?;
    ensure!(
        system.get("a.example.com", "/").await?.is_from("10.90.1.1"),
        "its route is gone"
    );
    // A new one mends it, whatever the agent waits for.
    system.change_authority(lasting);
    system.renew(AGENT)?;
    system.until_api(problems, |it| reason(it).is_none()).await?;
    unharmed(&system, &manifests).await
}
