//! What agents are told of their resources: level-triggered, replayed whole at a session's start, then what changed.

use std::collections::{BTreeMap, BTreeSet};

use hubline::model::{ClusterId, GlobalKey, Key};
use hubline::wire::limits::STATUS_BATCH;
use hubline::wire::text::fitting;
use hubline::wire::{ContentHash, Digest, ResourceStatus, Status};
use tokio::time::{Duration, Instant};

/// How long a session waits for the replay while the target has not been looked at whole, as after a restart of the hub:
/// the statuses are then soon what the agent has already. A hub of 200,000 objects lists its target within that time on
/// a busy machine; what the agent has meanwhile is what was true before the restart.
const PATIENCE: Duration = Duration::from_secs(30);

/// The condition of what waits for the target.
pub(super) const PENDING: &str = "Pending";

/// The condition of what is at the target.
pub(super) const PROGRAMMED: &str = "Programmed";

/// The condition of what makes no object by itself.
pub(super) const ACCEPTED: &str = "Accepted";

/// What was said, and what must be looked at again. Bounded by the resources of the clusters.
#[derive(Debug, Default)]
pub(super) struct StatusBook {
    said: BTreeMap<ClusterId, Said>,
    /// Only clusters with something to look at: asking whether there is any costs nothing, however many clusters.
    dirty: BTreeMap<ClusterId, BTreeSet<Key>>,
    /// Sessions that wait for their replay: the digest of what their agent has, and until when.
    waiting: BTreeMap<ClusterId, (Option<Digest>, Instant)>,
}

/// What is said of one cluster.
#[derive(Debug, Default)]
struct Said {
    statuses: BTreeMap<Key, Brief>,
    digest: Digest,
    pending: usize,
}

/// A status without its key, small where it says one of the words that are said of nearly all resources.
#[derive(Debug, PartialEq)]
enum Brief {
    /// [`PENDING`] as condition and reason, and no message.
    Pending(ContentHash),
    /// [`PROGRAMMED`] likewise.
    Programmed(ContentHash),
    /// [`ACCEPTED`] likewise.
    Accepted(ContentHash),
    /// Any other; without its key.
    Full(Box<ResourceStatus>),
}

impl Brief {
    fn of(status: &ResourceStatus) -> Self {
        let ResourceStatus {
            condition,
            reason,
            message,
            gone,
            content_hash,
            ..
        } = status;
        let plain = condition == reason && message.is_empty() && !gone;
        match condition.as_str() {
            PENDING if plain => Self::Pending(*content_hash),
            PROGRAMMED if plain => Self::Programmed(*content_hash),
            ACCEPTED if plain => Self::Accepted(*content_hash),
            _ => Self::Full(Box::new(status.clone())),
        }
    }

    fn is_pending(&self) -> bool {
        match self {
            Self::Pending(_) => true,
            Self::Programmed(_) | Self::Accepted(_) => false,
            Self::Full(status) => status.condition == PENDING,
        }
    }

    fn status(&self, key: &Key) -> ResourceStatus {
        let (word, hash) = match self {
            Self::Pending(hash) => (PENDING, hash),
            Self::Programmed(hash) => (PROGRAMMED, hash),
            Self::Accepted(hash) => (ACCEPTED, hash),
            Self::Full(status) => return status.as_ref().clone(),
        };
        ResourceStatus {
            key: key.clone(),
            content_hash: *hash,
            condition: word.to_owned(),
            reason: word.to_owned(),
            message: String::new(),
            gone: false,
        }
    }
}

