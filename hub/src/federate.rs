//! Merges the clusters: who claims which host and path, server name or port, and who of several holds it.
//!
//! Pure, and a function of the set of claims alone: the same claims give the same standings in any order of arrival.
//! The cost of a change is that of the claims it touches. Nothing is rendered here, and no policy joins clusters yet.

mod claim;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hubline::model::{ClusterId, GlobalKey, Resource, UnixSeconds};

pub(crate) use claim::normal_path;
pub use claim::{Claim, claims_of, created_of};

use crate::change::Change;
use crate::few::Few;

/// Where one resource stands with its claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which resource.
    pub key: GlobalKey,
    /// Its claims that are in force and those that are not; both empty when it claims nothing or is gone.
    pub standing: Standing,
}

/// The claims of one resource, by whether they are in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// In force, sorted.
    pub granted: Vec<Arc<Claim>>,
    /// Held by others, sorted by claim.
    pub lost: Vec<Conflict>,
}

/// A claim that an older one keeps from being in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What is claimed.
    pub claim: Arc<Claim>,
    /// Whose claim stays in force.
    pub with: GlobalKey,
    /// Since when the holder claims it; none when its age is unknown.
    pub since: Option<UnixSeconds>,
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { claim, with, since } = self;
        let key = &with.key;
        write!(out, "{claim} is claimed by {} ", key.source.kind)?;
        if !key.namespace.is_empty() {
            write!(out, "{}/", key.namespace)?;
        }
        write!(out, "{} of cluster {}", key.name, with.cluster)?;
        let time = since.and_then(|since| jiff::Timestamp::from_second(since.0).ok());
        if let Some(time) = time {
            write!(out, " since {time}")?;
        }
        out.write_str("; the older claim stays in force")
    }
}

/// Orders claimants: by creation, then cluster, then key. Without a time it is the youngest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Claimant {
    created: UnixSeconds,
    key: GlobalKey,
}

/// The creation time of what has none: later than any.
const YOUNGEST: UnixSeconds = UnixSeconds(i64::MAX);

impl Claimant {
    fn new(key: &GlobalKey, resource: &Resource) -> Self {
        Self {
            created: created_of(resource).unwrap_or(YOUNGEST),
            key: key.clone(),
        }
    }

    fn since(&self) -> Option<UnixSeconds> {
        (self.created != YOUNGEST).then_some(self.created)
    }
}

/// What one resource claims.
#[derive(Debug)]
struct Entry {
    claimant: Claimant,
    claims: Vec<Arc<Claim>>,
}

/// All claims of all clusters.
#[derive(Debug, Default)]
pub struct Federation {
    entries: BTreeMap<GlobalKey, Entry>,
    claimants: BTreeMap<Arc<Claim>, Few<Claimant>>,
    contested: BTreeSet<Arc<Claim>>,
}

/// Who held each touched claim before a batch.
type Before = BTreeMap<Arc<Claim>, Option<Claimant>>;

impl Federation {
    /// Without any claim.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes changes of one cluster; returns the standing of every resource it may have changed, of any cluster,
    /// sorted by key. Resources of kinds that claim nothing get none.
    pub fn apply(&mut self, cluster: &ClusterId, changes: &[Change]) -> Vec<Verdict> {
        let mut before = Before::new();
        let mut affected = BTreeSet::new();
        for change in changes {
            let key = GlobalKey {
                cluster: cluster.clone(),
                key: change.key.clone(),
            };
            self.remove(&key, &mut before);
            if let Some(stored) = &change.now {
                self.insert(&key, &stored.resource, &mut before);
            }
            if claim::claims(key.key.kind) {
                affected.insert(key);
            }
        }
        self.settle(before, &mut affected);
        let verdict = |key: GlobalKey| Verdict {
            standing: self.standing(&key),
            key,
        };
        affected.into_iter().map(verdict).collect()
    }

    /// Every claim that several resources make, with its holder first and the others by age.
    pub fn conflicts(&self) -> impl Iterator<Item = (&Claim, Vec<&GlobalKey>)> {
        self.contested.iter().map(|claim| {
            let claimants = self.claimants.get(claim).into_iter().flat_map(Few::iter);
            (claim.as_ref(), claimants.map(|claimant| &claimant.key).collect())
        })
    }

    /// Where a resource stands now.
    #[must_use]
    pub fn standing(&self, key: &GlobalKey) -> Standing {
        let mut standing = Standing::default();
        for claim in self.entries.get(key).into_iter().flat_map(|entry| &entry.claims) {
            match self.holder(claim) {
                Some(holder) if holder.key != *key => standing.lost.push(Conflict {
                    claim: Arc::clone(claim),
                    with: holder.key.clone(),
                    since: holder.since(),
                }),
                Some(_) | None => standing.granted.push(Arc::clone(claim)),
            }
        }
        standing
    }

    fn holder(&self, claim: &Arc<Claim>) -> Option<&Claimant> {
        self.claimants.get(claim).and_then(Few::first)
    }

    fn touch(&self, claim: &Arc<Claim>, before: &mut Before) {
        if !before.contains_key(claim) {
            before.insert(Arc::clone(claim), self.holder(claim).cloned());
        }
    }

    fn remove(&mut self, key: &GlobalKey, before: &mut Before) {
        let Some(entry) = self.entries.remove(key) else { return };
        for claim in entry.claims {
            self.touch(&claim, before);
            if let Some(claimants) = self.claimants.get_mut(&claim) {
                claimants.remove(&entry.claimant);
                if claimants.is_empty() {
                    self.claimants.remove(&claim);
                }
            }
        }
    }

    fn insert(&mut self, key: &GlobalKey, resource: &Resource, before: &mut Before) {
        let found = claims_of(resource);
        // Not in the place of what was found: that would keep the room of whole claims for pointers to them.
        let mut claims = Vec::with_capacity(found.len());
        claims.extend(found.into_iter().map(Arc::new));
        if claims.is_empty() {
            return;
        }
        let claimant = Claimant::new(key, resource);
        for claim in &claims {
            self.touch(claim, before);
            let claimants = self.claimants.entry(Arc::clone(claim)).or_default();
            claimants.insert(claimant.clone());
        }
        self.entries.insert(key.clone(), Entry { claimant, claims });
    }

    /// Where the holder of a claim changed, all who claim it are affected: their reports name the holder.
    fn settle(&mut self, before: Before, affected: &mut BTreeSet<GlobalKey>) {
        for (claim, holder) in before {
            let claimants = self.claimants.get(&claim);
            if claimants.and_then(Few::first) != holder.as_ref() {
                affected.extend(
                    claimants
                        .into_iter()
                        .flat_map(Few::iter)
                        .map(|claimant| claimant.key.clone()),
                );
            }
            if claimants.is_some_and(|claimants| claimants.len() > 1) {
                self.contested.insert(claim);
            } else {
                self.contested.remove(&claim);
            }
        }
    }
}
