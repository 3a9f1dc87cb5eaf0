//! Completeness: which kinds each group of resources depends on.
//!
//! A group is complete once all of them were listed completely, and stays so: later failures remove nothing.
//! Before that it is unknown, none of its resources is published, and the hub keeps what it has. While some object of
//! such a kind was never read, the group is unknown too, but what is made of the others is published: it is partial.
//! So it is with certificates while a Secret that is wanted by name was not answered for.

use hubline::model::{Completeness, Group, GroupKind, GroupState, Key, ResourceKind};

use crate::index::Index;
use crate::source::Kind;

/// A group and what it depends on.
#[derive(Debug)]
pub(super) struct Dependencies {
    kind: ResourceKind,
    source: (&'static str, &'static str),
    needs: &'static [Kind],
}

/// Certificates additionally need an answer to every Secret that is fetched by name.
pub(super) const CERTIFICATES: Dependencies = Dependencies {
    kind: ResourceKind::Certificate,
    source: ("", "Secret"),
    needs: &[Kind::Ingress, Kind::IngressClass, Kind::Secret],
};

const GROUPS: [Dependencies; 6] = [
    Dependencies {
        kind: ResourceKind::Route,
        source: ("networking.k8s.io", "Ingress"),
        needs: &[Kind::Ingress, Kind::IngressClass, Kind::Service],
    },
    Dependencies {
        kind: ResourceKind::Service,
        source: ("", "Service"),
        needs: &[Kind::Ingress, Kind::IngressClass, Kind::Service],
    },
    Dependencies {
        kind: ResourceKind::EndpointSet,
        source: ("", "Service"),
        needs: &[Kind::Ingress, Kind::IngressClass, Kind::Service, Kind::EndpointSlice],
    },
    CERTIFICATES,
    Dependencies {
        kind: ResourceKind::Node,
        source: ("", "Node"),
        needs: &[Kind::Node],
    },
    Dependencies {
        kind: ResourceKind::ClusterInfo,
        source: ("", "Cluster"),
        needs: &[Kind::Node],
    },
];

impl Dependencies {
    /// What its resources are made from.
    fn source(&self) -> GroupKind {
        GroupKind::new(self.source.0, self.source.1)
    }

    /// Whether every kind it needs was listed completely.
    pub(super) fn is_listed(&self, index: &Index) -> bool {
        self.needs.iter().all(|kind| index.listings.is_listed(*kind))
    }

    /// Why some object of a kind it needs may be there and was never read.
    pub(super) fn unread(&self, index: &Index) -> Option<String> {
        self.needs.iter().find_map(|kind| {
            let reason = index.unread.reason(*kind)?;
            Some(format!("objects of kind {} may be missing: {reason}", kind.name()))
        })
    }

    fn completeness(&self, index: &Index) -> Completeness {
        let unlisted = |kind: &&Kind| !index.listings.is_listed(**kind);
        if let Some(kind) = self.needs.iter().find(unlisted) {
            let reason = index.listings.failure(*kind).unwrap_or("not listed yet");
            let reason = format!("{} cannot be listed: {reason}", kind.name());
            return Completeness::Unknown { reason };
        }
        if let Some(reason) = self.unread(index) {
            return Completeness::Unknown { reason };
        }
        if self.kind == ResourceKind::Certificate && !index.secrets.all_answered {
            let unanswered = index.secrets.unanswered(&index.wanted_secrets());
            if let Some(reason) = unanswered {
                return Completeness::Unknown { reason };
            }
        }
        Completeness::Complete
    }
}

/// The state of every group, sorted.
pub(super) fn states(index: &Index) -> Vec<GroupState> {
    let mut states: Vec<GroupState> = GROUPS
        .iter()
        .map(|group| GroupState {
            group: Group {
                kind: group.kind,
                source: group.source(),
            },
            completeness: group.completeness(index),
        })
        .collect();
    states.sort_by(|one, other| one.group.cmp(&other.group));
    states
}

/// Whether resources of a key's group are published.
pub(super) fn is_published(index: &Index, key: &Key) -> bool {
    let same = |group: &&Dependencies| {
        group.kind == key.kind && *key.source.group == *group.source.0 && *key.source.kind == *group.source.1
    };
    let group = GROUPS.iter().find(same);
    group.is_some_and(|group| group.is_listed(index))
}
