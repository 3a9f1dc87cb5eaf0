//! Whether the hub should rather suspect itself: when the active paths of most clusters go down at once, it is likelier
//! that the hub's own line is broken than theirs.
//!
//! A cluster counts from the moment its active path went down, even if it was switched since, until that path is no
//! longer down. Looks at all clusters only when one falls or rises.

use std::collections::BTreeMap;
use std::sync::Arc;

use hubline::model::ClusterId;

use super::evidence::Moment;
use super::parameters::HubFailover;

/// Fewest clusters with evidence; of two, half is one.
const FEWEST_CLUSTERS: usize = 3;

/// Which clusters lost their active path.
#[derive(Debug, Clone, Default)]
pub(super) struct Suspicion {
    parameters: HubFailover,
    /// Clusters of which there was evidence.
    heard: usize,
    fallen: BTreeMap<ClusterId, Fallen>,
    /// Suspected: which falls count, those from this moment on.
    suspected: Option<Moment>,
}

#[derive(Debug, Clone)]
struct Fallen {
    path: Arc<str>,
    at: Moment,
}

/// How many clusters lost their active path, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Toll {
    pub(super) down: usize,
    pub(super) of: usize,
}

/// The suspicion began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Suspected(Toll),
    Trusted(Toll),
}

impl Suspicion {
    pub(super) fn configure(&mut self, parameters: HubFailover, heard: usize) {
        (self.parameters, self.heard) = (parameters, heard);
    }

    pub(super) fn suspected(&self) -> bool {
        self.suspected.is_some()
    }

    /// A cluster had evidence for the first time.
    pub(super) fn first_heard(&mut self) {
        self.heard += 1;
    }

    /// A cluster's active path went down.
    pub(super) fn fell(&mut self, cluster: &ClusterId, path: &Arc<str>, at: Moment) {
        let path = path.clone();
        self.fallen.insert(cluster.clone(), Fallen { path, at });
    }

    /// A path is no longer down, or no longer there. If the cluster's active path is down all the same, that one counts
    /// instead.
    pub(super) fn rose(&mut self, cluster: &ClusterId, path: &str, active_down: Option<&Arc<str>>) {
        let Some(fallen) = self.fallen.get_mut(cluster).filter(|fallen| *fallen.path == *path) else {
            return;
        };
        match active_down {
            Some(active) => fallen.path = active.clone(),
            None => drop(self.fallen.remove(cluster)),
        }
    }

    /// The path that a cluster lost.
    pub(super) fn path(&self, cluster: &ClusterId) -> Option<Arc<str>> {
        self.fallen.get(cluster).map(|fallen| fallen.path.clone())
    }

    /// A cluster is no longer configured.
    pub(super) fn forget(&mut self, cluster: &ClusterId) {
        self.fallen.remove(cluster);
    }

    /// To be called after any of the above: whether the suspicion begins or ends with it.
    pub(super) fn turn(&mut self, now: Moment) -> Option<Turn> {
        let window = self.parameters.suspicion_window;
        let from = self.suspected.unwrap_or(Moment(now.0.saturating_sub(window)));
        let toll = Toll {
            down: self.fallen.values().filter(|fallen| fallen.at >= from).count(),
            of: self.heard,
        };
        let many = toll.of >= FEWEST_CLUSTERS && self.parameters.suspicion_share.exceeded(toll.down, toll.of);
        match (self.suspected(), many) {
            (false, true) => {
                self.suspected = Some(from);
                Some(Turn::Suspected(toll))
            }
            (true, false) => {
                self.suspected = None;
                Some(Turn::Trusted(toll))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn id(at: usize) -> ClusterId {
        ClusterId::new(&format!("c{at}")).unwrap()
    }

    fn seconds(count: u64) -> Moment {
        Moment(Duration::from_secs(count))
    }

    /// The falls of clusters one by one at these seconds; the turns that came of it, by how many had fallen.
    fn turns(clusters: usize, falls: &[u64]) -> Vec<usize> {
        let mut suspicion = Suspicion::default();
        suspicion.configure(HubFailover::default(), clusters);
        let path: Arc<str> = "line".into();
        let mut turns = Vec::new();
        for (at, second) in falls.iter().enumerate() {
            suspicion.fell(&id(at), &path, seconds(*second));
            if suspicion.turn(seconds(*second)).is_some() {
                turns.push(at + 1);
            }
        }
        turns
    }

    #[test]
    fn more_than_half_of_at_least_three_within_the_window() {
        let cases: [(usize, &[u64], &[usize]); 6] = [
            (2, &[100, 100], &[]),
            (3, &[100, 100], &[2]),
            (4, &[100, 100], &[]),
            (4, &[100, 110, 129], &[3]),
            (4, &[100, 110, 131], &[]),
            (10, &[100, 101, 102, 103, 104, 105, 106], &[6]),
        ];
        for (clusters, falls, expected) in cases {
            assert_eq!(turns(clusters, falls), expected, "{clusters} {falls:?}");
        }
    }

    #[test]
    fn it_ends_when_fewer_are_down_and_not_by_time() {
        let mut suspicion = Suspicion::default();
        suspicion.configure(HubFailover::default(), 3);
        let path: Arc<str> = "line".into();
        suspicion.fell(&id(0), &path, seconds(100));
        suspicion.fell(&id(1), &path, seconds(100));
        assert!(matches!(suspicion.turn(seconds(100)), Some(Turn::Suspected(_))));
        assert_eq!(suspicion.turn(seconds(10_000)), None);
        suspicion.rose(&id(0), "other", None);
        assert_eq!(suspicion.turn(seconds(10_001)), None);
        suspicion.rose(&id(0), "line", None);
        let toll = Toll { down: 1, of: 3 };
        assert_eq!(suspicion.turn(seconds(10_001)), Some(Turn::Trusted(toll)));
    }
}
