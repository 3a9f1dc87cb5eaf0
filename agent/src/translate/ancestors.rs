//! Through which objects a policy acts: what its status is told by. Pure.
//!
//! An Ingress stands for its IngressClass, a Service for those of the Ingresses of ours that lead there, as
//! apisix-ingress-controller 2.x has it. A target that is not there, or of a kind that is not read, stands for itself:
//! nothing else could say so. What is there and has nothing to do with us is no ancestor.

use std::collections::{BTreeMap, BTreeSet};

use super::{TranslateOptions, class};
use crate::few::Few;
use crate::index::Index;
use crate::output::Ancestor;
use crate::source::crd::v1alpha1::PolicyTarget;
use crate::source::{Kind, Name, ObjectId};

/// Group and kind of what Ingresses stand for.
const CLASS: (&str, &str) = ("networking.k8s.io", "IngressClass");

/// What policies of a kind act on that is read; see [`super::apisix::v1alpha1`].
fn target_kind(policy: Kind) -> Option<Kind> {
    match policy {
        Kind::BackendTrafficPolicy => Some(Kind::Service),
        Kind::HttpRoutePolicy => Some(Kind::Ingress),
        _ => None,
    }
}

/// Whether everything is known that decides what the ancestors of such a policy are.
pub(super) fn are_known(index: &Index, policy: Kind) -> bool {
    let needed = match target_kind(policy) {
        Some(Kind::Service) => &[Kind::Service, Kind::Ingress][..],
        Some(_) => &[Kind::Ingress],
        None => &[],
    };
    let is_known = |kind: &Kind| index.listings.is_listed(*kind) && !index.unread.affects(*kind);
    needed.iter().all(is_known)
}

/// The ancestors of a policy, sorted; none of objects of other kinds.
pub(super) fn of(index: &Index, options: &TranslateOptions, id: &ObjectId) -> Box<[Ancestor]> {
    let mut found: BTreeMap<(&str, &str, &str), BTreeSet<usize>> = BTreeMap::new();
    for (at, target) in targets(index, id).iter().enumerate() {
        for ancestor in of_target(index, options, id, target) {
            found.entry(ancestor).or_default().insert(at);
        }
    }
    let ancestor = |((group, kind, name), targets): ((&str, &str, &str), BTreeSet<usize>)| Ancestor {
        group: group.into(),
        kind: kind.into(),
        name: name.into(),
        targets: targets.into_iter().collect(),
    };
    found.into_iter().map(ancestor).collect()
}

/// The objects that a policy names, of the kind that it acts on.
pub(super) fn targets_of(index: &Index, id: &ObjectId) -> BTreeSet<Name> {
    let read = |target: &&PolicyTarget| read_as(id.kind, target).is_some();
    let targets = targets(index, id).iter().filter(read);
    targets.map(|target| id.name.sibling(&target.name)).collect()
}

/// What a target is read as: none where such policies do not act on its kind.
fn read_as(policy: Kind, target: &PolicyTarget) -> Option<Kind> {
    target_kind(policy).filter(|kind| target.group == kind.group() && target.kind == kind.name())
}

fn targets<'a>(index: &'a Index, id: &ObjectId) -> &'a [PolicyTarget] {
    let (custom, name) = (&index.custom, &id.name);
    let targets = match id.kind {
        Kind::BackendTrafficPolicy => custom.backend_traffic_policies.get(name).map(|it| &it.spec.target_refs),
        Kind::HttpRoutePolicy => custom.http_route_policies.get(name).map(|it| &it.spec.target_refs),
        Kind::L4RoutePolicy => custom.l4_route_policies.get(name).map(|it| &it.spec.target_refs),
        _ => None,
    };
    targets.map(Vec::as_slice).unwrap_or_default()
}

fn of_target<'a>(
    index: &'a Index,
    options: &TranslateOptions,
    id: &ObjectId,
    target: &'a PolicyTarget,
) -> BTreeSet<(&'a str, &'a str, &'a str)> {
    let name = id.name.sibling(&target.name);
    let (classes, is_there) = match read_as(id.kind, target) {
        Some(Kind::Ingress) => (classes(index, options, [&name]), index.ingresses.contains_key(&name)),
        Some(_) => {
            let users = index.service_users.of(&name).into_iter().flat_map(Few::keys);
            let ingresses = users.filter(|user| user.kind == Kind::Ingress).map(|user| &user.name);
            (classes(index, options, ingresses), index.services.contains_key(&name))
        }
        None => (BTreeSet::new(), false),
    };
    if classes.is_empty() && !is_there {
        return BTreeSet::from([(&*target.group, &*target.kind, &*target.name)]);
    }
    classes.into_iter().map(|name| (CLASS.0, CLASS.1, name)).collect()
}

/// The classes by which Ingresses are ours.
fn classes<'a, 'b>(
    index: &'a Index,
    options: &TranslateOptions,
    ingresses: impl IntoIterator<Item = &'b Name>,
) -> BTreeSet<&'a str> {
    let known = ingresses.into_iter().filter_map(|name| index.ingresses.get(name));
    known
        .filter_map(|ingress| class::of_ours(index, options, ingress))
        .collect()
}
