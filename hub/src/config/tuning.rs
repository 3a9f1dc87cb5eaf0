//! Speeds and portions, with defaults that suit an APISIX with etcd.

use std::num::NonZeroU32;
use std::time::Duration;

use hubline::config::duration;
use serde::{Deserialize, Serialize};

/// Speeds and portions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tuning {
    /// Between the starts of two batches that make APISIX rebuild its router; the first change goes at once,
    /// and a batch that is full is followed by the next at once.
    #[serde(with = "duration")]
    pub batch_interval: Duration,
    /// Most objects of one such batch.
    pub batch_size: u32,
    /// Most objects of a bulk that go in any `burst_interval` where their change rebuilds no router: a switch of a
    /// cluster by its upstreams. Single changes and diversions do not wait for it.
    pub burst_size: NonZeroU32,
    /// Between two portions of such a bulk; up to five times as long while the target is slow. Zero: no pace.
    #[serde(with = "duration")]
    pub burst_interval: Duration,
    /// Calls to the Admin API at the same time.
    pub connections: u32,
    /// Between removing the last that referred to an object and removing it: APISIX's workers apply kinds in their own
    /// time.
    #[serde(with = "duration")]
    pub removal_grace: Duration,
    /// First wait before a refused or failed object is tried again; doubles.
    #[serde(with = "duration")]
    pub retry_min: Duration,
    /// Longest such wait.
    #[serde(with = "duration")]
    pub retry_max: Duration,
    /// Between two looks at the target's marker object, by which a target that lost its memory is noticed.
    #[serde(with = "duration")]
    pub probe_interval: Duration,
    /// Between two full listings of the target, which find what was changed there by others.
    #[serde(with = "duration")]
    pub observe_interval: Duration,
    /// How long a changed cluster state may wait before it is on disk.
    #[serde(with = "duration")]
    pub write_behind: Duration,
    /// Most resources of one cluster.
    pub max_resources: u64,
}

const BURST_SIZE: NonZeroU32 = NonZeroU32::new(20).unwrap();

impl Default for Tuning {
    fn default() -> Self {
        Self {
            batch_interval: Duration::from_secs(1),
            // A second of writes at the 260 to 510 a second that `reference/apisix.md` measured.
            batch_size: 500,
            // `reference/apisix.md`: the longest request took 30 ms at 20 every 40 ms, and seconds without a pace.
            burst_size: BURST_SIZE,
            burst_interval: Duration::from_millis(40),
            connections: 8,
            removal_grace: Duration::from_secs(2),
            retry_min: Duration::from_millis(200),
            retry_max: Duration::from_secs(30),
            probe_interval: Duration::from_secs(1),
            observe_interval: Duration::from_secs(600),
            write_behind: Duration::from_secs(1),
            max_resources: hubline::wire::limits::MAX_RESOURCES,
        }
    }
}
