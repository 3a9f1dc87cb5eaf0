//! A custom resource as it is read: leniently.

use std::borrow::Cow;
use std::fmt::Debug;

use ::kube::Resource;
use ::kube::core::object::HasSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

/// An object of the kind `K`. The type that kube derives for a kind has no reading for an object without `spec`, which
/// both peers' definitions accept, and would fail where only a status is odd that another controller wrote.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "K::Spec: Default + serde::de::DeserializeOwned")]
pub struct Root<K: HasSpec<Spec: Clone + Debug>> {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Specification; an empty one where none is given.
    #[serde(default)]
    pub spec: K::Spec,
    /// Status, as it is: what another controller wrote may be odd.
    #[serde(default)]
    pub status: Value,
}

impl<K> Resource for Root<K>
where
    K: HasSpec<Spec: Clone + Debug> + Resource<DynamicType = ()>,
{
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
