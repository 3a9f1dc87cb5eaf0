//! All that is around agents and hub in one run; cloning shares.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hubline::model::ClusterId;
use tokio::sync::watch;

use crate::agent::Lease;
use crate::chance::Chance;
use crate::log::Log;
use crate::network::Network;
use crate::target::Target;
use crate::truth::Truth;

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) clusters: Arc<[ClusterId]>,
    pub(crate) log: Log,
    pub(crate) network: Network,
    pub(crate) truth: Truth,
    pub(crate) target: Target,
    /// Whether all faults are over.
    pub(crate) quiet: watch::Sender<bool>,
    leases: Arc<BTreeMap<ClusterId, Mutex<Lease>>>,
}

impl World {
    pub(crate) fn new(clusters: Vec<ClusterId>, chance: &Chance, log: Log) -> Self {
        let truth = Truth::new(&clusters);
        let leases = clusters.iter().map(|cluster| (cluster.clone(), Mutex::default()));
        Self {
            network: Network::new(&clusters, &mut chance.fork("network"), &log),
            target: Target::new(truth.clone(), chance.fork("target"), log.clone()),
            truth,
            quiet: watch::Sender::new(false),
            leases: Arc::new(leases.collect()),
            clusters: clusters.into(),
            log,
        }
    }

    pub(crate) fn lease(&self, cluster: &ClusterId) -> &Mutex<Lease> {
        &self.leases[cluster]
    }
}
