//! Endpoints of clusters whose agent is silent: nobody says any more which of them are there, so all are asked, at a
//! bounded rate, and those that fail stand lower in their upstreams. None is ever left out, and all is undone when the
//! cluster is live again.
//!
//! Only over configured paths that reach pods, as everything that the hub probes, and only what is allowed there.

mod round;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::{BoxFuture, join_all};
use hubline::model::{ClusterId, ResourceKind};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use self::round::{Asked, Published, Round};
use super::demotion::{DemotionBook, Demotions};
use super::{Path, Reach};
use crate::config::{ClusterConfig, ClusterList};
use crate::view::{Phase, View};

/// Between two portions.
const SECOND: Duration = Duration::from_secs(1);

/// How long a cluster is stale before its endpoints are asked: "15 s = stale" of `reference/failover-parameters.md`. A
/// restart of hub or agent is over by then.
const PATIENCE: Duration = Duration::from_secs(15);

/// Connections a second to one cluster: what one line that does not answer costs anyway (four endpoints every 250 ms,
/// docs/failover.md), and 5,000 endpoints in four minutes, within the 5 minutes after which trust in endpoints drops
/// (`reference/failover-parameters.md`).
const MOST_OF_A_CLUSTER: usize = 20;

/// Connections a second to all clusters: a hub whose own line is cut must not flood what is left of it.
const MOST: usize = 200;

/// How long an endpoint may take: as APISIX's own checks (`reference/failover-parameters.md`).
pub const TIMEOUT: Duration = Duration::from_secs(1);

/// Asks an address whether it lets itself be connected to; none where the hub could not ask.
pub type Ask = Arc<dyn Fn(SocketAddr) -> BoxFuture<'static, Option<bool>> + Send + Sync>;

/// What it is made of.
pub struct StaleOptions {
    /// The operator's list.
    pub clusters: watch::Receiver<Arc<ClusterList>>,
    /// Which clusters are stale, and what they published last.
    pub view: Arc<ArcSwap<View>>,
    /// Where what fails is written down.
    pub book: DemotionBook,
    /// How an endpoint is asked.
    pub ask: Ask,
}

impl std::fmt::Debug for StaleOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StaleOptions").finish_non_exhaustive()
    }
}

/// See the module.
#[derive(Debug)]
pub struct Stale {
    options: StaleOptions,
    /// Clusters that are stale, and since when they are.
    rounds: BTreeMap<ClusterId, (Instant, Round)>,
    /// How many of them had their turn, where they are more than may be asked in a second.
    turn: usize,
}

impl Stale {
    /// Asks nothing yet.
    #[must_use]
    pub fn new(options: StaleOptions) -> Self {
        Self {
            options,
            rounds: BTreeMap::new(),
            turn: 0,
        }
    }

    /// Asks until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut looks = interval(SECOND);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(looks.tick()).await.is_some() {
            let asked = self.follow(Instant::now());
            self.publish();
            let answers = join_all(asked.into_iter().map(|(cluster, asked)| self.ask(cluster, asked)));
            let Some(answers) = shutdown.run_until_cancelled(answers).await else {
                return;
            };
            for (cluster, answers) in answers {
                if let Some((_, round)) = self.rounds.get_mut(&cluster) {
                    round.on(&answers);
                }
            }
            self.publish();
        }
    }

    /// Which clusters are stale now, and what of them is asked next.
    fn follow(&mut self, now: Instant) -> Vec<(ClusterId, Vec<Asked>)> {
        let view = self.options.view.load_full();
        let list = self.options.clusters.borrow().clone();
        let phase = |id: &ClusterId| view.clusters.get(id).map(|summary| summary.phase);
        let of_pods: Vec<&ClusterConfig> = list.iter().filter(|config| paths(config).next().is_some()).collect();
        let stays = |id: &ClusterId| {
            // While an agent comes back nothing is asked, and nothing forgotten before it has said everything.
            let stale = matches!(phase(id), Some(Phase::Stale | Phase::Syncing));
            stale && of_pods.iter().any(|config| config.name == *id)
        };
        self.rounds.retain(|id, _| stays(id));
        for config in of_pods
            .iter()
            .filter(|config| phase(&config.name) == Some(Phase::Stale))
        {
            let fresh = || (now, Round::default());
            self.rounds.entry(config.name.clone()).or_insert_with(fresh);
        }
        let stale = of_pods.into_iter().filter(|it| phase(&it.name) == Some(Phase::Stale));
        let is_due = |it: &&ClusterConfig| {
            self.rounds
                .get(&it.name)
                .is_some_and(|(since, _)| now - *since >= PATIENCE)
        };
        let due: Vec<&ClusterConfig> = stale.filter(is_due).collect();
        let most = (MOST / due.len().max(1)).clamp(1, MOST_OF_A_CLUSTER);
        let turn: Vec<&ClusterConfig> = due
            .iter()
            .cycle()
            .skip(self.turn)
            .take(due.len().min(MOST))
            .copied()
            .collect();
        self.turn = (self.turn + turn.len()) % due.len().max(1);
        let mut asked = Vec::new();
        for config in turn {
            if let Some((_, round)) = self.rounds.get_mut(&config.name) {
                let published = Published {
                    resources: &view.resources,
                    cluster: &config.name,
                    paths: paths(config).collect(),
                    allowed: config.allowed(),
                };
                asked.push((config.name.clone(), round.next(&published, most)));
            }
        }
        asked
    }

    /// Spread over the second.
    async fn ask(&self, cluster: ClusterId, asked: Vec<Asked>) -> (ClusterId, Vec<(Asked, Option<bool>)>) {
        let step = SECOND / u32::try_from(asked.len().max(1)).unwrap_or(u32::MAX);
        let one = |(at, asked): (u32, Asked)| async move {
            sleep(step * at).await;
            let answer = (self.options.ask)(asked.address).await;
            (asked, answer)
        };
        (cluster, join_all((0..).zip(asked).map(one)).await)
    }

    fn publish(&self) {
        let rounds = self.rounds.values();
        let demotions: Demotions = rounds.flat_map(|(_, round)| round.demoted()).collect();
        self.options.book.replace(&ResourceKind::EndpointSet, &demotions);
    }
}

fn paths(config: &ClusterConfig) -> impl Iterator<Item = &Path> {
    config.paths.iter().filter(|path| path.reach == Reach::Pods)
}

#[cfg(test)]
mod tests;
