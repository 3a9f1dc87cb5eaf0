//! What stands lower in upstreams than its path says, though it is never left out.
//!
//! Two find it, each the only writer of its part: [`super::data_plane`] of services (a tier of theirs that has too few
//! healthy nodes), [`super::stale`] of endpoint sets (endpoints of a cluster whose agent is silent). Plan renders it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use hubline::model::{ClusterId, GlobalKey, ResourceKind};
use imbl::OrdMap;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

/// What is demoted, by service or endpoint set.
pub type Demotions = OrdMap<GlobalKey, Demoted>;

/// What of one service or endpoint set is demoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demoted {
    /// Of a service: the nodes over this path.
    Path(Arc<str>),
    /// Of an endpoint set: these endpoints, as a path reaches them.
    Endpoints(BTreeSet<SocketAddr>),
}

impl Demoted {
    fn label(&self) -> String {
        match self {
            Self::Path(path) => format!("path {path}"),
            Self::Endpoints(endpoints) => format!("{} endpoints", endpoints.len()),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Path(_) => 1,
            Self::Endpoints(endpoints) => endpoints.len(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    cluster: String,
    what: &'static str,
}

/// All that is demoted now; cloning shares. Memory is bounded by what is demoted.
#[derive(Debug, Clone)]
pub struct DemotionBook {
    all: watch::Sender<Demotions>,
    counts: Family<Labels, Gauge>,
}

impl DemotionBook {
    /// Nothing is demoted yet.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let counts = Family::<Labels, Gauge>::default();
        let help = "Demoted now: endpoints of clusters whose agent is silent, and paths of single services";
        registry.register("hubline_path_demotions", help, counts.clone());
        Self {
            all: watch::Sender::new(Demotions::new()),
            counts,
        }
    }

    /// What is demoted, now and later.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Demotions> {
        self.all.subscribe()
    }

    /// Takes all that is demoted of services, or of endpoint sets, in place of what was; says what changed.
    pub(super) fn replace(&self, kind: &ResourceKind, now: &Demotions) {
        self.all.send_if_modified(|all| {
            let before: Demotions = all
                .iter()
                .filter(|(key, _)| key.key.kind == *kind)
                .map(cloned)
                .collect();
            if before == *now {
                return false;
            }
            say(&before, now);
            self.count(kind, &before, now);
            for gone in before.keys() {
                all.remove(gone);
            }
            all.extend(now.iter().map(cloned));
            true
        });
    }

    fn count(&self, kind: &ResourceKind, before: &Demotions, now: &Demotions) {
        let mut counts: BTreeMap<&ClusterId, usize> = before.keys().map(|key| (&key.cluster, 0)).collect();
        for (key, demoted) in now {
            *counts.entry(&key.cluster).or_default() += demoted.count();
        }
        let what = if *kind == ResourceKind::Service {
            "path"
        } else {
            "endpoint"
        };
        for (cluster, count) in counts {
            let cluster = cluster.to_string();
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.counts.get_or_create(&Labels { cluster, what }).set(count);
        }
    }
}

fn cloned((key, demoted): (&GlobalKey, &Demoted)) -> (GlobalKey, Demoted) {
    (key.clone(), demoted.clone())
}

fn say(before: &Demotions, now: &Demotions) {
    for (key, demoted) in now.iter().filter(|(key, demoted)| before.get(*key) != Some(demoted)) {
        tracing::warn!(cluster = %key.cluster, namespace = %key.key.namespace, name = %key.key.name, what = demoted.label(), "demoted");
    }
    for key in before.keys().filter(|key| !now.contains_key(*key)) {
        tracing::info!(cluster = %key.cluster, namespace = %key.key.namespace, name = %key.key.name, "demoted no longer");
    }
}

#[cfg(test)]
mod tests {
    use hubline::model::{GroupKind, Key};

    use super::*;

    fn key(cluster: &str, kind: ResourceKind) -> GlobalKey {
        GlobalKey {
            cluster: ClusterId::new(cluster).unwrap(),
            key: Key::new(kind, &GroupKind::new("", "Service"), "shop", "web", ""),
        }
    }

    #[test]
    fn each_writer_has_its_part_and_no_change_is_told_twice() {
        let mut registry = Registry::default();
        let book = DemotionBook::register(&mut registry);
        let mut seen = book.subscribe();
        let service = Demotions::unit(key("a", ResourceKind::Service), Demoted::Path("line".into()));
        let dead = BTreeSet::from(["10.0.0.1:80".parse().unwrap(), "10.0.0.2:80".parse().unwrap()]);
        let set = Demotions::unit(key("a", ResourceKind::EndpointSet), Demoted::Endpoints(dead));
        book.replace(&ResourceKind::Service, &service);
        book.replace(&ResourceKind::EndpointSet, &set);
        assert_eq!(*seen.borrow_and_update(), service.clone().union(set.clone()));
        book.replace(&ResourceKind::EndpointSet, &set);
        assert!(!seen.has_changed().unwrap());
        book.replace(&ResourceKind::Service, &Demotions::new());
        assert_eq!(*seen.borrow_and_update(), set);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(
            text.contains("hubline_path_demotions{cluster=\"a\",what=\"endpoint\"} 2"),
            "{text}"
        );
        assert!(
            text.contains("hubline_path_demotions{cluster=\"a\",what=\"path\"} 0"),
            "{text}"
        );
    }
}
