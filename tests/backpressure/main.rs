//! Back-pressure of the whole: a hub that stops reading, a target that is slow. Memory is counted by the allocator of
//! this binary, so one test runs at a time.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hubline::model::{
    Address, ClusterId, Completeness, Endpoint, EndpointSet, EndpointState, Entry, Group, GroupState, Key, Port,
    Resource, ResourceKind,
};
use hubline::telemetry::Metrics as Telemetry;
use hubline::tls::{ClientSide, Reloader, Times};
use hubline::wire::Epoch;
use hubline_agent::metrics::Metrics;
use hubline_agent::output::Output;
use hubline_agent::publish::{Publisher, Reader};
use hubline_agent::session::{Backoff, Session, SessionContext, Speaker, TlsConnect};
use hubline_agent::status::StatusBoard;
use hubline_sandbox::apisix::{Fault, Kind, StandIn};
use hubline_sandbox::scripted::App;
use hubline_sandbox::system::{PATIENCE, System};
use peak_alloc::PeakAlloc;
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

static ALONE: Mutex<()> = Mutex::const_new(());

/// An agent without a source: what a test publishes goes to the hub by a real session.
struct Agent {
    publisher: Publisher,
    values: BTreeMap<Key, Resource>,
    _session: DropGuard,
}

impl Agent {
    /// With these resources, of groups that are complete.
    fn start(system: &System, entries: Vec<Entry>) -> Result<Self> {
        let mut publisher = Publisher::new(Epoch { counter: 1, random: 1 });
        let values = entries.iter().map(|it| (it.key.clone(), it.resource.clone())).collect();
        let mut groups: Vec<Group> = entries.iter().map(|it| Group::of(&it.key)).collect();
        groups.sort();
        groups.dedup();
        let completeness = Completeness::Complete;
        let state = |group| GroupState {
            group,
            completeness: completeness.clone(),
        };
        publisher.apply(Output {
            upserts: entries,
            groups: Some(groups.into_iter().map(state).collect()),
            ..Output::default()
        });
        let shutdown = CancellationToken::new();
        tokio::spawn(session(system, publisher.reader())?.run(shutdown.clone()));
        Ok(Self {
            publisher,
            values,
            _session: shutdown.drop_guard(),
        })
    }

    fn set(&mut self, key: &Key, resource: Resource) {
        self.values.insert(key.clone(), resource.clone());
        let upserts = vec![Entry {
            key: key.clone(),
            resource,
        }];
        self.publisher.apply(Output {
            upserts,
            ..Output::default()
        });
    }

    /// Waits until the hub has this agent's last revision.
    async fn in_step(&self, system: &System) -> Result<()> {
        let revision = self.publisher.reader().version().revision;
        let has = |it: &serde_json::Value| it["phase"] == "Live" && it["revision"] == revision;
        system.until_api("/v1/clusters/a", has).await.map(drop)
    }
}

fn session(system: &System, reader: Reader) -> Result<Session> {
    let (files, metrics) = (system.identity("a")?, Metrics::default());
    let certificates = Reloader::<ClientSide>::new(files, Times::default(), &Telemetry::default())?;
    let address = format!("localhost:{}", system.hub_link.address().port());
    let context = SessionContext {
        speaker: Speaker {
            cluster: ClusterId::new("a")?,
            cluster_uid: "uid".to_owned(),
            instance: "pod".to_owned(),
        },
        reader,
        metrics: metrics.clone(),
        backoff: Backoff::default(),
    };
    let board = StatusBoard::new(address.clone(), metrics);
    Ok(Session::new(
        context,
        vec![address],
        Arc::new(TlsConnect::new(certificates.subscribe(), None)),
        board,
    ))
}

/// Endpoints that tell how often they changed.
fn endpoints(change: usize) -> Result<Resource> {
    let endpoint = Endpoint {
        address: Address::V4(Ipv4Addr::from_bits(u32::try_from(change)? | 10 << 24)),
        port: Port::new(8080)?,
        state: EndpointState::Ready,
        place: None,
    };
    Ok(Resource::EndpointSet(EndpointSet {
        endpoints: vec![endpoint],
    }))
}

