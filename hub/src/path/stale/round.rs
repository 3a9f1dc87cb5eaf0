//! Which endpoints of one cluster are asked next, and which of them fail. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use hubline::model::{ClusterId, EndpointSet, EndpointState, GlobalKey, Resource, ResourceKind};
use imbl::OrdMap;

use crate::change::{Stored, first_key};
use crate::path::demotion::Demoted;
use crate::path::{Allowed, Path};

/// Failures in a row after which an endpoint stands lower, and successes after which it no longer does: `fall` and
/// `rise` of `reference/failover-parameters.md`.
const FALL: u8 = 3;
const RISE: u8 = 5;

/// Where fewer of those that were asked together answer, it may be the line, and no failure counts: the fail-open limit
/// of `reference/failover-parameters.md`.
const HEALTHY_PERCENT: usize = 30;

/// Sets that are looked at for one portion, so that it costs the same whatever the cluster's size.
const MOST_LOOKS: usize = 2_048;

/// An endpoint to ask.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    /// Its set.
    pub(super) set: GlobalKey,
    /// As a path reaches it.
    pub(super) address: SocketAddr,
}

/// How an endpoint failed. There is one only for those that do.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    failures: u8,
    successes: u8,
    lowered: bool,
}

/// One stale cluster. Memory is bounded by the endpoints that fail.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The last that was asked in turn.
    last: Option<Asked>,
    marks: BTreeMap<Asked, Mark>,
}

impl Round {
    /// At most so many: up to half are those about which something is to be decided, the rest the next in turn.
    pub(super) fn next(&mut self, published: &Published<'_>, most: usize) -> Vec<Asked> {
        let undecided = self
            .marks
            .iter()
            .filter(|(_, mark)| !mark.lowered || mark.successes > 0);
        let mut asked: BTreeSet<Asked> = undecided.take(most / 2).map(|(asked, _)| asked.clone()).collect();
        let last = self.last.clone();
        for next in published.after(last.as_ref()) {
            if asked.len() >= most {
                break;
            }
            self.last = Some(next.clone());
            asked.insert(next);
        }
        asked.into_iter().collect()
    }

    /// What was asked together, and whether it answered; none where it could not be asked.
    pub(super) fn on(&mut self, answers: &[(Asked, Option<bool>)]) {
        let count = |wanted: &[Option<bool>]| answers.iter().filter(|(_, it)| wanted.contains(it)).count();
        let counts = count(&[Some(true)]) * 100 >= count(&[Some(true), Some(false)]) * HEALTHY_PERCENT;
        for (asked, answer) in answers {
            match answer {
                Some(true) => self.good(asked),
                Some(false) if counts => self.marks.entry(asked.clone()).or_default().bad(),
                Some(false) | None => {}
            }
        }
    }

    fn good(&mut self, asked: &Asked) {
        if let Some(mark) = self.marks.get_mut(asked) {
            mark.failures = 0;
            mark.successes += 1;
            if !mark.lowered || mark.successes >= RISE {
                self.marks.remove(asked);
            }
        }
    }

    /// What stands lower now.
    pub(super) fn demoted(&self) -> BTreeMap<GlobalKey, Demoted> {
        let mut sets = BTreeMap::<GlobalKey, BTreeSet<SocketAddr>>::new();
        for (asked, _) in self.marks.iter().filter(|(_, mark)| mark.lowered) {
            sets.entry(asked.set.clone()).or_default().insert(asked.address);
        }
        let demoted = |(set, endpoints)| (set, Demoted::Endpoints(endpoints));
        sets.into_iter().map(demoted).collect()
    }
}

impl Mark {
    fn bad(&mut self) {
        self.successes = 0;
        self.failures = self.failures.saturating_add(1);
        self.lowered |= self.failures >= FALL;
    }
}

/// What a cluster published last, as its paths reach it.
pub(super) struct Published<'a> {
    pub(super) resources: &'a OrdMap<GlobalKey, Stored>,
    pub(super) cluster: &'a ClusterId,
    pub(super) paths: Vec<&'a Path>,
    pub(super) allowed: Allowed,
}

impl Published<'_> {
    /// All endpoints once, beginning behind this one and ending with it.
    fn after<'a>(&'a self, last: Option<&'a Asked>) -> impl Iterator<Item = Asked> + 'a {
        let kind = ResourceKind::EndpointSet;
        let first = first_key(self.cluster, kind);
        let begin = last.map_or_else(|| first.clone(), |last| last.set.clone());
        let behind = self.resources.range(begin.clone()..);
        let behind = self.asked(behind).filter(move |it| last.is_none_or(|last| it > last));
        let until = self.resources.range(first..=begin);
        let until = self.asked(until).filter(move |it| last.is_some_and(|last| it <= last));
        behind.chain(until)
    }

    fn asked<'a>(
        &'a self,
        sets: impl Iterator<Item = (&'a GlobalKey, &'a Stored)> + 'a,
    ) -> impl Iterator<Item = Asked> + 'a {
        let mine =
            |(key, _): &(&GlobalKey, _)| key.cluster == *self.cluster && key.key.kind == ResourceKind::EndpointSet;
        let sets = sets.take_while(mine).take(MOST_LOOKS);
        sets.flat_map(|(key, stored)| {
            let addresses = match stored.resource.as_ref() {
                Resource::EndpointSet(set) => self.addresses(set),
                _ => BTreeSet::new(),
            };
            let asked = |address| Asked {
                set: key.clone(),
                address,
            };
            addresses.into_iter().map(asked)
        })
    }

    /// Where paths reach the endpoints that are ready. Names are left out: what they resolve to is APISIX's to know.
    fn addresses(&self, set: &EndpointSet) -> BTreeSet<SocketAddr> {
        let ready = set.endpoints.iter().filter(|it| it.state == EndpointState::Ready);
        let numeric = ready.filter_map(|it| Some((it.address.to_string().parse::<IpAddr>().ok()?, it.port.get())));
        let reached = numeric.flat_map(|(address, port)| {
            let on = move |path: &&Path| SocketAddr::new(path.mapped(address), port);
            self.paths.iter().map(on)
        });
        reached.filter(|it| self.allowed.address(it.ip())).collect()
    }
}

#[cfg(test)]
mod tests;
