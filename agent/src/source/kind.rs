//! The kinds that sources watch: one row each in the table at the end.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::LazyLock;

use hubline::model::GroupKind;
use serde::de::DeserializeOwned;

use super::crd::{self, Root, v1alpha1, v2};
use super::object::{self, Name, ObjectId};
use super::slim;

/// A Kubernetes type that is watched.
pub trait Watched:
    ::kube::Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + Sync + 'static
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

            /// The same object under another name.
            #[must_use]
            pub fn named(self, name: Name) -> Self {
                match self { $(Self::$kind(_, object) => Self::$kind(name, object)),* }
            }
        }

        $(impl Watched for $full {
            const WATCHED: Kind = Kind::$kind;
            fn slim(self) -> Object {
                Object::$kind(Name::of(::kube::Resource::meta(&self)), $slim(self))
            }
        })*
    };
    (@scope Namespaced) => { true };
    (@scope Cluster) => { false };
}

impl Object {
    /// The same object in the namespace `default` when it has none and needs one.
    #[must_use]
    pub fn in_some_namespace(self) -> Self {
        let id = self.id();
        self.named(id.name.or_default_namespace(id.kind))
    }
}

impl Kind {
    /// The kind of an `apiVersion` and `kind`, when it is watched.
    #[must_use]
    pub fn of(api_version: &str, name: &str) -> Option<Self> {
        let same = |kind: &&Self| kind.api_version() == api_version && kind.name() == name;
        Self::ALL.iter().find(same).copied()
    }

    /// Kubernetes' `apiVersion` of the kind.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        self.names().map_or("", |names| &names.api_version)
    }

    /// API group, empty for the core group.
    #[must_use]
    pub fn group(self) -> &'static str {
        self.names().map_or("", |names| &names.group_kind.group)
    }

    /// Kubernetes' name of the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.names().map_or("", |names| &names.group_kind.kind)
    }

    /// Kubernetes' name of many of its objects, as in paths.
    #[must_use]
    pub fn plural(self) -> &'static str {
        self.names().map_or("", |names| &names.plural)
    }

    /// Group and kind as the model names them.
    #[must_use]
    pub fn group_kind(self) -> GroupKind {
        // Every key holds one: shared, it costs two reference counts.
        let known = self.names().map(|names| names.group_kind.clone());
        known.unwrap_or_else(|| GroupKind::new("", ""))
    }

    /// Whether the kind exists only where somebody installed its CustomResourceDefinition.
    #[must_use]
    pub fn is_custom(self) -> bool {
        self.group() == crd::GROUP
    }

    /// Whether credentials may stand anywhere in its objects, so that a parser's words about one are not shown.
    #[must_use]
    pub fn may_hold_credentials(self) -> bool {
        matches!(
            self,
            Self::Secret | Self::ApisixConsumer | Self::Consumer | Self::GatewayProxy
        )
    }

    /// The table holds every kind.
    fn names(self) -> Option<&'static Names> {
        static NAMES: LazyLock<BTreeMap<Kind, Names>> = LazyLock::new(|| {
            let named = |kind: &Kind| (*kind, kind.visit(ReadNames));
            Kind::ALL.iter().map(named).collect()
        });
        NAMES.get(&self)
    }
}

/// What a kind is called, read once from its type.
struct Names {
    api_version: String,
    plural: String,
    group_kind: GroupKind,
}

struct ReadNames;

impl KindVisitor for ReadNames {
    type Output = Names;

    fn visit<K: Watched>(self) -> Names {
        Names {
            api_version: K::api_version(&()).into_owned(),
            plural: K::plural(&()).into_owned(),
            group_kind: GroupKind::new(&K::group(&()), &K::kind(&())),
        }
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
    ApisixRoute: Root<v2::ApisixRoute>, Namespaced, None, slim::custom::custom;
    ApisixUpstream: Root<v2::ApisixUpstream>, Namespaced, None, slim::custom::custom;
    ApisixTls: Root<v2::ApisixTls>, Namespaced, None, slim::custom::custom;
    ApisixConsumer: Root<v2::ApisixConsumer>, Namespaced, None, slim::custom::custom;
    ApisixPluginConfig: Root<v2::ApisixPluginConfig>, Namespaced, None, slim::custom::custom;
    ApisixGlobalRule: Root<v2::ApisixGlobalRule>, Namespaced, None, slim::custom::custom;
    BackendTrafficPolicy: Root<v1alpha1::BackendTrafficPolicy>, Namespaced, None, slim::custom::custom;
    HttpRoutePolicy: Root<v1alpha1::HttpRoutePolicy>, Namespaced, None, slim::custom::custom;
    L4RoutePolicy: Root<v1alpha1::L4RoutePolicy>, Namespaced, None, slim::custom::custom;
    Consumer: Root<v1alpha1::Consumer>, Namespaced, None, slim::custom::custom;
    PluginConfig: Root<v1alpha1::PluginConfig>, Namespaced, None, slim::custom::custom;
    GatewayProxy: Root<v1alpha1::GatewayProxy>, Namespaced, None, slim::custom::custom;
}
