//! Evidence from APISIX's own active checks, by the control API of each instance (`/v1/healthcheck`), where configured.
//!
//! Speaks only against a path, and takes it back: its checks are seconds old, so that their good word must not outweigh
//! what the hub sees now. Where only one service's nodes on a path fail, that path is demoted for that service alone.
//! Needs `clusters[].checks`; without them APISIX checks nothing.

mod demote;
mod shares;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hubline::model::{ClusterId, ResourceKind};
use reqwest::Url;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::actor::Decisions;
use super::demotion::DemotionBook;
use super::evidence::{Evidence, Moment, ProbeFailure, ProbeResult, Vantage};
use super::probe::Finding;
use crate::config::ClusterList;
use crate::plan::id::Prefix;
use crate::view::View;
use demote::Lower;
use shares::{Checked, Share, checked, shares};

/// Between two looks: APISIX's checks are a second apart at best.
const LOOK: Duration = Duration::from_secs(2);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Largest answer: 10,000 upstreams of 10 nodes with some 150 bytes each.
const MOST_BYTES: usize = 16 << 20;

/// Under this share of healthy nodes a path counts as failing: the fail-open limit of
/// `reference/failover-parameters.md`.
const HEALTHY_PERCENT: u64 = 30;

/// Good words after a bad one: more than any `health.rise` that is of use.
const GOOD_WORDS: u32 = 10;

/// How long a demoted path must be well at least: five looks, `rise` of `reference/failover-parameters.md`. APISIX's
/// checks begin anew with each write of an upstream, and count every node as up until they find it down, so it is no
/// less than they need for that.
const WELL_FOR: Duration = Duration::from_secs(10);

/// What it is made of.
#[derive(Debug)]
pub struct DataPlaneOptions {
    /// The operator's list.
    pub clusters: watch::Receiver<Arc<ClusterList>>,
    /// The control APIs, as `http://10.0.0.5:9090`.
    pub instances: Vec<Url>,
    /// What is at the target.
    pub view: Arc<ArcSwap<View>>,
    /// Which path carries each cluster.
    pub decisions: watch::Receiver<Decisions>,
    /// How ids begin.
    pub prefix: Prefix,
    /// Where evidence goes.
    pub findings: mpsc::Sender<Finding>,
    /// Where it says which paths of single services are demoted.
    pub book: DemotionBook,
    /// From when moments count.
    pub began: Instant,
}

/// See the module.
#[derive(Debug)]
pub struct DataPlane {
    options: DataPlaneOptions,
    http: reqwest::Client,
    /// Against whom it spoke, and how many good words are due.
    failing: BTreeMap<(Arc<str>, ClusterId, Arc<str>), u32>,
    lower: Lower,
}

impl DataPlane {
    /// Asks nothing yet.
    #[must_use]
    pub fn new(options: DataPlaneOptions) -> Self {
        Self {
            options,
            http: reqwest::Client::new(),
            failing: BTreeMap::new(),
            lower: Lower::default(),
        }
    }

    /// Asks until `shutdown`; at once ends where no instance is configured.
    pub async fn run(mut self, shutdown: CancellationToken) {
        if self.options.instances.is_empty() {
            return;
        }
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(looks.tick()).await.is_some() {
            let (mut found, mut answered) = (Vec::new(), false);
            for instance in self.options.instances.clone() {
                let Some(said) = shutdown.run_until_cancelled(self.look(&instance)).await else {
                    return;
                };
                answered |= said.is_some();
                found.extend(said.into_iter().flatten());
            }
            if answered {
                self.demote(&found);
            }
        }
    }

    fn demote(&mut self, found: &[Checked]) {
        let clusters = self.options.clusters.borrow().clone();
        let checks = |cluster: &ClusterId| clusters.get(cluster).filter(|it| it.paths.len() > 1)?.checks;
        let hold = |cluster: &ClusterId| {
            let checks = checks(cluster).unwrap_or_default();
            let until_down = checks.interval * (u32::from(checks.failures) + 1);
            WELL_FOR.max(until_down + LOOK * 2)
        };
        let now = Moment(self.options.began.elapsed());
        self.lower.on(found, |cluster| checks(cluster).is_some(), hold, now);
        self.options
            .book
            .replace(&ResourceKind::Service, &self.lower.demotions());
    }

    /// None where it does not answer.
    async fn look(&mut self, instance: &Url) -> Option<Vec<Checked>> {
        let sent = Moment(self.options.began.elapsed());
        let found = match self.ask(instance).await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%instance, error, "no word on health checks");
                return None;
            }
        };
        let took = self.options.began.elapsed().saturating_sub(sent.0);
        let decisions = self.options.decisions.borrow().clone();
        let clusters = self.options.clusters.borrow().clone();
        let view = self.options.view.load_full();
        let name: Arc<str> = format!("control {}", instance.authority()).into();
        let checked = checked(&found, &view, &clusters, &decisions, &self.options.prefix);
        for share in shares(&checked) {
            if let Some(finding) = self.judge(&name, share, sent, took)
                && self.options.findings.send(finding).await.is_err()
            {
                return None;
            }
        }
        Some(checked)
    }

    async fn ask(&self, instance: &Url) -> Result<serde_json::Value, String> {
        let url = instance.join("/v1/healthcheck").map_err(|error| error.to_string())?;
        let asked = self.http.get(url).timeout(PATIENCE).send().await;
        let mut answer = asked.map_err(|error| error.without_url().to_string())?;
        if !answer.status().is_success() {
            return Err(format!("status {}", answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(format!("more than {MOST_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    }

    fn judge(&mut self, instance: &Arc<str>, share: Share, sent: Moment, took: Duration) -> Option<Finding> {
        let Share {
            cluster,
            path,
            healthy,
            all,
        } = share;
        let key = (Arc::clone(instance), cluster.clone(), Arc::clone(&path));
        let result = if healthy * 100 < all * HEALTHY_PERCENT {
            self.failing.insert(key, GOOD_WORDS);
            let what = format!("APISIX's checks find {healthy} of {all} nodes healthy");
            ProbeResult::Bad(ProbeFailure::Answer(what))
        } else {
            self.take_back(&key)?;
            ProbeResult::Good { round_trip: took }
        };
        let evidence = Evidence {
            vantage: Vantage::Gateway(Arc::clone(instance)),
            sent,
            result,
        };
        Some((cluster, path, evidence))
    }

    /// A good word, if one is due.
    fn take_back(&mut self, key: &(Arc<str>, ClusterId, Arc<str>)) -> Option<()> {
        let due = self.failing.get_mut(key)?;
        *due -= 1;
        if *due == 0 {
            self.failing.remove(key);
        }
        Some(())
    }
}
