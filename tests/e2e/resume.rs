//! What a reconnect costs, in bytes at the link (TLS handshake, HTTP/2 and hello included) and in resources sent.

use anyhow::{Context, Result, ensure};
use hubline_sandbox::apisix::{Kind, StandIn};
use hubline_sandbox::link::Counters;
use hubline_sandbox::system::{PATIENCE, Source, System};
use libtest_mimic::Trial;

use crate::restarts::looked;
use crate::trial;
use hubline_sandbox::manifests::{Manifests, app};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "resume::a_reconnect_costs_what_differs",
        a_reconnect_costs_what_differs,
    )]
}

/// How many services there are.
const SERVICES: usize = 2_000;

/// What passed over the link since some moment.
struct Traffic {
    before: Counters,
    resources: u64,
}

/// What one sync cost.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// All bytes from agent to hub.
    to_hub: u64,
    /// All bytes from hub to agent.
    to_agent: u64,
    /// Bytes of resources, before compression.
    resources: u64,
}

impl Traffic {
    async fn begin(system: &System) -> Result<Self> {
        Ok(Self {
            before: system.hub_link.counters(),
            resources: resource_bytes(system).await?,
        })
    }

    async fn end(self, system: &System) -> Result<Cost> {
        let now = system.hub_link.counters();
        let cost = Cost {
            to_hub: now.to_upstream - self.before.to_upstream,
            to_agent: now.to_client - self.before.to_client,
            resources: resource_bytes(system).await?.saturating_sub(self.resources),
        };
        tracing::info!(?cost, "measured");
        Ok(cost)
    }
}

async fn resource_bytes(system: &System) -> Result<u64> {
    let metrics = system.metrics().await?;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("hubline_ingest_resources_bytes_total "));
    let value = line
        .and_then(|line| line.rsplit(' ').next())
        .context("no such metric")?;
    Ok(value.parse()?)
}

/// A system with the agent of all services, everything programmed and told; and what the first sync cost.
async fn synchronized(manifests: &Manifests) -> Result<(System, Cost)> {
    for number in 0..SERVICES {
        manifests.write(&format!("{number}.yaml"), &numbered_with(number, "10.90.1.1"))?;
    }
    let mut system = System::start(&["a"]).await?;
    system.until_api("/v1/clusters", |_| true).await?;
    let traffic = Traffic::begin(&system).await?;
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    live(&system).await?;
    let cost = traffic.end(&system).await?;
    let routes = |it: &StandIn| it.objects(Kind::Route).len() == SERVICES;
    system.apisix.wait_until("all routes", PATIENCE * 4, routes).await?;
    looked(&system).await?;
    Ok((system, cost))
}

/// An app of five pods, as the benchmark has them; their addresses look like chance, as a cluster's do: a snapshot of
/// equal endpoints would be compressed to almost nothing.
fn numbered_with(number: usize, last: &str) -> String {
    let hash = blake3::hash(&number.to_le_bytes());
    let address = |bytes: &[u8]| format!("10.{}.{}.{}", 64 + bytes[0] % 64, bytes[1], bytes[2]);
    let mut addresses: Vec<_> = hash.as_bytes().chunks_exact(3).take(4).map(address).collect();
    addresses.push(last.to_owned());
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    app(
        &format!("web{number}"),
        &format!("{number}.example.com"),
        &addresses,
        8080,
    )
}

/// Waits until the target has an upstream with this node.
async fn until_node(system: &System, address: &str) -> Result<()> {
    let has = |it: &StandIn| {
        let upstreams = it.objects(Kind::Upstream);
        upstreams
            .values()
            .any(|upstream| upstream["nodes"].to_string().contains(address))
    };
    system.apisix.wait_until("the changed node", PATIENCE, has).await
}

async fn live(system: &System) -> Result<()> {
    system
        .until_api("/v1/clusters/a", |it| it["phase"] == "Live")
        .await
        .map(drop)
}

async fn stale(system: &System) -> Result<()> {
    system
        .until_api("/v1/clusters/a", |it| it["phase"] == "Stale")
        .await
        .map(drop)
}

/// Whether this is under so many percent of the first sync, in bytes from agent to hub.
fn under(percent: u64, again: Cost, first: Cost) -> Result<()> {
    ensure!(
        again.to_hub * 100 < first.to_hub * percent,
        "{again:?} is not under {percent}% of {first:?}"
    );
    Ok(())
}

fn no_statuses_again(again: Cost, first: Cost) -> Result<()> {
    ensure!(
        again.to_agent * 20 < first.to_hub,
        "the hub said all its statuses again: {again:?}"
    );
    Ok(())
}

async fn a_reconnect_costs_what_differs() -> Result<()> {
    let manifests = Manifests::new()?;
    let (mut system, first) = synchronized(&manifests).await?;
    a_cut(&system, &manifests, first).await?;
    a_restart_of_the_hub(&mut system, first).await?;
    a_restart_of_the_agent(&mut system, &manifests, first).await
}

/// After a cut within which one service changed, that one is sent.
async fn a_cut(system: &System, manifests: &Manifests, first: Cost) -> Result<()> {
    system.hub_link.cut_refuse().await?;
    stale(system).await?;
    manifests.write("7.yaml", &numbered_with(7, "10.90.1.2"))?;
    let traffic = Traffic::begin(system).await?;
    system.hub_link.restore().await?;
    until_node(system, "10.90.1.2").await?;
    live(system).await?;
    let again = traffic.end(system).await?;
    under(5, again, first)?;
    no_statuses_again(again, first)?;
    let one = first.resources / (3 * SERVICES as u64);
    ensure!(
        again.resources < one * 2,
        "{again:?}: more than one resource of {one} bytes was sent"
    );
    Ok(())
}

/// After a restart of the hub with nothing changed, nothing is sent.
async fn a_restart_of_the_hub(system: &mut System, first: Cost) -> Result<()> {
    system.stop_hub().await?;
    let before = system.hub_link.counters();
    system.apisix.clear_calls();
    system.start_hub()?;
    live(system).await?;
    looked(system).await?;
    let again = Traffic { before, resources: 0 }.end(system).await?;
    ensure!(again.resources == 0, "{again:?}: resources were sent");
    under(5, again, first)?;
    no_statuses_again(again, first)?;
    let writes = system.apisix.writes();
    ensure!(writes.is_empty(), "a restart wrote {writes:?}");
    Ok(())
}

/// A new run of the agent has no revision in common with the hub: one of 64 buckets is sent. Of the agent's statuses
/// nothing is left, so these come whole.
async fn a_restart_of_the_agent(system: &mut System, manifests: &Manifests, first: Cost) -> Result<()> {
    system.kill_agent("a").await?;
    stale(system).await?;
    manifests.write("7.yaml", &numbered_with(7, "10.90.1.3"))?;
    let traffic = Traffic::begin(system).await?;
    system.start_agent("a", Source::Manifests(manifests.path()))?;
    until_node(system, "10.90.1.3").await?;
    live(system).await?;
    let again = traffic.end(system).await?;
    under(10, again, first)?;
    ensure!(
        again.resources * 50 < first.resources,
        "{again:?}: more than one bucket was sent"
    );
    Ok(())
}
