//! Names of consumers as people write them: `NAMESPACE_NAME`, as APISIX ingress controllers call consumers.
//!
//! The 1.8 line writes `_` for `-`, the 2.x line does not (peer-cases/out-1.8 and out-2.x), so names are compared without
//! the difference. Two consumers of other names may then be called the same (`a-b`/`c` and `a`/`b-c`).

use std::collections::BTreeMap;
use std::sync::Arc;

use hubline::model::{ClusterId, GlobalKey, Key};

use crate::few::Few;

/// A name in the form in which it is compared.
pub(super) type KnownName = Arc<str>;

/// The form in which a name that somebody wrote is compared.
pub(super) fn known(written: &str) -> KnownName {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    written.chars().map(letter).collect::<String>().into()
}

/// What a consumer is called.
pub(super) fn name_of(key: &Key) -> String {
    format!("{}_{}", key.namespace, key.name)
}

/// Resources by cluster and known name: consumers that are called so, or resources that ask for one.
#[derive(Debug, Default)]
pub(super) struct ByName(BTreeMap<(ClusterId, KnownName), Few<GlobalKey>>);

/// Whom a name names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// Nobody, so far.
    Nobody,
    /// One consumer, which may be several resources: one for each of its credentials.
    One(Vec<&'a GlobalKey>),
    /// Several consumers.
    Several(Vec<&'a GlobalKey>),
}

impl ByName {
    pub(super) fn insert(&mut self, name: KnownName, key: &GlobalKey) {
        let place = self.0.entry((key.cluster.clone(), name)).or_default();
        place.insert(key.clone());
    }

    pub(super) fn remove(&mut self, name: KnownName, key: &GlobalKey) {
        let place = (key.cluster.clone(), name);
        if let Some(keys) = self.0.get_mut(&place) {
            keys.remove(key);
            if keys.is_empty() {
                self.0.remove(&place);
            }
        }
    }

    pub(super) fn get(&self, cluster: &ClusterId, name: &KnownName) -> impl Iterator<Item = &GlobalKey> {
        let found = self.0.get(&(cluster.clone(), Arc::clone(name)));
        found.into_iter().flat_map(Few::iter)
    }

    /// Whom of a cluster's consumers a name names.
    pub(super) fn named(&self, cluster: &ClusterId, name: &KnownName) -> Named<'_> {
        let keys: Vec<_> = self.get(cluster, name).collect();
        let Some(first) = keys.first() else {
            return Named::Nobody;
        };
        let same = |key: &&&GlobalKey| (&key.key.namespace, &key.key.name) == (&first.key.namespace, &first.key.name);
        if keys.iter().all(|key| same(&key)) {
            Named::One(keys)
        } else {
            Named::Several(keys)
        }
    }
}

#[cfg(test)]
mod tests {
    use hubline::model::{GroupKind, ResourceKind};

    use super::*;

    fn key(cluster: &str, namespace: &str, name: &str, section: &str) -> GlobalKey {
        let source = GroupKind::new("apisix.apache.org", "ApisixConsumer");
        GlobalKey {
            cluster: ClusterId::new(cluster).unwrap(),
            key: Key::new(ResourceKind::Consumer, &source, namespace, name, section),
        }
    }

    #[test]
    fn consumers_are_found_by_what_people_call_them() {
        let mut names = ByName::default();
        let keys = [
            key("a", "shop", "jack", ""),
            key("a", "a-b", "c", ""),
            key("a", "a", "b-c", ""),
            key("a", "shop", "rose", "one"),
            key("a", "shop", "rose", "two"),
            key("b", "shop", "jack", ""),
        ];
        for key in &keys {
            names.insert(known(&name_of(&key.key)), key);
        }
        let cluster = ClusterId::new("a").unwrap();
        let find = |name: &str| names.named(&cluster, &known(name));
        assert_eq!(find("shop_jack"), Named::One(vec![&keys[0]]), "of its own cluster");
        assert_eq!(find("shop-jack"), Named::One(vec![&keys[0]]));
        assert_eq!(find("a_b_c"), Named::Several(vec![&keys[2], &keys[1]]));
        assert_eq!(find("shop_rose"), Named::One(vec![&keys[3], &keys[4]]));
        assert_eq!(find("jack"), Named::Nobody);
        names.remove(known("shop_jack"), &keys[0]);
        assert_eq!(names.named(&cluster, &known("shop_jack")), Named::Nobody);
    }
}
