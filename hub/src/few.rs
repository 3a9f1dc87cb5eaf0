//! Sets of which most have one member: that one needs no allocation.
//!
//! An ordered set of the standard library allocates room for eleven members for its first, which at 100,000 routes is
//! what most of the indexes would consist of.

use std::collections::BTreeSet;

/// An ordered set without duplicates, small while it has one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Few<T> {
    /// One member.
    One(T),
    /// None, or several.
    Many(BTreeSet<T>),
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::Many(BTreeSet::new())
    }
}

impl<T: Ord> Few<T> {
    /// Adds a member, if it is not there.
    pub(crate) fn insert(&mut self, new: T) {
        match std::mem::take(self) {
            Self::One(one) if one == new => *self = Self::One(one),
            Self::One(one) => *self = Self::Many([one, new].into()),
            Self::Many(many) if many.is_empty() => *self = Self::One(new),
            Self::Many(mut many) => {
                many.insert(new);
                *self = Self::Many(many);
            }
        }
    }

    /// Removes a member, if it is there.
    pub(crate) fn remove(&mut self, gone: &T) {
        match self {
            Self::One(one) if one == gone => *self = Self::default(),
            Self::One(_) => {}
            Self::Many(many) => {
                many.remove(gone);
                if many.len() == 1
                    && let Some(last) = many.pop_first()
                {
                    *self = Self::One(last);
                }
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(many) => many.len(),
        }
    }

    /// The first in order.
    pub(crate) fn first(&self) -> Option<&T> {
        self.iter().next()
    }

    pub(crate) fn contains(&self, member: &T) -> bool {
        match self {
            Self::One(one) => one == member,
            Self::Many(many) => many.contains(member),
        }
    }

    /// All members in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let (one, many) = match self {
            Self::One(one) => (Some(one), None),
            Self::Many(many) => (None, Some(many)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

impl<T: Ord> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(members: I) -> Self {
        let mut set = Self::default();
        for member in members {
            set.insert(member);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((any::<bool>(), 0_u8..4), 0..40)) {
            let (mut few, mut set) = (Few::default(), BTreeSet::new());
            for (adds, member) in steps {
                if adds {
                    few.insert(member);
                    set.insert(member);
                } else {
                    few.remove(&member);
                    set.remove(&member);
                }
                prop_assert!(few.iter().eq(&set));
                prop_assert_eq!((few.len(), few.is_empty(), few.first()), (set.len(), set.is_empty(), set.first()));
                prop_assert!((0..4).all(|member| few.contains(&member) == set.contains(&member)));
                prop_assert!(few.len() != 1 || matches!(few, Few::One(_)));
            }
        }
    }
}
