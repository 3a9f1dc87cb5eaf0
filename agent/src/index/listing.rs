//! Which kinds were listed completely, which failed, and what a running listing has shown so far.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Coverage, Kind, Name};

/// One kind.
#[derive(Debug, Clone, Default)]
struct Listing {
    /// Set by the first complete listing, and for good: later failures remove nothing.
    coverage: Option<Coverage>,
    /// The latest failure since the last complete listing.
    failure: Option<String>,
    /// Names seen by the listing that is running.
    seen: Option<BTreeSet<Name>>,
}

/// All kinds.
#[derive(Debug, Clone, Default)]
pub struct Listings(BTreeMap<Kind, Listing>);

impl Listings {
    /// Whether the kind was listed completely at least once.
    #[must_use]
    pub fn is_listed(&self, kind: Kind) -> bool {
        self.0.get(&kind).is_some_and(|listing| listing.coverage.is_some())
    }

    /// Whether objects that were not listed do not exist.
    #[must_use]
    pub fn covers_all(&self, kind: Kind) -> bool {
        self.0
            .get(&kind)
            .is_some_and(|listing| listing.coverage == Some(Coverage::All))
    }

    /// Whether every kind was either listed or failed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        Kind::ALL
            .iter()
            .all(|kind| self.is_listed(*kind) || self.failure(*kind).is_some())
    }

    /// Why a kind cannot be listed at the moment.
    #[must_use]
    pub fn failure(&self, kind: Kind) -> Option<&str> {
        self.0.get(&kind)?.failure.as_deref()
    }

    pub(super) fn begin(&mut self, kind: Kind) {
        self.0.entry(kind).or_default().seen = Some(BTreeSet::new());
    }

    pub(super) fn saw(&mut self, kind: Kind, name: Name) {
        if let Some(seen) = self.0.entry(kind).or_default().seen.as_mut() {
            seen.insert(name);
        }
    }

    /// The listing is complete; returns what it showed. None when no listing was running: an end alone says nothing.
    pub(super) fn end(&mut self, kind: Kind, coverage: Coverage) -> Option<BTreeSet<Name>> {
        let listing = self.0.entry(kind).or_default();
        let seen = listing.seen.take()?;
        listing.coverage = Some(coverage);
        listing.failure = None;
        Some(seen)
    }

    /// The caller waits no longer for the first listing, which may be running still and may yet end.
    pub(super) fn overdue(&mut self, kind: Kind, reason: &str) {
        let listing = self.0.entry(kind).or_default();
        if listing.coverage.is_none() && listing.failure.is_none() {
            listing.failure = Some(reason.to_owned());
        }
    }

    /// What cannot be listed or watched at the moment may have changed since: it counts as never listed until it is.
    /// Whether that changes anything.
    pub(super) fn doubt_failed(&mut self) -> bool {
        let failed = self.0.values_mut().filter(|listing| listing.failure.is_some());
        let mut doubted = false;
        for listing in failed {
            doubted |= listing.coverage.take().is_some();
        }
        doubted
    }

    pub(crate) fn failed(&mut self, kind: Kind, reason: String) {
        let listing = self.0.entry(kind).or_default();
        listing.seen = None;
        listing.failure = Some(reason);
    }
}
