//! What agents are told of their resources: level-triggered, replayed whole at a session's start, then what changed.

use std::collections::{BTreeMap, BTreeSet};

use hubline::model::{ClusterId, GlobalKey, Key};
use hubline::wire::limits::STATUS_BATCH;
use hubline::wire::{ResourceStatus, Status};

/// What was said, and what must be looked at again. Bounded by the resources of the clusters.
#[derive(Debug, Default)]
pub(super) struct StatusBook {
    said: BTreeMap<ClusterId, BTreeMap<Key, ResourceStatus>>,
    /// Only clusters with something to look at: asking whether there is any costs nothing, however many clusters.
    dirty: BTreeMap<ClusterId, BTreeSet<Key>>,
}

impl StatusBook {
    /// Something about this resource may have changed.
    pub(super) fn touch(&mut self, key: &GlobalKey) {
        self.dirty
            .entry(key.cluster.clone())
            .or_default()
            .insert(key.key.clone());
    }

    /// Whether there is anything to look at.
    #[must_use]
    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Clusters with something to look at.
    #[must_use]
    pub(super) fn dirty(&self) -> Vec<ClusterId> {
        self.dirty.keys().cloned().collect()
    }

    /// Looks again at what was touched: `now` gives the status of a key, or none when nothing is to be said of it.
    /// Returns what differs from what was said, cut into messages.
    pub(super) fn flush(&mut self, cluster: &ClusterId, now: impl Fn(&Key) -> Option<ResourceStatus>) -> Vec<Status> {
        let Some(dirty) = self.dirty.remove(cluster) else {
            return Vec::new();
        };
        let said = self.said.entry(cluster.clone()).or_default();
        let mut changed = Vec::new();
        for key in dirty {
            match now(&key) {
                Some(status) if said.get(&key) != Some(&status) => {
                    changed.push(status.clone());
                    said.insert(key, status);
                }
                Some(_) => {}
                None => changed.extend(said.remove(&key).map(gone)),
            }
        }
        batches(&changed)
    }

    /// Everything that is said of a cluster, for a session that begins.
    #[must_use]
    pub(super) fn replay(&self, cluster: &ClusterId) -> Vec<Status> {
        let said: Vec<_> = self
            .said
            .get(cluster)
            .map(|said| said.values().cloned().collect())
            .unwrap_or_default();
        let mut messages = batches(&said);
        if messages.is_empty() {
            messages.push(Status {
                replay_begin: false,
                replay_end: false,
                statuses: Vec::new(),
            });
        }
        if let Some(first) = messages.first_mut() {
            first.replay_begin = true;
        }
        if let Some(last) = messages.last_mut() {
            last.replay_end = true;
        }
        messages
    }
}

fn gone(status: ResourceStatus) -> ResourceStatus {
    ResourceStatus { gone: true, ..status }
}

fn batches(statuses: &[ResourceStatus]) -> Vec<Status> {
    let message = |batch: &[ResourceStatus]| Status {
        replay_begin: false,
        replay_end: false,
        statuses: batch.to_vec(),
    };
    statuses.chunks(STATUS_BATCH).map(message).collect()
}

#[cfg(test)]
mod tests {
    use hubline::model::{GroupKind, ResourceKind};
    use hubline::wire::ContentHash;

    use super::*;

    fn key(name: &str) -> GlobalKey {
        let key = Key::new(ResourceKind::Route, &GroupKind::new("", "X"), "shop", name, "");
        GlobalKey {
            cluster: ClusterId::new("a").unwrap(),
            key,
        }
    }

    fn status(key: &Key, condition: &str) -> ResourceStatus {
        ResourceStatus {
            key: key.clone(),
            content_hash: ContentHash(1),
            condition: condition.to_owned(),
            reason: String::new(),
            message: String::new(),
            gone: false,
        }
    }

    #[test]
    fn only_what_changed_is_said_and_a_replay_says_all() {
        let mut book = StatusBook::default();
        let cluster = key("x").cluster;
        book.touch(&key("x"));
        book.touch(&key("y"));
        assert_eq!(book.dirty(), std::slice::from_ref(&cluster));
        let first = book.flush(&cluster, |key| Some(status(key, "Pending")));
        assert_eq!(first.iter().map(|it| it.statuses.len()).sum::<usize>(), 2);

        book.touch(&key("x"));
        assert!(
            book.flush(&cluster, |key| Some(status(key, "Pending"))).is_empty(),
            "equal is not said again"
        );
        book.touch(&key("x"));
        assert_eq!(
            book.flush(&cluster, |key| Some(status(key, "Programmed")))[0]
                .statuses
                .len(),
            1
        );
        book.touch(&key("y"));
        assert!(book.flush(&cluster, |_| None)[0].statuses[0].gone);

        let replay = book.replay(&cluster);
        assert!(replay[0].replay_begin && replay[0].replay_end);
        assert_eq!(replay[0].statuses, [status(&key("x").key, "Programmed")]);
    }

    #[test]
    fn a_replay_of_nothing_is_still_a_replay() {
        let replay = StatusBook::default().replay(&key("x").cluster);
        assert_eq!(
            replay,
            [Status {
                replay_begin: true,
                replay_end: true,
                statuses: Vec::new()
            }]
        );
    }
}
