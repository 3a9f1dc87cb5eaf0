//! Which objects were made from which resource, and what became of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hubline::model::GlobalKey;
use imbl::OrdMap;

use crate::few::Few;
use crate::object::{Object, ObjectId};
use crate::view::Outcome;

/// Desired objects with their outcomes, and the way back from resources to them. Bounded by the desired objects.
#[derive(Debug, Default)]
pub(super) struct Made {
    desired: OrdMap<ObjectId, Arc<Object>>,
    /// Of objects that are not programmed: those are most.
    outcomes: OrdMap<ObjectId, Outcome>,
    of: BTreeMap<GlobalKey, Few<ObjectId>>,
}

impl Made {
    /// Sets or forgets a desired object; returns the resources whose status may change by it.
    pub(super) fn set(&mut self, id: &ObjectId, object: Option<&Arc<Object>>) -> BTreeSet<GlobalKey> {
        let mut touched = BTreeSet::new();
        let before = match object {
            Some(object) => self.desired.insert(id.clone(), Arc::clone(object)),
            None => self.desired.remove(id),
        };
        for cause in before.iter().flat_map(|object| &object.causes) {
            self.unlink(&cause.key, id);
            touched.insert(cause.key.clone());
        }
        for cause in object.iter().flat_map(|object| &object.causes) {
            self.of.entry(cause.key.clone()).or_default().insert(id.clone());
            touched.insert(cause.key.clone());
        }
        match object {
            None => drop(self.outcomes.remove(id)),
            Some(object) if before.is_none_or(|before| before.hash != object.hash) => {
                drop(self.outcomes.insert(id.clone(), Outcome::Pending))
            }
            Some(_) => {}
        }
        touched
    }

    fn unlink(&mut self, key: &GlobalKey, id: &ObjectId) {
        let Some(objects) = self.of.get_mut(key) else { return };
        objects.remove(id);
        if objects.is_empty() {
            self.of.remove(key);
        }
    }

    /// The target's word on an object; one about an object or content that is no longer desired is ignored.
    /// Returns the resources whose status may change by it.
    pub(super) fn outcome(&mut self, id: &ObjectId, outcome: &Outcome) -> Vec<GlobalKey> {
        let Some(object) = self.desired.get(id) else {
            return Vec::new();
        };
        let current = match outcome {
            Outcome::Programmed(hash) => *hash == object.hash,
            Outcome::Refused(refusal) => refusal.hash == object.hash,
            Outcome::Pending => true,
        };
        if !current {
            return Vec::new();
        }
        let keys = object.causes.iter().map(|cause| cause.key.clone());
        let changed = match outcome {
            Outcome::Programmed(_) => self.outcomes.remove(id).is_some(),
            Outcome::Refused(_) | Outcome::Pending => {
                self.outcomes.insert(id.clone(), outcome.clone()).as_ref() != Some(outcome)
            }
        };
        if changed { keys.collect() } else { Vec::new() }
    }

    /// The objects made from a resource, with the outcomes of those that are not programmed.
    pub(super) fn of(&self, key: &GlobalKey) -> impl Iterator<Item = (&ObjectId, Option<&Outcome>)> {
        let ids = self.of.get(key).into_iter().flat_map(Few::iter);
        ids.map(|id| (id, self.outcomes.get(id)))
    }

    /// All desired objects; cloning them costs nothing.
    #[must_use]
    pub(super) fn desired(&self) -> &OrdMap<ObjectId, Arc<Object>> {
        &self.desired
    }

    /// The outcomes of all that are not programmed; cloning them costs nothing.
    #[must_use]
    pub(super) fn outcomes(&self) -> &OrdMap<ObjectId, Outcome> {
        &self.outcomes
    }
}

#[cfg(test)]
mod tests {
    use hubline::model::{ClusterId, GroupKind, Key, ResourceKind, SecretText};
    use hubline::wire::ContentHash;

    use super::*;
    use crate::object::{Cause, ObjectKind};

    fn key(name: &str) -> GlobalKey {
        let key = Key::new(ResourceKind::Route, &GroupKind::new("", "X"), "shop", name, "");
        GlobalKey {
            cluster: ClusterId::new("a").unwrap(),
            key,
        }
    }

    fn id() -> ObjectId {
        ObjectId {
            kind: ObjectKind::Route,
            id: "hl-1".into(),
        }
    }

    fn object(content: u128, causes: &[&str]) -> Option<Arc<Object>> {
        let cause = |name: &&str| Cause {
            key: key(name),
            content_hash: ContentHash(content),
        };
        let causes = causes.iter().map(cause).collect();
        let body = SecretText::new("{}".to_owned());
        Some(Arc::new(Object {
            id: id(),
            body,
            hash: ContentHash(content),
            references: Box::default(),
            causes,
        }))
    }

    #[test]
    fn an_object_leads_back_to_its_causes_and_no_others() {
        let mut made = Made::default();
        assert_eq!(
            made.set(&id(), object(1, &["x", "y"]).as_ref()),
            BTreeSet::from([key("x"), key("y")])
        );
        assert_eq!(
            made.of(&key("x")).collect::<Vec<_>>(),
            [(&id(), Some(&Outcome::Pending))]
        );
        assert_eq!(
            made.set(&id(), object(2, &["y"]).as_ref()),
            BTreeSet::from([key("x"), key("y")])
        );
        assert_eq!(made.of(&key("x")).count(), 0);
        assert_eq!(made.set(&id(), None), BTreeSet::from([key("y")]));
        assert!(made.of.is_empty() && made.outcomes.is_empty() && made.desired.is_empty());
    }

    #[test]
    fn an_outcome_of_older_content_says_nothing() {
        let mut made = Made::default();
        made.set(&id(), object(1, &["x"]).as_ref());
        made.set(&id(), object(2, &["x"]).as_ref());
        assert!(made.outcome(&id(), &Outcome::Programmed(ContentHash(1))).is_empty());
        assert_eq!(made.outcome(&id(), &Outcome::Programmed(ContentHash(2))), [key("x")]);
        assert!(
            made.outcome(&id(), &Outcome::Programmed(ContentHash(2))).is_empty(),
            "said twice, changed once"
        );
        made.set(&id(), object(2, &["x", "y"]).as_ref());
        assert_eq!(
            made.of(&key("y")).collect::<Vec<_>>(),
            [(&id(), None)],
            "same content, same outcome"
        );
        made.set(&id(), object(3, &["x"]).as_ref());
        assert_eq!(made.outcomes().get(&id()), Some(&Outcome::Pending));
    }
}