impl Said {
    /// Says something else of a key, or nothing; returns what was said before.
    fn set(&mut self, key: &Key, now: Option<&ResourceStatus>) -> Option<ResourceStatus> {
        let brief = now.map(Brief::of);
        if let (Some(status), Some(brief)) = (now, &brief) {
            self.digest = self.digest.with(status.hash());
            self.pending += usize::from(brief.is_pending());
        }
        let before = match brief {
            Some(brief) => self.statuses.insert(key.clone(), brief),
            None => self.statuses.remove(key),
        }?;
        self.pending -= usize::from(before.is_pending());
        let before = before.status(key);
        self.digest = self.digest.without(before.hash());
        Some(before)
    }
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
        !self.dirty.is_empty() || !self.waiting.is_empty()
    }

    /// Clusters with something to look at.
    #[must_use]
    pub(super) fn dirty(&self) -> BTreeSet<ClusterId> {
        self.dirty.keys().chain(self.waiting.keys()).cloned().collect()
    }

    /// Looks again at what was touched: `now` gives the status of a key, or none when nothing is to be said of it.
    /// Returns what differs from what was said, cut into messages; nothing while a replay is waited for.
    pub(super) fn flush(&mut self, cluster: &ClusterId, now: impl Fn(&Key) -> Option<ResourceStatus>) -> Vec<Status> {
        let mut changed = Vec::new();
        for key in self.dirty.remove(cluster).unwrap_or_default() {
            let said = self.said.entry(cluster.clone()).or_default();
            match now(&key) {
                Some(status) if said.statuses.get(&key) != Some(&Brief::of(&status)) => {
                    said.set(&key, Some(&status));
                    changed.push(status);
                }
                Some(_) => {}
                None => changed.extend(said.set(&key, None).map(gone)),
            }
        }
        match self.waiting.remove(cluster) {
            Some((has, until)) => self.replay(cluster, has, until),
            None => batches(&changed),
        }
    }

    /// What a session that begins is told: everything that is said of its cluster, or nothing when that is what the
    /// agent `has`. Later, with a flush, when much of it is about to change.
    #[must_use]
    pub(super) fn begin(&mut self, cluster: &ClusterId, has: Option<Digest>) -> Vec<Status> {
        self.replay(cluster, has, Instant::now() + PATIENCE)
    }

    fn replay(&mut self, cluster: &ClusterId, has: Option<Digest>, until: Instant) -> Vec<Status> {
        let nothing = Said::default();
        let said = self.said.get(cluster).unwrap_or(&nothing);
        if has == Some(said.digest) {
            return Vec::new();
        }
        // Right after the hub's start nothing was looked at yet: that is no reason to take everything back.
        let unknown = self.dirty.contains_key(cluster) || said.pending > 0;
        if unknown && Instant::now() < until {
            self.waiting.insert(cluster.clone(), (has, until));
            return Vec::new();
        }
        let said: Vec<_> = said.statuses.iter().map(|(key, brief)| brief.status(key)).collect();
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
    let (mut messages, mut rest) = (Vec::new(), statuses);
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(fitting(rest, STATUS_BATCH));
        messages.push(message(batch));
        rest = later;
    }
    messages
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
        assert_eq!(book.dirty(), [cluster.clone()].into());
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

        let replay = book.begin(&cluster, None);
        assert!(replay[0].replay_begin && replay[0].replay_end);
        assert_eq!(replay[0].statuses, [status(&key("x").key, "Programmed")]);
    }

    #[test]
    fn a_replay_of_nothing_is_still_a_replay() {
        let replay = StatusBook::default().begin(&key("x").cluster, None);
        assert_eq!(
            replay,
            [Status {
                replay_begin: true,
                replay_end: true,
                statuses: Vec::new()
            }]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_agent_has_is_not_replayed() {
        let (mut book, key) = (StatusBook::default(), key("x"));
        book.touch(&key);
        book.flush(&key.cluster, |it| Some(status(it, "Programmed")));
        let has = Digest::default().with(status(&key.key, "Programmed").hash());
        assert_eq!(book.begin(&key.cluster, Some(has)), []);
        let other = Digest::default().with(status(&key.key, "Pending").hash());
        assert_eq!(book.begin(&key.cluster, Some(other)).len(), 1);
        // Gone and back again: the digest follows.
        book.touch(&key);
        assert!(book.flush(&key.cluster, |_| None)[0].statuses[0].gone);
        assert_eq!(book.begin(&key.cluster, Some(Digest::default())), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_replay_waits_for_the_target_but_not_for_ever() {
        let (mut book, key) = (StatusBook::default(), key("x"));
        let say = |book: &mut StatusBook, condition| {
            book.touch(&key);
            book.flush(&key.cluster, |_| Some(status(&key.key, condition)))
        };
        say(&mut book, PENDING);
        let has = Digest::default().with(status(&key.key, "Programmed").hash());
        assert_eq!(book.begin(&key.cluster, Some(has)), []);
        assert!(book.is_dirty(), "it is not forgotten");
        assert_eq!(say(&mut book, "Programmed"), [], "the agent has it already");
        assert!(!book.is_dirty());

        say(&mut book, PENDING);
        assert_eq!(book.begin(&key.cluster, Some(has)), []);
        tokio::time::advance(PATIENCE).await;
        let told = book.flush(&key.cluster, |_| None);
        assert!(told[0].replay_begin && told[0].replay_end);
        assert_eq!(told[0].statuses[0].condition, PENDING);
    }

    /// An agent that reconnects right after the hub's start is faster than the hub's first look at what it restored.
    #[tokio::test(start_paused = true)]
    async fn a_session_that_begins_before_the_first_look_is_not_told_twice() {
        let (mut book, key) = (StatusBook::default(), key("x"));
        let has = Digest::default().with(status(&key.key, "Programmed").hash());
        book.touch(&key);
        assert_eq!(book.begin(&key.cluster, Some(has)), [], "not that there is nothing");
        assert_eq!(book.flush(&key.cluster, |_| Some(status(&key.key, PENDING))), []);
        book.touch(&key);
        let told = book.flush(&key.cluster, |_| Some(status(&key.key, "Programmed")));
        assert_eq!(told, [], "the agent has it already");
    }

    #[test]
    fn many_statuses_are_cut_into_messages() {
        let messages = batches(&vec![status(&key("x").key, "Refused"); 2 * STATUS_BATCH + 1]);
        let lengths: Vec<_> = messages.iter().map(|it| it.statuses.len()).collect();
        assert_eq!(lengths, [STATUS_BATCH, STATUS_BATCH, 1]);
    }
}
