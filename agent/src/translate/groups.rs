//! Completeness: which kinds each group of resources depends on.
//!
//! A group is complete once all of them were listed completely, and stays so: later failures remove nothing.
//! Before that it is unknown, none of its resources is published, and the hub keeps what it has. While some object of
//! such a kind was never read, the group is unknown too, but what is made of the others is published: it is partial.
//! So it is with what is made with Secrets while one that is wanted by name was not answered for.

use hubline::model::{Completeness, Group, GroupKind, GroupState, Key, ResourceKind};

use crate::index::Index;
use crate::source::Kind;

/// A group and what it depends on.
#[derive(Debug)]
pub(super) struct Dependencies {
    kind: ResourceKind,
    source: (&'static str, &'static str),
    needs: &'static [Kind],
    /// Objects that refer to Secrets with which its resources are made: it needs an answer to each.
    readers: Option<Kind>,
}

/// API group of APISIX's custom resources.
const APISIX: &str = "apisix.apache.org";

macro_rules! groups {
    ($($kind:ident of $group:expr, $source:literal needs [$($need:ident),*] $(and the secrets of $reader:ident)?;)*) => {
        const GROUPS: &[Dependencies] = &[$(Dependencies {
            kind: ResourceKind::$kind,
            source: ($group, $source),
            needs: &[$(Kind::$need),*],
            readers: groups!(@reader $($reader)?),
        }),*];
    };
    (@reader) => { None };
    (@reader $reader:ident) => { Some(Kind::$reader) };
}

groups! {
    Route of "networking.k8s.io", "Ingress" needs [Ingress, IngressClass, Service, HttpRoutePolicy];
    Route of APISIX, "ApisixRoute" needs [ApisixRoute, IngressClass, Service] and the secrets of ApisixRoute;
    StreamRoute of APISIX, "ApisixRoute" needs [ApisixRoute, IngressClass, Service] and the secrets of ApisixRoute;
    Service of "", "Service" needs [Ingress, IngressClass, Service, ApisixRoute, ApisixUpstream, BackendTrafficPolicy]
        and the secrets of ApisixUpstream;
    Service of APISIX, "ApisixUpstream" needs [ApisixUpstream, ApisixRoute, IngressClass, Service]
        and the secrets of ApisixUpstream;
    EndpointSet of "", "Service" needs [Ingress, IngressClass, Service, EndpointSlice, ApisixRoute];
    Certificate of "", "Secret" needs [Ingress, IngressClass, Secret] and the secrets of Ingress;
    PluginSet of APISIX, "ApisixPluginConfig" needs [ApisixPluginConfig, ApisixRoute, Ingress, IngressClass]
        and the secrets of ApisixPluginConfig;
    Certificate of APISIX, "ApisixTls" needs [ApisixTls, IngressClass] and the secrets of ApisixTls;
    Consumer of APISIX, "ApisixConsumer" needs [ApisixConsumer, IngressClass] and the secrets of ApisixConsumer;
    Consumer of APISIX, "Consumer" needs [Consumer] and the secrets of Consumer;
    PluginSet of APISIX, "PluginConfig" needs [PluginConfig];
    GlobalRule of APISIX, "ApisixGlobalRule" needs [ApisixGlobalRule, IngressClass]
        and the secrets of ApisixGlobalRule;
    GlobalRule of APISIX, "GatewayProxy" needs [GatewayProxy];
    Node of "", "Node" needs [Node];
    ClusterInfo of "", "Cluster" needs [Node];
}

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
        let readers = self.readers.filter(|kind| !index.secrets.answered.contains(kind));
        if let Some(reason) = readers.and_then(|kind| index.secrets.unanswered(&index.wanted_by(kind))) {
            return Completeness::Unknown { reason };
        }
        Completeness::Complete
    }
}

/// Kinds whose Secrets have all been answered for by now.
pub(super) fn newly_answered(index: &Index) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = GROUPS.iter().filter_map(|group| group.readers).collect();
    kinds.sort();
    kinds.dedup();
    kinds.retain(|kind| !index.secrets.answered.contains(kind) && is_answered(index, *kind));
    kinds
}

fn is_answered(index: &Index, readers: Kind) -> bool {
    let readable = |kind: &Kind| index.listings.is_listed(*kind) && index.unread.reason(*kind).is_none();
    [readers, Kind::IngressClass, Kind::Secret].iter().all(readable)
        && index.secrets.unanswered(&index.wanted_by(readers)).is_none()
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
