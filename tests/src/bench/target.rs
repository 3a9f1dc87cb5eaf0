//! The target: the stand-in APISIX, which records every call with its time.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::cluster::serial_in;
use super::figures::number;
use super::progress;
use crate::apisix::{Call, Kind, StandIn, StandInOptions};

/// Writes with which the target's own pace is measured: a second or less.
const PACE_WRITES: usize = 2_000;

/// Connections for that: what the hub uses by default.
const PACE_CONNECTIONS: usize = 8;

/// How long anything may take before it counts as lost: the slowest peer took 51 s.
const PATIENCE: Duration = Duration::from_secs(180);

/// See the module.
#[derive(Debug)]
pub(super) struct Target {
    stand_in: StandIn,
}

impl Target {
    pub(super) async fn start() -> Result<Self> {
        let stand_in = StandIn::start(StandInOptions::default()).await?;
        Ok(Self { stand_in })
    }

    pub(super) fn admin_url(&self) -> String {
        self.stand_in.admin_url()
    }

    pub(super) fn admin_key(&self) -> &str {
        self.stand_in.admin_key()
    }

    /// Forgets calls so far.
    pub(super) fn clear(&self) {
        self.stand_in.clear_calls();
    }

    /// Calls that asked for a change since then, refused ones included.
    pub(super) fn writes(&self) -> Vec<Call> {
        self.stand_in.writes()
    }

    /// How many objects there are, the hub's marker included.
    pub(super) fn objects(&self) -> usize {
        self.stand_in.count_all()
    }

    /// Waits until there are as many routes and upstreams.
    pub(super) async fn until_served(&self, size: usize) -> Result<()> {
        let kinds = [Kind::Route, Kind::Upstream];
        let all = |it: &StandIn| kinds.iter().all(|kind| it.count(*kind) >= size);
        self.stand_in.wait_until("whole cluster", PATIENCE, all).await
    }

    /// Waits for the call that carries this change, and returns it.
    pub(super) async fn until_change(&self, serial: u16) -> Result<Call> {
        let mut found = None;
        let look = |it: &StandIn| {
            let mut writes = it.writes().into_iter();
            found = writes.find(|call| serial_in(&call.body) == Some(serial));
            found.is_some()
        };
        self.stand_in.wait_until("call with the change", PATIENCE, look).await?;
        found.context("the call is gone")
    }

    /// Waits until all these slices have the change that is given for them; those that never do are not waited for
    /// longer than `limit`.
    pub(super) async fn until_changed(&self, wanted: &BTreeMap<usize, u16>, limit: Duration) {
        let right = |it: &StandIn| right(it, wanted) == wanted.len();
        // What is missing is counted by the caller.
        drop(self.stand_in.wait_until("last changes", limit, right).await);
    }

    /// How many of these slices have the change that is given for them.
    pub(super) fn right(&self, wanted: &BTreeMap<usize, u16>) -> usize {
        right(&self.stand_in, wanted)
    }

    /// Fails unless there are upstreams of so many slices, each with so many nodes.
    pub(super) fn ensure_nodes(&self, slices: usize, count: usize) -> Result<()> {
        let upstreams = self.stand_in.objects(Kind::Upstream);
        let of_slices = upstreams.values().filter(|upstream| slice_of(upstream).is_some());
        let whole = of_slices.filter(|upstream| upstream["nodes"].as_array().is_some_and(|it| it.len() == count));
        let whole = whole.count();
        ensure!(whole == slices, "{whole} upstreams have {count} nodes, wanted {slices}");
        Ok(())
    }
}

fn right(stand_in: &StandIn, wanted: &BTreeMap<usize, u16>) -> usize {
    let upstreams = stand_in.objects(Kind::Upstream);
    let shown = upstreams.values().filter_map(|upstream| {
        let slice = slice_of(upstream)?;
        let serial = serial_in(&upstream["nodes"].to_string())?;
        Some((slice, serial))
    });
    shown
        .filter(|(slice, serial)| wanted.get(slice) == Some(serial))
        .count()
}

/// Which slice an upstream is made of: its Service's name is in the labels.
pub(super) fn slice_of(upstream: &Value) -> Option<usize> {
    upstream["labels"]["name"].as_str()?.strip_prefix("app-")?.parse().ok()
}

/// Writes a second that the stand-in takes, with the client's own work in the same process: at least so fast is it.
pub(super) async fn pace() -> Result<f64> {
    progress("measuring the target's own pace");
    let target = Target::start().await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let began = Instant::now();
    let writes = stream::iter(0..PACE_WRITES).map(|index| write(&client, &target, index));
    let writes: Vec<()> = writes.buffer_unordered(PACE_CONNECTIONS).try_collect().await?;
    Ok(number(writes.len()) / began.elapsed().as_secs_f64())
}

/// An upstream like the hub's.
async fn write(client: &reqwest::Client, target: &Target, index: usize) -> Result<()> {
    let nodes: Vec<Value> = (1..=5)
        .map(|node| json!({"host": format!("10.1.2.{node}"), "port": 8080, "weight": 1, "priority": 0}))
        .collect();
    let labels = json!({"managed-by": "bench", "namespace": "bench", "name": format!("app-{index:05}")});
    let body = json!({"type": "roundrobin", "scheme": "http", "pass_host": "pass", "nodes": nodes, "labels": labels});
    let url = format!("{}/apisix/admin/upstreams/bench-{index}", target.admin_url());
    let request = client.put(url).header("x-api-key", target.admin_key());
    request.json(&body).send().await?.error_for_status()?;
    Ok(())
}
