//! Custom resources: only metadata and status are left out.

use ::kube::core::object::HasSpec;
use std::fmt::Debug;

use super::created;
use crate::source::crd::Root;
use crate::source::object::Custom;

pub(in crate::source) fn custom<K: HasSpec<Spec: Clone + Debug>>(full: Root<K>) -> Custom<K::Spec> {
    Custom {
        created: created(&full.metadata),
        spec: Box::new(full.spec),
    }
}