/// Apps, as resources of an agent.
fn apps(count: usize) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for number in 0..count {
        let app = App::new(&format!("web{number}"), &format!("{number}.example.com"), "10.0.0.1");
        for (key, encoded) in app.resources()? {
            let resource = encoded.decode()?.resource?.context("no resource")?;
            entries.push(Entry { key, resource });
        }
    }
    Ok(entries)
}

async fn resource_bytes(system: &System) -> Result<usize> {
    let metrics = system.metrics().await?;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("hubline_ingest_resources_bytes_total "));
    Ok(line
        .and_then(|line| line.rsplit(' ').next())
        .context("no such metric")?
        .parse()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_stops_reading_costs_memory_by_keys_and_not_by_changes() -> Result<()> {
    const KEYS: usize = 500;
    const CHANGES: usize = 200_000;
    let _alone = ALONE.lock().await;
    let system = System::start(&["a"]).await?;
    system.until_api("/v1/clusters", |_| true).await?;
    // Endpoint sets that no route uses: nothing of them goes to the target.
    let sets: Vec<Entry> = apps(KEYS)?
        .into_iter()
        .filter(|it| it.key.kind == ResourceKind::EndpointSet)
        .collect();
    let keys: Vec<Key> = sets.iter().map(|it| it.key.clone()).collect();
    let mut agent = Agent::start(&system, sets)?;
    agent.in_step(&system).await?;
    let first = resource_bytes(&system).await?;

    system.hub_link.stop_reading();
    let mut before = 0;
    for change in 0..CHANGES {
        if change == CHANGES / 10 {
            before = HEAP.current_usage();
            HEAP.reset_peak_usage();
        }
        agent.set(&keys[change % KEYS], endpoints(change)?);
        if change % 500 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let grown = HEAP.peak_usage().saturating_sub(before);
    // One change is some 150 bytes, so that keeping the changes would be 27 MB; one transfer of all keys is 75 KB.
    ensure!(
        grown < 4 << 20,
        "the heap grew by {grown} bytes in {CHANGES} changes of {KEYS} keys"
    );

    system.hub_link.restore().await?;
    agent.in_step(&system).await?;
    let again = resource_bytes(&system).await?.saturating_sub(first);
    ensure!(
        again <= 3 * first,
        "the hub got {again} bytes, all keys are {first}: more than the last values"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_target_gets_last_values_and_not_every_change() -> Result<()> {
    const APPS: usize = 20;
    const CHANGES: usize = 10_000;
    let _alone = ALONE.lock().await;
    let system = System::start(&["a"]).await?;
    system.until_api("/v1/clusters", |_| true).await?;
    let mut agent = Agent::start(&system, apps(APPS)?)?;
    let routes = |it: &StandIn| it.objects(Kind::Route).len() == APPS;
    system.apisix.wait_until("all routes", PATIENCE, routes).await?;
    let keys: Vec<Key> = agent
        .values
        .keys()
        .filter(|key| key.kind == ResourceKind::EndpointSet)
        .cloned()
        .collect();
    let _slow = system
        .apisix
        .fail_while_held(Fault::Delay(Duration::from_millis(50)), |call| call.method == "PUT");
    system.apisix.clear_calls();
    // 5,000 changes a second for two seconds.
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for change in 0..CHANGES {
        if change % 50 == 0 {
            ticks.tick().await;
        }
        agent.set(&keys[change % APPS], endpoints(change)?);
    }
    let last = |change: usize| format!("10.{}.{}.{}\"", change >> 16, (change >> 8) & 255, change & 255);
    let lasts: Vec<String> = (CHANGES - APPS..CHANGES).map(last).collect();
    let all_last = move |it: &StandIn| {
        let upstreams: Vec<String> = it
            .objects(Kind::Upstream)
            .values()
            .map(|it| it["nodes"].to_string())
            .collect();
        lasts
            .iter()
            .all(|last| upstreams.iter().any(|nodes| nodes.contains(last)))
    };
    system
        .apisix
        .wait_until("the last value of each", PATIENCE, all_last)
        .await?;
    let writes = system.apisix.writes().len();
    ensure!(
        (APPS..CHANGES / 5).contains(&writes),
        "{CHANGES} changes of {APPS} endpoint sets took {writes} calls"
    );
    Ok(())
}
