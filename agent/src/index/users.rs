//! Which object asks for what of which target, in both directions.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::few::Few;
use crate::source::{Kind, Name, ObjectId};

/// Uses of type `T`, by target and user.
#[derive(Debug, Clone)]
pub(crate) struct Users<T> {
    by_target: BTreeMap<Name, Few<ObjectId, T>>,
    targets_of: BTreeMap<ObjectId, Box<[Name]>>,
}

impl<T> Default for Users<T> {
    fn default() -> Self {
        Self {
            by_target: BTreeMap::new(),
            targets_of: BTreeMap::new(),
        }
    }
}

impl<T: PartialEq> Users<T> {
    /// All users of a target; none when nobody asks for it.
    pub(crate) fn of(&self, target: &Name) -> Option<&Few<ObjectId, T>> {
        self.by_target.get(target)
    }

    /// Everything that is asked for.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Name> {
        self.by_target.keys()
    }

    /// What objects of a kind ask for.
    pub(crate) fn asked_by(&self, kind: Kind) -> impl Iterator<Item = &Name> {
        let users = self.targets_of.iter().filter(move |(user, _)| user.kind == kind);
        users.flat_map(|(_, targets)| targets)
    }

    /// Replaces all that one user asks for, and returns the targets for which that changed.
    pub(crate) fn replace(&mut self, user: &ObjectId, uses: BTreeMap<Name, T>) -> BTreeSet<Name> {
        let after: Box<[Name]> = uses.keys().cloned().collect();
        let before = match after.is_empty() {
            true => self.targets_of.remove(user),
            false => self.targets_of.insert(user.clone(), after),
        };
        let before = before.unwrap_or_default().into_iter();
        let mut changed: BTreeSet<Name> = before.filter(|target| !uses.contains_key(target)).collect();
        for target in &changed {
            self.remove(target, user);
        }
        for (target, value) in uses {
            let users = self.by_target.entry(target.clone()).or_default();
            if users.get(user) != Some(&value) {
                users.insert(user.clone(), value);
                changed.insert(target);
            }
        }
        changed
    }

    /// Adds to what one user asks for, and returns the targets for which that changed.
    pub(crate) fn extend(&mut self, user: &ObjectId, uses: BTreeMap<Name, T>) -> BTreeSet<Name>
    where
        T: Clone,
    {
        let mut all = uses;
        for target in self.targets_of.get(user).into_iter().flatten() {
            let known = self.by_target.get(target).and_then(|users| users.get(user));
            if let (Some(known), false) = (known, all.contains_key(target)) {
                all.insert(target.clone(), known.clone());
            }
        }
        self.replace(user, all)
    }

    /// What one object asks for.
    pub(crate) fn asked(&self, user: &ObjectId) -> impl Iterator<Item = &Name> {
        self.targets_of.get(user).into_iter().flatten()
    }

    fn remove(&mut self, target: &Name, user: &ObjectId) {
        if let Entry::Occupied(mut users) = self.by_target.entry(target.clone()) {
            users.get_mut().remove(user);
            if users.get().is_empty() {
                users.remove();
            }
        }
    }
}
