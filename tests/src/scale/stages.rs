//! What is measured at one size, stage after stage.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hubline::tls::Authority;
use hubline_hub::plan::id::{Class, Prefix};
use tokio::time::{Instant, sleep, timeout};

use super::figures::{Fill, Percentiles, SizeFigures, percentiles, quantile, since};
use super::fleet::Fleet;
use super::hub::{Binary, Hub, Metrics, PATIENCE};
use super::reconnect;
use super::target::Target;
use super::world::{World, cluster};
use super::{Options, progress};

/// How long the hub's own work goes on after the last write: statuses are held for 100 ms, states are written behind
/// by a second.
const SETTLE: Duration = Duration::from_secs(5);

/// How long nothing happens, to know what the hub costs then.
const IDLE: Duration = Duration::from_secs(10);

/// The hub's own histogram of single changes.
const LATENCY: &str = "hubline_hub_change_latency_seconds";

/// What runs at one size.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) target: Target,
    pub(super) hub: Hub,
    pub(super) fleet: Fleet,
    quick: bool,
}

pub(super) async fn measure(options: &Options, binary: &Binary, world: World) -> Result<SizeFigures> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new("scale")?;
    let target = Target::start().await?;
    let hub = Hub::prepare(options, binary, &world, &authority, folder.path(), &target)?;
    progress(&format!("{} routes: making up {} agents", world.routes, world.agents));
    let fleet = Fleet::new(&world)?;
    let mut scene = Scene {
        world,
        target,
        hub,
        fleet,
        quick: options.quick,
    };
    let fill = scene.fill(&authority, folder.path()).await?;
    let idle = scene.idle().await?;
    let single = scene.single(options.changes(), idle).await?;
    let killed = reconnect::measure(&mut scene, "KILL").await?;
    let stopped = reconnect::measure(&mut scene, "TERM").await?;
    scene.hub.end("TERM").await?;
    scene.fleet.stop().await;
    Ok(SizeFigures {
        agents: world.agents,
        routes: world.routes,
        endpoints: world.endpoints(),
        fill,
        idle_cpu_seconds_per_second: idle,
        single,
        reconnects: vec![killed, stopped],
    })
}

impl Scene {
    /// From nothing to everything at the target.
    async fn fill(&mut self, authority: &Authority, folder: &std::path::Path) -> Result<Fill> {
        self.hub.start().await?;
        progress(&format!("{} routes: filling the hub", self.world.routes));
        let began = Instant::now();
        self.fleet.connect(self.hub.agents, authority, folder)?;
        let objects = number(self.world.objects());
        let has = |state: &'static str| move |it: &Metrics| it.value(&objects_series(state)) >= objects;
        self.hub.until("planned objects", has("desired")).await?;
        let planned_seconds = since(began);
        let planned = self.hub.usage()?;
        self.hub.until("programmed objects", has("programmed")).await?;
        let programmed_seconds = since(began);
        self.settle().await;
        let writes = self.target.writes();
        self.ensure_whole()?;
        Ok(Fill {
            planned_seconds,
            planned_cpu_seconds: planned.cpu_seconds,
            programmed_seconds,
            usage: self.hub.usage()?,
            writes,
            passed: self.fleet.line.passed(),
            messages: self.fleet.message_bytes(),
        })
    }

    pub(super) fn ensure_whole(&self) -> Result<()> {
        let (routes, upstreams) = (self.target.count("routes"), self.target.count("upstreams"));
        let wanted = self.world.routes;
        // The hub's marker is an upstream too.
        let upstreams = upstreams.saturating_sub(1);
        ensure!(
            routes == wanted && upstreams == wanted,
            "{routes} routes and {upstreams} upstreams are at the target, not {wanted} each"
        );
        Ok(())
    }

    pub(super) async fn settle(&self) {
        sleep(if self.quick { SETTLE / 5 } else { SETTLE }).await;
    }

    /// CPU seconds a second while nothing changes: heartbeats, probes, ticks.
    async fn idle(&self) -> Result<f64> {
        let (began, before) = (Instant::now(), self.hub.usage()?);
        sleep(if self.quick { IDLE / 5 } else { IDLE }).await;
        let after = self.hub.usage()?;
        Ok((after.cpu_seconds - before.cpu_seconds) / since(began))
    }

    /// Endpoint changes one after another, all over the clusters.
    async fn single(&mut self, changes: usize, idle: f64) -> Result<super::figures::Single> {
        progress(&format!("{} routes: {changes} single changes", self.world.routes));
        let prefix = Prefix::default();
        // A prime far from any size: neighbours in time are neighbours nowhere else.
        const STRIDE: usize = 7_919;
        let before = self.hub.metrics().await?;
        let (began, usage) = (Instant::now(), self.hub.usage()?);
        let mut latencies = Vec::with_capacity(changes);
        for change in 0..changes {
            let app = self.world.app(change * STRIDE % self.world.routes);
            let version = 1 + change / self.world.routes;
            let entry = app.endpoints(self.world.endpoints_per_service, version)?;
            let id = prefix.id(&cluster(app.agent)?, Class::Upstream, &app.service_key(), "");
            let arrival = self.target.arrival("upstreams", &id);
            let sent = Instant::now();
            self.fleet.change(app.agent, entry)?;
            let arrived = timeout(PATIENCE, arrival).await.context("a change was lost")??;
            latencies.push(arrived.saturating_duration_since(sent));
        }
        let seconds = since(began);
        self.settle().await;
        let used = self.hub.usage()?.cpu_seconds - usage.cpu_seconds;
        let metrics = self.hub.metrics().await?;
        let cost = (used - idle * since(began)).max(0.0) / number(changes);
        Ok(super::figures::Single {
            changes,
            seconds,
            end_to_end: percentiles(latencies),
            inside: inside(&before, &metrics),
            cpu_microseconds_per_change: cost * 1e6,
        })
    }
}

/// What the hub's histogram says of the changes in between, each at the upper bound of its bucket.
fn inside(before: &Metrics, after: &Metrics) -> Percentiles {
    let (before, after) = (before.buckets(LATENCY), after.buckets(LATENCY));
    let count = |bound: f64| {
        before
            .iter()
            .find(|(other, _)| *other == bound)
            .map_or(0.0, |(_, count)| *count)
    };
    let counts: Vec<_> = after
        .into_iter()
        .map(|(bound, now)| (bound, now - count(bound)))
        .collect();
    Percentiles {
        p50_ms: quantile(&counts, 0.5) * 1e3,
        p99_ms: quantile(&counts, 0.99) * 1e3,
        max_ms: quantile(&counts, 1.0) * 1e3,
    }
}

pub(super) fn objects_series(state: &str) -> String {
    format!("hubline_sink_objects{{state=\"{state}\"}}")
}

/// Counts are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn number(count: usize) -> f64 {
    count as f64
}
