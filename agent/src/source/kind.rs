//! The kinds that sources watch: one row each in the table at the end.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::LazyLock;

use hubline::model::GroupKind;
use serde::de::DeserializeOwned;

use super::object::{self, Name, ObjectId};
use super::reported::Reports;
use super::slim;

/// A Kubernetes type that is watched.
pub trait Watched:
    k8s_openapi::Metadata<Ty = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta>
    + ::kube::Resource<DynamicType = ()>
    + Reports
    + DeserializeOwned
    + Clone
    + Debug
    + Send
    + Sync
    + 'static
{
    /// Its row.
    const WATCHED: Kind;
    /// Cuts it down to what is used.
    fn slim(self) -> Object;
}

/// Something done for the type of a kind; see [`Kind::visit`].
pub trait KindVisitor {
    /// What comes out.
    type Output;
    /// Does it.
    fn visit<K: Watched>(self) -> Self::Output;
}

macro_rules! kinds {
    ($($kind:ident: $full:ty, $scope:ident, $selector:expr, $slim:path;)*) => {
        /// The kinds that are watched.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the names are Kubernetes' own")]
        pub enum Kind { $($kind),* }

        impl Kind {
            /// Every kind, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// Kubernetes' `apiVersion` of the kind.
            #[must_use]
            pub fn api_version(self) -> &'static str {
                match self { $(Self::$kind => <$full as k8s_openapi::Resource>::API_VERSION),* }
            }

            /// API group, empty for the core group.
            #[must_use]
            pub fn group(self) -> &'static str {
                match self { $(Self::$kind => <$full as k8s_openapi::Resource>::GROUP),* }
            }

            /// Kubernetes' name of the kind.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => <$full as k8s_openapi::Resource>::KIND),* }
            }

            /// Whether its objects live in namespaces.
            #[must_use]
            pub fn is_namespaced(self) -> bool {
                match self { $(Self::$kind => kinds!(@scope $scope)),* }
            }

            /// Field selector of its listing; none where all objects are listed.
            #[must_use]
            pub fn field_selector(self) -> Option<&'static str> {
                match self { $(Self::$kind => $selector),* }
            }

            /// Does something with the Kubernetes type of the kind.
            pub fn visit<V: KindVisitor>(self, visitor: V) -> V::Output {
                match self { $(Self::$kind => visitor.visit::<$full>()),* }
            }
        }

        /// An object of one of the watched kinds, cut down to what is used.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each variant is documented at its type")]
        pub enum Object { $($kind(Name, object::$kind)),* }

        impl Object {
            /// What names it.
            #[must_use]
            pub fn id(&self) -> ObjectId {
                match self { $(Self::$kind(name, _) => ObjectId { kind: Kind::$kind, name: name.clone() }),* }
            }

            /// The same object in the namespace `default` when it has none and needs one.
            #[must_use]
            pub fn in_some_namespace(self) -> Self {
                match self { $(Self::$kind(name, object) => Self::$kind(name.or_default_namespace(Kind::$kind), object)),* }
            }
        }

        $(impl Watched for $full {
            const WATCHED: Kind = Kind::$kind;
            fn slim(self) -> Object {
                Object::$kind(Name::of(&self.metadata), $slim(self))
            }
        })*
    };
    (@scope Namespaced) => { true };
    (@scope Cluster) => { false };
}

impl Kind {
    /// The kind of an `apiVersion` and `kind`, when it is watched.
    #[must_use]
    pub fn of(api_version: &str, name: &str) -> Option<Self> {
        let same = |kind: &&Self| kind.api_version() == api_version && kind.name() == name;
        Self::ALL.iter().find(same).copied()
    }

    /// Group and kind as the model names them.
    #[must_use]
    pub fn group_kind(self) -> GroupKind {
        static NAMES: LazyLock<BTreeMap<Kind, GroupKind>> = LazyLock::new(|| {
            let named = |kind: &Kind| (*kind, GroupKind::new(kind.group(), kind.name()));
            Kind::ALL.iter().map(named).collect()
        });
        // Every key holds one: shared, it costs two reference counts.
        let known = NAMES.get(&self).cloned();
        known.unwrap_or_else(|| GroupKind::new(self.group(), self.name()))
    }
}

kinds! {
    // kind: Kubernetes type, scope, field selector, how it is cut down
    Ingress: k8s_openapi::api::networking::v1::Ingress, Namespaced, None, slim::ingress::ingress;
    IngressClass: k8s_openapi::api::networking::v1::IngressClass, Cluster, None, slim::ingress::ingress_class;
    Service: k8s_openapi::api::core::v1::Service, Namespaced, None, slim::service::service;
    EndpointSlice: k8s_openapi::api::discovery::v1::EndpointSlice, Namespaced, None, slim::service::endpoint_slice;
    Secret: k8s_openapi::api::core::v1::Secret, Namespaced, Some("type=kubernetes.io/tls"), slim::secret::secret;
    Node: k8s_openapi::api::core::v1::Node, Cluster, None, slim::node::node;
}
